"""A batch of rows, and the runs in it that few values tell, so that a database is handed those and not each row's own.

Most of a large batch is the first events of new aggregates (transfers), of one topic and caller, recorded one
microsecond after another: such rows differ in nothing but their ids and states. Other rows stay as they are.
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Final

import numpy as np

from domain.leaves import Columns, Integers, columns_of, hash_columns, leaf_hashes
from domain.ports import Row

_FIRST_PART: Final = 1024
"""The rows of a large batch that are taken apart first: they are hashed while the others are taken apart."""
_PART: Final = 8192
"""The most rows that are taken apart together."""
_SHORTEST: Final = 64
"""Rows from which a run is worth its own statement."""


class Batch:
    """The rows of one append, which have one partition and follow one another."""

    def __init__(self, rows: Sequence[Row]) -> None:
        """Take the rows, at least one."""
        self.rows = rows

    @cached_property
    def parts(self) -> "list[Part]":
        """The rows as they are taken apart."""
        return [Part(self.rows[start:end]) for start, end in pairwise(_cuts(len(self.rows)))]

    @property
    def hashes(self) -> list[bytes]:
        """The leaf hash of each row."""
        if len(self.rows) < _SHORTEST:
            return leaf_hashes(self.rows)
        return [each for part in self.parts for each in part.hashes]

    def pieces(self) -> "list[Run | Sequence[Row]]":
        """Cut the rows into runs, and the rows between them."""
        if len(self.rows) < _SHORTEST:
            return [self.rows]
        return [piece for part in self.parts for piece in part.pieces()]


class Part:
    """Rows that are taken apart together. What is made of them is made once."""

    def __init__(self, rows: Sequence[Row]) -> None:
        """Take the rows, at least one."""
        self.rows = rows

    @cached_property
    def hashes(self) -> list[bytes]:
        """The leaf hash of each row."""
        return hash_columns(*self._apart)

    @property
    def columns(self) -> Columns:
        """The rows without their states."""
        return self._apart[0]

    @property
    def states(self) -> Sequence[bytes]:
        """The states, one by one."""
        return self._apart[1]

    @cached_property
    def joined_states(self) -> bytes:
        """The states, one after another."""
        return b"".join(self.states)

    @cached_property
    def ends(self) -> Integers:
        """Where each state ends in the joined ones."""
        return self.columns.lengths.cumsum()

    def pieces(self) -> "list[Run | Sequence[Row]]":
        """Cut the rows into runs, and the rows between them."""
        rows = self.rows
        pieces: list[Run | Sequence[Row]] = []
        told = 0
        for start, end in pairwise((0, *self._breaks(), len(rows))):
            first = rows[start]
            if end - start < _SHORTEST or first.originator_version != 1 or first.request_id is not None:
                continue
            if told < start:
                pieces.append(rows[told:start])
            pieces.append(Run(self, start, end))
            told = end
        if told < len(rows):
            pieces.append(rows[told:])
        return pieces

    @cached_property
    def _apart(self) -> tuple[Columns, Sequence[bytes]]:
        return columns_of(self.rows)

    def _breaks(self) -> list[int]:
        """Return the rows that share less than a run's rows do with the one before them."""
        columns = self.columns
        breaks = (np.diff(columns.positions) != 1) | (np.diff(columns.times) != 1)
        for numbers in (columns.partitions, columns.versions, columns.topics.each, columns.callers.each):
            if numbers.size > 1:
                breaks |= np.diff(numbers) != 0
        if columns.request_lengths.size:
            requested = columns.request_lengths != 0
            breaks |= requested[1:] | requested[:-1]
        found: list[int] = (np.flatnonzero(breaks) + 1).tolist()
        return found


def _cuts(count: int) -> list[int]:
    """Return where the parts of so many rows begin and end: each is twice as long as the one before it.

    So whoever hashes a part is not done before the next one is taken apart, which takes half as long.
    """
    cuts, size = [0], _FIRST_PART
    while cuts[-1] < count:
        left = count - cuts[-1]
        size = min(size, _PART)
        cuts.append(count if 2 * left < 3 * size else cuts[-1] + size)
        size *= 2
    return cuts


class Run:
    """Rows at consecutive positions and times: what they share stands in the first."""

    def __init__(self, batch: Part, start: int, end: int) -> None:
        """Take the batch, and where in it the rows begin and end."""
        self._batch = batch
        self._start, self._end = start, end
        self.first = batch.rows[start]

    def __len__(self) -> int:
        """Return how many rows there are."""
        return self._end - self._start

    @property
    def originator_ids(self) -> bytes:
        """The ids, one after another."""
        return self._batch.columns.originator_ids[16 * self._start : 16 * self._end]

    @property
    def states(self) -> Sequence[bytes]:
        """The states, one by one."""
        return self._batch.states[self._start : self._end]

    @property
    def joined_states(self) -> bytes:
        """The states, one after another."""
        ends = self._batch.ends
        return self._batch.joined_states[ends[self._start - 1] if self._start else 0 : ends[self._end - 1]]

    @property
    def lengths(self) -> Integers:
        """The states' lengths."""
        return self._batch.columns.lengths[self._start : self._end]
