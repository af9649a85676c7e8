"""What is closed leaves no connection open, whoever uses one at the time."""

from sqlalchemy import select

from ledger.log.factory import open_log, open_tables
from ledger.log.housekeeping import Housekeeping
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
