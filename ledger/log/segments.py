"""What is archived, as the stores record it: which segment holds which events, and whose states were emptied for that.

Written without waiting for the disk, as what is kept beside the history is (``ledger.log.housekeeping``): the file is
durable before, and a database that forgets a segment in a power cut still has the states of its events.
"""

from collections.abc import Collection

from sqlalchemy import Connection, func, select, update

from ledger.locking import alone
from ledger.log.archive import Segment
from ledger.log.errors import LogBroken, SegmentRefused
from ledger.log.housekeeping import Housekeeping
from ledger.log.merkle import Frontier
from ledger.log.schema import events, segments

_ADVISORY_LOCK = 0x61726368  # "arch"


class Archiving(Housekeeping):
    """Records segments through the engine of a store's housekeeping."""

    def segments(self, partition: int) -> list[Segment]:
        """Return what is archived of a partition, in order; raises LogBroken where the table is damaged."""
        asked = select(segments).where(segments.c.partition == partition).order_by(segments.c.first)
        found = self._run(lambda c: c.execute(asked).all())
        try:
            return [
                Segment(
                    partition, row.first, row.last, row.file, row.size, row.sha256, Frontier.load(row.last, row.edges)
                )
                for row in found
            ]
        except ValueError as error:
            raise LogBroken(f"what is archived of partition {partition} is damaged: {error}") from error

    def archive(self, segment: Segment, topics: Collection[str], count: int) -> None:
        """Record a segment, and empty the states of its events of some topics, in one transaction."""
        here, first, last = segment.partition, segment.first, segment.last
        recorded = select(func.max(segments.c.last)).where(segments.c.partition == here)
        head = select(func.max(events.c.position)).where(events.c.partition == here)
        told = segment._asdict() | {"edges": segment.tree.dump(), "archived_at": self._clock()}
        new = segments.insert().values({name: told[name] for name in segments.c.keys()})  # noqa: SIM118 - no mapping
        emptied = (
            update(events)
            .where(events.c.partition == here, events.c.position >= first, events.c.position <= last)
            .where(events.c.topic.in_(topics))
            .values(state=b"")
        )

        def move(connection: Connection) -> None:
            alone(connection, _ADVISORY_LOCK)
            archived = connection.execute(recorded).scalar() or 0
            if archived != first - 1:
                raise SegmentRefused(f"partition {here} is archived up to {archived}: {first} does not follow that")
            if (connection.execute(head).scalar() or 0) <= last:
                raise SegmentRefused(f"position {last} of partition {here} is not followed by another event")
            connection.execute(new)
            if (changed := connection.execute(emptied).rowcount) != count:
                raise SegmentRefused(f"{changed} events, not {count}, would be moved from {first} to {last}")

        self._run(move)
