"""The national code: transport, hash, and what its tags mean."""

from urllib.parse import quote

import msgspec
import pytest

from domain.qr import ExtraField, QrCode, QrError, QrFormat, QrProblem, QrReason, read, write_elqr
from tests.domain.qr.sealed import ELQR, HOST, SERVICE, code, elqr, hashed, tag

NAMED = ELQR + tag("59", 'КАФЕ "50%+1" 🫖')
PLAIN = QrCode(format=QrFormat.ELQR, dynamic=False, amount_editable=True, service_code="1")


@pytest.mark.parametrize(
    "payload",
    [
        quote(hashed(NAMED), safe=""),
        quote(hashed(NAMED), safe="+").replace("%D0", "%d0"),
        quote(hashed(NAMED), safe="").replace("%20", "+"),
        hashed(NAMED).replace("%", "%25"),
        hashed(NAMED),
        hashed(NAMED)[:-4] + hashed(NAMED)[-4:].upper(),
    ],
    ids=["percent", "plus kept", "plus for space", "percent only", "raw", "upper-case hash"],
)
def test_each_way_into_a_link_reads_as_the_same(payload: str) -> None:
    assert code(f"{HOST}#{payload}").merchant_name == 'КАФЕ "50%+1" 🫖'


def test_percent_decoding_goes_before_plus() -> None:
    """Where the hash fits the text with its plus signs, they are plus signs."""
    assert code(f"{HOST}#{hashed(ELQR + tag('34', '1+1'))}").comment == "1+1"
    assert code(f"{HOST}#{hashed(ELQR + tag('34', '1 1')).replace(' ', '+')}").comment == "1 1"


def test_where_two_decodings_have_the_same_hash_the_first_is_meant() -> None:
    """``22926+1`` and ``22926 1`` were searched for: their hashes are both 2571."""
    plus, space = (hashed(ELQR + tag("34", f"22926{sign}1")) for sign in "+ ")
    assert plus[-4:] == space[-4:]
    assert code(f"{HOST}#{plus}").comment == "22926+1"


def test_bytes_that_are_no_utf_8_are_not_guessed_at() -> None:
    """Even where the hash is right for what a lenient decoder would put in their place."""
    assert code(elqr(ELQR + tag("34", "\ufffd"))).comment == "\ufffd"
    assert isinstance(read(elqr(ELQR + tag("34", "\ufffd")).replace("%EF%BF%BD", "%FF")), QrProblem)


def test_text_that_is_raw_may_hold_what_looks_encoded() -> None:
    """Decoded, the length of ``%41`` would be wrong and so would the hash."""
    assert code(f"{HOST}#{hashed(ELQR + tag('34', '%41'))}").comment == "%41"
    assert code(f"{HOST}#{hashed(ELQR + tag('34', '%ff'))}").comment == "%ff"


@pytest.mark.parametrize(
    "host", ["https://pay.payqr.kg/", "HTTP://x", "https://24.example.kg:8443/qr/?v=1", "https://банк.kg"]
)
def test_any_host_will_do(host: str) -> None:
    assert code(f"{host}#{hashed(ELQR)}").service_code == "140000"


def test_the_order_of_tags_is_free() -> None:
    assert code(elqr(f"5303417{SERVICE}010211000201")) == code(elqr(ELQR))


def test_lengths_count_code_points() -> None:
    """A letter of two bytes and an emoji of four are one each, and so is one of two UTF-16 units."""
    assert code(elqr(f"{ELQR}3402я🫖")).comment == "я🫖"
    assert isinstance(read(elqr(f"{ELQR}3403я🫖")), QrProblem)


@pytest.mark.parametrize(
    ("amount", "tyiyn"),
    [("", 0), ("5400", 0), ("54010", 0), ("54011", 1), ("540500100", 100), ("54071234567", 1234567)],
)
def test_amounts_are_whole_tyiyn(amount: str, tyiyn: int) -> None:
    assert code(elqr(ELQR + amount)).amount_tyiyn == tyiyn


@pytest.mark.parametrize(
    ("amount", "flags", "editable", "recipient"),
    [
        ("", "", True, False),
        ("", "120212", True, False),
        ("54015", "", False, False),
        ("54015", "120211" + "130211", True, True),
        ("54015", "120212" + "130212", False, False),
    ],
)
def test_edits_are_allowed_only_where_the_code_says_so(
    amount: str,
    flags: str,
    editable: bool,  # noqa: FBT001 - pytest's way
    recipient: bool,  # noqa: FBT001 - pytest's way
) -> None:
    """An amount that is not there has to be entered, whatever the flag says."""
    found = code(elqr("000201010211" + tag("32", "01011" + flags) + "5303417" + amount))
    assert (found.amount_editable, found.recipient_editable) == (editable, recipient)


def test_a_merchant_may_stand_in_place_of_a_service() -> None:
    found = code(elqr("000201010211" + tag("33", "0002m1" + "0103Чай") + "5303417"))
    assert (found.merchant_id, found.service_name, found.service_code) == ("m1", "Чай", "")


def test_extra_fields_are_read_in_the_order_of_their_tags() -> None:
    found = code(elqr(ELQR + tag("39", "b::2::12") + tag("35", "acc:Счёт:1:Лицевой счёт:11")))
    assert found.extra_fields == (
        ExtraField("acc", "Счёт", "1", "Лицевой счёт", editable=True),
        ExtraField("b", "", "2", "", editable=False),
    )


def test_tags_nobody_knows_are_passed_over() -> None:
    assert code(elqr(f"{ELQR}9903new")) == code(elqr(ELQR))


def changed(**fields: object) -> QrCode:
    return msgspec.structs.replace(PLAIN, **fields)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("format", changed(format=QrFormat.EMVCO)),
        ("service_code", changed(service_code="")),
        ("amount_tyiyn", changed(dynamic=True)),
        ("amount_tyiyn", changed(amount_tyiyn=-1)),
        ("amount_editable", changed(amount_editable=False)),
        ("provider_id", changed(provider_id="p" * 90)),
        ("recipient_id", changed(recipient_id="r" * 100)),
        ("merchant_name", changed(merchant_name="n" * 26)),
        ("mcc", changed(mcc="58")),
        ("comment", changed(comment="c" * 100)),
        ("currency", changed(currency="USD")),
        ("extra_fields", changed(extra_fields=(ExtraField("a:b", "", "", "", editable=True),))),
        ("extra_fields", changed(extra_fields=(ExtraField("", "", "", "", editable=True),))),
        ("extra_fields", changed(extra_fields=(ExtraField("a", "", "", "", editable=True),) * 6)),
        ("text", changed(comment="\ud800")),
        ("text", changed(comment="\n")),
        ("text", changed(comment="🫖" * 99, extra_fields=(ExtraField("🫖" * 90, "", "", "", editable=True),) * 5)),
    ],
)
def test_what_cannot_be_written_is_named(field: str, wrong: QrCode) -> None:
    with pytest.raises(QrError) as raised:
        write_elqr(wrong)
    assert raised.value.field == field


@pytest.mark.parametrize("host", ["", "pay.payqr.kg", "https://", "https://a b/", "https://x/#", "ftp://x/"])
def test_a_host_is_the_beginning_of_a_link(host: str) -> None:
    with pytest.raises(QrError, match=r"^host: "):
        write_elqr(PLAIN, host=host)


def test_no_part_of_a_problem_comes_from_a_decoding_that_was_not_meant() -> None:
    """Where no hash matches, the first decoding that has tags at all is the one explained."""
    problem = read(elqr(NAMED)[:-1] + "x")
    assert problem == QrProblem(QrReason.QR_HASH_MISMATCH, "63", len(NAMED))
