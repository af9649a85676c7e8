"""A phone that pays, made of software: what its key store and chip would do, for tests and the demonstration.

It follows EMV from the phone's side and shares nothing with the server but the books: the limited-use key it was given,
a counter of its own, and the data of a tap that the terminal gives it.
"""

import time
import warnings
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from secrets import token_bytes
from typing import Any, Final, NamedTuple

import pyemv
from cryptography.utils import CryptographyDeprecationWarning

from protos.esep.v1 import authorization_pb2, token_pb2
from protos.esep.v1.authorization_pb2 import FiscalReceipt
from protos.esep.v1.token_payment_service_pb2 import AuthorizeTokenPaymentRequest, Tap

warnings.filterwarnings("ignore", category=CryptographyDeprecationWarning, module="pyemv")

KYRGYZSTAN: Final = 417
SOM: Final = 417
BISHKEK: Final = timezone(timedelta(hours=6))
_UNLOCKED: Final = 0x80


class Terminal(NamedTuple):
    """What a terminal puts into a tap, beside the amount."""

    country: int = KYRGYZSTAN
    currency: int = SOM
    currency_code: str = "KGS"
    date: str = ""
    """Six digits, YYMMDD; empty for that of its clock."""
    now: Callable[[], float] = time.time
    """Its clock, in seconds since the Unix epoch."""

    @property
    def today(self) -> str:
        """The date that it puts into a tap."""
        return self.date or datetime.fromtimestamp(self.now(), BISHKEK).strftime("%y%m%d")


HERE: Final = Terminal()
"""A terminal in Kyrgyzstan that asks for som."""


class Phone:
    """One phone with one token. ``unlocked`` is whether its owner has unlocked it."""

    def __init__(self, device_id: str = "pixel-7") -> None:
        self.device_id = device_id
        self.number = ""
        self.expiry = ""
        self.unlocked = True
        self.counter = 0
        self.here = HERE
        """The terminal that it taps unless another is named."""
        self._key = b""
        self._sequence = 0

    @property
    def device(self) -> token_pb2.Device:
        """What the phone says of itself when a token is requested."""
        return token_pb2.Device(device_id=self.device_id, model="Pixel 7", android_version="13", nfc=True)

    def provision(self, number: str, expiry: str, key: token_pb2.TokenKey) -> None:
        """Take a token in: the counter begins anew."""
        self.number, self.expiry, self.counter = number, expiry, 0
        self.replenish(key)

    def replenish(self, key: token_pb2.TokenKey) -> None:
        """Take another key in: the counter goes on."""
        self._key, self._sequence = key.key, key.sequence

    def tap(self, amount: int, terminal: Terminal | None = None, *, counter: int | None = None) -> Tap:
        """Answer a terminal, and count that; ``counter`` sets the counter before."""
        terminal = terminal or self.here
        self.counter = self.counter + 1 if counter is None else counter
        date = terminal.today
        unpredictable = token_bytes(4)
        application = self._sequence.to_bytes(2, "big") + bytes([_UNLOCKED if self.unlocked else 0])
        data = bytes.fromhex(
            f"{amount:012}"
            "000000000000"  # 9F02, 9F03: amount, other amount
            f"{terminal.country:04}"
            "0000000000"  # 9F1A, 95: country, verification results
            f"{terminal.currency:04}{date}"
            "00"  # 5F2A, 9A, 9C: currency, date, purchase
            f"{unpredictable.hex()}"
            "0000"  # 9F37, 82: unpredictable number, profile
            f"{self.counter:04x}{application.hex()}"  # 9F36, 9F10: counter, issuer application data
        )
        session_key = pyemv.kd.derive_common_sk(self._key, self.counter.to_bytes(2, "big") + bytes(6))
        return Tap(
            country_number=terminal.country,
            transaction_date=date,
            unpredictable_number=unpredictable,
            transaction_counter=self.counter,
            key_sequence=self._sequence,
            cardholder_verified=self.unlocked,
            cryptogram=pyemv.ac.generate_ac(session_key, data),
        )

    def pay(
        self,
        request_id: str,
        amount: int,
        merchant: int,
        terminal: Terminal | None = None,
        **fields: Any,
    ) -> AuthorizeTokenPaymentRequest:
        """Return what the terminal sends after a tap."""
        terminal = terminal or self.here
        values: dict[str, Any] = {
            "token_number": self.number,
            "expiry": self.expiry,
            "credit_account_id": merchant,
            "amount_tyiyn": amount,
            "currency_code": terminal.currency_code,
            "entry_mode": authorization_pb2.ENTRY_MODE_CONTACTLESS,
        }
        if "tap" not in fields:
            values["tap"] = self.tap(amount, terminal)
        return AuthorizeTokenPaymentRequest(request_id=request_id, **{**values, **fields})


def fiscal_receipt(till_id: str, number: str) -> FiscalReceipt:
    """Return a receipt of a fiscal till."""
    return FiscalReceipt(till_id=till_id, receipt_number=number)
