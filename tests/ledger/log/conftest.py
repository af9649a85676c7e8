"""A log over each kind of store."""

from collections.abc import Iterator

import pytest

from ledger.log.api import Log
from ledger.log.factory import open_log
from ledger.log.sqlite import SQLiteLog


@pytest.fixture
def log(store_url: str) -> Iterator[Log]:
    """Give an empty log, once for each kind of store."""
    opened = open_log(store_url)
    yield opened
    opened.close()


@pytest.fixture
def rival(store_url: str, log: Log) -> Iterator[Log]:
    """Give a second server's view of the same log; each waits long for the other, which may leave it few gaps."""
    opened = open_log(store_url)
    for each in (log, opened):
        if isinstance(each, SQLiteLog):
            each._busy_timeout_seconds = 60.0
    yield opened
    opened.close()
