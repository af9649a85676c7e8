"""Mini-statements: what an ATM prints, of most accounts by a single statement.

The balance, the last lines and the numbers of the accounts on their other sides come together, of one state. What
authorisations hold is another question, asked only of accounts of which something is held, in one transaction then.
"""

from domain.ids import account_partition
from projections.answers import Answer, MiniStatement
from projections.authorizations import open_authorizations
from projections.balances import NOW, balance_of
from projections.lines import packed_lines, unpacked_lines
from projections.periods import told_lines
from projections.store import Session, Store


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
    lines, given = packed_lines(session, account_id, limit)
    found = session.one(f"SELECT now.*, {lines} FROM ({NOW}) AS now", *given, now, account_id, partition)
    balance, position = balance_of(session, account_id, found[:-1] if found else None)
    positions = {partition: position or 0}
    if found is None or balance is None:
        return Answer(None, positions), True
    shown = told_lines([(line, line.posted) for line in unpacked_lines(found[-1])], partition)
    return Answer(MiniStatement(balance, shown, ()), positions), not balance.held
