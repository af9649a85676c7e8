"""A read of the log takes no longer than whoever asked for it waits."""

from time import monotonic
from typing import Any

import pytest

from ledger.log.api import Log
from ledger.log.direct import DirectConnection
from ledger.log.errors import ReadOutOfTime
from ledger.log.patience import timeout_ms
from tests.endless import GIVEN_SECONDS, SOON_SECONDS, endless, seconds_from_now
from tests.ledger.log.rows import rows


def ask(log: Any, query: str) -> Any:
    """Ask the database through the log's own way of reading."""

    def work(reader: Any) -> Any:
        if isinstance(reader, DirectConnection):
            return reader.fetch(query, [], tuple)[0][0]
        return reader.execute(query).fetchone()[0]

    return log._read(work)


def test_a_long_read_ends_in_the_database(log: Log, store_url: str) -> None:
    """A read that outlasts its time is ended, and the log can be read again at once."""
    log.append(rows(1, 1))
    began = monotonic()
    with log.within(seconds_from_now(GIVEN_SECONDS)), pytest.raises(ReadOutOfTime):
        ask(log, endless(store_url))
    assert monotonic() - began < SOON_SECONDS
    with log.within(seconds_from_now(SOON_SECONDS)):
        assert log.head(0) == 1
    assert len(log.read(0, 0, 10)) == 1


def test_no_read_begins_without_time(log: Log) -> None:
    """Whoever has no time left is not read for."""
    with log.within(seconds_from_now(-1)), pytest.raises(ReadOutOfTime):
        log.head(0)


def test_a_bound_ends_with_its_block(log: Log) -> None:
    """After the block a read takes as long as it takes, over the same connection too."""
    log.head(0)  # To connect takes its time as well.
    left = [0.5]
    with log.within(lambda: left[0]):
        log.head(0)
    left[0] = -1.0
    slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3000000) SELECT count(*) FROM n"
    assert ask(log, slow if "SQLite" in type(log).__name__ else "SELECT count(*)::int FROM pg_sleep(0.8)") > 0


@pytest.mark.parametrize("seconds", [0.0004, 0.017, 0.3, 1.0, 7.3, 59.99, 3_599.0])
def test_a_timeout_is_never_too_short(seconds: float) -> None:
    """A statement's timeout is at least what is left, and an eighth more at most."""
    exact = max(1, int(seconds * 1000))
    assert exact <= timeout_ms(seconds) <= exact * 9 / 8 + 1
