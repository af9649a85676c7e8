"""The lines of one account, read from the movements it stands on either side of.

A movement tells where the line before it of either account is, so the lines of an account are a chain from its last
one back: no index leads from accounts to their movements, because keeping one costs several times what the movements
themselves do. Every sixteenth line is marked, so a line far back is some steps from a mark. The few lines that were
recorded late are found along indexes by the time at which they happened. Lines come all in one value, with the numbers
of the accounts on their other sides.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from domain.ids import account_partition
from domain.legs import Numbers
from projections.answers import Source
from projections.schema import LINES_A_MARK
from projections.store import Session, Values

_LEG_BITS: Final = 16
_LAST_LEG: Final = (1 << _LEG_BITS) - 1
_LARGEST: Final = (1 << 63) - 1

_Position = TypeVar("_Position", int, Numbers)


def place_of(position: _Position, leg: int) -> _Position:
    """Return a line's place in recorded order as one number; those of many lines, given their positions."""
    return position << _LEG_BITS | leg


def end_of(position: int) -> int:
    """Return a place behind every line of a position and before those of the next."""
    return min(position << _LEG_BITS | _LAST_LEG, _LARGEST)


class Line(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A line as the tables have it; ``posted`` is the balance after it in recorded order, the id is hexadecimal."""

    position: int
    leg: int
    recorded_at: int
    happened: int
    kind: str
    source_type: Source
    reference: str
    merchant_name: str
    amount: int
    posted: int
    counterparty: int
    counterparty_number: str
    source_id: str

    @property
    def key(self) -> tuple[int, int, int]:
        """The line's place in effective order."""
        return self.happened, self.position, self.leg


unpacked_lines: Final = msgspec.json.Decoder(list[Line]).decode
"""Returns packed lines."""


class Totals(NamedTuple):
    """What an account's lines come to, up to some point. ``debits`` counts modulo 2^64."""

    posted: int = 0
    debits: int = 0
    lines: int = 0


# Walking back. The order of a CROSS JOIN is kept by SQLite, which would otherwise begin with the movements; so would
# PostgreSQL, which knows no statistics of new tables, if it knew the partition beforehand: therefore the sum with 0.
# Where to begin is materialised, or it would be looked up again wherever the place is named.

_AT: Final = f"m.partition = l.partition AND m.position = l.place >> {_LEG_BITS} AND m.leg = l.place & {_LAST_LEG}"
_TOLD: Final = (
    "position, leg, recorded_at, happened, kind, source_type, reference, merchant_name, amount, posted, counterparty,"
    " coalesce((SELECT n.number FROM accounts n WHERE n.partition = ? AND n.account_id = counterparty), '')"
)
"""What is told of a line, before its source. A query of its own for the number: PostgreSQL, which knows no statistics
of new tables, would join with all accounts of the partition."""
_FOUND: Final = (
    "position, leg, recorded_at, happened, kind, source_type, source_id, reference, merchant_name,"
    " amount, posted, counterparty"
)
_SHARED: Final = (
    "m.position, m.leg, m.recorded_at, coalesce(m.effective_time, m.recorded_at) AS happened, m.kind,"
    " m.source_type, m.source_id, m.reference, m.merchant_name"
)


def _own(debited: str, credited: str) -> str:
    """Return what the movement ``m`` tells of the side that is the account's of ``l``."""
    return f"CASE WHEN m.debit_account = l.account THEN {debited} ELSE {credited} END"


def _own_figures(*names: str) -> str:
    return ", ".join(_own(f"m.debit_{name}", f"m.credit_{name}") for name in names)


_LINE: Final = (
    f"{_SHARED}, {_own('-m.amount', 'm.amount')} AS amount, {_own_figures('posted')} AS posted,"
    f" {_own('m.credit_account', 'm.debit_account')} AS counterparty"
)
_BEGIN: Final = "SELECT b.partition + 0 AS partition, b.account_id AS account"
_LAST: Final = f"{_BEGIN}, b.last AS place FROM balances b"
_MARKED: Final = (
    f"{_BEGIN}, coalesce((SELECT k.place FROM line_marks k WHERE k.partition = b.partition"
    " AND k.account_id = b.account_id AND k.place > ? ORDER BY k.place LIMIT 1{offset}), b.last) AS place"
    " FROM balances b"
)
_ACCOUNT: Final = " WHERE b.partition = ? AND b.account_id = ?"


def _walk(begin: str) -> str:
    """Return the lines that are met from one on back, as a table ``lines``: up to a number of them, down to a place.

    ``here`` is where a line stands, ``place`` where the one before it does.
    """
    line = f"l.partition, l.account, l.place, {_own_figures('before')}, {_LINE}"
    return (
        f"WITH RECURSIVE head AS MATERIALIZED ({begin}),"
        f" lines (met, partition, account, here, place, {_FOUND}) AS ("
        f"SELECT 1, {line} FROM head l CROSS JOIN movements m WHERE {_AT}"
        f" UNION ALL SELECT l.met + 1, {line} FROM lines l CROSS JOIN movements m"
        f" WHERE l.place > ? AND l.met < ? AND {_AT})"
    )


_LAST_LINES: Final = f"{_walk(_LAST + _ACCOUNT)} SELECT {_FOUND} FROM lines ORDER BY position DESC, leg DESC LIMIT ?"
_NEXT_LINES: Final = (
    f"{_walk(_MARKED.format(offset=' OFFSET ?') + _ACCOUNT)} SELECT {_FOUND} FROM lines"
    " WHERE here > ? AND here <= ? ORDER BY position, leg LIMIT ?"
)


def _totals(begin: str, found: str) -> str:
    """Return the statement for what a line leaves: of the first that is met from one on back, at or before a place."""
    line = f"l.partition, l.account, l.place, {_own_figures('before', 'posted', 'debits', 'movements')}"
    return (
        f"WITH RECURSIVE head AS MATERIALIZED ({begin}),"
        " lines (partition, account, here, place, posted, debits, lines) AS ("
        f"SELECT {line} FROM head l CROSS JOIN movements m WHERE {_AT}"
        f" UNION ALL SELECT {line} FROM lines l CROSS JOIN movements m WHERE l.here > ? AND {_AT})"
        f" SELECT {found} FROM lines WHERE here <= ?"
    )


_TOTALS: Final = _totals(_MARKED.format(offset="") + _ACCOUNT, "posted, debits, lines")
_OF_A: Final = " WHERE b.partition = a.partition AND b.account_id = a.account_id"
LAST_POSTED: Final = f"coalesce(({_totals(_MARKED.format(offset='') + _OF_A, 'posted')}), 0)"
"""What was posted to an account ``a`` right after a position, the end of which is handed in three times."""


def packed_lines(session: Session, account_id: int, limit: int) -> tuple[str, Values]:
    """Return an expression for an account's last lines, the newest first, packed, and its values."""
    partition = account_partition(account_id)
    values = (partition, partition, account_id, 0, limit, limit)
    return session.packed(_TOLD, "source_id", _LAST_LINES), values


def last_lines(session: Session, account_id: int, limit: int) -> list[Line]:
    """Return an account's last lines, the newest first."""
    expression, values = packed_lines(session, account_id, limit)
    return _read(session, expression, values)


def lines_between(session: Session, account_id: int, after: int, upto: int, limit: int) -> list[Line]:
    """Return up to ``limit`` lines of an account behind a place and up to another one, oldest first."""
    partition = account_partition(account_id)
    # From the first mark by which there are so many lines for certain; between two marks there are as many as always.
    marks = -(-limit // LINES_A_MARK)
    most = (marks + 1) * LINES_A_MARK
    walk = (after, marks, partition, account_id, after, most)
    expression = session.packed(_TOLD, "source_id", _NEXT_LINES)
    return _read(session, expression, (partition, *walk, after, upto, limit))


def _read(session: Session, expression: str, values: Values) -> list[Line]:
    found = session.one(f"SELECT {expression}", *values)
    return [] if found is None else unpacked_lines(found[0])


def totals_at(session: Session, account_id: int, position: int) -> Totals:
    """Return the totals right after a position."""
    partition, end = account_partition(account_id), end_of(position)
    found = session.one(_TOTALS, end, partition, account_id, end, end)
    return Totals() if found is None else Totals(*found)


# What was recorded late, on either side of a movement.

_LATE: Final = (
    "m.partition = ? AND m.{side}_account = ? AND m.effective_time >= ? AND m.effective_time < ?"
    " AND (m.effective_time, m.position, m.leg) > (?, ?, ?) AND +m.position <= ?"
    " ORDER BY m.effective_time, m.position, m.leg LIMIT ?"
)
_LATE_LINES: Final = (
    f"SELECT {_FOUND} FROM ("
    + " UNION ALL ".join(
        f"SELECT * FROM (SELECT {_SHARED}, {sign}m.amount AS amount, m.{side}_posted AS posted,"
        f" m.{other}_account AS counterparty FROM movements m WHERE {_LATE.format(side=side)}) AS {side}s"
        for side, other, sign in (("debit", "credit", "-"), ("credit", "debit", ""))
    )
    + ") AS both_sides ORDER BY happened, position, leg LIMIT ?"
)
# A sum may pass 64 bits, so the two halves of the amounts are summed apart.
_LATE_SUMS: Final = tuple(
    "SELECT coalesce(sum(amount >> 32), 0), coalesce(sum(amount & 4294967295), 0), count(*) FROM movements"
    f" WHERE partition = ? AND {side}_account = ? AND effective_time >= ? AND effective_time < ?"
    " AND +position > ? AND +position <= ?"  # the plus keeps planners off the other index
    for side in ("debit", "credit")
)


def late_lines(
    session: Session, account_id: int, after: tuple[int, int, int], before: int, upto: int, limit: int
) -> list[Line]:
    """Return up to ``limit`` lines that were recorded late, by position ``upto``, in effective order.

    They follow the line ``after`` in that order, and happened earlier than ``before``.
    """
    partition = account_partition(account_id)
    side = (partition, account_id, after[0], before, *after, upto, limit)
    return _read(session, session.packed(_TOLD, "source_id", _LATE_LINES), (partition, *side, *side, limit))


def late_totals(session: Session, account_id: int, earliest: int, before: int, after: int, upto: int) -> Totals:
    """Return the totals of what happened at ``earliest <= t < before`` and was recorded late.

    Only positions ``after < p <= upto`` count.
    """
    values: tuple[Any, ...] = (account_partition(account_id), account_id, earliest, before, after, upto)
    (debited, debit_lines), (credited, credit_lines) = (
        ((int(high) << 32) + int(low), lines) for sql in _LATE_SUMS for high, low, lines in session.all(sql, *values)
    )
    return Totals(credited - debited, debited, debit_lines + credit_lines)


def punctual_lines(session: Session, account_id: int, after: int, upto: int, limit: int) -> Iterator[Line]:
    """Yield the lines that were recorded as they happened, behind a place and up to another one, oldest first.

    So many are read at once; there may be more.
    """
    while True:
        page = lines_between(session, account_id, after, upto, limit)
        yield from (line for line in page if line.happened == line.recorded_at)
        if len(page) < limit:
            return
        after = place_of(page[-1].position, page[-1].leg)
