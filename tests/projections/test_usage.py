"""What counts against limits, as the rows tell it, against a recount of what was held, posted and refunded."""

import sqlite3
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from hypothesis import given, settings
from sqlalchemy.dialects import sqlite

from domain.rules import Operation
from projections.batch import Batch, Item, Ledger
from projections.schema import spendings
from projections.store import Session, Writer
from projections.usage import Spendings, used_between
from tests.domain.limit_world import AIDA, CARD, MIDNIGHT, STEPS, TOKEN, ZERE, Step, period_of, play, recount, world
from tests.domain.spec import DAY, SECOND, Spec


class Rows:
    """The table of spendings alone, in memory."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:")
        columns = [column.name for column in spendings.columns]
        keys = [column.name for column in spendings.primary_key]
        self._connection.execute(f"CREATE TABLE spendings ({', '.join(columns)}, PRIMARY KEY ({', '.join(keys)}))")
        self._insert = spendings.insert().compile(dialect=sqlite.dialect())

    def insert(self, _table: object, rows: list[tuple[Any, ...]]) -> None:
        self._connection.executemany(str(self._insert), rows)

    def all(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, values).fetchall()


def projected(spec: Spec) -> Rows:
    rows = Rows()
    items = [
        Item(cast("Any", SimpleNamespace(recorded_at=recorded_at, position=position)), change.event)
        for position, (change, recorded_at) in enumerate(spec.history, start=1)
    ]
    batch = cast("Batch", SimpleNamespace(partition=0, rare=items))
    Spendings().apply(batch, cast("Writer", rows), cast("Ledger", None))
    return rows


@given(STEPS)
@settings(max_examples=120, deadline=None, print_blob=True)
def test_every_day_is_left_with_what_it_took(steps: list[Step]) -> None:
    """On each day that has passed, as on the present one, stands what a recount comes to: never less than nothing."""
    spec = world(now=MIDNIGHT - 20 * 3_600 * SECOND)
    for step in steps:
        play(spec, step)
    rows, counted = projected(spec), recount(spec, "%Y-%m-%d")
    midnight = MIDNIGHT - DAY
    while midnight <= spec.now:
        for subject in (AIDA, ZERE, CARD, TOKEN):
            found = used_between(cast("Session", rows), 0, subject.bytes, midnight, midnight + DAY)
            assert {operation: tuple(used) for operation, used in found.items() if any(used)} == on(
                counted, period_of(midnight, "%Y-%m-%d"), subject
            )
        midnight += DAY


def on(
    counted: dict[tuple[str, UUID, Operation], tuple[int, int]], day: str, whose: UUID
) -> dict[Operation, tuple[int, int]]:
    return {operation: used for (when, subject, operation), used in counted.items() if (when, subject) == (day, whose)}
