"""Values that many examples of stored events share."""

from uuid import UUID

from domain.event import Leg
from domain.limits import Spending, SpendingReturned, Taking
from domain.rules import Operation

FINGERPRINT = "00112233445566778899aabb"
ID = UUID("0190a5f0-1234-7abc-8def-0123456789ab")
SEALED = bytes(range(48))
MONEY = 10**15
TIME = 1_790_000_000_000_000
TAGS = {"канал": "мобилдик", "till": "17"}
LEG = Leg("capture", 2, 3, MONEY)
FEE = Leg("fee", 2, 4, 1)
SPENDING = Spending(
    Operation.POS_PAYMENT, MONEY, ID, card=UUID(int=ID.int + 1), token=UUID(int=ID.int + 2), rules="rules-1", count=0
)
RETURNED = SpendingReturned(Spending(Operation.TOP_UP, 1, ID), taken_at=TIME, amount=1, count=1)
RETURNED_TO_DAYS = SpendingReturned(
    Spending(Operation.TOP_UP, 3, ID), TIME + 1, 1, earlier=(Taking(TIME, 1), Taking(TIME - 1, 1, 1))
)
