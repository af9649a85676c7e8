"""The log as the engine sees it: append at a position, or conflict."""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from domain.ports import Left, LogReader, Row
from ledger.log.archive import Segment
from ledger.log.merkle import Frontier
from ledger.log.tables import Table


class Beat(NamedTuple):
    """The last sign of life of a partition's owner."""

    owner: str
    age_seconds: float
    address: str = ""
    """Where other servers reach it, empty where they cannot."""


class Kept(NamedTuple):
    """A checkpoint that was signed, with the lines that witnesses have put under it since."""

    size: int
    note: str
    signed_at: int
    cosignatures: tuple[str, ...] = ()


class OddValue(NamedTuple):
    """A value of another kind or length than any that was appended: its position, and the field."""

    position: int
    field: str


class Mail(NamedTuple):
    """Where another partition has sent something: which one, and at which position of its log."""

    home: int
    position: int


class Log(LogReader, Protocol):
    """An ordered, gapless sequence of events per partition.

    ``append``, ``beat`` and ``save_snapshot`` may be called from different threads, each with a connection
    of its own. Errors are those of ``ledger.log.errors``.
    """

    def table(self, partition: int, after: int, limit: int) -> Table:
        """Return rows as ``read`` does, as a table: maybe fewer, one page of the log, but two at least if there are."""
        ...

    def whose(self, partition: int, topic: str, after: int, upto: int) -> list[bytes]:
        """Return whose the events of a topic are that stand behind ``after`` and up to ``upto``, in order.

        The database looks through the positions by itself: a million a second, not rows for the caller to throw away.
        """
        ...

    def odd_value(self, partition: int, after: int, upto: int) -> OddValue | None:
        """Return the first odd value behind ``after`` and up to ``upto``, None where there is none.

        A database that holds to the types of its columns has none; in SQLite any column may have values of any kind,
        which are read like those that they were made of: a text for its bytes, an integer for its digits.
        """
        ...

    def append(self, rows: Sequence[Row]) -> None:
        """Append rows of one partition, all or none, and their leaves to its tree; durable when it returns.

        Raises PositionTaken, VersionTaken, RequestTaken or TreeChanged (certainly not appended; where several are
        true, PositionTaken is raised), StorageFull (certainly not appended), LogUnavailable (unknown) or LogBroken.
        """
        ...

    def take_over(self, rows: Sequence[Row], *, tail: bytes) -> None:
        """Append like ``append``, ending other sessions that block it (a paused writer's open transaction).

        ``tail`` is the leaf hash of the event that the rows follow, nothing where they are the first. It is looked
        at in the same transaction: raises TailChanged, with nothing appended, when another event stands there.
        Events that an older version of Esep wrote since, without their leaves, are added to the tree first.
        """
        ...

    def tree(self, partition: int) -> Frontier:
        """Return the Merkle tree over the partition's events, as of the last append that a reader can see.

        Raises LogBroken when what is stored is no tree.
        """
        ...

    def acknowledged(self, partition: int) -> Frontier | None:
        """Return the tree after this log's last append that is certainly durable, None when that is not known."""
        ...

    def keep_checkpoint(self, partition: int, kept: Kept) -> None:
        """Keep a signed checkpoint unless one of its size is kept, and drop old ones that nobody cosigned."""
        ...

    def find_checkpoint(self, partition: int, *, size: int | None = None, cosigned: bool = False) -> Kept | None:
        """Return the checkpoint of this size, else the largest; only one that was cosigned, where that is asked."""
        ...

    def list_checkpoints(self, partition: int, *, below: int, cosigned: bool, limit: int) -> list[Kept]:
        """Return the checkpoints below a size, the largest first; only cosigned ones, where that is asked."""
        ...

    def add_cosignature(self, partition: int, size: int, witness: str, line: str) -> None:
        """Keep a witness's line under a checkpoint in the place of its earlier one."""
        ...

    def partitions(self, wanted: int | None = None) -> int:
        """Return how many partitions the ledger has; one without events yet is made with as many as are wanted.

        Raises ValueError when that is another number than it was made with: it is fixed for good.
        """
        ...

    def send_mail(self, partition: int, mail: Sequence[Mail]) -> None:
        """Tell the owner of a partition what others have sent it, once however often it is told."""
        ...

    def read_mail(self, partition: int, limit: int) -> list[Mail]:
        """Return what the owner of a partition has been told and has not taken in, up to ``limit`` of it."""
        ...

    def drop_mail(self, partition: int, mail: Sequence[Mail]) -> None:
        """Forget what the owner of a partition has taken in."""
        ...

    def beat(self, partition: int, owner: str, address: str = "") -> None:
        """Record a sign of life of the partition's owner, timed by the database's clock where it has one.

        With it goes the address at which other servers reach the owner.
        """
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


class ArchivingLog(Log, Protocol):
    """A log whose old events can be archived."""

    def segments(self, partition: int) -> list[Segment]:
        """Return what is archived of a partition, in order; raises LogBroken where the table is damaged."""
        ...

    def archive(self, segment: Segment, topics: Collection[str], count: int) -> None:
        """Record a segment, which must be durable and proven, and empty the states of its events of some topics.

        In one transaction; ``count`` is how many there are. Whoever reads them is led to the segment. Raises
        SegmentRefused with nothing moved where it does not follow what is archived, holds the last event, or the log
        has another number of such events.
        """
        ...
