"""Balances: now, as of a position, as of a recorded time, as of an effective time; and the trial balance.

What is held is what authorisations hold that have not lapsed by the time asked about, whether or not the event
that says so has been recorded: the same that the next decision would see.
"""

from collections.abc import Callable
from typing import Final

from domain.account import AccountKind
from domain.ids import account_partition
from projections import schema
from projections.answers import (
    AsOf,
    AtEffectiveTime,
    AtPosition,
    Balance,
    PositionInFutureError,
    TrialBalanceLine,
)
from projections.authorizations import held_as_of
from projections.batch import Batch, Ledger
from projections.lines import LAST_POSTED, end_of, totals_at
from projections.periods import totals_as_of_effective_time
from projections.store import Session, Values, Writer
from projections.times import position_at, time_at

NOW: Final = (
    "SELECT t.position, b.posted, b.held - coalesce((SELECT CAST(sum(h.remaining) AS bigint) FROM holds h"
    " WHERE h.partition = b.partition AND h.account_id = b.account_id"
    f" AND h.until = {schema.CURRENT} AND h.expires_at <= ?), 0),"
    " a.overdraft_limit, a.minimum_balance, a.currency"
    " FROM tracking t LEFT JOIN accounts a ON a.partition = t.partition AND a.account_id = ?"
    " LEFT JOIN balances b ON b.partition = a.partition AND b.account_id = a.account_id"
    " WHERE t.partition = ?"
)
"""One row with the position and the balance of an account; the balance is NULL when there is no such account."""


class Balances:
    """Keeps what each account has; comes last, when the other projections have settled the figures."""

    def apply(self, batch: Batch, writer: Writer, ledger: Ledger) -> None:
        """Write the figures of the accounts that the batch touched."""
        writer.upsert(schema.balances, ledger.rows())


def balance_now(session: Session, account_id: int, now: int) -> tuple[Balance | None, int | None]:
    """Return the balance and the position, None for an unknown account and for a partition without events."""
    return balance_of(session, account_id, session.one(NOW, now, account_id, account_partition(account_id)))


def balance_of(session: Session, account_id: int, found: Values | None) -> tuple[Balance | None, int | None]:
    """Return the balance and the position of what ``NOW`` found."""
    if found is None:
        session.confirm()
        return None, None
    position, posted, held, overdraft_limit, minimum_balance, currency = found
    if posted is None:
        return None, position
    available = posted - held + overdraft_limit - minimum_balance
    return Balance(account_id, currency, posted, held, available, overdraft_limit, minimum_balance), position


def balance_as_of(session: Session, account_id: int, as_of: AsOf, *, tracked: int, now: int) -> Balance | None:
    """Return the balance at an earlier moment, None when the account did not exist then.

    It exists from its opening on; by effective time also from its first movement, which may have happened before.
    Raises PositionInFutureError for a moment after ``tracked`` or ``now``.
    """
    partition = account_partition(account_id)
    found = session.one(
        "SELECT currency, overdraft_limit, minimum_balance, created_at FROM accounts"
        " WHERE partition = ? AND account_id = ?",
        partition,
        account_id,
    )
    if found is None:
        return None
    if isinstance(as_of, AtEffectiveTime):
        if as_of.time > now:
            raise PositionInFutureError(as_of.time, now)
        totals = totals_as_of_effective_time(session, account_id, as_of.time, tracked=tracked)
        if as_of.time < found[3] and not totals.lines:
            return None
        return Balance(account_id, found[0], totals.posted, None, None, found[1], found[2])
    position, time = _moment(session, partition, as_of, tracked=tracked, now=now)
    limits = session.one(
        "SELECT overdraft_limit, minimum_balance FROM account_limits"
        " WHERE partition = ? AND account_id = ? AND position <= ? ORDER BY position DESC LIMIT 1",
        partition,
        account_id,
        position,
    )
    if limits is None:
        return None
    posted = totals_at(session, account_id, position).posted
    held = held_as_of(session, account_id, position, time)
    available = posted - held + limits[0] - limits[1]
    return Balance(account_id, found[0], posted, held, available, limits[0], limits[1])


def _moment(session: Session, partition: int, as_of: AsOf, *, tracked: int, now: int) -> tuple[int, int]:
    """Return the position and the recorded time that a question is about."""
    if isinstance(as_of, AtPosition):
        if as_of.position > tracked:
            raise PositionInFutureError(as_of.position, tracked)
        return as_of.position, time_at(session, partition, as_of.position) if as_of.position else 0
    if as_of.time > now:
        raise PositionInFutureError(as_of.time, now)
    return position_at(session, partition, as_of.time), as_of.time


# The trial balance. A sum may pass 64 bits, so the two halves of the figures are summed apart.

_HALVES: Final = "sum({posted} >> 32), sum({posted} & 4294967295), count(*)"
_TRIAL_NOW: Final = (
    f"SELECT a.currency, a.kind, {_HALVES.format(posted='b.posted')} FROM accounts a"
    " JOIN balances b ON b.partition = a.partition AND b.account_id = a.account_id"
    " WHERE a.partition = ? GROUP BY a.currency, a.kind"
)
_TRIAL_AT: Final = (
    f"WITH known AS MATERIALIZED (SELECT a.currency, a.kind, {LAST_POSTED} AS posted FROM accounts a"
    " WHERE a.partition = ? AND a.opened_position <= ?)"
    f" SELECT currency, kind, {_HALVES.format(posted='posted')} FROM known GROUP BY currency, kind"
)
_TRIAL_LATE: Final = tuple(
    f"SELECT a.currency, a.kind, {_HALVES.format(posted=f'{sign}m.amount')} FROM movements m"
    f" JOIN accounts a ON a.partition = m.partition AND a.account_id = m.{side}_account"
    " WHERE m.partition = ? AND m.effective_time <= ? AND +m.position > ? GROUP BY a.currency, a.kind"
    for side, sign in (("debit", "0 - "), ("credit", ""))
)

_Sums = dict[tuple[str, str], tuple[int, int]]


def trial_balance(session: Session, partition: int, as_of: AsOf | None, *, tracked: int, now: int) -> _Sums:
    """Return the sum and the number of accounts by (currency, kind) of one partition."""
    if as_of is None:
        return _sums(session.all(_TRIAL_NOW, partition))
    if isinstance(as_of, AtEffectiveTime):
        return _trial_as_of_effective_time(session, partition, as_of.time, now)
    position, _ = _moment(session, partition, as_of, tracked=tracked, now=now)
    return _trial_at(session, partition, position, position)


def _trial_at(session: Session, partition: int, position: int, opened: int) -> _Sums:
    """Return the sums right after a position of the accounts that were opened by another one."""
    end = end_of(position)
    return _sums(session.all(_TRIAL_AT, end, end, end, partition, opened))


def trial_lines(parts: list[_Sums]) -> tuple[TrialBalanceLine, ...]:
    """Return the lines that the partitions' sums add up to, by currency, then kind."""
    keys = sorted({key for part in parts for key in part}, key=_by_currency_and_kind())
    return tuple(
        TrialBalanceLine(
            key[0],
            AccountKind(key[1]),
            sum(part.get(key, (0, 0))[0] for part in parts),
            sum(part.get(key, (0, 0))[1] for part in parts),
        )
        for key in keys
    )


def _trial_as_of_effective_time(session: Session, partition: int, time: int, now: int) -> _Sums:
    if time > now:
        raise PositionInFutureError(time, now)
    position = position_at(session, partition, time)
    sums = _trial_at(session, partition, position, schema.CURRENT)
    for sql in _TRIAL_LATE:
        for key, (posted, _) in _sums(session.all(sql, partition, time, position)).items():
            before, accounts = sums[key]
            sums[key] = before + posted, accounts
    return sums


def _sums(rows: list[Values]) -> _Sums:
    return {
        (currency, kind): ((int(high) << 32) + int(low), int(accounts)) for currency, kind, high, low, accounts in rows
    }


def _by_currency_and_kind() -> Callable[[tuple[str, str]], tuple[str, int]]:
    kinds = [kind.value for kind in AccountKind]
    return lambda key: (key[0], kinds.index(key[1]))
