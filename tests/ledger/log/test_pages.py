"""A read has a bound in bytes: thousands of bulks are never in memory together because somebody asked for rows."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from domain.ports import Row
from ledger.log import pages
from ledger.log.api import Log
from ledger.log.archive import Archive
from ledger.log.pages import read_pages
from ledger.log.sqlite import SQLiteLog
from ledger.log.sqlite_reading import read_aggregate, read_rows
from tests.ledger.log.rows import id_of, row, rows

_SIZE = 1_000


def _large(first: int, last: int, size: int = _SIZE) -> list[Row]:
    return [row._replace(state=b"x" * size) for row in rows(first, last)]


class Store:
    """Rows behind a page reader that remembers how many it was asked for."""

    def __init__(self, held: list[Row]) -> None:
        self.held = held
        self.asked: list[int] = []

    def read(self, after: int, limit: int) -> list[Row]:
        """Read as a log does."""
        return read_pages(self._page, after, limit)

    def _page(self, after: int, limit: int, most_bytes: int) -> list[Row]:
        self.asked.append(limit)
        found = self.held[after : after + limit]
        return found if sum(len(row.state) for row in found) <= most_bytes else found[: pages.FEW_ROWS]


def test_a_read_of_small_rows_ends_at_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are joined until there are as many rows as were asked for, or no more."""
    monkeypatch.setattr(pages, "MOST_ROWS", 300)
    store = Store(rows(1, 1_000))
    assert store.read(0, 700) == store.held[:700]
    assert store.asked == [300, 300, 100]
    assert store.read(900, 700) == store.held[900:]
    assert store.read(1_000, 700) == []
    assert store.read(0, 0) == []


@pytest.mark.parametrize("small_first", [0, 7, 500])
def test_a_read_of_large_rows_ends_at_its_bytes(monkeypatch: pytest.MonkeyPatch, small_first: int) -> None:
    """However many small rows came before, large ones come a few at a time, until there are enough of them."""
    monkeypatch.setattr(pages, "MOST_BYTES", 100 * _SIZE)
    monkeypatch.setattr(pages, "MOST_ROWS", 300)
    few = [row._replace(state=b"x") for row in rows(1, small_first)]
    store = Store([*few, *_large(small_first + 1, 1_000)])
    read: list[Row] = []
    while found := store.read(len(read), 1_000):
        assert sum(len(row.state) for row in found[: -pages.FEW_ROWS]) < 100 * _SIZE
        read += found
    assert read == store.held


def test_a_log_weighs_what_it_reads(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """On every store a read of large rows is short, and whoever reads on comes to the end."""
    monkeypatch.setattr(pages, "MOST_BYTES", 100 * _SIZE)
    held = [*_large(1, 300), *(row._replace(state=b"x") for row in rows(301, 700)), *_large(701, 720)]
    log.append(held)
    read: list[Row] = []
    lengths: list[int] = []
    while found := log.read(0, len(read), 1_000):
        lengths.append(len(found))
        read += found
    assert read == held
    assert lengths == [2 * pages.FEW_ROWS, 2 * pages.FEW_ROWS, 720 - 4 * pages.FEW_ROWS]
    monkeypatch.setattr(pages, "MOST_BYTES", 1)
    assert log.read(0, 0, 2) == held[:2]  # Whoever reads the last row seen again sees whether another one follows.


def test_a_few_rows_may_be_too_many_bytes(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a few are larger than a page, two are read at once, and a read is no larger by more than one of them."""
    monkeypatch.setattr(pages, "MOST_BYTES", 100 * _SIZE)
    huge = 20 * _SIZE
    held = [*_large(1, 100, huge), *rows(101, 103), *_large(104, 105, 300 * _SIZE), *rows(106, 300)]
    log.append(held)
    read: list[Row] = []
    lengths: list[int] = []
    while found := log.read(0, len(read), 1_000):
        assert sum(len(row.state) for row in found[: -pages.FEWEST]) < 100 * _SIZE
        lengths.append(len(found))
        read += found
    assert read == held
    assert lengths[:10] == [6] * 10
    assert log.read(0, 103, 1_000) == held[103:105]


def test_who_follows_a_log_asks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last row seen and the next one are a read of a single page."""
    monkeypatch.setattr(pages, "MOST_ROWS", 300)
    store = Store(rows(1, 10))
    assert store.read(8, 1_000) == store.held[8:]
    assert store.asked == [300]


def test_rows_too_large_to_be_joined_come_one_by_one(tmp_path: Path) -> None:
    """SQLite joins the values of a page into one; where that would be larger than it can make, none is left out."""
    path = tmp_path / "log.db"
    held = [row(place, originator=1, version=place, state=b"x" * 100 * _SIZE) for place in range(1, 21)]
    with closing(SQLiteLog(path)) as log:
        log.append(held)
    with closing(sqlite3.connect(path)) as reader:
        reader.text_factory = bytes
        reader.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1_000 * _SIZE)
        assert read_rows(reader, Archive(None), 0, 0, 100) == held
        assert read_aggregate(reader, Archive(None), 0, id_of(1), None) == held
