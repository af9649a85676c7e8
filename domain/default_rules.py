"""The rules in force before any are published: no fees but for transfers to another's card, and modest limits.

The scheme publishes one figure, that a transfer to a bank account costs nothing (leaflet row S26). All others are
meant to be replaced by publishing a document; they are chosen so that a new ledger is of use, and bounded.
"""

from typing import Final

from domain.customer import Tier
from domain.rules import Fee, Limit, Measure, Operation, Period, Rules, Subject

SOM: Final = 100
"""Tyiyn in a som."""

_FREE: Final = tuple(
    Fee(operation)
    for operation in (
        Operation.TRANSFER_TO_ACCOUNT,
        Operation.QR_PAYMENT,
        Operation.SERVICE_PAYMENT,
        Operation.TOP_UP,
        Operation.POS_PAYMENT,
    )
)

_CHARGED: Final = (
    Fee(Operation.TRANSFER_TO_CARD, basis_points=30, minimum=10 * SOM, maximum=200 * SOM, interbank=True),
    Fee(Operation.TRANSFER_TO_CARD, fixed=5 * SOM),
    Fee(Operation.TRANSFER_BY_PHONE, basis_points=20, minimum=5 * SOM, maximum=100 * SOM, interbank=True),
    Fee(Operation.TRANSFER_BY_PHONE),
    Fee(Operation.TRANSFER_BY_QR, basis_points=20, minimum=5 * SOM, maximum=100 * SOM, interbank=True),
    Fee(Operation.TRANSFER_BY_QR),
)


def _customer(tier: Tier, amount: int, day: int, month: int, count: int) -> tuple[Limit, ...]:
    """Return the limits of a tier's customers; amounts in som."""
    who, tiers, name = Subject.CUSTOMER, (tier,), tier.replace("_", "-")
    return (
        Limit(f"{name}-amount", who, Period.OPERATION, Measure.AMOUNT, amount * SOM, tiers=tiers),
        Limit(f"{name}-day", who, Period.DAY, Measure.SUM, day * SOM, tiers=tiers),
        Limit(f"{name}-month", who, Period.MONTH, Measure.SUM, month * SOM, tiers=tiers),
        Limit(f"{name}-day-count", who, Period.DAY, Measure.COUNT, count, tiers=tiers),
    )


DEFAULT: Final = Rules(
    version="default-1",
    fees=_CHARGED + _FREE,
    limits=(
        *_customer(Tier.REMOTE, amount=50_000, day=100_000, month=500_000, count=50),
        *_customer(Tier.IN_PERSON, amount=500_000, day=1_000_000, month=5_000_000, count=200),
        Limit("card-day", Subject.CARD, Period.DAY, Measure.SUM, 500_000 * SOM),
        Limit("token-amount", Subject.TOKEN, Period.OPERATION, Measure.AMOUNT, 50_000 * SOM),
        Limit("token-day", Subject.TOKEN, Period.DAY, Measure.SUM, 100_000 * SOM),
        Limit("token-day-count", Subject.TOKEN, Period.DAY, Measure.COUNT, 50),
    ),
)
