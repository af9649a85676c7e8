"""The merchant-presented code of EMV: what its tags mean, and a second reader's opinion of what is written."""

import msgspec
import pytest
from cemacqr import parse_payload, validate
from hypothesis import given

from domain.qr import Account, EmvDetails, Item, QrCode, QrError, QrFormat, Tip, TipKind, write_emvco
from tests.domain.qr.codes import RELAXED, emv_codes
from tests.domain.qr.sealed import EMV, code, emv, tag

DETAILS = EmvDetails(country="KG", city="Bishkek", postal_code="720000")
CAFE = QrCode(
    format=QrFormat.EMVCO,
    dynamic=True,
    amount_tyiyn=12345,
    amount_editable=False,
    provider_id="p2p.elcart.kg",
    service_code="01",
    recipient_id="9417001",
    transaction_id="abc",
    merchant_name="Kafe",
    mcc="5812",
    comment="чай",
    emv=DETAILS,
)


@pytest.mark.parametrize(
    ("amount", "tyiyn"),
    [("98.73", 9873), ("98", 9800), ("98.", 9800), ("0.5", 50), ("00.07", 7), ("9999999999.99", 999_999_999_999)],
)
def test_amounts_become_whole_tyiyn(amount: str, tyiyn: int) -> None:
    """The forms EMV QRCPS 1.1 names for tag 54, and leading zeros."""
    assert code(emv(EMV + tag("54", amount))).amount_tyiyn == tyiyn


def test_a_code_that_does_not_say_its_kind_is_static() -> None:
    assert code(emv(EMV.replace("010211", ""))).dynamic is False


@pytest.mark.parametrize(
    ("tags", "tip"),
    [
        ("", None),
        ("550201", Tip(TipKind.PROMPT)),
        ("550202" + "56045.50", Tip(TipKind.FIXED, fixed_tyiyn=550)),
        ("550203" + "570503.25", Tip(TipKind.PERCENTAGE, percentage_hundredths=325)),
        ("550203" + "570299", Tip(TipKind.PERCENTAGE, percentage_hundredths=9900)),
    ],
)
def test_tips_and_fees_are_kept(tags: str, tip: Tip | None) -> None:
    emv_details = code(emv(EMV + tags)).emv
    assert emv_details is not None
    assert emv_details.tip == tip


def test_the_provider_is_the_first_network_where_template_32_is_absent() -> None:
    assert code(emv(EMV)).provider_id == "p2p.elcart.kg"
    assert code(emv(EMV + tag("32", "0001x" + "10019"))).provider_id == "x"
    assert code(emv(EMV.replace(tag("26", "0013p2p.elcart.kg"), "02049417"))).provider_id == ""


def test_templates_are_kept_one_level_deep() -> None:
    extra = tag("62", "05011" + "08016" + "50030a1") + tag("64", "0002ky" + "0103Чай") + tag("80", "00011")
    found = code(emv(EMV + extra))
    assert found.comment == "6"
    assert found.emv == EmvDetails(
        country="KG",
        city="Bishkek",
        accounts=(Account("26", items=(Item("00", "p2p.elcart.kg"),)),),
        additional=(Item("05", "1"), Item("50", "0a1")),
        language=(Item("00", "ky"), Item("01", "Чай")),
        others=(Item("80", "00011"),),
    )


def test_a_written_code_is_what_the_specification_says() -> None:
    assert write_emvco(CAFE) == emv(
        "000201"
        "010212"
        + tag("32", "0013p2p.elcart.kg" + "010201" + "10079417001" + "1103abc" + "120212" + "130212")
        + "52045812"
        + "5303417"
        + "5406123.45"
        + "5802KG"
        + "5904Kafe"
        + "6007Bishkek"
        + "6106720000"
        + tag("62", "0803чай")
    )


@RELAXED
@given(emv_codes())
def test_a_second_reader_accepts_what_is_written(written: QrCode) -> None:
    payload = parse_payload(write_emvco(written))
    report = validate(payload)
    assert report.ok, str(report)
    assert payload.merchant_name == written.merchant_name
    assert (payload.amount_decimal or 0) * 100 == written.amount_tyiyn


@pytest.mark.parametrize(
    ("change", "needed"),
    [
        ({}, False),
        ({"amount_editable": True}, True),
        ({"recipient_editable": True}, True),
        ({"recipient_id": "1"}, True),
    ],
)
def test_template_32_is_written_only_for_what_the_first_account_does_not_say(
    change: dict[str, object],
    needed: bool,  # noqa: FBT001 - pytest's way
) -> None:
    known = code(emv(EMV + "54041.00"))
    changed = msgspec.structs.replace(known, **change)
    behind_the_account = write_emvco(changed).partition("p2p.elcart.kg")[2]
    assert behind_the_account.startswith("32") is needed
    assert code(write_emvco(changed)) == changed


def with_emv(**fields: object) -> QrCode:
    return msgspec.structs.replace(CAFE, emv=msgspec.structs.replace(DETAILS, **fields))


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("format", msgspec.structs.replace(CAFE, format=QrFormat.ELQR)),
        ("emv", msgspec.structs.replace(CAFE, emv=None)),
        ("amount_tyiyn", msgspec.structs.replace(CAFE, amount_tyiyn=-5)),
        ("amount_tyiyn", msgspec.structs.replace(CAFE, amount_tyiyn=10**12)),
        ("amount_editable", msgspec.structs.replace(CAFE, amount_tyiyn=0)),
        ("provider_id", msgspec.structs.replace(CAFE, provider_id="")),
        ("merchant_name", msgspec.structs.replace(CAFE, merchant_name="")),
        ("merchant_id", msgspec.structs.replace(CAFE, merchant_id="m")),
        ("mcc", msgspec.structs.replace(CAFE, mcc="")),
        ("comment", msgspec.structs.replace(CAFE, comment="c" * 26)),
        ("currency", msgspec.structs.replace(CAFE, currency="USD")),
        ("emv.country", with_emv(country="kg")),
        ("emv.city", with_emv(city="")),
        ("emv.postal_code", with_emv(postal_code="7" * 11)),
        ("emv.tip", with_emv(tip=Tip(TipKind.FIXED))),
        ("emv.tip", with_emv(tip=Tip(TipKind.FIXED, fixed_tyiyn=-5))),
        ("emv.tip", with_emv(tip=Tip(TipKind.PERCENTAGE, percentage_hundredths=10_000))),
        ("emv.accounts", with_emv(accounts=(Account("26", items=(Item("01", "x"),)),))),
        ("emv.accounts", with_emv(accounts=(Account("27", value="not a template"),))),
        ("emv.additional", with_emv(additional=(Item("05", "r" * 26),))),
        ("emv.others", with_emv(others=(Item("80", ""),))),
        ("emv.postal_code", with_emv(others=(Item("61", "7"),))),
        ("mcc", with_emv(others=(Item("52", "5812"),))),
        ("text", with_emv(others=tuple(Item(str(number), "x" * 99) for number in range(80, 85)))),
        ("text", with_emv(city="\ud800")),
    ],
)
def test_what_cannot_be_written_is_named(field: str, wrong: QrCode) -> None:
    with pytest.raises(QrError) as raised:
        write_emvco(wrong)
    assert raised.value.field == field
