"""Texts closed with a right hash or CRC, reckoned apart from the product."""

from binascii import crc_hqx
from hashlib import sha256
from urllib.parse import quote

from domain.qr import QrCode, read

HOST = "https://pay.payqr.kg/"
SERVICE = "32100106140000"
"""Service code 140000."""
ELQR = f"000201010211{SERVICE}5303417"
EMV = "00020101021126170013p2p.elcart.kg5204581253034175802KG5904Kafe6007Bishkek"


def elqr(text: str) -> str:
    """Return a link whose hash is right."""
    return f"{HOST}#{quote(hashed(text))}"


def hashed(text: str) -> str:
    return f"{text}6304{sha256(text.encode()).hexdigest()[-4:]}"


def emv(text: str) -> str:
    """Return a payload whose CRC is right."""
    return f"{text}6304{crc_hqx(f'{text}6304'.encode(), 0xFFFF):04X}"


def tag(number: str, value: str) -> str:
    return f"{number}{len(value):02d}{value}"


def code(text: str) -> QrCode:
    """Return what a text says; fails when it is no code."""
    found = read(text)
    assert isinstance(found, QrCode), found
    return found
