"""Logs that keep no tree: what an append costs without one. They exist for the benchmarks alone.

They take the same way into the same tables as the log's own, down to the statements, and leave out what the tree takes:
its hashes, its row, and waiting for it. A log that was written so has no tree, and no server will go on with it.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import cast

from psycopg.pq import Format
from sqlalchemy.engine import make_url

from bench.stores import SQLITE
from domain.ports import Row
from ledger.log.api import Log
from ledger.log.direct import DirectConnection
from ledger.log.packing import binary_values
from ledger.log.postgres import _COPY, PostgresLog
from ledger.log.runs import Batch
from ledger.log.sqlite import _FEW, SQLiteLog, _insert_sql, _statements
from ledger.log.trees import Growth, Trees

_INSERT = (
    "INSERT INTO events (partition, position, originator_id, originator_version, recorded_at, request_id, topic,"
    " caller, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
)


class _NoTrees(Trees):
    """Hands the rows on."""

    @contextmanager
    def growing(self, rows: Sequence[Row], tail: bytes | None = None) -> Iterator[Growth]:
        """Yield the rows; what they follow does not matter."""
        yield cast("Growth", _Rows(rows))


class _Rows:
    """What stands where an append's growth does."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.batch = Batch(rows)


class TreelessSQLiteLog(SQLiteLog):
    """One file."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._trees = _NoTrees(self, self.tree)

    def _insert(self, writer: sqlite3.Connection, rows: Sequence[Row], growth: Growth, tail: bytes | None) -> None:
        if len(rows) < _FEW and not len(rows) & len(rows) - 1:
            writer.execute(_insert_sql(len(rows)), list(chain.from_iterable(rows)))
            return
        statements = _statements(writer, growth.batch)
        writer.execute("BEGIN IMMEDIATE")
        for statement, values in statements:
            writer.execute(statement, values)
        writer.execute("COMMIT")


class TreelessPostgresLog(PostgresLog):
    """One database."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._trees = _NoTrees(self, self.tree)

    def _insert(self, writer: DirectConnection, rows: Sequence[Row], growth: Growth) -> None:
        if len(rows) == 1:
            writer.execute(_INSERT, binary_values(rows[0]), formats=[Format.BINARY] * len(Row._fields))
            return
        writer.copy(_COPY, self._packer.pack(growth.batch))


def open_treeless(url: str, store: str) -> Log:
    """Open an empty database without a tree."""
    return TreelessSQLiteLog(str(make_url(url).database)) if store == SQLITE else TreelessPostgresLog(url)


def hashed_beside(log: Log) -> bool:
    """Return whether a log with a tree has the process that hashes its large batches."""
    trees: Trees = log._trees  # type: ignore[attr-defined] # noqa: SLF001
    return trees.helper is not None
