"""Reading rows a page at a time, so that what is read at once has a bound in bytes as well as in rows.

Most events take a hundred bytes, a bulk takes a quarter of a million. How many rows make a page goes by the rows that
were read last: a page of bulks is short, and only the first one behind small events is longer than it should be.
"""

from collections.abc import Callable
from typing import Final

from domain.ports import Row

MOST_BYTES: Final = 32 << 20
"""Bytes of events after which a read ends, whatever its limit."""

Page = Callable[[int, int], list[Row]]
"""Reads the rows behind a position, at most so many."""


class Pages:
    """How many rows are read at once. For any thread: a size that another one has just set is as good."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = most

    def read(self, page: Page, after: int, limit: int) -> list[Row]:
        """Return rows behind a position: up to ``limit``, and no more once they take MOST_BYTES."""
        rows: list[Row] = []
        room = MOST_BYTES
        while len(rows) < limit and room > 0:
            wanted = min(self._size, limit - len(rows))
            found = page(rows[-1].position if rows else after, wanted)
            rows += found
            taken = sum(len(row.state) for row in found)
            room -= taken
            if found:
                self._size = min(self._most, max(1, MOST_BYTES * len(found) // (taken + 1)))
            if len(found) < wanted:
                break
        return rows
