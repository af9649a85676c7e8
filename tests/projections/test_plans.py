"""How lines are found: by keys, never by reading all accounts or all lines, whatever planners know of the tables."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from projections.answers import AtPosition
from projections.postgres import PostgresSession
from projections.sqlite import SQLiteSession, SQLiteStore
from projections.store import Values
from tests.projections.world import World

_BY_KEY = re.compile(
    r"Index Scan using movements_pkey on movements .*\n"
    r" *Index Cond: \(\(partition = .* AND \(\"position\" = .* AND \(leg = "
)
"""How PostgreSQL says that it finds a movement by its whole key."""

Asked = list[tuple[str, Values]]


@contextmanager
def noted() -> Iterator[Asked]:
    """Give the statements that are asked within the block."""
    asked: Asked = []

    def noting(method: Any) -> Any:
        def ask(session: Any, sql: str, *values: Any) -> Any:
            asked.append((sql, values))
            return method(session, sql, *values)

        return ask

    with pytest.MonkeyPatch.context() as patch:
        for session in (SQLiteSession, PostgresSession):
            for name in ("one", "all"):
                patch.setattr(session, name, noting(getattr(session, name)))
        yield asked


def plan(world: World, asked: Asked) -> str:
    """Return how the statements are carried out, as the database says."""
    explain = "EXPLAIN QUERY PLAN " if isinstance(world.store, SQLiteStore) else "EXPLAIN "
    lines: list[str] = []
    for sql, values in asked:
        rows = world.store.question(lambda session, sql=sql, values=values: session.all(explain + sql, *values))  # type: ignore[misc]
        lines += [str(row[-1]) for row in rows]
    return "\n".join(lines)


def test_a_mini_statement_reads_what_it_shows(world: World) -> None:
    """The lines, and the accounts on their other sides, are looked up one by one."""
    payer, payee = world.open_account(), world.open_account()
    for amount in range(1, 30):
        world.transfer(payer, payee, amount)
    world.project()
    with noted() as asked:
        found = world.reader.mini_statement(payer, now=2**60, lines=10).result
    assert found is not None
    assert [line.amount for line in found.lines] == list(range(-29, -19))
    (statement,) = asked
    told = plan(world, [statement])
    if isinstance(world.store, SQLiteStore):
        assert told.count("SEARCH m USING PRIMARY KEY (partition=? AND position=? AND leg=?)") == 2
        assert told.count("SEARCH n USING PRIMARY KEY (partition=? AND account_id=?)") == 1
    else:
        assert len(_BY_KEY.findall(told)) == 2
        assert "Join Filter" not in told
        assert told.count("(account_id = ") >= told.count(" on accounts ") == 2


def test_a_statement_walks_along_keys(world: World) -> None:
    """What an account had at a position, and its lines up to it, are found movement by movement."""
    payer, payee = world.open_account(), world.open_account()
    for amount in range(1, 40):
        world.transfer(payer, payee, amount)
    world.project()
    with noted() as asked:
        world.reader.statement(payer, start=0, end=2**60)
        world.reader.balance(payer, now=2**60, as_of=AtPosition(0, 20))
        world.reader.figures(0, 20)
    walks = [each for each in asked if "RECURSIVE" in each[0]]
    assert len(walks) >= 4
    for walk in walks:
        told = plan(world, [walk])
        if isinstance(world.store, SQLiteStore):
            assert told.count("SEARCH m USING PRIMARY KEY (partition=? AND position=? AND leg=?)") == 2
            assert "SCAN m" not in told
        else:
            assert len(_BY_KEY.findall(told)) == told.count(" on movements ") == 2
            assert "Join Filter" not in told
