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
from domain.movements import effective_time, net
from domain.ports import LogReader, Row
from ledger.audit.reading import EventReader
from ledger.audit.selection import Selection
from ledger.log.codec import decode

RemainingBefore = Callable[[Row], int]
"""Tells what an authorisation held before one of its events."""


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
            step, running = step_of(account, figure, running, row, event, self._remaining_before)
            if step is not None:
                found.append(step)
        return found, msgspec.structs.replace(running, after=piece.reached)

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


def step_of(
    account: int, figure: Figure, running: Running, row: Row, event: Event, remaining_before: RemainingBefore
) -> tuple[Step | None, Running]:
    """Return what an event did to a figure of an account, None where it did nothing, and where that leads."""
    change, running = _change(account, figure, running, row, event, remaining_before)
    if not change:
        return None, running
    running = msgspec.structs.replace(running, sum=running.sum + change)
    return Step(row, effective_time(event, row.recorded_at), change, running.sum), running


def held_change(row: Row, event: Event, remaining_before: RemainingBefore) -> int:
    """Return by how much an event changed what is held of the account that it names."""
    if isinstance(event, AuthorizationAmountReplaced):
        return event.total - remaining_before(row)
    tell = _HELD.get(type(event))
    return 0 if tell is None else tell(event)


def limits_after(event: Event, overdraft_limit: int, minimum_balance: int) -> tuple[int, int]:
    """Return the limits of an account after an event of its own."""
    match event:
        case AccountOpened():
            return event.overdraft_limit, event.minimum_balance
        case OverdraftLimitSet():
            return event.limit, minimum_balance
        case MinimumBalanceSet():
            return overdraft_limit, event.minimum
        case _:
            return overdraft_limit, minimum_balance


def _change(
    account: int, figure: Figure, running: Running, row: Row, event: Event, remaining_before: RemainingBefore
) -> tuple[int, Running]:
    posted = net(event, account)
    if figure is Figure.POSTED:
        return posted, running
    held = held_change(row, event, remaining_before) if getattr(event, "account", None) == account else 0
    if figure is Figure.HELD:
        return held, running
    overdraft_limit, minimum_balance = running.overdraft_limit, running.minimum_balance
    if row.originator_id == account_originator(account):
        overdraft_limit, minimum_balance = limits_after(event, overdraft_limit, minimum_balance)
    limits = overdraft_limit - running.overdraft_limit - minimum_balance + running.minimum_balance
    running = msgspec.structs.replace(running, overdraft_limit=overdraft_limit, minimum_balance=minimum_balance)
    return posted - held + limits, running


_HELD: Final[dict[type[Event], Callable[..., int]]] = {
    AuthorizationApproved: lambda event: event.amount,
    AuthorizationAdvised: lambda event: event.amount,
    AuthorizationIncremented: lambda event: event.amount,
    AuthorizationPartlyReversed: lambda event: -event.amount,
    AuthorizationReversed: lambda event: -event.released,
    AuthorizationCaptured: lambda event: -event.released,
    AuthorizationExpired: lambda event: -event.released,
}
