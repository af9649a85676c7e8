"""When each event was recorded: from a recorded time to a position, and back.

Recorded times are strictly increasing within a partition, so a question about a recorded time is a question
about a position. The times of 128 events stand in one row, eight bytes each.
"""

from bisect import bisect_right
from struct import pack, unpack
from typing import Final

from projections.batch import Batch, Ledger
from projections.schema import recorded_times
from projections.store import Session, Writer

CHUNK: Final = 128


class RecordedTimes:
    """Keeps the recorded time of every position of one partition."""

    def __init__(self) -> None:
        self._open: tuple[int, list[int]] | None = None

    def apply(self, batch: Batch, writer: Writer, ledger: Ledger) -> None:
        """Write the chunks that the batch's positions fall into."""
        chunk, within = divmod(batch.first.position - 1, CHUNK)
        times = self._begun(writer, batch.partition, chunk) if within else []
        if len(times) != within:
            raise ValueError(f"the recorded times before position {batch.first.position} are missing")
        times += [row.recorded_at for row, _ in batch.items]
        rows = []
        for start in range(0, len(times), CHUNK):
            part = times[start : start + CHUNK]
            rows.append((batch.partition, chunk, part[0], pack(f"<{len(part)}q", *part)))
            self._open = (chunk, part)
            chunk += 1
        writer.upsert(recorded_times, rows)

    def _begun(self, session: Session, partition: int, chunk: int) -> list[int]:
        if self._open is not None and self._open[0] == chunk:
            return list(self._open[1])
        return _chunk(session, partition, chunk)


def time_at(session: Session, partition: int, position: int) -> int:
    """Return when the event at a position was recorded; raises ValueError where none is known."""
    chunk, within = divmod(position - 1, CHUNK)
    times = _chunk(session, partition, chunk) if position > 0 else []
    if within >= len(times):
        raise ValueError(f"no event is known at position {position} of partition {partition}")
    return times[within]


def position_at(session: Session, partition: int, time: int) -> int:
    """Return the last position recorded at or before a time, 0 when there is none."""
    found = session.one(
        "SELECT chunk, times FROM recorded_times WHERE partition = ? AND first_at <= ? ORDER BY first_at DESC LIMIT 1",
        partition,
        time,
    )
    if found is None:
        return 0
    chunk, packed = found
    return int(chunk) * CHUNK + bisect_right(_unpacked(packed), time)


def _chunk(session: Session, partition: int, chunk: int) -> list[int]:
    found = session.one("SELECT times FROM recorded_times WHERE partition = ? AND chunk = ?", partition, chunk)
    return [] if found is None else _unpacked(found[0])


def _unpacked(packed: bytes) -> list[int]:
    return list(unpack(f"<{len(packed) // 8}q", packed))
