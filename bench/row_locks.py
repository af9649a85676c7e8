"""Transfers by a function with row locks, over eight connections: ``row_locks.sql``.

Each connection has a thread that calls a prepared statement and waits in libpq, outside of Python: the client
costs ten microseconds a call. Each call is a transaction of its own, durable when it returns.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

import psycopg
from psycopg.pq import ExecStatus

from bench.requests import Ids
from bench.windows import Window

NAME = "row_locks_function"
CONNECTIONS = 8
_SQL = Path(__file__).with_name("row_locks.sql")
_FUNDS = 10**12
_STATEMENT = b"transfer"

_Call = tuple[bytes, bytes, bytes, bytes]


class RowLocks:
    """Accounts in rows, and connections that move money between them."""

    def __init__(self, connections: "list[psycopg.Connection[Any]]", accounts: int, seed: int) -> None:
        self._connections = connections
        self._accounts = accounts
        self._random = Random(seed)
        self._ids = Ids()
        first = connections[0]
        first.execute(_SQL.read_bytes())
        first.execute("INSERT INTO accounts SELECT id, %s FROM generate_series(1, %s) AS id", (_FUNDS, accounts))
        first.execute("VACUUM ANALYZE accounts")
        for connection in connections:
            connection.pgconn.prepare(_STATEMENT, b"SELECT transfer($1::bigint, $2::bigint, $3::bigint, $4::uuid)")

    def transfer(self, count: int) -> Window:
        """Make so many transfers, shared between the connections."""
        calls = [self._calls(count // len(self._connections)) for _ in self._connections]
        started = perf_counter()
        with ThreadPoolExecutor(len(self._connections)) as threads:
            done = sum(threads.map(_send, self._connections, calls))
        return Window(done, perf_counter() - started)

    def _calls(self, count: int) -> list[_Call]:
        calls = []
        for text in self._ids.texts(count):
            debit, credit = self._random.sample(range(1, self._accounts + 1), 2)
            amount = self._random.randint(1, 100_00)
            calls.append((b"%d" % debit, b"%d" % credit, b"%d" % amount, text.encode()))
        return calls


def _send(connection: "psycopg.Connection[Any]", calls: list[_Call]) -> int:
    libpq = connection.pgconn
    for call in calls:
        answer = libpq.exec_prepared(_STATEMENT, call)
        if answer.status != ExecStatus.TUPLES_OK:
            raise psycopg.DatabaseError(answer.get_error_message())
    return len(calls)


@contextmanager
def open_row_locks(url: str, accounts: int, seed: int) -> Iterator[RowLocks]:
    """Give the accounts in an empty PostgreSQL database."""
    with ExitStack() as stack:
        connections = [stack.enter_context(psycopg.connect(url, autocommit=True)) for _ in range(CONNECTIONS)]
        yield RowLocks(connections, accounts, seed)
