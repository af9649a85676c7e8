"""An engine on each kind of store."""

from collections.abc import Iterator

import pytest
import structlog

from ledger.log.api import Log
from ledger.log.factory import open_log
from tests.ledger.engine.faults import FaultyLog
from tests.ledger.engine.world import Desk, HandClock


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Leave the engine's own log out of the output: what it says is not tested here."""
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def log(store_url: str) -> Iterator[Log]:
    """Give a log on each kind of store."""
    log = open_log(store_url)
    yield log
    log.close()


@pytest.fixture
def faulty(sqlite_url: str) -> Iterator[FaultyLog]:
    """Give a log whose appends can be made to fail."""
    log = open_log(sqlite_url)
    yield FaultyLog(log)
    log.close()


@pytest.fixture
def desk(log: Log, clock: HandClock) -> Iterator[Desk]:
    """Give a serving engine on each kind of store."""
    desk = Desk(log, clock).serving()
    yield desk
    desk.stop()
