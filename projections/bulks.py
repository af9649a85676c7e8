"""The legs of bulks as rows of movements, worked out over arrays.

Each leg is a row like that of any transfer, and holds what both accounts had right after it. The figures of an account
run through its legs in their order: the legs are sorted by account, summed up along each, and put back.
"""

from itertools import repeat
from typing import Any, NamedTuple

import numpy as np

from domain.bulk import BulkPosted, posted_legs, posted_numbers
from domain.legs import Legs, Numbers
from domain.movements import effective_time
from domain.ports import Row
from projections.answers import Source
from projections.batch import Figures, Ledger
from projections.store import Values


class _Running(NamedTuple):
    """Figures right after each entry, of which a leg has two: who pays, then who is paid."""

    posted: Numbers
    debits: Numbers
    movements: Numbers


def bulk_rows(ledger: Ledger, row: Row, event: BulkPosted) -> list[Values]:
    """Return the movements of a bulk, and carry the figures of its accounts forward."""
    legs, numbers = posted_legs(event), posted_numbers(event)
    if not len(numbers):
        return []
    happened = effective_time(event, row.recorded_at)
    if happened > row.recorded_at:
        raise ValueError(f"the event at position {row.position} happened after it was recorded")
    late = None if happened == row.recorded_at else happened
    after = _run(ledger, legs, 0 if late is None else row.recorded_at - late)
    references = map(event.references.__getitem__, numbers.tolist()) if event.references else repeat("")
    return list(
        zip(
            repeat(row.partition),
            repeat(row.position),
            numbers.tolist(),
            *(column.tolist() for column in legs),
            *(figure[0::2].tolist() for figure in after),
            *(figure[1::2].tolist() for figure in after),
            repeat(row.recorded_at),
            repeat(late),
            repeat(event.kind),
            repeat(row.originator_id),
            repeat(int(Source.BULK)),
            references,
            repeat(""),
            strict=False,
        )
    )


def _run(ledger: Ledger, legs: Legs, delay: int) -> _Running:
    """Return the figures after each entry; those after the last one of each account are the ledger's from here on."""
    accounts, place = np.unique(_entries(legs.debits, legs.credits), return_inverse=True)
    touched = [ledger.touched[account] for account in accounts.tolist()]
    order = np.argsort(place, kind="stable")
    of = place[order]
    first = np.searchsorted(of, np.arange(len(accounts)))
    last = np.append(first[1:], len(of)) - 1
    after = _Running(
        *(
            _along(changes[order], of, first, [getattr(each, name) for each in touched])
            for name, changes in (
                ("posted", _entries(-legs.amounts, legs.amounts)),
                ("debits", _entries(legs.amounts, np.zeros_like(legs.amounts))),
                ("movements", np.ones(len(of), np.int64)),
            )
        )
    )
    _carry(touched, _Running(*(figure[last] for figure in after)), delay)
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return _Running(*(figure[back] for figure in after))


def _along(changes: Numbers, of: Numbers, first: Numbers, before: list[int]) -> Numbers:
    """Return a figure after each change, for changes that stand account by account. Sums are modulo 2^64."""
    sums = np.cumsum(changes)
    start = np.array(before, np.int64) - (sums[first] - changes[first])
    running: Numbers = sums + start[of]
    return running


def _carry(touched: list[Figures], last: _Running, delay: int) -> None:
    figures = zip(touched, *(column.tolist() for column in last), strict=True)
    for each, posted, debits, movements in figures:
        each.posted, each.debits, each.movements = posted, debits, movements
        each.longest_delay = max(each.longest_delay, delay)


def _entries(first: Numbers, second: Numbers) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Return two columns as one, in turns."""
    return np.column_stack((first, second)).ravel()
