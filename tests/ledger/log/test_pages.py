"""A read has a bound in bytes: thousands of bulks are never in memory together because somebody asked for rows."""

from pathlib import Path

import pytest

from domain.ports import Row
from ledger.log import pages
from ledger.log.factory import open_log
from ledger.log.pages import Pages
from tests.ledger.log.rows import rows

_SIZE = 1_000


def _large(first: int, last: int) -> list[Row]:
    return [row._replace(state=b"x" * _SIZE) for row in rows(first, last)]


class Store:
    """Rows behind a page reader that remembers how many it was asked for."""

    def __init__(self, held: list[Row]) -> None:
        self.held = held
        self.asked: list[int] = []

    def page(self, after: int, limit: int) -> list[Row]:
        self.asked.append(limit)
        return self.held[after : after + limit]


def test_a_read_of_small_rows_ends_at_its_limit() -> None:
    """Pages are joined until there are as many rows as were asked for, or no more."""
    store = Store(rows(1, 1_000))
    assert Pages(300).read(store.page, 0, 700) == store.held[:700]
    assert store.asked == [300, 300, 100]
    assert Pages(300).read(store.page, 900, 700) == store.held[900:]
    assert Pages(300).read(store.page, 1_000, 700) == []


def test_a_read_of_large_rows_ends_at_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once large rows were met, no page holds more than the bound, and each read still brings at least one row."""
    monkeypatch.setattr(pages, "MOST_BYTES", 10 * _SIZE)
    store, reader = Store(_large(1, 1_000)), Pages(300)
    assert reader.read(store.page, 0, 1_000) == store.held[:300]  # Nobody knew.
    store.asked.clear()
    assert reader.read(store.page, 300, 1_000) == store.held[300:318]  # It ends with the page that reaches the bound.
    assert max(store.asked) <= 10
    monkeypatch.setattr(pages, "MOST_BYTES", 1)
    reader.read(store.page, 0, 1_000)
    assert reader.read(store.page, 0, 1_000) == store.held[:1]


def test_a_page_grows_again_behind_large_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bulks in a history do not make reading the rest of it slow."""
    monkeypatch.setattr(pages, "MOST_BYTES", 10 * _SIZE)
    store = Store([*_large(1, 20), *(row._replace(state=b"x") for row in rows(21, 2_000))])
    reader, after = Pages(300), 0
    while after < len(store.held):
        after += len(reader.read(store.page, after, 500))
    assert max(store.asked[-3:]) == 300


def test_every_reader_of_a_log_reads_on_behind_a_short_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads to the end comes to the end, however few rows each answer holds."""
    monkeypatch.setattr(pages, "MOST_BYTES", 10 * _SIZE)
    log = open_log(f"sqlite:///{tmp_path / 'log.db'}")
    log.append(_large(1, 100))
    read: list[Row] = []
    while found := log.read(0, len(read), 1_000):
        read += found
    assert read == _large(1, 100)
    assert len(log.read(0, 0, 1_000)) < 100
    log.close()
