"""The merchant-presented code of EMV QRCPS 1.1: tags as plain text, closed by a CRC.

The text is read as it was scanned. Tag 63 holds CRC-16/CCITT-FALSE over everything through ``6304``, in 4
upper-case hex digits, so nothing can stand behind it. Only codes in som are accepted. What a payment needs stands
in the fields of ``QrCode``, the rest in ``EmvDetails``, so that a code can be written again with the same meaning.

The specification leaves the inside of templates 26–51 to each network. Template 32 is read and written as in the
national code; without it the provider is the globally unique identifier (00) of the first template there is.
"""

import re
from collections.abc import Iterable
from typing import Final

from cemacqr import crc16_hex

from domain.qr.code import (
    CURRENCY,
    DYNAMIC,
    SERVICE,
    STATIC,
    VERSION,
    Account,
    EmvDetails,
    Item,
    QrCode,
    QrFormat,
    Tip,
    TipKind,
    amount_editable,
    bounded_amount,
    check_characters,
    check_currency,
    check_version,
    check_written,
    flag,
    is_dynamic,
    limited,
    merchant_category,
    merchant_name,
    service_items,
    written_problem,
)
from domain.qr.problems import QrError, QrReason, QrRefused, refusal
from domain.qr.tlv import Field, Template, open_template, put, split

CRC: Final = "63"
MAX_WRITTEN: Final = 512
"""The longest payload EMV QRCPS 1.1 lets an issuer write, in characters (section 3.4)."""

_ACCOUNTS: Final = range(2, 52)
_FIRST_TEMPLATE: Final = 26
_PURPOSE: Final = "08"
_ADDITIONAL: Final = "62"
_LANGUAGE: Final = "64"
_OTHERS: Final = range(65, 100)
_SHORT: Final = 25
_CITY: Final = 15
_POSTAL_CODE: Final = 10
_CRC_DIGITS: Final = 4
_AMOUNT: Final = re.compile(r"([0-9]+)(?:\.([0-9]{0,2}))?")
_AMOUNT_LENGTH: Final = 13
_PERCENTAGE_LENGTH: Final = 5
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_HUNDRED: Final = 100

_NAMES: Final = {
    **{f"{tag:02d}": "emv.accounts" for tag in _ACCOUNTS},
    "01": "dynamic",
    SERVICE: "provider_id",
    f"{SERVICE}.00": "provider_id",
    f"{SERVICE}.01": "service_code",
    f"{SERVICE}.10": "recipient_id",
    f"{SERVICE}.11": "transaction_id",
    "52": "mcc",
    "54": "amount_tyiyn",
    "55": "emv.tip",
    "56": "emv.tip",
    "57": "emv.tip",
    "58": "emv.country",
    "59": "merchant_name",
    "60": "emv.city",
    "61": "emv.postal_code",
    _ADDITIONAL: "emv.additional",
    f"{_ADDITIONAL}.{_PURPOSE}": "comment",
    _LANGUAGE: "emv.language",
}


def read_emvco(text: str) -> QrCode:
    """Return what a payload says; raises QrRefused."""
    tags = _checked(text)
    check_version(tags.require("00"))
    dynamic = (kind := tags.get("01")) is not None and is_dynamic(kind)
    currency = check_currency(tags.require("53"))
    mcc, name = merchant_category(tags.require("52")), merchant_name(tags.require("59"))
    service = _opened(tags, SERVICE)
    accounts = _accounts(tags)
    if not accounts and SERVICE not in tags:
        raise refusal(QrReason.QR_RECIPIENT, "02")
    additional = _additional(tags)
    amount = _amount(tags.get("54"))
    return QrCode(
        format=QrFormat.EMVCO,
        dynamic=dynamic,
        amount_tyiyn=amount,
        amount_editable=amount_editable(service, amount),
        recipient_editable=flag(service.get("13"), default=False),
        provider_id=service.require("00").value if SERVICE in tags else _first_network(accounts),
        service_code=service.value("01"),
        recipient_id=service.value("10"),
        transaction_id=service.value("11"),
        merchant_name=name,
        mcc=mcc,
        comment=additional.value(_PURPOSE),
        currency=currency,
        emv=EmvDetails(
            country=_country(tags.require("58")),
            city=limited(tags.require("60"), _CITY),
            postal_code=limited(tags.get("61"), _POSTAL_CODE),
            accounts=accounts,
            tip=_tip(tags),
            additional=_items(field for field in additional if field.tag != _PURPOSE),
            language=_language(tags),
            others=_items(field for field in tags if int(field.tag) in _OTHERS),
        ),
    )


def emvco_text(code: QrCode) -> str:
    """Return the payload of a code; raises QrError naming the field.

    What is written is read again, so that every rule stands once, in the reader, and a code says what it was told.
    """
    if code.format is not QrFormat.EMVCO:
        raise QrError("format", "not a code of the EMV format")
    if code.emv is None:
        raise QrError("emv", "country and city are mandatory in an EMV code")
    try:
        text = _text(code, code.emv)
        if len(text) > MAX_WRITTEN:
            raise QrError("text", f"longer than {MAX_WRITTEN} characters")
        again = read_emvco(text)
    except QrRefused as refused:
        raise written_problem(refused.problem, _NAMES) from None
    except UnicodeEncodeError:
        raise QrError("text", QrReason.QR_CHARACTERS.value.meaning) from None
    check_written(code, again)
    return text


def emvco_crc(text: str) -> str:
    """Return the CRC of the text through ``6304``: 4 upper-case hex digits (EMV QRCPS 1.1, 4.7.3)."""
    return crc16_hex(text.encode())


def _checked(text: str) -> Template:
    fields = split(text)
    if fields[0].tag != "00":
        raise refusal(QrReason.QR_TAG_ORDER, fields[0].path, fields[0].offset)
    tags = Template(fields)
    crc = tags.get(CRC)
    if crc is None:
        raise refusal(QrReason.QR_HASH_MISSING, CRC, len(text))
    if fields[-1].tag != CRC:
        raise refusal(QrReason.QR_TAG_ORDER, fields[-1].path, fields[-1].offset)
    if crc.value != emvco_crc(text[: crc.value_offset]):
        raise refusal(QrReason.QR_HASH_MISMATCH, crc.path, crc.offset)
    check_characters(text)
    _check_not_empty(tags)
    return tags


def _check_not_empty(tags: Template) -> None:
    """Raise QrRefused at a tag of length 00: EMV lengths run from 01 to 99."""
    for field in tags:
        if not field.value:
            raise refusal(QrReason.QR_LENGTH, field.path, field.offset)


def _opened(tags: Template, tag: str) -> Template:
    opened = open_template(tags.get(tag), tag)
    _check_not_empty(opened)
    return opened


def _accounts(tags: Template) -> tuple[Account, ...]:
    accounts = []
    for field in tags:
        if int(field.tag) not in _ACCOUNTS or field.tag == SERVICE:
            continue
        if int(field.tag) < _FIRST_TEMPLATE:
            accounts.append(Account(field.tag, field.value))
            continue
        opened = _opened(tags, field.tag)
        opened.require("00")
        accounts.append(Account(field.tag, items=_items(opened)))
    return tuple(accounts)


def _first_network(accounts: tuple[Account, ...]) -> str:
    """Return the identifier of the first account that is a template, empty when none is."""
    items = next((account.items for account in accounts if account.items), ())
    return next((item.value for item in items if item.tag == "00"), "")


def _additional(tags: Template) -> Template:
    additional = _opened(tags, _ADDITIONAL)
    for field in additional:
        if int(field.tag) <= int(_PURPOSE):
            limited(field, _SHORT)
    return additional


def _language(tags: Template) -> tuple[Item, ...]:
    """Return the merchant in another language; the language and the name are mandatory there."""
    opened = _opened(tags, _LANGUAGE)
    if _LANGUAGE in tags:
        limited(opened.require("00"), 2)
        limited(opened.require("01"), _SHORT)
        limited(opened.get("02"), _CITY)
    return _items(opened)


def _items(fields: Iterable[Field]) -> tuple[Item, ...]:
    return tuple(Item(field.tag, field.value) for field in fields)


def _country(field: Field) -> str:
    if not _COUNTRY.fullmatch(field.value):
        raise refusal(QrReason.QR_VALUE, field.path, field.offset)
    return field.value


def _amount(field: Field | None) -> int:
    """Return the amount in tyiyn, 0 when it is absent: EMV has no amount of zero."""
    if field is None:
        return 0
    tyiyn = _hundredths(field.value, _AMOUNT_LENGTH)
    if not tyiyn:
        raise refusal(QrReason.QR_AMOUNT, field.path, field.offset)
    return bounded_amount(tyiyn, field)


def _tip(tags: Template) -> Tip | None:
    indicator, fixed, percentage = tags.get("55"), tags.get("56"), tags.get("57")
    kind = None if indicator is None else _tip_kind(indicator)
    if (fixed is None) == (kind is TipKind.FIXED):
        raise refusal(QrReason.QR_TIP, "56", fixed.offset if fixed else 0)
    if (percentage is None) == (kind is TipKind.PERCENTAGE):
        raise refusal(QrReason.QR_TIP, "57", percentage.offset if percentage else 0)
    if kind is None:
        return None
    return Tip(kind, _tip_value(fixed, _AMOUNT_LENGTH), _tip_value(percentage, _PERCENTAGE_LENGTH))


def _tip_kind(field: Field) -> TipKind:
    try:
        return TipKind(field.value)
    except ValueError:
        raise refusal(QrReason.QR_TIP, field.path, field.offset) from None


def _tip_value(field: Field | None, longest: int) -> int:
    if field is None:
        return 0
    hundredths = _hundredths(field.value, longest)
    if not hundredths or (longest == _PERCENTAGE_LENGTH and hundredths >= _HUNDRED * _HUNDRED):
        raise refusal(QrReason.QR_TIP, field.path, field.offset)
    return hundredths


def _hundredths(text: str, longest: int) -> int:
    """Return a decimal such as ``98``, ``98.`` or ``98.7`` in hundredths, 0 for any other text; no float is made."""
    found = _AMOUNT.fullmatch(text)
    if found is None or len(text) > longest:
        return 0
    return int(found[1]) * _HUNDRED + int((found[2] or "").ljust(2, "0"))


def _decimal(hundredths: int) -> str:
    whole, rest = divmod(abs(hundredths), _HUNDRED)
    return f"{'-' if hundredths < 0 else ''}{whole}.{rest:02d}"


def _text(code: QrCode, emv: EmvDetails) -> str:
    items = (
        Item("00", VERSION),
        Item("01", DYNAMIC if code.dynamic else STATIC),
        *(Item(account.tag, account.value or _joined(account.items, account.tag)) for account in emv.accounts),
        Item(SERVICE, service_items(code) if _needs_service(code, emv) else ""),
        Item("52", code.mcc),
        Item("53", CURRENCY),
        Item("54", _decimal(code.amount_tyiyn) if code.amount_tyiyn else ""),
        *_tip_items(emv.tip),
        Item("58", emv.country),
        Item("59", code.merchant_name),
        Item("60", emv.city),
        Item("61", emv.postal_code),
        Item(_ADDITIONAL, put(_PURPOSE, code.comment, _ADDITIONAL) + _joined(emv.additional, _ADDITIONAL)),
        Item(_LANGUAGE, _joined(emv.language, _LANGUAGE)),
        *emv.others,
    )
    text = _joined(items) + f"{CRC}{_CRC_DIGITS:02d}"
    return text + emvco_crc(text)


def _needs_service(code: QrCode, emv: EmvDetails) -> bool:
    """Return whether template 32 says anything that the first account does not say already."""
    plain = code.amount_editable == (not code.amount_tyiyn) and not code.recipient_editable
    named = code.service_code or code.recipient_id or code.transaction_id
    return bool(named) or not plain or code.provider_id != _first_network(emv.accounts)


def _tip_items(tip: Tip | None) -> tuple[Item, ...]:
    if tip is None:
        return ()
    percentage = _decimal(tip.percentage_hundredths).zfill(_PERCENTAGE_LENGTH) if tip.percentage_hundredths else ""
    fixed = _decimal(tip.fixed_tyiyn) if tip.fixed_tyiyn else ""
    return Item("55", tip.kind.value), Item("56", fixed), Item("57", percentage)


def _joined(items: tuple[Item, ...], path: str = "") -> str:
    return "".join(put(item.tag, item.value, path) for item in items)
