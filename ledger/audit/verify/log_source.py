"""A history to verify straight from a log, for whoever stands beside the database: no server is asked.

What the projections say of it, hashes and figures, is handed in. Where the log says that positions are missing, reading
goes on behind them, so that everything else can still be looked at.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from domain.ports import LogReader, Row
from ledger.audit.source import AccountFigures
from ledger.log.errors import LogBroken

_AT_A_TIME: Final = 2_048


class LogSource:
    """One partition of a log, up to a position."""

    def __init__(
        self,
        log: LogReader,
        partition: int,
        head: int,
        *,
        checkpoints: Sequence[str],
        keys: Sequence[str],
        leaf_hashes: Callable[[int], Iterator[bytes]],
        figures: Callable[[], Iterator[AccountFigures]],
    ) -> None:
        self.partition = partition
        self.head = head
        self._log = log
        self._checkpoints = checkpoints
        self._keys = keys
        self.leaf_hashes = leaf_hashes
        self.figures = figures

    def rows(self, after: int) -> Iterator[Sequence[Row]]:
        """Yield the events behind a position up to ``head``."""
        return read_on(self._log, self.partition, after, self.head)

    def checkpoints(self) -> Sequence[str]:
        """Return the signed notes."""
        return self._checkpoints

    def keys(self) -> Sequence[str]:
        """Return the keys that the ledger names."""
        return self._keys


def read_on(log: LogReader, partition: int, after: int, upto: int) -> Iterator[Sequence[Row]]:
    """Yield the rows between two positions, leaving out what is not there."""
    size = _AT_A_TIME
    while after < upto:
        try:
            rows = log.read(partition, after, min(size, upto - after))
        except LogBroken:
            if size == 1:
                after += 1
            size = max(1, size // 2)
            continue
        if not rows:
            return
        rows = [row for row in rows if row.position <= upto]
        if rows:
            yield rows
        after += max(1, len(rows))
        size = min(_AT_A_TIME, 2 * size)
