"""Every reason for a refusal, by the smallest change that brings it about, with the place it names."""

import pytest

from domain.money import MAX_AMOUNT
from domain.qr import MAX_TEXT, QrProblem, QrReason, read
from tests.domain.qr.sealed import ELQR, EMV, HOST, SERVICE, code, elqr, emv, hashed, tag

R = QrReason

REFUSED: list[tuple[QrReason, str, str]] = [
    # reason, path, text
    (R.QR_NOT_A_CODE, "", ""),
    (R.QR_NOT_A_CODE, "", "hello"),
    (R.QR_NOT_A_CODE, "", HOST),
    (R.QR_NOT_A_CODE, "", f"{HOST}#"),
    (R.QR_NOT_A_CODE, "", f"tel:+996#{hashed(ELQR)}"),
    (R.QR_NOT_A_CODE, "", f"https://#{hashed(ELQR)}"),
    (R.QR_NOT_A_CODE, "", f" {HOST}#{hashed(ELQR)}"),
    (R.QR_NOT_A_CODE, "", f"[\uff3d{HOST}"),
    (R.QR_NOT_A_CODE, "", "٠٠٠٢٠١"),
    (R.QR_TOO_LONG, "", "0" * (MAX_TEXT + 1)),
    (R.QR_CHARACTERS, "", "0002\ud800"),
    (R.QR_CHARACTERS, "", elqr(ELQR + tag("59", "one\ntwo"))),
    (R.QR_CHARACTERS, "", elqr(ELQR + tag("59", "\u202eBank"))),
    (R.QR_CHARACTERS, "", emv(EMV + tag("61", "7\x000"))),
    (R.QR_TAG, "", elqr(ELQR + "5x01a")),
    (R.QR_TAG, "32", elqr("000201010211" + tag("32", "0x01a") + "5303417")),
    (R.QR_TAG, "", elqr("٠٠0201")),
    (R.QR_TAG, "", emv(EMV + "6²01a")),
    (R.QR_LENGTH, "59", elqr(ELQR + "59x1a")),
    (R.QR_LENGTH, "59", elqr(ELQR + "59+1a")),
    (R.QR_LENGTH, "59", elqr(ELQR + "59 1a")),
    (R.QR_LENGTH, "59", elqr(ELQR + "59٠١a")),
    (R.QR_LENGTH, "59", elqr(ELQR + "59０１a")),
    (R.QR_LENGTH, "61", emv(EMV + "6100")),
    (R.QR_LENGTH, "62.05", emv(EMV + tag("62", "0500"))),
    (R.QR_TRUNCATED, "59", f"{HOST}#{ELQR}5999a"),
    (R.QR_TRUNCATED, "", f"{HOST}#{ELQR}590"),
    (R.QR_TRUNCATED, "32.01", elqr("000201010211" + tag("32", "0199a") + "5303417")),
    (R.QR_TRUNCATED, "62.05", emv(EMV + tag("62", "0599a"))),
    (R.QR_TAG_REPEATED, "53", elqr(f"{ELQR}5303417")),
    (R.QR_TAG_REPEATED, "63", elqr(ELQR) + "6304abcd"),
    (R.QR_TAG_REPEATED, "32.01", elqr("000201010211" + tag("32", "01011" * 2) + "5303417")),
    (R.QR_TAG_REPEATED, "53", emv(f"{EMV}5303417")),
    (R.QR_TAG_REPEATED, "62.05", emv(EMV + tag("62", "05011" * 2))),
    (R.QR_TAG_MISSING, "00", elqr(ELQR[6:])),
    (R.QR_TAG_MISSING, "01", elqr(f"000201{SERVICE}5303417")),
    (R.QR_TAG_MISSING, "53", elqr(f"000201010211{SERVICE}")),
    (R.QR_TAG_MISSING, "52", emv(EMV.replace("52045812", ""))),
    (R.QR_TAG_MISSING, "53", emv(EMV.replace("5303417", ""))),
    (R.QR_TAG_MISSING, "58", emv(EMV.replace("5802KG", ""))),
    (R.QR_TAG_MISSING, "59", emv(EMV.replace("5904Kafe", ""))),
    (R.QR_TAG_MISSING, "60", emv(EMV.replace("6007Bishkek", ""))),
    (R.QR_TAG_MISSING, "27.00", emv(EMV + tag("27", "01011"))),
    (R.QR_TAG_MISSING, "32.00", emv(EMV + tag("32", "01011"))),
    (R.QR_TAG_MISSING, "64.01", emv(EMV + tag("64", "0002ky"))),
    (R.QR_TAG_ORDER, "34", elqr(ELQR) + "3401a"),
    (R.QR_TAG_ORDER, "01", emv("010211" + EMV.replace("010211", ""))),
    (R.QR_TAG_ORDER, "61", emv(EMV) + "61017"),
    (R.QR_TAG_FORBIDDEN, "58", elqr(f"{ELQR}5802KG")),
    (R.QR_TAG_FORBIDDEN, "60", elqr(f"{ELQR}6007Bishkek")),
    (R.QR_HASH_MISSING, "63", f"{HOST}#{ELQR}"),
    (R.QR_HASH_MISSING, "63", EMV),
    (R.QR_HASH_MISMATCH, "63", f"{HOST}#{ELQR}63040000"),
    (R.QR_HASH_MISMATCH, "63", f"{HOST}#{ELQR}6300"),
    (R.QR_HASH_MISMATCH, "63", f"{EMV}63040000"),
    (R.QR_HASH_MISMATCH, "63", f"{EMV}6300"),
    (R.QR_HASH_MISMATCH, "63", emv(EMV)[:-4] + emv(EMV)[-4:].lower()),
    (R.QR_VERSION, "00", elqr(ELQR.replace("000201", "000202"))),
    (R.QR_VERSION, "00", emv(EMV.replace("000201", "000202"))),
    (R.QR_KIND, "01", elqr(ELQR.replace("010211", "010213"))),
    (R.QR_KIND, "01", emv(EMV.replace("010211", "010213"))),
    (R.QR_CURRENCY, "53", elqr(ELQR.replace("417", "840"))),
    (R.QR_CURRENCY, "53", emv(EMV.replace("417", "156"))),
    (R.QR_AMOUNT, "54", elqr(ELQR.replace("010211", "010212"))),
    (R.QR_AMOUNT, "54", elqr(ELQR.replace("010211", "010212") + "54010")),
    (R.QR_AMOUNT, "54", elqr(ELQR.replace("010211", "010212") + "5400")),
    *((R.QR_AMOUNT, "54", elqr(ELQR + tag("54", wrong))) for wrong in ("1.5", "-1", "+1", " 1", "1_0", "٣", "1e3")),
    (R.QR_AMOUNT, "54", elqr(ELQR + tag("54", str(MAX_AMOUNT + 1)))),
    (R.QR_AMOUNT, "54", elqr(ELQR + tag("54", "9" * 99))),
    *((R.QR_AMOUNT, "54", emv(EMV + tag("54", wrong))) for wrong in ("0", "0.00", ".5", "1,5", "1.005", "-1", "٣")),
    (R.QR_AMOUNT, "54", emv(EMV + tag("54", "12345678901.00"))),
    (R.QR_FLAG, "32.12", elqr("000201010211" + tag("32", "01011" + "120210") + "5303417")),
    (R.QR_FLAG, "32.13", elqr("000201010211" + tag("32", "01011" + "1303yes") + "5303417")),
    (R.QR_FLAG, "32.12", emv(EMV + tag("32", "0001a" + "120210"))),
    (R.QR_RECIPIENT, "32.01", elqr("0002010102115303417")),
    (R.QR_RECIPIENT, "32.01", elqr("000201010211" + tag("32", "0001a") + "5303417")),
    (R.QR_RECIPIENT, "32.01", elqr("000201010211" + tag("33", "0101a") + "5303417")),
    (R.QR_RECIPIENT, "02", emv(EMV.replace(tag("26", "0013p2p.elcart.kg"), ""))),
    *(
        (R.QR_EXTRA_FIELD, "37", elqr(ELQR + tag("37", wrong)))
        for wrong in ("a", "a:b:c:d", "a:b:c:d:e:11", "a:b:c:d:13", ":b:c:d:11", "a:b:c:d:١١")
    ),
    (R.QR_TIP, "55", emv(EMV + "550204")),
    (R.QR_TIP, "56", emv(EMV + "550202")),
    (R.QR_TIP, "56", emv(EMV + "56011")),
    (R.QR_TIP, "56", emv(EMV + "550202" + "56010")),
    (R.QR_TIP, "56", emv(EMV + "550201" + "56011")),
    (R.QR_TIP, "57", emv(EMV + "550203")),
    (R.QR_TIP, "57", emv(EMV + "550203" + "5703100")),
    (R.QR_TIP, "57", emv(EMV + "550202" + "56011" + "57011")),
    (R.QR_VALUE, "59", elqr(ELQR + tag("59", "n" * 26))),
    (R.QR_VALUE, "52", elqr(ELQR + tag("52", "581"))),
    (R.QR_VALUE, "52", elqr(ELQR + tag("52", "58١2"))),
    (R.QR_VALUE, "59", emv(EMV.replace("5904Kafe", tag("59", "n" * 26)))),
    (R.QR_VALUE, "58", emv(EMV.replace("5802KG", "5802kg"))),
    (R.QR_VALUE, "60", emv(EMV.replace("6007Bishkek", tag("60", "b" * 16)))),
    (R.QR_VALUE, "61", emv(EMV + tag("61", "7" * 11))),
    (R.QR_VALUE, "62.05", emv(EMV + tag("62", tag("05", "r" * 26)))),
    (R.QR_VALUE, "64.00", emv(EMV + tag("64", "0003kyr0101a"))),
]


@pytest.mark.parametrize(("reason", "path", "text"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_wrong_is_named_with_its_place(reason: QrReason, path: str, text: str) -> None:
    problem = read(text)
    assert isinstance(problem, QrProblem)
    assert (problem.reason, problem.path) == (reason, path)


def test_what_the_table_starts_from_is_right() -> None:
    """Else a row could be refused for another reason than its change."""
    assert code(elqr(ELQR)).service_code == "140000"
    assert code(emv(EMV)).merchant_name == "Kafe"


def test_every_reason_has_a_row() -> None:
    assert {reason for reason, _, _ in REFUSED} == set(QrReason)


@pytest.mark.parametrize("reason", list(QrReason), ids=lambda reason: reason.name)
def test_every_reason_says_what_it_means_and_what_to_do(reason: QrReason) -> None:
    assert reason.name.startswith("QR_")
    assert reason.value.meaning.endswith(".")
    assert reason.value.advice.endswith(".")


def test_a_problem_counts_the_characters_before_it() -> None:
    """In a link from the ``#``, in decoded characters: a letter in percent-encoding is one."""
    problem = read(elqr(ELQR + tag("34", "чай") + tag("54", "x")))
    assert problem == QrProblem(QrReason.QR_AMOUNT, "54", len(ELQR) + 7)
    assert isinstance(problem, QrProblem)
    assert problem.message.endswith("(tag 54, after 40 characters).")


def test_a_problem_never_repeats_what_the_text_holds() -> None:
    problem = read(elqr(ELQR + tag("59", "9417001234567890") + tag("54", "9417001234567890x")))
    assert isinstance(problem, QrProblem)
    assert "9417" not in f"{problem} {problem.message}"
