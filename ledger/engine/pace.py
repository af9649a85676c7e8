"""How fast requests are taken in while the projections are behind.

The further behind they are than they may be, the longer each event waits: so the rate settles where they keep up, some
seconds behind. A light load is not held up by projections that stand still, because nobody is made slower than
5,000 events a second.
"""

from typing import Final

_SECONDS_AN_EVENT: Final = 0.000_1
"""What an event waits when the projections are twice as far behind as they may be."""
_MOST_AN_EVENT: Final = 0.000_2
_MOST_SECONDS: Final = 1.0
"""For all that is taken at once."""


def delay(events: int, behind: float, most_behind: float) -> float:
    """Return the seconds to wait before so many events are decided, given how many the projections are behind."""
    if behind <= most_behind:
        return 0.0
    each = min((behind / most_behind - 1) * _SECONDS_AN_EVENT, _MOST_AN_EVENT)
    return min(events * each, _MOST_SECONDS)
