"""What every account had right after a position, a page of accounts at a time."""

from typing import Final

from domain.account import AccountKind
from projections.answers import Figures, PositionInFutureError
from projections.lines import LAST_POSTED, end_of
from projections.schema import CURRENT
from projections.store import Session
from projections.times import time_at

_FIGURES: Final = (
    "SELECT a.account_id, a.participant, a.kind, a.currency,"
    f" {LAST_POSTED},"
    " coalesce((SELECT CAST(sum(h.remaining) AS bigint) FROM holds h WHERE h.partition = a.partition"
    " AND h.account_id = a.account_id AND h.until > ? AND h.position <= ? AND h.expires_at > ?), 0),"
    " l.overdraft_limit, l.minimum_balance"
    " FROM accounts a JOIN account_limits l ON l.partition = a.partition AND l.account_id = a.account_id"
    " AND l.position = (SELECT max(m.position) FROM account_limits m WHERE m.partition = a.partition"
    " AND m.account_id = a.account_id AND m.position <= ?)"
    " WHERE a.partition = ? AND a.account_id > ? ORDER BY a.account_id LIMIT ?"
)

_CURRENT_FIGURES: Final = (
    "SELECT a.account_id, a.participant, a.kind, a.currency, coalesce(b.posted, 0),"
    " coalesce(b.held, 0) - coalesce((SELECT CAST(sum(h.remaining) AS bigint) FROM holds h WHERE h.partition ="
    " a.partition AND h.account_id = a.account_id AND h.until = ? AND h.expires_at <= ?), 0),"
    " a.overdraft_limit, a.minimum_balance FROM accounts a"
    " LEFT JOIN balances b ON b.partition = a.partition AND b.account_id = a.account_id"
    " WHERE a.partition = ? AND a.account_id > ? ORDER BY a.account_id LIMIT ?"
)


def figures_at(
    session: Session, partition: int, position: int, *, tracked: int, after: int, limit: int
) -> list[Figures]:
    """Return the figures of the accounts there were right after a position, from the one after ``after`` on.

    What is held is without the holds that had lapsed by then. Of the newest position the figures are those that every
    question for a balance is answered with, not made from the movements: whoever verifies sees whether they are right.
    Raises PositionInFutureError.
    """
    if position > tracked:
        raise PositionInFutureError(position, tracked)
    if not position:
        return []
    time = time_at(session, partition, position)
    if position == tracked:
        found = session.all(_CURRENT_FIGURES, CURRENT, time, partition, after, limit)
    else:
        end = end_of(position)
        values = (end, end, end, position, position, time, position, partition, after, limit)
        found = session.all(_FIGURES, *values)
    return [
        Figures(account, participant, AccountKind(kind), currency, *figures)
        for account, participant, kind, currency, *figures in found
    ]
