"""Following the log: taking in what others have written, on top of a history that is certainly still there.

A failover or a restored backup may have dropped events that were seen. Whatever is built on them would stand
after a gap, so before anything is read the last event seen is read again and compared by its leaf hash.
"""

from domain.leaf import leaf_hash
from domain.ports import LogReader, Row
from ledger.engine.decider import Decider

_READ = 10_000
"""Rows read at a time."""


class HistoryChangedError(Exception):
    """The log does not hold the events that the state was made from: load it anew."""


class Follower:
    """Reads one partition of the log into a decider."""

    def __init__(self, log: LogReader, partition: int) -> None:
        self._log = log
        self._partition = partition
        self.last = b""
        """The leaf hash of the last event seen, nothing when there is none."""

    def start_from(self, position: int) -> None:
        """Begin after a position whose state was kept, as the log has it now."""
        rows = self._log.read(self._partition, position - 1, 1) if position else []
        self.last = leaf_hash(rows[0]) if rows else b""

    def wrote(self, row: Row) -> None:
        """Hear of the last event that this engine itself has made durable."""
        self.last = leaf_hash(row)

    def follow(self, decider: Decider) -> int:
        """Take in everything after the last decided position; return how many events that were.

        Raises HistoryChangedError, and what the decider raises at an event it does not understand.
        """
        taken = 0
        while rows := self._unseen(decider.position):
            decider.follow(rows)
            self.wrote(rows[-1])
            taken += len(rows)
        return taken

    def _unseen(self, position: int) -> list[Row]:
        if not position:
            return self._log.read(self._partition, 0, _READ)
        rows = self._log.read(self._partition, position - 1, _READ)
        if not rows or leaf_hash(rows[0]) != self.last:
            raise HistoryChangedError(f"the log does not hold what was seen at position {position}")
        return rows[1:]
