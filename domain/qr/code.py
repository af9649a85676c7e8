"""What a QR code says, in either format, and the rules that both share.

An absent text is empty. Everything is as the code says it: its hash shows that it was not damaged, never who made
it, so before money moves the provider is asked, and edits that the code forbids are refused.
"""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Final

import msgspec

from domain.money import MAX_AMOUNT, SOM
from domain.qr.problems import QrError, QrProblem, QrReason, refusal
from domain.qr.tlv import Field, Template, digits, put

MAX_TEXT: Final = 4_096
"""The longest text that is read or written, in characters; a QR picture itself holds 2,953 bytes."""

VERSION: Final = "01"
STATIC: Final = "11"
DYNAMIC: Final = "12"
YES: Final = "11"
NO: Final = "12"
CURRENCY: Final = "417"
"""The som in ISO 4217, numeric."""

SERVICE: Final = "32"
"""The template that names provider, service, recipient and transaction; EMV codes written here use the same."""

_MAX_NAME: Final = 25
_MCC: Final = 4
_UNSHOWABLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
"""Control characters, line breaks, halves of characters, and marks that show text in another order than it is
stored: with them a name could look like somebody else's."""


class QrFormat(Enum):
    """Which of the two formats a code is written in."""

    ELQR = "elqr"
    EMVCO = "emvco"


class ExtraField(msgspec.Struct, frozen=True):
    """A field that the provider asks for (tags 35–39 of the national code); ``editable`` by the payer or not."""

    key: str
    label: str
    value: str
    title: str
    editable: bool


class Item(msgspec.Struct, frozen=True):
    """A tag and its value, as they stand in a code."""

    tag: str
    value: str


class Account(msgspec.Struct, frozen=True):
    """Where an EMV code wants its money, for one network: ``value`` in tags 02–25, ``items`` in 26–51."""

    tag: str
    value: str = ""
    items: tuple[Item, ...] = ()


class TipKind(Enum):
    """What is added to the amount of an EMV code (tag 55)."""

    PROMPT = "01"
    """The payer is asked for a tip."""
    FIXED = "02"
    """A fixed fee, in tag 56."""
    PERCENTAGE = "03"
    """A percentage of the amount, in tag 57."""


class Tip(msgspec.Struct, frozen=True):
    """A tip or convenience fee: in tyiyn, or in hundredths of a per cent."""

    kind: TipKind
    fixed_tyiyn: int = 0
    percentage_hundredths: int = 0


class EmvDetails(msgspec.Struct, frozen=True, kw_only=True):
    """What only an EMV code says.

    ``accounts`` leave out template 32, which the code's own fields hold; ``additional`` (tag 62) leaves out 08,
    the purpose, which is the comment; ``language`` is tag 64; ``others`` are tags this program has no use for.
    """

    country: str
    city: str
    postal_code: str = ""
    accounts: tuple[Account, ...] = ()
    tip: Tip | None = None
    additional: tuple[Item, ...] = ()
    language: tuple[Item, ...] = ()
    others: tuple[Item, ...] = ()


class QrCode(msgspec.Struct, frozen=True, kw_only=True):
    """A payment code: who is paid, how much (0: the payer enters it), and what the payer may change.

    A dynamic code is for one payment. An amount of 0 is always editable. ``emv`` is there in EMV codes only;
    ``merchant_id``, ``service_name`` and ``extra_fields`` in national ones only.
    """

    format: QrFormat
    dynamic: bool
    amount_editable: bool
    amount_tyiyn: int = 0
    recipient_editable: bool = False
    provider_id: str = ""
    service_code: str = ""
    recipient_id: str = ""
    transaction_id: str = ""
    merchant_id: str = ""
    service_name: str = ""
    merchant_name: str = ""
    mcc: str = ""
    comment: str = ""
    extra_fields: tuple[ExtraField, ...] = ()
    currency: str = SOM
    emv: EmvDetails | None = None


def check_characters(text: str) -> None:
    """Raise QrRefused at the first character that has no place in a text shown to a person."""
    if (found := _UNSHOWABLE.search(text)) is not None:
        raise refusal(QrReason.QR_CHARACTERS, offset=found.start())


def check_version(field: Field) -> None:
    """Raise QrRefused when the version is not the one known."""
    if field.value != VERSION:
        raise refusal(QrReason.QR_VERSION, field.path, field.offset)


def check_currency(field: Field) -> str:
    """Return the currency's letters; raises QrRefused when it is not the som."""
    if field.value != CURRENCY:
        raise refusal(QrReason.QR_CURRENCY, field.path, field.offset)
    return SOM


def is_dynamic(field: Field) -> bool:
    """Return whether the code is for one payment; raises QrRefused when it does not say."""
    if field.value not in (STATIC, DYNAMIC):
        raise refusal(QrReason.QR_KIND, field.path, field.offset)
    return field.value == DYNAMIC


def flag(field: Field | None, *, default: bool) -> bool:
    """Return what a flag says, the default when it is absent; raises QrRefused when it is neither yes nor no."""
    if field is None:
        return default
    if field.value not in (YES, NO):
        raise refusal(QrReason.QR_FLAG, field.path, field.offset)
    return field.value == YES


def amount_editable(service: Template, amount_tyiyn: int) -> bool:
    """Return whether the payer may set the amount: where none is given always, else only when the code says so."""
    return flag(service.get("12"), default=False) or not amount_tyiyn


def limited(field: Field | None, longest: int) -> str:
    """Return a tag's value, empty when it is absent; raises QrRefused when it is longer than this."""
    if field is None:
        return ""
    if len(field.value) > longest:
        raise refusal(QrReason.QR_VALUE, field.path, field.offset)
    return field.value


def merchant_name(field: Field | None) -> str:
    """Return the name shown to the payer; raises QrRefused past 25 characters."""
    return limited(field, _MAX_NAME)


def merchant_category(field: Field | None) -> str:
    """Return the merchant category code; raises QrRefused when it is not 4 digits (ISO 18245)."""
    if field is None:
        return ""
    if len(field.value) != _MCC or not digits(field.value):
        raise refusal(QrReason.QR_VALUE, field.path, field.offset)
    return field.value


def bounded_amount(tyiyn: int, field: Field) -> int:
    """Return an amount; raises QrRefused when the ledger could not move it at once."""
    if tyiyn > MAX_AMOUNT:
        raise refusal(QrReason.QR_AMOUNT, field.path, field.offset)
    return tyiyn


def service_items(code: QrCode) -> str:
    """Return the inside of template 32, nothing when it would say nothing; raises QrRefused when it is too long."""
    named = "".join(
        (
            put("00", code.provider_id, SERVICE),
            put("01", code.service_code, SERVICE),
            put("10", code.recipient_id, SERVICE),
            put("11", code.transaction_id, SERVICE),
        )
    )
    if not named and not code.recipient_editable and code.amount_editable == (not code.amount_tyiyn):
        return ""
    return "".join(
        (
            named,
            put("12", YES if code.amount_editable else NO, SERVICE),
            put("13", YES if code.recipient_editable else NO, SERVICE),
        )
    )


def check_written(code: QrCode, again: QrCode) -> None:
    """Raise QrError, naming the field, when what was written would be read as something else."""
    if (field := _first_difference(code, again)) is not None:
        raise QrError(field, f"the {code.format.value} format cannot say this")


def written_problem(problem: QrProblem, names: Mapping[str, str]) -> QrError:
    """Return the error for a problem that the reader has with what was written, by the field's name."""
    field = names.get(problem.path) or names.get(problem.path[:2]) or "text"
    return QrError(field, problem.reason.value.meaning)


def _first_difference(code: msgspec.Struct, again: msgspec.Struct) -> str | None:
    for field in code.__struct_fields__:
        one, other = getattr(code, field), getattr(again, field)
        if one == other:
            continue
        if isinstance(one, EmvDetails) and isinstance(other, EmvDetails):
            return f"{field}.{_first_difference(one, other)}"
        return field
    return None
