"""Dropping notices that are old enough: a piece at a time, and only while there is nothing to project.

How old a notice is follows from the log alone: the time its event was recorded, held against that of the newest one.
The last notice that was dropped is written down in the same transaction, so that whoever resumes before it is told.
While the tables are behind the log nothing is dropped: the outbox grows meanwhile, and projecting is not held up.
"""

from typing import Final

from projections import schema
from projections.answers import Cursor
from projections.store import Copy, Session
from projections.times import position_at

MOST_NOTICES: Final = 1_000
"""Notices dropped at a time: milliseconds, for which an event that has just come waits."""
_LOOKS: Final = 1_000
"""How often it is looked for old notices within the time for which they are kept."""


class Retention:
    """Drops a partition's notices from one copy when they are ``keep`` microseconds old; 0 keeps them for ever."""

    def __init__(self, copy: Copy, partition: int, keep: int) -> None:
        self._copy = copy
        self._partition = partition
        self._keep = keep
        self._next_look = 0

    def drop_some(self, newest: int) -> bool:
        """Drop up to MOST_NOTICES and tell whether there may be more; ``newest`` is when the last event was recorded.

        Raises CopyRetiredError.
        """
        if not self._keep or newest < self._next_look:
            return False
        with self._copy.write() as writer:
            last = self._last_to_drop(writer, newest - self._keep)
            if last is not None:
                writer.all(_DELETE, self._partition, *last)
                writer.upsert(schema.notices_dropped, [(self._partition, *last)])
        if last is None:
            self._next_look = newest + self._keep // _LOOKS
        return last is not None

    def _last_to_drop(self, session: Session, time: int) -> Cursor | None:
        upto = position_at(session, self._partition, time)
        found = session.one(_LAST_OF_PIECE, self._partition, upto, MOST_NOTICES - 1)
        found = found or session.one(_LAST, self._partition, upto)
        return None if found is None else Cursor(*found)


_LAST_OF_PIECE: Final = (
    "SELECT position, item FROM notices WHERE partition = ? AND position <= ? ORDER BY position, item LIMIT 1 OFFSET ?"
)
_LAST: Final = (
    "SELECT position, item FROM notices WHERE partition = ? AND position <= ? ORDER BY position DESC, item DESC LIMIT 1"
)
_DELETE: Final = "DELETE FROM notices WHERE partition = ? AND (position, item) <= (?, ?) RETURNING position"
