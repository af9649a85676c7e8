"""What rules are made of: fees, limits and the length of holds. A version of them is one whole document.

How versions follow each other stands in ``domain.published``, what counts against a limit in ``domain.limits``.
"""

from enum import StrEnum
from typing import Final

import msgspec

from domain.customer import Tier
from domain.event import HoldRule

WHOLE: Final = 10_000
"""Basis points in a whole."""


class Operation(StrEnum):
    """What a fee is charged for and a limit counts."""

    TRANSFER_TO_CARD = "transfer_to_card"
    TRANSFER_TO_ACCOUNT = "transfer_to_account"
    TRANSFER_BY_PHONE = "transfer_by_phone"
    TRANSFER_BY_QR = "transfer_by_qr"
    QR_PAYMENT = "qr_payment"
    SERVICE_PAYMENT = "service_payment"
    TOP_UP = "top_up"
    POS_PAYMENT = "pos_payment"


class Subject(StrEnum):
    """Whose consumption a limit bounds."""

    CUSTOMER = "customer"
    CARD = "card"
    TOKEN = "token"  # noqa: S105 - a payment token, no secret


class Period(StrEnum):
    """Over what a limit counts: one operation by itself, a day or a month of the scheme's time zone."""

    OPERATION = "operation"
    DAY = "day"
    MONTH = "month"


class Measure(StrEnum):
    """What a limit counts: the amount of one operation, the sum of many, or how many they are."""

    AMOUNT = "amount"
    SUM = "sum"
    COUNT = "count"


class Fee(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What an operation costs: ``fixed`` tyiyn and ``basis_points`` of the amount, within bounds.

    An empty ``participant`` is any bank, ``interbank`` None any transfer, ``maximum`` None no upper bound.
    """

    operation: Operation
    fixed: int = 0
    basis_points: int = 0
    minimum: int = 0
    maximum: int | None = None
    participant: str = ""
    interbank: bool | None = None

    def applies(self, operation: Operation, participant: str, *, interbank: bool) -> bool:
        """Tell whether this is the fee of such an operation."""
        return (
            self.operation is operation
            and self.participant in ("", participant)
            and self.interbank in (None, interbank)
        )

    def charge(self, amount: int) -> int:
        """Return the fee on ``amount`` tyiyn; the share is rounded half up to the tyiyn, the bounds come last."""
        share = (amount * self.basis_points + WHOLE // 2) // WHOLE
        charged = max(self.fixed + share, self.minimum)
        return charged if self.maximum is None else min(charged, self.maximum)


class Limit(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A bound on what a subject may spend. Without ``operations`` it counts all of them, without ``tiers`` for all."""

    name: str
    subject: Subject
    period: Period
    measure: Measure
    maximum: int
    operations: tuple[Operation, ...] = ()
    tiers: tuple[Tier, ...] = ()

    def applies(self, operation: Operation, tier: Tier | None) -> bool:
        """Tell whether such an operation of such a customer counts; None where the card used is nobody's."""
        return (not self.operations or operation in self.operations) and (not self.tiers or tier in self.tiers)


class Holds(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """How long authorisations hold: the first rule that matches, else ``ttl_seconds``."""

    ttl_seconds: int
    rules: tuple[HoldRule, ...] = ()

    def ttl(self, kind: str, merchant_category_code: str, entry_mode: str) -> int:
        """Return how many seconds a hold of this sort lasts."""
        matching = (rule for rule in self.rules if rule.matches(kind, merchant_category_code, entry_mode))
        return next((rule.ttl_seconds for rule in matching), self.ttl_seconds)


class Rules(msgspec.Struct, frozen=True):
    """One version of the rules. ``holds`` is None where the server's settings say how long holds last."""

    version: str
    fees: tuple[Fee, ...] = ()
    limits: tuple[Limit, ...] = ()
    holds: Holds | None = None
    number: int = 0
    """0 for the rules before anything was published."""
    effective_from: int = 0
    published_at: int = 0
    maker: str = ""
    checker: str = ""
    explanation: str = ""

    def fee(self, operation: Operation, amount: int, *, interbank: bool = False, participant: str = "") -> int:
        """Return what a participant's customer pays: by the first fee that applies, in the document's order."""
        applying = (fee for fee in self.fees if fee.applies(operation, participant, interbank=interbank))
        found = next(applying, None)
        return 0 if found is None else found.charge(amount)
