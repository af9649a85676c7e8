"""Examples of the events of bulks, the least and the most that each can hold."""

from domain.bulk import BulkLegReversed, BulkPosted
from domain.event import Event, Leg
from domain.legs import RefusedLeg
from tests.bulks import bulk_posted
from tests.ledger.log.golden_values import FINGERPRINT, MONEY, TIME

BULK_EXAMPLES: dict[type[Event], tuple[Event, Event]] = {
    BulkPosted: (
        bulk_posted((1, 2, 1)),
        bulk_posted(
            (1, 2, MONEY),
            (2, 3, 10**15),
            (2**53 - 1, 1, 258),
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
