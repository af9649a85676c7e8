"""Rows in columns: what a log reads so is what it reads row by row, over each kind of store."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ports import Row
from ledger.log import pages
from ledger.log.api import Log
from ledger.log.archive import Archive
from ledger.log.errors import LogBroken
from ledger.log.sqlite import SQLiteLog
from ledger.log.sqlite_reading import read_rows, read_table
from ledger.log.tables import Table
from tests.ledger.log.rows import row, rows

KINDS = {
    "alike": rows(1, 5),
    "some with request ids": [row(1), row(2, request=7), row(3), row(4, request=8)],
    "all with request ids": [row(position, request=900 + position) for position in range(1, 6)],
    "several topics and callers": [
        row(1, topic="a.v1", caller="Ысык-Көл, 🏔"),
        row(2, caller=""),
        row(3, topic="b,c.v1"),
    ],
    "any bytes": [row(1, state=bytes(range(256))), row(2, state=b"\0"), row(3, state=b",\n")],
    "line breaks in a text": [row(1, caller="till\n7"), row(2)],
    "an empty state": [row(1), row(2, state=b""), row(3)],
    "many at once": rows(1, 3_000),
    "several versions": [row(1, originator=9), row(2, originator=9, version=2**31 - 1), row(3)],
}


def walked(log: Log, limit: int) -> list[list[Row]]:
    """Read a log to its end, a table at a time."""
    found: list[list[Row]] = []
    after = 0
    while told := log.table(0, after, limit).rows():
        found.append(told)
        after = told[-1].position
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_is_what_is_read(log: Log, kind: str) -> None:
    """Whatever the rows hold, from the first one or from another, whole or in part."""
    written = KINDS[kind]
    log.append(written)
    for after in range(len(written) + 1):
        for limit in (1, 2, 1_000):
            assert log.table(0, after, limit).rows() == written[after : after + limit]
    for partition, after in ((1, 0), (0, len(written))):
        nothing = log.table(partition, after, 10)
        assert (nothing.partition, nothing.rows()) == (partition, [])


@pytest.mark.parametrize("limit", [1_000, pages.MOST_ROWS, 9_000])
def test_tables_follow_one_another(log: Log, limit: int) -> None:
    """Each ends at its limit, or at a page's end where that comes first."""
    log.append(rows(1, 9_000))
    found = walked(log, limit)
    assert [each for told in found for each in told] == rows(1, 9_000)
    assert all(len(told) in {limit, pages.MOST_ROWS} for told in found[:-1])


def test_tables_of_large_rows_are_short(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than a few large rows are taken at once, and two at least."""
    monkeypatch.setattr(pages, "MOST_BYTES", 1_000_000)
    held = [row(position, state=b"x" * 20_000) for position in range(1, 200)]
    held += [row(position, state=b"x" * 600_000) for position in range(200, 206)]
    log.append(held)
    found = walked(log, 1_000)
    assert [each for told in found for each in told] == held
    assert all(pages.FEWEST <= len(told) <= 2 * pages.FEW_ROWS for told in found[:-1])


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("originator_id", b"short", b"short"),
        ("originator_id", b"", b""),
        ("originator_version", "1,2", b"1,2"),
        ("recorded_at", "1,2", b"1,2"),
        ("recorded_at", "soon", b"soon"),
        ("state", "Ысык-Көл", "Ысык-Көл".encode()),
        ("request_id", "Ысык-Көл", "Ысык-Көл".encode()),
    ],
)
def test_a_changed_value_shifts_no_other(tmp_path: Path, column: str, value: object, told: bytes) -> None:
    """Whoever changed it behind the ledger's back: it is read as it is, or not at all."""
    path = tmp_path / "ledger.db"
    with closing(SQLiteLog(path)) as log:
        log.append(rows(1, 50))
        change(path, column, value)
        assert log.table(0, 0, 19).rows() == rows(1, 19)
        found = log.read(0, 0, 50)
        assert found[:19] + found[20:] == rows(1, 19) + rows(21, 50)
        assert getattr(found[19], column) == told
        if column == "originator_id":
            with pytest.raises(LogBroken, match="no id of 16 bytes"):
                log.table(0, 0, 50)
        else:
            assert log.table(0, 0, 50).rows() == found


@pytest.mark.parametrize("column", ["topic", "caller"])
def test_a_text_that_is_none_is_told(tmp_path: Path, column: str) -> None:
    """With its position; what stands before and behind it can still be read."""
    path = tmp_path / "ledger.db"
    with closing(SQLiteLog(path)) as log:
        log.append(rows(1, 50))
        change(path, column, b"\xff")
        for read in (log.table, log.read):
            with pytest.raises(LogBroken, match="position 20 is no UTF-8"):
                read(0, 0, 50)
        assert [log.read(0, 0, 19), log.read(0, 20, 50)] == [rows(1, 19), rows(21, 50)]


@pytest.mark.parametrize("column", ["originator_id", "state", "request_id"])
def test_a_number_in_the_place_of_bytes_is_told(tmp_path: Path, column: str) -> None:
    """Where its row is read alone; nobody who reads gets a number there."""
    path = tmp_path / "ledger.db"
    with closing(SQLiteLog(path)) as log:
        log.append([*rows(1, 49), row(50, topic="line\nbreak")])
        change(path, column, 7)
        with pytest.raises(LogBroken, match="position 20 has a number"):
            log.read(0, 0, 50)
        assert log.odd_value(0, 0, 50) == (20, column)
        assert log.odd_value(0, 20, 50) is None


@pytest.mark.parametrize("kind", KINDS)
def test_untouched_values_are_not_odd(log: Log, kind: str) -> None:
    """Whatever the rows hold, in every kind of log."""
    log.append(KINDS[kind])
    assert log.odd_value(0, 0, 5_000) is None


def change(path: Path, column: str, value: object) -> None:
    """Change a value of the row at position 20 in the file itself."""
    with closing(sqlite3.connect(path)) as changing:
        changing.execute("PRAGMA ignore_check_constraints = ON")
        changing.execute(f"UPDATE events SET {column} = ? WHERE position = 20", (value,))  # noqa: S608
        changing.commit()


@pytest.mark.parametrize("size", [600_000, 20_000])
def test_a_table_that_was_cut_short_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Large events do not come a few at a time: a table of them is as long as what is read."""
    monkeypatch.setattr(pages, "MOST_BYTES", 3_000_000)
    held = [row(position, state=b"x" * size) for position in range(1, 200)]
    with closing(SQLiteLog(tmp_path / "ledger.db")) as log:
        log.append(held)
        assert log.table(0, 0, 1_000).rows() == log.read(0, 0, 1_000)


def test_rows_in_another_order_are_put_in_order(tmp_path: Path) -> None:
    """A SQLite that does not follow its index reads the same rows: nobody promises the order that is not asked for."""
    path = tmp_path / "ledger.db"
    with closing(SQLiteLog(path)) as log:
        log.append(rows(1, 50))
    with closing(sqlite3.connect(path)) as reader:
        reader.text_factory = bytes
        reader.execute("PRAGMA reverse_unordered_selects = ON")
        assert read_table(reader, Archive(None), 0, 10, 20).rows() == rows(11, 30)
        assert read_rows(reader, Archive(None), 0, 10, 20) == rows(11, 30)


@given(st.lists(st.tuples(st.binary(max_size=4), st.none() | st.integers(1, 99), st.text(max_size=3))))
def test_rows_come_back(drawn: list[tuple[bytes, int | None, str]]) -> None:
    """Rows that were taken apart are the same again."""
    held = [
        row(position, state=state, request=request, caller=caller, topic=caller)
        for position, (state, request, caller) in enumerate(drawn, 1)
    ]
    assert Table.of(0, held).rows() == held
