"""Reading statements: the last lines, and every line of a period with its opening and closing balance.

All pages of a statement are bound to the position of the first one, so that they tie out whatever is recorded
between them: later movements are left out, on both axes of time.
"""

from collections.abc import Iterable
from heapq import merge
from itertools import islice

from domain.ids import account_partition
from projections import lines as lines_
from projections.answers import Axis, LineCursor, PositionInFutureError, Statement, StatementLine
from projections.batch import debits_between
from projections.lines import (
    Line,
    Totals,
    end_of,
    late_lines,
    late_totals,
    lines_between,
    place_of,
    punctual_lines,
    totals_at,
)
from projections.store import Session
from projections.times import position_at


def last_lines(session: Session, account_id: int, limit: int) -> tuple[StatementLine, ...]:
    """Return the account's last lines in recorded order, newest first."""
    lines = lines_.last_lines(session, account_id, limit)
    return told_lines([(line, line.posted) for line in lines], account_partition(account_id))


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
        lines=told_lines(page, account_partition(account_id)),
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
        begin = end_of(self._position_before(start)) if after is None else place_of(after.position, after.leg)
        lines = lines_between(self._session, self._account_id, begin, end_of(self._position_before(end)), limit)
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
        begin, upto = end_of(self._position_before(key[0])), end_of(self._position_before(end))
        read = punctual_lines(self._session, self._account_id, begin, upto, limit)
        punctual = (line for line in read if line.key > key)
        late = late_lines(self._session, self._account_id, key, end, self._bound, limit)
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


def told_lines(lines: Iterable[tuple[Line, int]], partition: int) -> tuple[StatementLine, ...]:
    """Return lines as they are told, each with the balance after it."""
    return tuple(
        [
            StatementLine(
                partition,
                line.position,
                line.leg,
                line.recorded_at,
                line.happened,
                line.kind,
                line.amount,
                posted,
                line.counterparty,
                line.counterparty_number,
                line.source_type,
                bytes.fromhex(line.source_id),
                line.reference,
                line.merchant_name,
            )
            for line, posted in lines
        ]
    )
