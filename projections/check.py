"""Checking the tables: made again from the log into a copy of their own, and compared row by row.

Both copies are read in the order of their keys, a page at a time, so memory stays bounded. What must be true of
the tables whatever made them (the books sum to zero, what is held is what the holds hold, the last movement
left what the account has) is checked as well: it finds what the projections themselves got wrong.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any, Final

import msgspec
from sqlalchemy import Table

from domain.ports import LogReader
from projections import schema
from projections.batch import Decode
from projections.lines import totals_at
from projections.rebuild import Progress, begin_like, project_all
from projections.runner import BATCH_SIZE, Projector
from projections.store import ProjectionsNotReadyError, Session, Store, Values

_PAGE: Final = 2_000
MOST_DIFFERENCES: Final = 1_000


class Difference(msgspec.Struct, frozen=True):
    """A row that is not what the log says. A value of None means that the row is not there."""

    table: str
    key: dict[str, Any]
    expected: Any
    found: Any


def check(
    log: LogReader,
    store: Store,
    decode: Decode,
    *,
    progress: Progress | None = None,
    batch_size: int = BATCH_SIZE,
) -> list[Difference]:
    """Return how the live tables differ from what the log makes, as at their own position; [] when they do not.

    Stops at MOST_DIFFERENCES. Raises ProjectionsNotReadyError when there are no tables.
    """
    live = store.live()
    if live is None:
        raise ProjectionsNotReadyError("there are no projections to check")
    with closing(live):
        scratch = store.create()
        try:
            with live.read() as found:
                begin_like(scratch, found)
                with closing(Projector(log, scratch, decode, batch_size=batch_size)) as projector:
                    for partition, position in found.all("SELECT partition, position FROM tracking ORDER BY partition"):
                        project_all(log, projector, partition, upto=position, progress=progress)
                with scratch.read() as expected:
                    return _first([_differences(expected, found), _broken_invariants(found)])
        finally:
            store.drop(scratch)


def _first(sources: Sequence[Iterator[Difference]]) -> list[Difference]:
    differences: list[Difference] = []
    for source in sources:
        for difference in source:
            differences.append(difference)
            if len(differences) >= MOST_DIFFERENCES:
                return differences
    return differences


def _differences(expected: Session, found: Session) -> Iterator[Difference]:
    for table in schema.metadata.sorted_tables:
        yield from _compare(table, expected, found)


def _compare(table: Table, expected: Session, found: Session) -> Iterator[Difference]:
    """Walk both copies of a table in the order of its key."""
    width = len(table.primary_key.columns)
    left, right = _rows(table, expected), _rows(table, found)
    one, other = next(left, None), next(right, None)
    while one is not None or other is not None:
        if one is not None and (other is None or one[:width] < other[:width]):
            yield Difference(table.name, _key(table, one), _named(table, one), None)
            one = next(left, None)
        elif other is not None and (one is None or other[:width] < one[:width]):
            yield Difference(table.name, _key(table, other), None, _named(table, other))
            other = next(right, None)
        elif one is not None and other is not None:
            yield from _changed(table, one, other)
            one, other = next(left, None), next(right, None)


def _changed(table: Table, expected: Values, found: Values) -> Iterator[Difference]:
    if expected != found:
        one, other = _named(table, expected), _named(table, found)
        names = [name for name in one if one[name] != other[name]]
        key = _key(table, expected)
        yield Difference(table.name, key, {name: one[name] for name in names}, {name: other[name] for name in names})


def _rows(table: Table, session: Session) -> Iterator[Values]:
    """Yield the rows in the order of the key, its columns first."""
    names, key = ", ".join(_columns(table)), ", ".join(column.name for column in table.primary_key.columns)
    width = len(table.primary_key.columns)
    after: Values | None = None
    while True:
        where = "" if after is None else f"WHERE ({key}) > ({', '.join('?' * width)}) "
        page = session.all(f"SELECT {names} FROM {table.name} {where}ORDER BY {key} LIMIT ?", *(after or ()), _PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1][:width]


def _columns(table: Table) -> list[str]:
    key = [column.name for column in table.primary_key.columns]
    return key + [column.name for column in table.columns if column.name not in key]


def _key(table: Table, row: Values) -> dict[str, Any]:
    return dict(zip((column.name for column in table.primary_key.columns), row, strict=False))


def _named(table: Table, row: Values) -> dict[str, Any]:
    names = _columns(table)
    width = len(table.primary_key.columns)
    return dict(zip(names[width:], row[width:], strict=True))


def _broken_invariants(session: Session) -> Iterator[Difference]:
    yield from _unbalanced_books(session)
    for partition, account, posted, held in _balances(session):
        key = {"partition": partition, "account_id": account}
        last = totals_at(session, account, schema.CURRENT).posted
        if last != posted:
            yield Difference("balances", key, {"posted": last}, {"posted": posted})
        standing = session.all(_STANDING, partition, account, schema.CURRENT)
        remaining = sum(amount for (amount,) in standing)
        if remaining != held:
            yield Difference("balances", key, {"held": remaining}, {"held": held})


_STANDING: Final = "SELECT remaining FROM holds WHERE partition = ? AND account_id = ? AND until = ?"
_BOOKS: Final = (
    "SELECT a.partition, a.currency, sum(b.posted >> 32), sum(b.posted & 4294967295) FROM accounts a"
    " JOIN balances b ON b.partition = a.partition AND b.account_id = a.account_id GROUP BY a.partition, a.currency"
)


def _unbalanced_books(session: Session) -> Iterator[Difference]:
    for partition, currency, high, low in session.all(_BOOKS):
        total = (int(high) << 32) + int(low)
        if total:
            yield Difference("balances", {"partition": partition, "currency": currency}, {"sum": 0}, {"sum": total})


def _balances(session: Session) -> Iterator[Values]:
    return (row[:4] for row in _rows(schema.balances, session))
