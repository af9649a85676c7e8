"""Examples of the events of bulks, the least and the most that each can hold."""

import numpy as np

from domain.bulk import BulkLegReversed, BulkPosted
from domain.event import Event, Leg
from domain.legs import STORED, RefusedLeg
from tests.ledger.log.golden_values import FINGERPRINT, MONEY, TIME


def column(*numbers: int) -> bytes:
    """Return a column as an event holds it."""
    return np.array(numbers, STORED).tobytes()


BULK_EXAMPLES: dict[type[Event], tuple[Event, Event]] = {
    BulkPosted: (
        BulkPosted(count=1, debit_accounts=column(1), credit_accounts=column(2), amounts=column(1), currency="KGS"),
        BulkPosted(
            count=3,
            debit_accounts=column(1, 2, 2**53 - 1),
            credit_accounts=column(2, 3, 1),
            amounts=column(MONEY, 10**15, 258),
            currency="KGS",
            kind="salary",
            references=("ref-1", "", 'жалакы \\ "5"'),
            refused=(
                RefusedLeg(leg=1, reason="INSUFFICIENT_FUNDS", account=2),
                RefusedLeg(leg=2, reason="CURRENCY_MISMATCH"),
            ),
            effective_time=TIME,
            fingerprint=FINGERPRINT,
        ),
    ),
    BulkLegReversed: (
        BulkLegReversed(leg=0, legs=(Leg("reversal", 2, 1, MONEY),)),
        BulkLegReversed(
            leg=8_189, legs=(Leg("reversal", 2, 1, MONEY),), explanation="Paid twice", fingerprint=FINGERPRINT
        ),
    ),
}
