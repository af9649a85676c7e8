"""A log over each kind of store."""

from collections.abc import Iterator

import pytest

from ledger.log.api import Log
from ledger.log.factory import open_log


@pytest.fixture
def log(store_url: str) -> Iterator[Log]:
    """Give an empty log, once for each kind of store."""
    opened = open_log(store_url)
    yield opened
    opened.close()


@pytest.fixture
def rival(store_url: str, log: Log) -> Iterator[Log]:
    """Give a second server's view of the same log."""
    opened = open_log(store_url)
    yield opened
    opened.close()
