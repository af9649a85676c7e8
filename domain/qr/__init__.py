"""QR codes, read and written: the national code ELQR and the merchant-presented code of EMV.

``read`` recognises the format of any text and returns what the code says or why it is none; it never raises.
``write_elqr`` and ``write_emvco`` return what ``read`` reads back as the same code, or raise QrError.
"""

import re
from typing import Final

from domain.qr.code import (
    MAX_TEXT,
    Account,
    EmvDetails,
    ExtraField,
    Item,
    QrCode,
    QrFormat,
    Tip,
    TipKind,
)
from domain.qr.elqr import elqr_link, read_elqr
from domain.qr.emvco import emvco_text, read_emvco
from domain.qr.problems import QrError, QrProblem, QrReason, QrRefused, refusal
from domain.qr.tlv import digits

__all__ = [
    "DEFAULT_HOST",
    "MAX_TEXT",
    "Account",
    "EmvDetails",
    "ExtraField",
    "Item",
    "QrCode",
    "QrError",
    "QrFormat",
    "QrProblem",
    "QrReason",
    "Tip",
    "TipKind",
    "is_host",
    "read",
    "write_elqr",
    "write_emvco",
]

DEFAULT_HOST: Final = "https://pay.payqr.kg/"

_HOST: Final = re.compile(r"https?://[^/?#\s\\]+[^#\s]*", re.IGNORECASE)
_FIRST_TAG: Final = 4


def read(text: str) -> QrCode | QrProblem:
    """Return what a scanned text says, or why it cannot be paid, for any text whatever."""
    try:
        return _read(text)
    except QrRefused as refused:
        return refused.problem


def write_elqr(code: QrCode, host: str = DEFAULT_HOST) -> str:
    """Return the link of a national code, on the host (``https://…``, with a path if it likes).

    Raises QrError, naming the field that stands in the way.
    """
    if not is_host(host):
        raise QrError("host", "not a link that begins with https:// or http:// and has no #")
    return elqr_link(code, host)


def is_host(link: str) -> bool:
    """Return whether a national code's link can begin like this."""
    return _HOST.fullmatch(link) is not None


def write_emvco(code: QrCode) -> str:
    """Return the payload of an EMV code; raises QrError, naming the field that stands in the way."""
    return emvco_text(code)


def _read(text: str) -> QrCode:
    if len(text) > MAX_TEXT:
        raise refusal(QrReason.QR_TOO_LONG, offset=MAX_TEXT)
    if (half := re.search("[\ud800-\udfff]", text)) is not None:
        raise refusal(QrReason.QR_CHARACTERS, offset=half.start())
    host, sharp, payload = text.partition("#")
    if sharp and payload and _HOST.fullmatch(host):
        return read_elqr(payload)
    if digits(text[:_FIRST_TAG]):
        return read_emvco(text)
    raise refusal(QrReason.QR_NOT_A_CODE)
