"""Reading statements: the last lines, and every line of a period with its opening and closing balance.

All pages of a statement are bound to the position of the first one, so that they tie out whatever is recorded
between them: later movements are left out, on both axes of time.
"""

from collections.abc import Iterable, Mapping
from heapq import merge
from itertools import islice
from typing import Any

from domain.ids import account_partition
from projections.answers import Axis, LineCursor, PositionInFutureError, Source, Statement, StatementLine
from projections.batch import debits_between
from projections.lines import (
    BY_EFFECTIVE_TIME,
    NEWEST_FIRST,
    OLDEST_FIRST,
    Line,
    Totals,
    late_totals,
    read_lines,
    totals_at,
)
from projections.store import Session, select_many
from projections.times import position_at

_LAST_LEG = 2**15 - 1


def last_lines(session: Session, account_id: int, limit: int) -> tuple[StatementLine, ...]:
    """Return the account's last lines in recorded order, newest first."""
    lines = read_lines(session, account_id, "m.position > ?", (0,), NEWEST_FIRST, limit)
    return _shown(session, account_id, [(line, line.posted) for line in lines])


def statement(
    session: Session,
    account_id: int,
    currency: str,
    *,
    tracked: int,
    start: int,
    end: int,
    axis: Axis,
    after: LineCursor | None = None,
    limit: int = 100,
) -> Statement:
    """Return a page of the account's lines in the period ``start <= time < end``, oldest first.

    Raises PositionInFutureError when ``after`` is bound to a position past ``tracked``.
    """
    bound = tracked if after is None else after.bound
    if bound > tracked:
        raise PositionInFutureError(bound, tracked)
    view = _View(session, account_id, bound)
    if axis is Axis.RECORDED:
        opening, closing = view.recorded_before(start), view.recorded_before(end)
        found = view.recorded_lines(start, end, after, limit + 1)
    else:
        opening, closing = view.happened_before(start), view.happened_before(end)
        found = view.effective_lines(start, end, after, limit + 1)
    page = found[:limit]
    last = page[-1][0] if len(found) > limit else None
    debits = debits_between(opening.debits, closing.debits)
    return Statement(
        account_id=account_id,
        currency=currency,
        position=bound,
        opening=opening.posted,
        closing=closing.posted,
        total_debits=debits,
        total_credits=closing.posted - opening.posted + debits,
        count=closing.lines - opening.lines,
        lines=_shown(session, account_id, page),
        next=None if last is None else LineCursor(bound, last.happened, last.position, last.leg),
    )


def totals_as_of_effective_time(session: Session, account_id: int, time: int, *, tracked: int) -> Totals:
    """Return what movements known at ``tracked`` that had happened by ``time`` come to."""
    return _View(session, account_id, tracked).happened_before(time + 1)


class _View:
    """An account's lines as known at a position."""

    def __init__(self, session: Session, account_id: int, bound: int) -> None:
        self._session = session
        self._account_id = account_id
        self._partition = account_partition(account_id)
        self._bound = bound
        self._longest_delay: int | None = None

    def recorded_before(self, time: int) -> Totals:
        """Return the totals of what was recorded before a time."""
        return totals_at(self._session, self._account_id, self._position_before(time))

    def happened_before(self, time: int) -> Totals:
        """Return the totals of what had happened before a time."""
        position = self._position_before(time)
        recorded = totals_at(self._session, self._account_id, position)
        delay = self._delay()
        if position == self._bound or not delay:
            return recorded
        late = late_totals(self._session, self._account_id, time - delay, time, position, self._bound)
        return Totals(*map(sum, zip(recorded, late, strict=True)))

    def recorded_lines(self, start: int, end: int, after: LineCursor | None, limit: int) -> list[tuple[Line, int]]:
        """Return lines with the balance after each, in recorded order."""
        position, leg = (self._position_before(start), _LAST_LEG) if after is None else (after.position, after.leg)
        where, values = "(m.position, m.leg) > (?, ?) AND m.position <= ?", (position, leg, self._position_before(end))
        lines = read_lines(self._session, self._account_id, where, values, OLDEST_FIRST, limit)
        return [(line, line.posted) for line in lines]

    def effective_lines(self, start: int, end: int, after: LineCursor | None, limit: int) -> list[tuple[Line, int]]:
        """Return lines with the balance after each, in the order (effective time, position, leg)."""
        key = (start, 0, 0) if after is None else (after.time, after.position, after.leg)
        lines = self._lines_after(key, end, limit)
        posted = self.happened_before(key[0]).posted
        if after is not None:
            posted += self._same_time_upto(key)
        balanced = []
        for line in lines:
            posted += line.amount
            balanced.append((line, posted))
        return balanced

    def _lines_after(self, key: tuple[int, int, int], end: int, limit: int) -> list[Line]:
        """Merge the lines that were recorded as they happened with those that were recorded late."""
        punctual = self._read(
            "m.effective_time IS NULL AND m.position > ? AND m.position <= ?"
            " AND (m.recorded_at, m.position, m.leg) > (?, ?, ?)",
            (self._position_before(key[0]), self._position_before(end), *key),
            by_position=True,
            limit=limit,
        )
        late = self._read(
            "m.effective_time >= ? AND m.effective_time < ? AND +m.position <= ?"
            " AND (m.effective_time, m.position, m.leg) > (?, ?, ?)",
            (key[0], end, self._bound, *key),
            by_position=False,
            limit=limit,
        )
        return list(islice(merge(punctual, late, key=lambda line: line.key), limit))

    def _same_time_upto(self, key: tuple[int, int, int]) -> int:
        """Return the sum of the lines that happened at the key's very time, up to and with the key's line."""
        time, position, leg = key
        total, reached = 0, (time, -1, -1)
        while True:
            lines = [line for line in self._lines_after(reached, time + 1, 1000) if line.key <= (time, position, leg)]
            total += sum(line.amount for line in lines)
            if len(lines) < 1000:  # noqa: PLR2004 - the page asked for above
                return total
            reached = lines[-1].key

    def _read(self, where: str, values: tuple[Any, ...], *, by_position: bool, limit: int) -> list[Line]:
        order = OLDEST_FIRST if by_position else BY_EFFECTIVE_TIME
        return read_lines(self._session, self._account_id, where, values, order, limit)

    def _position_before(self, time: int) -> int:
        return min(position_at(self._session, self._partition, time - 1), self._bound)

    def _delay(self) -> int:
        if self._longest_delay is None:
            found = self._session.one(
                "SELECT longest_delay FROM balances WHERE partition = ? AND account_id = ?",
                self._partition,
                self._account_id,
            )
            self._longest_delay = 0 if found is None else int(found[0])
        return self._longest_delay


def _shown(session: Session, account_id: int, lines: list[tuple[Line, int]]) -> tuple[StatementLine, ...]:
    numbers = _numbers(session, {line.counterparty for line, _ in lines})
    return told_lines(lines, account_partition(account_id), numbers)


def told_lines(
    lines: Iterable[tuple[Line, int]], partition: int, numbers: Mapping[int, str]
) -> tuple[StatementLine, ...]:
    """Return lines as they are told, each with the balance after it, given the numbers of counterparties' accounts."""
    return tuple(
        StatementLine(
            partition=partition,
            position=line.position,
            leg=line.leg,
            recorded_at=line.recorded_at,
            effective_time=line.happened,
            kind=line.kind,
            amount=line.amount,
            balance_after=posted,
            counterparty=line.counterparty,
            counterparty_number=numbers.get(line.counterparty, ""),
            source_type=Source(line.source_type),
            source_id=line.source_id,
            reference=line.reference,
            merchant_name=line.merchant_name,
        )
        for line, posted in lines
    )


def _numbers(session: Session, accounts: set[int]) -> dict[int, str]:
    numbers: dict[int, str] = {}
    for partition in {account_partition(account) for account in accounts}:
        within = sorted(account for account in accounts if account_partition(account) == partition)
        sql = "SELECT account_id, number FROM accounts WHERE partition = ? AND account_id IN ({keys})"
        numbers.update((found, number) for found, number in select_many(session, sql, (partition,), within))
    return numbers
