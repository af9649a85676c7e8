"""How archived events are read: a few at a time where they are large, and kept in memory only while they are used."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest

from ledger.log.api import ArchivingLog
from ledger.log.archive import Archive
from ledger.log.factory import open_log
from ledger.log.parquet import Loaded, dump
from tests.ledger.audit.old_events import recorded, run
from tests.ledger.log.rows import row


@pytest.fixture
def log(store_url: str, tmp_path: Path) -> Iterator[ArchivingLog]:
    """Give a log of which most is archived, once for each kind of store."""
    directory = tmp_path / "archive"
    with closing(open_log(store_url, directory)) as opened:
        opened.append(recorded())
        run(opened, recorded(), directory)
        yield opened


def test_a_page_has_two_events_at_least(log: ArchivingLog) -> None:
    """However large they are: whoever reads the last one it has seen again sees whether another one follows."""
    with patch("ledger.log.pages.MOST_BYTES", 1):
        for after in (0, 7, 20):
            assert log.read(0, after, 10) == recorded()[after : after + 2]


def test_a_table_holds_archived_events(log: ArchivingLog) -> None:
    """Whoever reads in columns is told the same, from everywhere."""
    for after in (0, 7, 20):
        assert log.table(0, after, 1_000).rows() == recorded()[after:]


def test_what_was_read_is_not_kept_for_ever(log: ArchivingLog) -> None:
    """A few segments stand in memory, and fewer groups of rows decoded, however much is read."""
    archive: Archive = log._archive  # type: ignore[attr-defined]
    with patch.multiple("ledger.log.archive", _MOST_BYTES=1, _MOST_GROUPS=2):
        assert log.read(0, 0, 1_000) == recorded()
        assert (len(archive._loaded), len(archive._groups)) == (1, 2)


def test_a_group_of_large_events_is_short() -> None:
    """A look-up decodes a group: a thousand events, or a megabyte of them."""
    large, small = ([row(place, state=b"x" * size) for place in range(1, 2_001)] for size in (10_000, 1))
    assert [len(Loaded(dump(rows)).group(0)) for rows in (large, small)] == [105, 1_024]
