"""Mini-statements: what an ATM prints, of most accounts by a single statement.

The balance, the last lines and the numbers of the accounts on their other sides come together, of one state. What
authorisations hold is another question, asked only of accounts of which something is held, in one transaction then.
"""

from typing import Final

from domain.ids import account_partition
from projections.answers import Answer, MiniStatement
from projections.authorizations import open_authorizations
from projections.balances import NOW, balance_of
from projections.lines import NEWEST_FIRST, Line, lines_sql
from projections.periods import told_lines
from projections.store import Session, Store

_BALANCE: Final = 6
"""Columns that tell a balance; those of a line come next, then the other account's number."""


def mini_statement(
    store: Store, account_id: int, *, now: int, lines: int, authorizations: int
) -> Answer[MiniStatement | None]:
    """Return the last lines and the authorisations that hold something, newest first; None for no such account."""
    answer, complete = store.question(lambda session: _glance(session, account_id, now, lines))
    if complete:
        return answer

    def ask(session: Session) -> Answer[MiniStatement | None]:
        answer, complete = _glance(session, account_id, now, lines)
        if complete or answer.result is None:
            return answer
        held = tuple(open_authorizations(session, account_id, now, authorizations))
        return Answer(MiniStatement(answer.result.balance, answer.result.lines, held), answer.positions)

    return store.snapshot(ask)


def _glance(session: Session, account_id: int, now: int, limit: int) -> tuple[Answer[MiniStatement | None], bool]:
    """Return a mini-statement without what is held, and whether that is all of it."""
    partition = account_partition(account_id)
    lines, given = lines_sql(account_id, "m.position > ?", (0,), NEWEST_FIRST, limit)
    sql = (
        f"SELECT now.*, l.*, n.number FROM ({NOW}) AS now LEFT JOIN ({lines}) AS l ON 1 = 1"
        " LEFT JOIN accounts n ON n.partition = ? AND n.account_id = l.counterparty"
        " ORDER BY l.position DESC, l.leg DESC"
    )
    found = session.all(sql, now, account_id, partition, *given, partition)
    balance, position = balance_of(session, account_id, found[0][:_BALANCE] if found else None)
    positions = {partition: position or 0}
    if balance is None:
        return Answer(None, positions), True
    told = [(Line._make(row[_BALANCE:-1]), row[-1]) for row in found if row[_BALANCE] is not None]
    numbers = {line.counterparty: number for line, number in told if number is not None}
    shown = told_lines([(line, line.posted) for line, _ in told], partition, numbers)
    return Answer(MiniStatement(balance, shown, ()), positions), not balance.held
