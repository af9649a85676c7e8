"""How a SQLite log is read: a page of rows in one step (see ``packing``), and whatever of them is archived.

For one reader's connection, which gives texts as bytes.
"""

import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import Any

from domain.ports import Row
from ledger.log.api import OddValue
from ledger.log.archive import Archive, Place
from ledger.log.errors import LogBroken
from ledger.log.packing import PAGE_SQL, UnevenPageError, unpack_page, unpack_positions
from ledger.log.pages import FEW_ROWS, FEWEST, MOST_ROWS, may_go_on, read_page, read_pages
from ledger.log.tables import Table, rows_of

_ROWS_A_PAGE = 1024
_IDS_A_STATEMENT = 8192
_LAST_VERSION = 2**31 - 1
_APART = (UnevenPageError, sqlite3.DataError)
"""Why rows are read one by one."""

_WEIGHT = "(SELECT sum(length(state)) FROM events WHERE partition = ?1 AND position > ?2 AND position <= ?2 + {})"
_FITTING = f"iif({_WEIGHT.format('?3')} > ?4, min(?3, iif({_WEIGHT.format(FEW_ROWS)} > ?4, {FEWEST}, {FEW_ROWS})), ?3)"
_PAGE = f"SELECT * FROM events WHERE partition = ?1 AND position > ?2 ORDER BY position LIMIT {_FITTING}"
_UNBROKEN = f"SELECT * FROM events WHERE partition = ?1 AND position > ?2 AND position <= ?2 + {_FITTING}"
"""The same page of a log without gaps, along the same index: an order or a limit asked for costs a tenth more."""
_AGGREGATE = (
    "SELECT * FROM events WHERE partition = ? AND originator_id = ?"
    " AND originator_version > ? AND originator_version <= ? ORDER BY originator_version LIMIT ?"
)
_PLACE = (
    "SELECT first, last, file, size, sha256 FROM segments"
    " WHERE partition = ? AND first <= ? ORDER BY first DESC LIMIT 1"
)
_KINDS = {
    "originator_id": "typeof({0}) = 'blob' AND length({0}) = 16",
    "originator_version": "typeof({0}) = 'integer'",
    "topic": "typeof({0}) = 'text'",
    "state": "typeof({0}) = 'blob'",
    "recorded_at": "typeof({0}) = 'integer'",
    "request_id": "{0} IS NULL OR typeof({0}) = 'blob' AND length({0}) = 16",
    "caller": "typeof({0}) = 'text'",
}
"""What the ledger writes into each column."""
_WHEN_ODD = " ".join(f"WHEN NOT ({kind.format(name)}) THEN '{name}'" for name, kind in _KINDS.items())
_ODD = (
    f"SELECT position, CASE {_WHEN_ODD} END AS odd FROM events"
    " WHERE partition = ? AND position > ? AND position <= ? AND odd IS NOT NULL ORDER BY position LIMIT 1"
)
_FIND = (
    "SELECT group_concat({id}, ''), group_concat(position) FROM events WHERE partition = ? AND {id} IN ({ids}){also}"
)


def read_rows(reader: sqlite3.Connection, archive: Archive, partition: int, after: int, limit: int) -> list[Row]:
    """Return up to ``limit`` rows behind a position, fewer when they are large."""

    def page(behind: int, size: int, most: int) -> list[Row]:
        found = _unbroken(reader, partition, behind, size, most)
        rows = _page(reader, _PAGE, partition, behind, size, most) if found is None else found.rows()
        return archive.whole(rows, partial(_place_of, reader, partition), most)

    return read_pages(page, after, limit)


def read_table(reader: sqlite3.Connection, archive: Archive, partition: int, after: int, limit: int) -> Table:
    """Return the first page of ``read_rows`` as a table; all its rows where that page cannot be joined as it stands.

    That is where it has a gap, a line break in a text, or an empty state (an archived event, or one recorded so), and
    where it was cut short, so that large events do not come a few at a time.
    """
    table = read_page(partial(_unbroken, reader, partition), after, limit)
    if table is None or not all(table.states) or _cut_short(table, min(MOST_ROWS, limit)):
        return Table.of(partition, read_rows(reader, archive, partition, after, limit))
    return table


def read_aggregate(
    reader: sqlite3.Connection, archive: Archive, partition: int, originator_id: bytes, upto_version: int | None
) -> list[Row]:
    """Return the rows of one aggregate in version order, up to and including ``upto_version``."""
    upto = _LAST_VERSION if upto_version is None else upto_version
    rows: list[Row] = []
    version = -1
    while found := _page(reader, _AGGREGATE, partition, originator_id, version, upto, _ROWS_A_PAGE):
        rows += found
        version = rows[-1].originator_version
        if len(found) < _ROWS_A_PAGE:
            break
    return archive.whole(rows, partial(_place_of, reader, partition))


def find_ids(reader: sqlite3.Connection, partition: int, ids: Sequence[bytes]) -> dict[bytes, int]:
    """Return the position at which each id was first recorded, leaving out the unknown ones."""
    most = min(_IDS_A_STATEMENT, reader.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // 2)
    positions: dict[bytes, int] = {}
    for start in range(0, len(ids), most):
        wanted = ids[start : start + most]
        for sql in _find_sql(len(wanted)):
            for found, position in unpack_positions(*_first(reader, sql, partition, *wanted)):
                positions[found] = min(position, positions.get(found, position))
    return positions


def find_odd_value(reader: sqlite3.Connection, partition: int, after: int, upto: int) -> OddValue | None:
    """Return the first value of another kind or length between two positions, None where there is none."""
    found = reader.execute(_ODD, (partition, after, upto)).fetchone()
    return None if found is None else OddValue(found[0], found[1].decode())


def _cut_short(table: Table, wanted: int) -> bool:
    found = len(table.positions)
    return found < wanted and may_go_on(found, wanted, sum(map(len, table.states)))


def _unbroken(reader: sqlite3.Connection, partition: int, after: int, size: int, most: int) -> Table | None:
    """Return the rows of a page if they follow one another and can be joined, None if there are none like that."""
    try:
        table = _joined(reader, _UNBROKEN, partition, after, size, most)
    except _APART:
        return None
    found = len(table.positions)
    return table if found and table.positions == list(range(after + 1, after + 1 + found)) else None


def _page(reader: sqlite3.Connection, sql: str, partition: int, *values: object) -> list[Row]:
    """Return the rows of a page in one step, or one by one where joining them does not work.

    That is when a text holds a line break, when a value was changed behind the ledger's back to one of another kind or
    length, and when they are more together than SQLite's largest value (1 GB).
    """
    try:
        return _joined(reader, sql, partition, *values).rows()
    except _APART:
        return rows_of(_decoded(values) for values in reader.execute(sql, (partition, *values)))


def _joined(reader: sqlite3.Connection, sql: str, partition: int, *values: object) -> Table:
    return unpack_page(partition, _first(reader, PAGE_SQL.format(sql), partition, *values))


def _first(reader: sqlite3.Connection, sql: str, *values: object) -> tuple[bytes | None, ...]:
    found: tuple[bytes | None, ...] = reader.execute(sql, values).fetchone()
    return found


def _decoded(values: Sequence[Any]) -> tuple[Any, ...]:
    """Return the values of a row with its texts, which readers are given as bytes, as such; raises LogBroken."""
    partition, position, originator_id, version, topic, state, recorded_at, request_id, caller = values
    if not all(isinstance(value, bytes) for value in (originator_id, topic, state, request_id or b"", caller)):
        raise LogBroken(f"partition {partition}: the event at position {position} has a number in the place of bytes")
    try:
        what, who = topic.decode(), caller.decode()
    except UnicodeDecodeError as error:
        raise LogBroken(f"partition {partition}: a text of the event at position {position} is no UTF-8") from error
    return (
        partition,
        position,
        originator_id,
        version,
        what,
        state,
        recorded_at,
        request_id or None,
        who,
    )


def _find_sql(ids: int) -> tuple[str, str]:
    marks = ", ".join("?" * ids)
    return (
        _FIND.format(id="request_id", ids=marks, also=""),
        _FIND.format(id="originator_id", ids=marks, also=" AND originator_version = 1"),
    )


def _place_of(reader: sqlite3.Connection, partition: int, position: int) -> Place | None:
    found = reader.execute(_PLACE, (partition, position)).fetchone()
    if found is None:
        return None
    first, last, file, size, digest = found
    return Place(first, last, file.decode(), size, digest)
