"""ELQR, the national code: a link whose payload, after ``#``, is tags with a hash of their own.

Its text is not public; the rules come from published codes. Tag 63 holds the last 4 hex digits
of SHA-256 over the text before it. Issuers differ in how they put the text into a link, so each way of undoing
that is tried, and the hash tells which one was meant. What is hashed is the text as received, never a re-encoding.

Read on trust of the rules alone: a tag nobody knows is passed over, one that is empty counts as absent. A tag
after 63 is refused, because no hash covers it.
"""

from collections.abc import Iterator
from hashlib import sha256
from typing import Final
from urllib.parse import quote, unquote

from domain.qr.code import (
    CURRENCY,
    DYNAMIC,
    MAX_TEXT,
    NO,
    SERVICE,
    STATIC,
    VERSION,
    YES,
    ExtraField,
    QrCode,
    QrFormat,
    amount_editable,
    bounded_amount,
    check_characters,
    check_currency,
    check_version,
    check_written,
    flag,
    is_dynamic,
    merchant_category,
    merchant_name,
    service_items,
    written_problem,
)
from domain.qr.problems import QrError, QrReason, QrRefused, refusal
from domain.qr.tlv import Field, Template, digits, open_template, put, split

MERCHANT: Final = "33"
HASH: Final = "63"
EXTRA_FIELDS: Final = ("35", "36", "37", "38", "39")
_EMV_ONLY: Final = ("58", "60")
_HASH_DIGITS: Final = 4
_PARTS: Final = 5

_NAMES: Final = {
    "01": "dynamic",
    SERVICE: "provider_id",
    f"{SERVICE}.00": "provider_id",
    f"{SERVICE}.01": "service_code",
    f"{SERVICE}.10": "recipient_id",
    f"{SERVICE}.11": "transaction_id",
    MERCHANT: "merchant_id",
    f"{MERCHANT}.00": "merchant_id",
    f"{MERCHANT}.01": "service_name",
    "34": "comment",
    **dict.fromkeys(EXTRA_FIELDS, "extra_fields"),
    "52": "mcc",
    "54": "amount_tyiyn",
    "59": "merchant_name",
}


def read_elqr(payload: str) -> QrCode:
    """Return what the payload of a link says; raises QrRefused."""
    fields = _decoded(payload)
    tags = Template(fields)
    if fields[-1].tag != HASH:
        raise refusal(QrReason.QR_TAG_ORDER, fields[-1].path, fields[-1].offset)
    tags = tags.without_empty()
    check_version(tags.require("00"))
    dynamic = is_dynamic(tags.require("01"))
    currency = check_currency(tags.require("53"))
    for tag in _EMV_ONLY:
        if (field := tags.get(tag)) is not None:
            raise refusal(QrReason.QR_TAG_FORBIDDEN, field.path, field.offset)
    service = open_template(tags.get(SERVICE), SERVICE).without_empty()
    merchant = open_template(tags.get(MERCHANT), MERCHANT).without_empty()
    if "01" not in service and "00" not in merchant:
        raise refusal(QrReason.QR_RECIPIENT, f"{SERVICE}.01")
    amount = _amount(tags.get("54"), dynamic=dynamic)
    return QrCode(
        format=QrFormat.ELQR,
        dynamic=dynamic,
        amount_tyiyn=amount,
        amount_editable=amount_editable(service, amount),
        recipient_editable=flag(service.get("13"), default=False),
        provider_id=service.value("00"),
        service_code=service.value("01"),
        recipient_id=service.value("10"),
        transaction_id=service.value("11"),
        merchant_id=merchant.value("00"),
        service_name=merchant.value("01"),
        merchant_name=merchant_name(tags.get("59")),
        mcc=merchant_category(tags.get("52")),
        comment=tags.value("34"),
        extra_fields=tuple(_extra_field(field) for tag in EXTRA_FIELDS if (field := tags.get(tag)) is not None),
        currency=currency,
    )


def elqr_link(code: QrCode, host: str) -> str:
    """Return the link of a code on a host such as ``https://pay.payqr.kg/``; raises QrError naming the field.

    What is written is read again, so that every rule stands once, in the reader, and a link says what it was told.
    """
    if code.format is not QrFormat.ELQR:
        raise QrError("format", "not a code of the national format")
    try:
        text = _text(code)
        link = f"{host}#{quote(text, safe='')}"
        if len(link) > MAX_TEXT:
            raise QrError("text", QrReason.QR_TOO_LONG.value.meaning)
        again = read_elqr(link[len(host) + 1 :])
    except QrRefused as refused:
        raise written_problem(refused.problem, _NAMES) from None
    except UnicodeEncodeError:
        raise QrError("text", QrReason.QR_CHARACTERS.value.meaning) from None
    check_written(code, again)
    return link


def elqr_hash(text: str) -> str:
    """Return the hash of the text before tag 63: the last 4 hex digits of SHA-256, in lower case."""
    return sha256(text.encode()).hexdigest()[-_HASH_DIGITS:]


def _decoded(payload: str) -> list[Field]:
    """Return the tags of the first decoding whose hash matches, else raise what is wrong with the likeliest one."""
    undivided: QrRefused | None = None
    unhashed: QrRefused | None = None
    for text in _decodings(payload):
        try:
            fields = split(text)
        except QrRefused as refused:
            undivided = undivided or refused
            continue
        found = next((field for field in fields if field.tag == HASH), None)
        if found is None:
            unhashed = unhashed or refusal(QrReason.QR_HASH_MISSING, HASH, len(text))
        elif found.value.lower() != elqr_hash(text[: found.offset]):
            unhashed = unhashed or refusal(QrReason.QR_HASH_MISMATCH, HASH, found.offset)
        else:
            check_characters(text)
            return fields
    raise unhashed or undivided or refusal(QrReason.QR_NOT_A_CODE)


def _decodings(payload: str) -> Iterator[str]:
    for encoded in (payload, payload.replace("+", " ")):
        try:
            yield unquote(encoded, errors="strict")
        except UnicodeDecodeError:
            continue
    yield payload


def _amount(field: Field | None, *, dynamic: bool) -> int:
    if field is None:
        if dynamic:
            raise refusal(QrReason.QR_AMOUNT, "54")
        return 0
    if not digits(field.value) or (dynamic and not int(field.value)):
        raise refusal(QrReason.QR_AMOUNT, field.path, field.offset)
    return bounded_amount(int(field.value), field)


def _extra_field(field: Field) -> ExtraField:
    parts = field.value.split(":")
    if len(parts) != _PARTS or not parts[0] or parts[-1] not in (YES, NO):
        raise refusal(QrReason.QR_EXTRA_FIELD, field.path, field.offset)
    key, label, value, title, editable = parts
    return ExtraField(key, label, value, title, editable == YES)


def _text(code: QrCode) -> str:
    if len(code.extra_fields) > len(EXTRA_FIELDS):
        raise QrError("extra_fields", f"more than {len(EXTRA_FIELDS)}")
    extra = (
        put(tag, ":".join((field.key, field.label, field.value, field.title, YES if field.editable else NO)))
        for tag, field in zip(EXTRA_FIELDS, code.extra_fields, strict=False)
    )
    merchant = put("00", code.merchant_id, MERCHANT) + put("01", code.service_name, MERCHANT)
    text = "".join(
        (
            put("00", VERSION),
            put("01", DYNAMIC if code.dynamic else STATIC),
            put(SERVICE, service_items(code)),
            put(MERCHANT, merchant),
            put("34", code.comment),
            *extra,
            put("52", code.mcc),
            put("53", CURRENCY),
            put("54", str(code.amount_tyiyn) if code.amount_tyiyn else ""),
            put("59", code.merchant_name),
        )
    )
    return text + put(HASH, elqr_hash(text))
