"""The log as the engine sees it: append at a position, or conflict."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from domain.ports import Left, LogReader, Row


class Beat(NamedTuple):
    """The last sign of life of a partition's owner."""

    owner: str
    age_seconds: float


class Log(LogReader, Protocol):
    """An ordered, gapless sequence of events per partition.

    ``append``, ``beat`` and ``save_snapshot`` may be called from different threads, each with a connection
    of its own. Errors are those of ``ledger.log.errors``.
    """

    def append(self, rows: Sequence[Row]) -> None:
        """Append rows of one partition, all or none; durable when it returns.

        Raises PositionTaken, VersionTaken or RequestTaken (certainly not appended; where several are true,
        PositionTaken is raised), StorageFull (certainly not appended), LogUnavailable (unknown) or LogBroken.
        """
        ...

    def take_over(self, rows: Sequence[Row], *, tail: bytes) -> None:
        """Append like ``append``, ending other sessions that block it (a paused writer's open transaction).

        ``tail`` is the leaf hash of the event that the rows follow, nothing where they are the first. It is looked
        at in the same transaction: raises TailChanged, with nothing appended, when another event stands there.
        """
        ...

    def beat(self, partition: int, owner: str) -> None:
        """Record a sign of life of the partition's owner, timed by the database's clock where it has one."""
        ...

    def last_beat(self, partition: int) -> Beat | None:
        """Return the last sign of life, None when there was none or the owner said goodbye."""
        ...

    def release(self, partition: int, owner: str) -> None:
        """Say goodbye: forget the sign of life if it is this owner's."""
        ...

    def save_snapshot(self, partition: int, position: int, data: bytes) -> None:
        """Keep the decision state as at ``position``, and drop the older ones but one."""
        ...

    def load_snapshot(self, partition: int, *, upto: int) -> tuple[int, bytes] | None:
        """Return the newest snapshot at or before position ``upto``, and its position."""
        ...

    def within(self, left: Left) -> AbstractContextManager[None]:
        """Bound this thread's reads for the length of a block; ``left`` tells how many seconds are left.

        A read for which there is no time raises ReadOutOfTime, and has ended in the database by then.
        """
        ...

    def close(self) -> None:
        """Close every connection. Closing twice is allowed."""
        ...
