"""Gives the library's unittest cases our stores."""

from collections.abc import Iterator
from unittest import TestCase

import pytest
from sqlalchemy import Engine

from ledger.log.api import Log
from ledger.log.factory import open_log, open_tables


class _StoreCase(TestCase):
    url: str

    def log(self) -> Log:
        """Open the test's log, and close it when the test is over."""
        log = open_log(self.url)
        self.addCleanup(log.close)
        return log

    def tables(self) -> Engine:
        """Open the test's database, and close it when the test is over."""
        engine = open_tables(self.url)
        self.addCleanup(engine.dispose)
        return engine


class SQLiteCase(_StoreCase):
    """A case with a fresh SQLite file."""

    @pytest.fixture(autouse=True)
    def _store(self, sqlite_url: str) -> Iterator[None]:
        self.url = sqlite_url
        yield
        self.doCleanups()


class PostgresCase(_StoreCase):
    """A case with a fresh PostgreSQL database."""

    @pytest.fixture(autouse=True)
    def _store(self, postgres_url: str) -> Iterator[None]:
        self.url = postgres_url
        yield
        self.doCleanups()
