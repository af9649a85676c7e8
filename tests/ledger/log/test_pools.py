"""What is closed leaves no connection open, whoever uses one at the time; and none to be had is told as such."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import pytest
from sqlalchemy import Engine, QueuePool, event, select
from sqlalchemy.engine.interfaces import DBAPIConnection

from ledger.audit.access import AccessLog
from ledger.log.errors import LogUnavailable
from ledger.log.factory import open_log, open_tables
from ledger.log.housekeeping import Housekeeping
from ledger.vault.connection import begin
from ledger.vault.errors import VaultUnavailable
from tests.connections import Connections, opened

__all__ = ["opened"]


def test_a_log_that_closes_while_its_owner_gives_a_sign_of_life(store_url: str, opened: Connections) -> None:
    """The connection it goes over is closed as soon as it has arrived."""
    log = open_log(store_url)
    assert isinstance(log, Housekeeping)
    log.beat(0, "a")
    with log._engine.begin() as connection:
        log.close()
        assert connection.scalar(select(1)) == 1
        assert opened.left() == 1
    assert opened.left() == 0


def test_tables_that_are_disposed_of_while_they_are_used(store_url: str, opened: Connections) -> None:
    """The transaction in hand ends as it would, and its connection with it."""
    tables = open_tables(store_url)
    with tables.begin() as connection, tables.begin() as other:
        assert connection.scalar(select(1)) == other.scalar(select(1)) == 1
        tables.dispose()
        assert connection.scalar(select(1)) == 1
        assert opened.left() == 2
    assert opened.left() == 0


@contextmanager
def all_in_use(engine: Engine) -> Iterator[None]:
    """Take every connection that a pool may have, and let nobody wait for one."""
    pool = engine.pool
    assert isinstance(pool, QueuePool)
    with ExitStack() as taken, patch.multiple(pool, _timeout=0.01, _max_overflow=0):
        for _ in range(pool.size()):
            taken.enter_context(engine.connect())
        yield


def ask_vault(engine: Engine) -> None:
    with begin(engine) as connection:
        connection.scalar(select(1))


@pytest.mark.parametrize(
    ("ask", "error"),
    [(ask_vault, VaultUnavailable), (lambda engine: AccessLog(engine).head(), LogUnavailable)],
    ids=["vault", "accesses"],
)
def test_every_connection_in_use(store_url: str, ask: Callable[[Engine], object], error: type[Exception]) -> None:
    """A pool that has none to give makes its store unavailable, as a database does that does not answer."""
    engine = open_tables(store_url)
    ask(engine)
    with all_in_use(engine), pytest.raises(error, match="in use"):
        ask(engine)
    ask(engine)
    engine.dispose()


@pytest.mark.postgres
def test_a_connection_that_ends_before_its_sign_of_life(postgres_url: str) -> None:
    """It was seen to live, and is found dead as it is made ready: the log is unavailable for that one sign."""
    log = open_log(postgres_url)
    assert isinstance(log, Housekeeping)

    def end(connection: DBAPIConnection, _record: object, _proxy: object) -> None:
        connection.close()

    event.listen(log._engine.pool, "checkout", end)
    with pytest.raises(LogUnavailable):
        log.beat(0, "a")
    event.remove(log._engine.pool, "checkout", end)
    log.beat(0, "a")
    log.close()
