"""Reading rows a page at a time, so that what is read at once has a bound in bytes as well as in rows.

Most events take a hundred bytes, a bulk takes a quarter of a million. How many rows make a page is decided by the
statement that reads them: as many as were asked for where they are small, which the database tells from their lengths
without reading them, a few where they are not, and two where the few are still too many bytes (SQLite gives no value of
more than a gigabyte). A statement of its own would cost more than the lengths do, since its answer has to wait for the
interpreter.
"""

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Final, TypeVar

from domain.ports import Row

MOST_BYTES: Final = 32 << 20
"""Bytes of events after which a read ends, whatever its limit."""
MOST_ROWS: Final = 4_096
"""Rows that are taken over at once; whoever else wants the interpreter waits for a page as a whole."""
FEW_ROWS: Final = 64
"""Rows that are read at once where more would be too many bytes."""
FEWEST: Final = 2
"""Rows that a read has at least, where there are as many, as ``LogReader.read`` promises."""

_state: Final = attrgetter("state")

_T = TypeVar("_T")
Page = Callable[[int, int, int], list[Row]]
"""Reads the rows behind a position, at most so many; FEW_ROWS of them, or FEWEST, where more have more than so many
bytes."""


def read_pages(page: Page, after: int, limit: int) -> list[Row]:
    """Return rows behind a position: up to ``limit``, and no more pages once they take MOST_BYTES."""
    rows: list[Row] = []
    room = MOST_BYTES
    while len(rows) < limit and room > 0:
        wanted = min(MOST_ROWS, limit - len(rows))
        found = page(rows[-1].position if rows else after, wanted, MOST_BYTES)
        rows += found
        taken = sum(state_sizes(found))
        room -= taken
        if not may_go_on(len(found), wanted, taken):
            break
    return rows


def may_go_on(found: int, wanted: int, taken: int) -> bool:
    """Tell whether there may be rows behind a page of so many rows and bytes: it is full, or was cut short.

    Two small ones are all that there are: nobody who follows the log shall look once more for each event.
    """
    return found in {wanted, FEW_ROWS} or (found == FEWEST and taken * FEW_ROWS > MOST_BYTES)


def read_page(page: Callable[[int, int, int], _T], after: int, limit: int) -> _T:
    """Return the first of the pages that ``read_pages`` joins, as it is."""
    return page(after, min(MOST_ROWS, limit), MOST_BYTES)


def state_sizes(rows: Sequence[Row]) -> Iterator[int]:
    """Return how many bytes each row's state has."""
    return map(len, map(_state, rows))
