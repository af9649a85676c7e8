"""Running figures over arrays: what both accounts of each movement have right after it, for many movements at once.

The figures of an account run through its lines in their order: the lines are sorted by account, summed up along each,
and put back. Sums are modulo 2^64, so whatever has room in 64 bits at the end comes out right.
"""

from itertools import repeat
from typing import Any

import numpy as np

from domain.legs import Legs, Numbers
from projections.batch import Ledger
from projections.schema import LINES_A_MARK


def run_through(ledger: Ledger, legs: Legs, places: Numbers, delay: int = 0) -> list[Any]:
    """Return the columns of ``movements`` from the accounts to the lines before, for movements at these places.

    There is one at least. The figures after the last line of each account are the ledger's from here on. ``delay`` is
    how much later than they happened the movements were recorded.
    """
    entries = _in_turns(legs.debits, legs.credits)
    order = np.argsort(entries, kind="stable")
    by_account = entries[order]
    begins = np.append(True, by_account[1:] != by_account[:-1])
    first, of = np.flatnonzero(begins), np.cumsum(begins) - 1
    last = np.append(first[1:], len(of)) - 1
    accounts = by_account[first].tolist()
    touched = [ledger.touched[account] for account in accounts]
    posted, debits, movements = (
        _along(changes[order], of, first, [getattr(each, name) for each in touched])
        for name, changes in (
            ("posted", _in_turns(-legs.amounts, legs.amounts)),
            ("debits", _in_turns(legs.amounts, np.zeros_like(legs.amounts))),
            ("movements", np.ones(len(of), np.int64)),
        )
    )
    here = np.repeat(places, 2)[order]
    before = np.roll(here, 1)
    before[first] = [each.last for each in touched]
    marked = movements % LINES_A_MARK == 0
    ledger.marks += zip(repeat(ledger.partition), by_account[marked].tolist(), here[marked].tolist(), strict=False)
    after = (column[last].tolist() for column in (posted, debits, movements, here))
    for each, *figures in zip(touched, *after, strict=True):
        each.posted, each.debits, each.movements, each.last = figures
        each.longest_delay = max(each.longest_delay, delay)
    told = np.empty((4, len(order)), np.int64)
    told[:, order] = posted, debits, movements, before
    of_payers, of_payees = told[:, 0::2], told[:, 1::2]
    return [*legs, *of_payers[:3], *of_payees[:3], of_payers[3], of_payees[3]]


def _along(changes: Numbers, of: Numbers, first: Numbers, before: list[int]) -> Numbers:
    """Return a figure after each change, for changes that stand account by account."""
    sums = np.cumsum(changes)
    start = np.array(before, np.int64) - (sums[first] - changes[first])
    running: Numbers = sums + start[of]
    return running


def _in_turns(first: Numbers, second: Numbers) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Return two columns as one: an entry of the first, then one of the second."""
    return np.column_stack((first, second)).ravel()
