"""How long the event loop may wait itself: a hundredth of the time, and a little of it at once.

A wait that was long may be a slow disk's, which the next question meets again, or that of a thread whose processor was
taken away for a moment, which on a busy machine comes every second. The two look alike; only the first goes on and on.
"""

from typing import Final

SHARE: Final = 0.01
"""The part of all time that waiting may take."""
LONG_SECONDS: Final = 0.002
"""What is shorter counts for nothing."""
SAVED_SECONDS: Final = 0.02
"""What may be waited at once, after a time without waiting."""


class LoopBudget:
    """What is left to be waited. Times are the loop's own, in seconds."""

    def __init__(self) -> None:
        self._left = SAVED_SECONDS
        self._at = 0.0
        self._empty_until = 0.0

    def allows(self, now: float) -> bool:
        """Tell whether the loop may begin something that could make it wait."""
        return now >= self._empty_until

    def spend(self, begun: float, ended: float) -> None:
        """Hear how long something took."""
        seconds = ended - begun
        if seconds <= LONG_SECONDS:
            return
        self._left = min(SAVED_SECONDS, self._left + (begun - self._at) * SHARE) - seconds
        self._at = ended
        self._empty_until = ended + max(0.0, -self._left) / SHARE
