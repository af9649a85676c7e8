"""What each event did to a figure of a balance, told from the log alone.

No projection is asked, so that the sum of the steps is a second opinion on the figure that a projection tells.
Blocking: called in a thread; each piece looks at a bounded number of events.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Final

import msgspec

from domain.account import AccountOpened, MinimumBalanceSet, OverdraftLimitSet
from domain.aggregate import fold
from domain.authorization import (
    Authorization,
    AuthorizationAdvised,
    AuthorizationAmountReplaced,
    AuthorizationApproved,
    AuthorizationCaptured,
    AuthorizationExpired,
    AuthorizationIncremented,
    AuthorizationPartlyReversed,
    AuthorizationReversed,
)
from domain.event import Change, Event
from domain.ids import account_originator
from domain.movements import effective_time, movements
from domain.ports import LogReader, Row
from ledger.audit.reading import EventReader
from ledger.audit.selection import Selection
from ledger.log.codec import decode


class Figure(Enum):
    """A figure of a balance."""

    POSTED = auto()
    HELD = auto()
    AVAILABLE = auto()


class Running(msgspec.Struct, frozen=True, array_like=True):
    """Where an explanation stands: up to which position, and at which sum. Part of a page token."""

    after: int = 0
    sum: int = 0
    overdraft_limit: int = 0
    minimum_balance: int = 0


class Step(msgspec.Struct, frozen=True):
    """What one event changed, and the sum after it."""

    row: Row
    effective_time: int
    change: int
    sum: int


class Explainer:
    """Explains figures of accounts of one partition."""

    def __init__(self, log: LogReader, partition: int) -> None:
        self._log = log
        self._reader = EventReader(log, partition)
        self._partition = partition

    def piece(
        self, account: int, figure: Figure, running: Running, upto: int, limit: int
    ) -> tuple[list[Step], Running]:
        """Return the next steps and where they lead; ``after`` is ``upto`` when there are no more."""
        piece = self._reader.piece(Selection(account=account), running.after, upto, limit)
        found: list[Step] = []
        for row in piece.rows:
            event = decode(row.topic, row.state)
            change, running = self._change(account, figure, row, event, running)
            if change:
                running = msgspec.structs.replace(running, sum=running.sum + change)
                found.append(Step(row, effective_time(event, row.recorded_at), change, running.sum))
        return found, msgspec.structs.replace(running, after=piece.reached)

    def _change(self, account: int, figure: Figure, row: Row, event: Event, running: Running) -> tuple[int, Running]:
        posted = sum(
            (leg.credit_account == account) * leg.amount - (leg.debit_account == account) * leg.amount
            for leg in movements(event)
        )
        if figure is Figure.POSTED:
            return posted, running
        held = self._held(account, row, event)
        if figure is Figure.HELD:
            return held, running
        before = running.overdraft_limit - running.minimum_balance
        if row.originator_id == account_originator(account):
            running = _bounds(event, running)
        return posted - held + running.overdraft_limit - running.minimum_balance - before, running

    def _held(self, account: int, row: Row, event: Event) -> int:
        """Return by how much an event changed what is held of an account."""
        if getattr(event, "account", None) != account:
            return 0
        if isinstance(event, AuthorizationAmountReplaced):
            return event.total - self._remaining_before(row)
        tell = _HELD.get(type(event))
        return 0 if tell is None else tell(event)

    def _remaining_before(self, row: Row) -> int:
        rows = self._log.aggregate(self._partition, row.originator_id, upto_version=row.originator_version - 1)
        history = (
            (Change(each.originator_id, each.originator_version, decode(each.topic, each.state)), each.recorded_at)
            for each in rows
        )
        before = fold(history)
        if not isinstance(before, Authorization):
            raise TypeError(f"position {row.position} changes what is no authorisation")
        return before.remaining


def _bounds(event: Event, running: Running) -> Running:
    match event:
        case AccountOpened():
            return msgspec.structs.replace(
                running, overdraft_limit=event.overdraft_limit, minimum_balance=event.minimum_balance
            )
        case OverdraftLimitSet():
            return msgspec.structs.replace(running, overdraft_limit=event.limit)
        case MinimumBalanceSet():
            return msgspec.structs.replace(running, minimum_balance=event.minimum)
        case _:
            return running


_HELD: Final[dict[type[Event], Callable[..., int]]] = {
    AuthorizationApproved: lambda event: event.amount,
    AuthorizationAdvised: lambda event: event.amount,
    AuthorizationIncremented: lambda event: event.amount,
    AuthorizationPartlyReversed: lambda event: -event.amount,
    AuthorizationReversed: lambda event: -event.released,
    AuthorizationCaptured: lambda event: -event.released,
    AuthorizationExpired: lambda event: -event.released,
}
