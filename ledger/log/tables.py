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
        """Take rows of a partition apart; raises LogBroken where an id is not 16 bytes long."""
        if not rows:
            return cls(partition, (), b"", (), (), (), (), (), ())
        _, positions, originators, versions, topics, states, times, requests, callers = zip(*rows, strict=True)
        ids = tuple([request or b"" for request in requests])
        table = cls(partition, positions, b"".join(originators), versions, topics, states, times, ids, callers)
        if not table.even:
            raise LogBroken(f"partition {partition}: an event behind position {positions[0] - 1} has no id of 16 bytes")
        return table

    @property
    def even(self) -> bool:
        """Whether every column has a value for each row: one too many or too short would shift all behind it."""
        size = len(self.positions)
        others = (self.originator_versions, self.topics, self.states, self.recorded_at, self.request_ids, self.callers)
        return len(self.originator_ids) == ID_BYTES * size and all(len(column) == size for column in others)

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
