"""Whatever becomes of a database under a call, its caller is told when to come back: UNAVAILABLE, never INTERNAL."""

import asyncio
import errno
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import grpc
import psycopg
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Connection, event

from protos.esep.v1.audit_service_pb2 import ListAccessRequest
from protos.esep.v1.statement_service_pb2 import GetBalanceRequest
from protos.esep.v1.transfer_service_pb2 import GetTransferRequest
from scripts.demo_client import position_of
from tests.conftest import url_of
from tests.rpc.customer_cases import registration
from tests.rpc.test_notifications import Subscription
from tests.rpc.world import Bank, World, refused
from tests.waiting import eventually

Call = Callable[[], Any]
Break = Callable[[World, str], AbstractContextManager[None]]
SECONDS = 60.0
"""How long each call is given, which is much longer than any of these takes."""


# Calls, by the store that each needs.


def log(bank: Bank) -> Call:
    """Read what stands in the log."""
    request = GetTransferRequest(transfer_id=bank.move(bank.rich, bank.poor, 1).transfer.transfer_id)
    return lambda: bank.call(bank.ledger.transfers.GetTransfer, request, SECONDS)


def projections(bank: Bank) -> Call:
    """Ask the projections."""
    receipt = bank.move(bank.rich, bank.poor, 1).receipt
    request = GetBalanceRequest(account_id=bank.rich, min_position=position_of(receipt))
    bank.call(bank.ledger.statements.GetBalance, request)  # From here on the tables are known to be far enough.
    return lambda: bank.call(bank.ledger.statements.GetBalance, request, SECONDS)


def vault(bank: Bank) -> Call:
    """Write to the vault."""
    return lambda: bank.call(bank.ledger.customers.RegisterCustomer, registration(), SECONDS)


def accesses(bank: Bank) -> Call:
    """Make a read that is noted first."""
    return lambda: bank.call(bank.ledger.audit.ListAccess, ListAccessRequest(), SECONDS)


# What becomes of a PostgreSQL database.


def end_sessions(administrator: psycopg.Connection[Any], name: str) -> None:
    """End every session of a database."""
    ended = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"
    administrator.execute(ended, [name])


@contextmanager
def administered(url: str) -> Iterator[tuple[psycopg.Connection[Any], str]]:
    """Give a connection to another database of the same server, and the name of this one."""
    with psycopg.connect(url_of(url, "postgres"), autocommit=True) as connection:
        yield connection, str(conninfo_to_dict(url)["dbname"])


@contextmanager
def altered(url: str, change: str, back: str) -> Iterator[None]:
    """Alter a database for all sessions to come, end those that stand, and alter it back."""
    with administered(url) as (administrator, name):
        alter = sql.SQL("ALTER DATABASE {} ").format(sql.Identifier(name))
        administrator.execute(alter + sql.SQL(change))
        end_sessions(administrator, name)
        yield
        administrator.execute(alter + sql.SQL(back))


def shut(_: World, url: str) -> AbstractContextManager[None]:
    """Admit nobody to the database, and send away who was there."""
    return altered(url, "ALLOW_CONNECTIONS false", "ALLOW_CONNECTIONS true")


def demoted(_: World, url: str) -> AbstractContextManager[None]:
    """Let nothing be written in any session from now on, as on a standby."""
    return altered(url, "SET default_transaction_read_only = on", "SET default_transaction_read_only = off")


@contextmanager
def demoted_meanwhile(world: World, _: str) -> Iterator[None]:
    """Let nothing be written in sessions that stand already."""
    engines = [world.vault.vault._engine, world.access_log._engine]

    def read_only(connection: Connection) -> None:
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")

    for engine in engines:
        event.listen(engine, "begin", read_only)
    yield
    for engine in engines:
        event.remove(engine, "begin", read_only)


@contextmanager
def out_of_files(_: World, url: str) -> Iterator[None]:
    """Break the connections when the process may open no more files: the one that is missing is the driver's selector.

    The socket is made first, so one file too few is met there.
    """
    with administered(url) as (administrator, name):
        few = OSError(errno.EMFILE, "Too many open files")
        with patch("psycopg.waiting.DefaultSelector", side_effect=few):
            end_sessions(administrator, name)
            yield


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("broken", "calls"),
    [
        (shut, (log, projections, vault, accesses)),
        (demoted, (log, vault, accesses)),
        (demoted_meanwhile, (vault, accesses)),
        (out_of_files, (log, projections, vault, accesses)),
    ],
)
def test_a_database_that_is_away(
    broken: Break, calls: tuple[Callable[[Bank], Call], ...], postgres_url: str, tmp_path: Path
) -> None:
    """On PostgreSQL every store is unavailable for as long as it cannot be asked, and answers again afterwards."""
    with World(tmp_path, database_url=postgres_url, vault_url=postgres_url) as world:
        bank = Bank(world)
        asked = [call(bank) for call in calls]
        with broken(world, postgres_url):
            for ask in asked:
                assert_unavailable(ask)
        for ask in asked:
            eventually(partial(answered, ask))


# What becomes of files.


@contextmanager
def file_missing(world: World, _: str) -> Iterator[None]:
    """Take the projections' file away, so that it must be opened again and cannot be."""
    pointer = world._reader._store._files._pointer_path  # type: ignore[attr-defined]
    (file,) = pointer.parent.glob("*.projections.*.db")
    away = file.with_suffix(".away")
    world.hold_projections()
    file.rename(away)
    pointer.touch()
    yield
    away.rename(file)
    world.resume_projections()


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep a file from every other writer for longer than any of them waits."""
    holder = sqlite3.connect(path, isolation_level=None)
    try:
        holder.execute("BEGIN EXCLUSIVE")
        yield
        holder.execute("ROLLBACK")
    finally:
        holder.close()


@pytest.mark.parametrize(
    ("broken", "call"),
    [
        (file_missing, projections),
        (lambda _, directory: held(Path(directory) / "vault.db"), vault),
        (lambda _, directory: held(Path(directory) / "access.db"), accesses),
    ],
    ids=["file_missing-projections", "held-vault", "held-accesses"],
)
def test_a_file_that_is_away(broken: Break, call: Callable[[Bank], Call], bank: Bank, tmp_path: Path) -> None:
    """On SQLite so is a store whose file is gone, or is held by somebody else for too long."""
    ask = call(bank)
    with broken(bank.world, str(tmp_path)):
        assert_unavailable(ask)
    eventually(lambda: answered(ask))


@pytest.mark.parametrize("call", [log, projections])
def test_a_store_that_was_closed(store_url: str, tmp_path: Path, call: Callable[[Bank], Call]) -> None:
    """A server that is being taken down says the same where it cannot answer any more."""
    with World(tmp_path, database_url=store_url) as world:
        ask = call(Bank(world))
        if call is log:
            world.engine.real.stop()
            world._stopping.set()
            world._projector.join()
            world.log.close()
        else:
            world._reader.close()
        assert_unavailable(ask)


def test_a_stream_whose_permission_cannot_be_looked_at(tmp_path: Path) -> None:
    """A stream may last for ever, but not the looking at who asks for it: it ends as any unreachable store makes it."""

    async def wait_for_ever(*_: object) -> None:
        await asyncio.Event().wait()

    with World(tmp_path) as world:
        bank, gate = Bank(world), world.edge._gate
        brief = patch.object(gate, "_max_deadline_seconds", 0.3)
        with brief, patch.object(gate._permission, "admit", wait_for_ever):
            assert_unavailable(lambda: Subscription(bank, timeout=None).next())


def assert_unavailable(ask: Call) -> None:
    """Assert that a call is refused as every unreachable store makes it be."""
    refusal = refused(ask)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "LEDGER_UNAVAILABLE")
    assert refusal.has(RetryInfo)


def answered(ask: Call) -> bool:
    """Tell whether a call is answered."""
    try:
        ask()
    except grpc.RpcError:
        return False
    return True
