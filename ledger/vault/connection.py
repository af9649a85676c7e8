"""Transactions of the vault. On SQLite each begins with a write, and so waits for the writer before it."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from ledger.vault.errors import VaultUnavailable


@contextmanager
def begin(engine: Engine) -> Iterator[Connection]:
    """Run a transaction; raises VaultUnavailable when the database does not answer.

    The driver's own text is left out: it may hold the parameters of the statement.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except (OperationalError, InterfaceError) as error:
        raise VaultUnavailable(f"the vault's database does not answer: {type(error.orig).__name__}") from None
    except DBAPIError as error:
        raise VaultUnavailable(f"the vault's database refuses: {type(error.orig).__name__}") from None
