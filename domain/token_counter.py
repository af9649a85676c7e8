"""The application transaction counter (ATC): which values of it a token still takes.

A phone counts its taps from 1 and never repeats a value. Taps may arrive out of order, so a token keeps the highest
value seen and which of the 8 values behind it were. A value is used up once a right cryptogram has shown it; a jump
of more than 100 ahead is a phone that has lost its way, or a guess. The counter has two bytes (EMV Book 3, tag 9F36):
before it ends the token is provisioned again, and counts from 1.
"""

from typing import Final, NamedTuple

from domain.refusals import Reason

WINDOW: Final = 8
"""Values behind the highest that may still come, each once."""
LARGEST_JUMP: Final = 100
MAX_COUNTER: Final = 65_535
LAST: Final = MAX_COUNTER - LARGEST_JUMP
"""The last value that is taken."""

_MASK: Final = (1 << WINDOW) - 1


class Counter(NamedTuple):
    """What a token has seen: the highest value, and as bits the values behind it, the nearest in the lowest bit."""

    highest: int = 0
    seen: int = 0


def counter_reason(counter: Counter, value: int) -> Reason | None:
    """Return why a value is not taken, None when it is."""
    ahead = value - counter.highest
    if ahead > LARGEST_JUMP:
        return Reason.COUNTER_JUMPED
    if ahead == 0 or (-WINDOW <= ahead < 0 and counter.seen >> (-ahead - 1) & 1):
        return Reason.COUNTER_REPEATED
    if ahead < -WINDOW:
        return Reason.COUNTER_TOO_OLD
    return Reason.COUNTER_NEAR_END if value > LAST else None


def use_up(counter: Counter, value: int) -> Counter:
    """Return the counter after a value that it takes."""
    ahead = value - counter.highest
    if ahead > 0:
        return Counter(value, (counter.seen << 1 | 1) << (ahead - 1) & _MASK)
    return Counter(counter.highest, counter.seen | 1 << (-ahead - 1))
