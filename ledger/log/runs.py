"""Runs of rows that few values tell, so that a database is handed those instead of every row's own.

Most of a large batch is the first events of new aggregates (transfers), of one topic and caller, recorded one
microsecond after another: such rows differ in nothing but their ids and states. Other rows stay as they are.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from domain.ports import Row

_SHORTEST: Final = 64
"""Rows from which a run is worth its own statement."""


class Run(NamedTuple):
    """Rows at consecutive positions and times: what they share stands in the first."""

    first: Row
    originator_ids: Sequence[bytes]
    states: Sequence[bytes]


def runs(rows: Sequence[Row]) -> list[Run | Sequence[Row]]:
    """Cut rows of one append into runs, and the rows between them."""
    if len(rows) < _SHORTEST:
        return [rows]
    partitions, positions, originator_ids, versions, topics, states, times, request_ids, callers = zip(
        *rows, strict=True
    )
    breaks = set((np.flatnonzero((np.diff(positions) != 1) | (np.diff(times) != 1)) + 1).tolist())
    for shared in (partitions, versions, topics, request_ids, callers):
        if shared.count(shared[0]) < len(shared):
            breaks.update(index for index, (one, next_) in enumerate(pairwise(shared), 1) if one != next_)
    pieces: list[Run | Sequence[Row]] = []
    told = 0
    for start, end in pairwise((0, *sorted(breaks), len(rows))):
        if end - start < _SHORTEST or versions[start] != 1 or request_ids[start] is not None:
            continue
        if told < start:
            pieces.append(rows[told:start])
        pieces.append(Run(rows[start], originator_ids[start:end], states[start:end]))
        told = end
    if told < len(rows):
        pieces.append(rows[told:])
    return pieces
