"""Transactions of the vault. On SQLite each begins with a write, and so waits for the writer before it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ledger.vault.errors import VaultFull, VaultUnavailable


@contextmanager
def begin(engine: Engine) -> Iterator[Connection]:
    """Run a transaction; raises VaultUnavailable when the database does not answer, VaultFull when it has no room.

    The driver's own text is left out: it may hold the parameters of the statement.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except (OperationalError, InterfaceError) as error:
        if _full(error.orig):
            raise VaultFull("there is no room left for the vault") from None
        raise VaultUnavailable(f"the vault's database does not answer: {type(error.orig).__name__}") from None
    except DBAPIError as error:
        raise VaultUnavailable(f"the vault's database refuses: {type(error.orig).__name__}") from None
    except PoolTimeout:
        raise VaultUnavailable("every connection to the vault's database is in use") from None


def _full(error: BaseException | None) -> bool:
    return isinstance(error, psycopg.errors.DiskFull) or (
        isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL
    )


def insert_new(connection: Connection, table: Table, **values: Any) -> None:
    """Add a row unless one stands in its way."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(table).values(**values).on_conflict_do_nothing())
