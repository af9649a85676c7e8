"""How long the reads of a thread may take: whoever waits for an answer says so before it asks.

A read that nobody waits for any more is ended in the database, so that it frees its thread and its connection.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from domain.ports import Left
from ledger.log.errors import ReadOutOfTime

_FINEST: Final = 8


class Patience(threading.local):
    """What each thread has said of its own reads."""

    left: Left | None = None

    @contextmanager
    def within(self, left: Left) -> Iterator[None]:
        """Bound this thread's reads for the length of the block."""
        before, self.left = self.left, left
        try:
            yield
        finally:
            self.left = before

    def seconds(self) -> float | None:
        """Return what is left, None for as long as it takes; raises ReadOutOfTime when nothing is."""
        if self.left is None:
            return None
        seconds = self.left()
        if seconds <= 0:
            raise ReadOutOfTime("there was no time left to read in")
        return seconds


def timeout_ms(seconds: float | None) -> int:
    """Return a statement's timeout, 0 for none: rounded up by an eighth at most, so that few have to be set."""
    if seconds is None:
        return 0
    exact = max(1, int(seconds * 1000))
    step = max(1, (1 << exact.bit_length() - 1) // _FINEST)
    return -(-exact // step) * step
