"""The lines of one account, read from the movements it stands on either side of.

An account's lines are the movements that debit it and those that credit it, each found along an index of its
own and merged in the order asked for.
"""

from typing import Any, Final, NamedTuple

from domain.ids import account_partition
from projections.store import Session, Values

_SHARED: Final = (
    "m.position, m.leg, m.recorded_at, coalesce(m.effective_time, m.recorded_at) AS happened, m.kind,"
    " m.source_type, m.source_id, m.reference, m.merchant_name"
)
_SIDES: Final = tuple(
    f"SELECT {_SHARED}, {sign}m.amount AS amount, m.{side}_posted AS posted, m.{other}_account AS counterparty"
    f" FROM movements m WHERE m.partition = ? AND m.{side}_account = ? AND "
    for side, other, sign in (("debit", "credit", "-"), ("credit", "debit", ""))
)
_LAST_SIDES: Final = tuple(
    f"SELECT m.position, m.leg, m.{side}_posted AS posted, m.{side}_debits AS debits, m.{side}_movements AS lines"
    f" FROM movements m WHERE m.partition = ? AND m.{side}_account = ? AND m.position <= ?"
    for side in ("debit", "credit")
)
_LATE_SUMS: Final = tuple(
    "SELECT CAST(coalesce(sum(amount), 0) AS bigint), count(*) FROM movements"
    f" WHERE partition = ? AND {side}_account = ? AND effective_time >= ? AND effective_time < ?"
    " AND +position > ? AND +position <= ?"  # the plus keeps planners off the other index
    for side in ("debit", "credit")
)


class Order(NamedTuple):
    """An order of lines, as one side's index has it and as the merged lines name it."""

    side: str
    merged: str


OLDEST_FIRST: Final = Order("m.position, m.leg", "position, leg")
NEWEST_FIRST: Final = Order("m.position DESC, m.leg DESC", "position DESC, leg DESC")
BY_EFFECTIVE_TIME: Final = Order("m.effective_time, m.position, m.leg", "happened, position, leg")


class Line(NamedTuple):
    """A line as the tables have it; ``posted`` is the balance after it in recorded order."""

    position: int
    leg: int
    recorded_at: int
    happened: int
    kind: str
    source_type: int
    source_id: bytes
    reference: str
    merchant_name: str
    amount: int
    posted: int
    counterparty: int

    @property
    def key(self) -> tuple[int, int, int]:
        """The line's place in effective order."""
        return self.happened, self.position, self.leg


class Totals(NamedTuple):
    """What an account's lines come to, up to some point. ``debits`` counts modulo 2^64."""

    posted: int = 0
    debits: int = 0
    lines: int = 0


def read_lines(session: Session, account_id: int, where: str, values: Values, order: Order, limit: int) -> list[Line]:
    """Return up to ``limit`` lines of an account that satisfy a condition on ``m``, in an order."""
    sql, given = lines_sql(account_id, where, values, order, limit)
    return list(map(Line._make, session.all(sql, *given)))


def lines_sql(account_id: int, where: str, values: Values, order: Order, limit: int) -> tuple[str, Values]:
    """Return the statement that ``read_lines`` asks, and its values."""
    side = (account_partition(account_id), account_id, *values, limit)
    sql = _first_of_both([select + where for select in _SIDES], order)
    return sql, (*side, *side, limit)


def totals_at(session: Session, account_id: int, position: int) -> Totals:
    """Return the totals right after a position."""
    side = (account_partition(account_id), account_id, position, 1)
    found = session.one(_LAST, *side, *side, 1)
    return Totals() if found is None else Totals(*found[2:])


def late_totals(session: Session, account_id: int, earliest: int, before: int, after: int, upto: int) -> Totals:
    """Return the totals of what happened at ``earliest <= t < before`` and was recorded late.

    Only positions ``after < p <= upto`` count.
    """
    values: tuple[Any, ...] = (account_partition(account_id), account_id, earliest, before, after, upto)
    (debited, debit_lines), (credited, credit_lines) = (session.all(sql, *values)[0] for sql in _LATE_SUMS)
    return Totals(credited - debited, debited, debit_lines + credit_lines)


def _first_of_both(sides: list[str], order: Order) -> str:
    """Return the statement that takes the first rows of each side in an order, and the first of them all."""
    ordered = " UNION ALL ".join(
        f"SELECT * FROM ({sql} ORDER BY {order.side} LIMIT ?) AS side_{number}" for number, sql in enumerate(sides)
    )
    return f"SELECT * FROM ({ordered}) AS both_sides ORDER BY {order.merged} LIMIT ?"


_LAST: Final = _first_of_both(list(_LAST_SIDES), NEWEST_FIRST)
