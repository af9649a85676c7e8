"""Rows in columns, for whoever hands them on as such and need not make each of them first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Final

import numpy as np

from domain.ports import Row
from ledger.log.errors import LogBroken

ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Rows of one partition, a column for each of their fields."""

    partition: int
    positions: Sequence[int]
    originator_ids: bytes
    """16 bytes each, one behind the other."""
    originator_versions: Sequence[int]
    topics: Sequence[str]
    states: Sequence[bytes]
    recorded_at: Sequence[int]
    request_ids: Sequence[bytes]
    """Empty where a row has none."""
    callers: Sequence[str]

    @classmethod
    def of(cls, partition: int, rows: Sequence[Row]) -> "Table":
        """Take rows of a partition apart."""
        if not rows:
            return cls(partition, (), b"", (), (), (), (), (), ())
        _, positions, originators, versions, topics, states, times, requests, callers = zip(*rows, strict=True)
        ids = tuple([request or b"" for request in requests])
        table = cls(partition, positions, b"".join(originators), versions, topics, states, times, ids, callers)
        table.check()
        return table

    def check(self) -> None:
        """Raise LogBroken where a value that is not what it should be would shift those behind it."""
        size = len(self.positions)
        lengths = {len(self.originator_ids) / ID_BYTES, *map(len, (self.originator_versions, self.topics, self.states))}
        lengths |= set(map(len, (self.recorded_at, self.request_ids, self.callers)))
        if lengths != {size}:
            raise LogBroken(f"partition {self.partition}: events from position {self.positions[0]} on are damaged")

    def rows(self) -> list[Row]:
        """Return the rows."""
        size = len(self.positions)
        ids: list[bytes] = np.frombuffer(self.originator_ids, "V16").tolist()
        columns = (
            repeat(self.partition, size),
            self.positions,
            ids,
            self.originator_versions,
            self.topics,
            self.states,
            self.recorded_at,
            [request or None for request in self.request_ids] if any(self.request_ids) else repeat(None, size),
            self.callers,
        )
        return rows_of(zip(*columns, strict=True))


def rows_of(values: Iterable[tuple[Any, ...]]) -> list[Row]:
    """Return values as rows: what ``Row._make`` does, without calling it for each."""
    return list(map(tuple.__new__, repeat(Row), values))
