"""Limits: what was spent today and this month, and whether some more may be.

Consumption is a fold over the events that carry ``spending`` and ``spending_returned``: per customer, card and
token, per operation, for the day and the month in which the log stands. Only those are kept: the first event of a
new day or month lets go of the last one's figures, at the same place in the log for everybody who replays it.

What is given back counts for the day on which it was taken, and is worth nothing once that day, or month, is over.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import msgspec

from domain.columns import MISSING, Journal
from domain.customer import Customer, Tier
from domain.money import MAX_BALANCE
from domain.refusals import Reason, Refusal, refuse
from domain.rules import Limit, Measure, Operation, Period, Subject
from domain.times import beginning_of, day_of, first_day, month_of

if TYPE_CHECKING:
    from domain.books import Books

_NUMBERS: Final = {operation: bytes((number,)) for number, operation in enumerate(Operation, start=1)}
"""What stands for an operation in the keys of the figures, in memory and in snapshots: append only."""

NOTHING_ALLOWED: Final = "unidentified"
"""The name of the limit of those who are not identified: nothing, whatever the rules say."""


class Spending(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What an event takes of limits: ``amount`` tyiyn and one operation, under the rules of version ``rules``."""

    operation: Operation
    amount: int
    customer: UUID | None = None
    """None where a card was used that is nobody's: it counts against the card alone."""
    card: UUID | None = None
    token: UUID | None = None
    rules: str = ""
    count: int = 1
    """0 where an operation that was counted before grows."""

    def who(self) -> Iterator[tuple[Subject, bytes]]:
        """Return whose limits it counts against."""
        if self.customer is not None:
            yield Subject.CUSTOMER, self.customer.bytes
        if self.card is not None:
            yield Subject.CARD, self.card.bytes
        if self.token is not None:
            yield Subject.TOKEN, self.token.bytes


class Taking(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """``amount`` tyiyn and ``count`` operations that were taken of limits at one time."""

    taken_at: int
    amount: int
    count: int = 0


class SpendingReturned(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What an event gives back of a spending that was recorded at ``taken_at``.

    ``count`` is 1 when the operation as a whole came to nothing, so that it does not count as one any more. What goes
    back to other times as well, because it was taken then, stands in ``earlier``.
    """

    spending: Spending
    taken_at: int
    amount: int
    count: int = 0
    earlier: tuple[Taking, ...] = ()

    @property
    def pieces(self) -> tuple[Taking, ...]:
        """All that goes back, each to its time."""
        return (Taking(self.taken_at, self.amount, self.count), *self.earlier)

    @property
    def total(self) -> int:
        """The whole amount that goes back, in tyiyn."""
        return sum(piece.amount for piece in self.pieces)


class Used(NamedTuple):
    """Operations and their sum in tyiyn."""

    operations: int = 0
    amount: int = 0


class Standing(NamedTuple):
    """How a subject stands with one limit. ``resets_at`` is None where it counts single operations."""

    limit: Limit
    used: int
    left: int
    resets_at: int | None


def give_back(spending: Spending, taken_at: int, amount: int | None = None, *, whole: bool = True) -> SpendingReturned:
    """Return what gives ``amount`` (all of it by default) back; ``whole`` when with it nothing of it is left."""
    return SpendingReturned(spending, taken_at, spending.amount if amount is None else amount, 1 if whole else 0)


class Usage:
    """What was spent in the day and the month of the last event that spent or gave back."""

    def __init__(self, utc_offset_seconds: int) -> None:
        self.utc_offset_seconds = utc_offset_seconds
        self.day = 0
        self.month = 0
        self.days: dict[bytes, Used] = {}
        self.months: dict[bytes, Used] = {}

    def day_of(self, time: int) -> int:
        """Return the day a time lies in, in days since 1970 of the scheme's time zone."""
        return day_of(time, self.utc_offset_seconds)

    def used(self, period: Period, subject: bytes, operations: Iterable[Operation], now: int) -> Used:
        """Return what a subject spent on these operations in the day or month of ``now``."""
        day = self.day_of(now)
        figures = self.days if period is Period.DAY else self.months
        current = day == self.day if period is Period.DAY else month_of(day) == self.month
        if not current:
            return Used()
        found = [figures[key] for operation in operations if (key := subject + _NUMBERS[operation]) in figures]
        return Used(sum(one.operations for one in found), sum(one.amount for one in found))

    def bounds(self, period: Period, now: int) -> tuple[int, int]:
        """Return when the day or month of ``now`` begins and ends."""
        day = self.day_of(now)
        first, last = (day, day + 1)
        if period is Period.MONTH:
            first, last = first_day(month_of(day)), first_day(month_of(day) + 1)
        return beginning_of(first, self.utc_offset_seconds), beginning_of(last, self.utc_offset_seconds)

    def put(self, now: int, subject: bytes, days: Mapping[Operation, Used], months: Mapping[Operation, Used]) -> None:
        """Take in what one subject spent in the day and the month of ``now``, as counted elsewhere."""
        self.day = self.day_of(now)
        self.month = month_of(self.day)
        self.days = {subject + _NUMBERS[operation]: used for operation, used in days.items()}
        self.months = {subject + _NUMBERS[operation]: used for operation, used in months.items()}

    def resets_at(self, period: Period, now: int) -> int | None:
        """Return when the day or month of ``now`` ends, None for a single operation."""
        if period is Period.OPERATION:
            return None
        return self.bounds(period, now)[1]

    # Changing.

    def evolve(self, event: Any, recorded_at: int, journal: Journal) -> None:
        """Take in what an event spends and gives back."""
        spending: Spending | None = getattr(event, "spending", None)
        returned: SpendingReturned | None = getattr(event, "spending_returned", None)
        if spending is None and returned is None:
            return
        self._turn_to(self.day_of(recorded_at), journal)
        if spending is not None:
            self._add(spending, self.day, spending.amount, spending.count, journal)
        if returned is not None:
            for piece in returned.pieces:
                self._add(returned.spending, self.day_of(piece.taken_at), -piece.amount, -piece.count, journal)

    def _turn_to(self, day: int, journal: Journal) -> None:
        month = month_of(day)
        if day != self.day:
            journal += ((self.__dict__, "day", self.day), (self.__dict__, "days", self.days))
            self.day, self.days = day, {}
        if month != self.month:
            journal += ((self.__dict__, "month", self.month), (self.__dict__, "months", self.months))
            self.month, self.months = month, {}

    def _add(self, spending: Spending, day: int, amount: int, count: int, journal: Journal) -> None:
        number = _NUMBERS[spending.operation]
        current = [self.days] if day == self.day else []
        if month_of(day) == self.month:
            current.append(self.months)
        for figures in current:
            for _, subject in spending.who():
                key = subject + number
                before = figures.get(key, MISSING)
                journal.append((figures, key, before))
                used = Used() if before is MISSING else figures[key]
                figures[key] = Used(used.operations + count, used.amount + amount)


def customer_limit_refusal(books: "Books", spending: Spending, now: int, *, already: int = 0) -> Refusal | None:
    """Return as ``limit_refusal`` does, for the customer's present tier; one who does not exist may spend nothing.

    A card that is nobody's has no tier: only its own limits count, and of those only the ones for every tier.
    """
    if spending.customer is None:
        return limit_refusal(books, spending, None, now, already=already)
    customer = books.aggregate(spending.customer.bytes)
    tier = customer.tier if isinstance(customer, Customer) else Tier.UNIDENTIFIED
    return limit_refusal(books, spending, tier, now, already=already)


def limit_refusal(
    books: "Books", spending: Spending, tier: Tier | None, now: int, *, already: int = 0
) -> Refusal | None:
    """Return which limit a spending would pass, None when it passes none. Figures of the customer stay unsaid.

    ``already`` is the amount the same operation has taken before, where it grows.
    """
    if tier is Tier.UNIDENTIFIED:
        return _exceeded(NOTHING_ALLOWED, Period.OPERATION, Measure.AMOUNT)
    subjects = dict(spending.who())
    for limit in books.rules.at(now).limits:
        subject = subjects.get(limit.subject)
        if subject is None or not limit.applies(spending.operation, tier):
            continue
        taken = already if limit.period is Period.OPERATION else _taken(books.usage, limit, subject, now)
        if taken + _more(limit, spending) > limit.maximum:
            return _exceeded(limit.name, limit.period, limit.measure)
    if any(
        books.usage.used(Period.MONTH, subject, Operation, now).amount + spending.amount > MAX_BALANCE
        for subject in subjects.values()
    ):
        return refuse(Reason.BALANCE_LIMIT)
    return None


def standings(books_usage: Usage, limits: Iterable[Limit], subject: tuple[Subject, bytes], now: int) -> list[Standing]:
    """Return how a subject stands with each of the limits that are about its kind."""
    kind, key = subject
    found = []
    for limit in limits:
        if limit.subject is kind:
            used = _taken(books_usage, limit, key, now)
            resets_at = books_usage.resets_at(limit.period, now)
            found.append(Standing(limit, used, max(0, limit.maximum - used), resets_at))
    return found


def _taken(usage: Usage, limit: Limit, subject: bytes, now: int) -> int:
    if limit.period is Period.OPERATION:
        return 0
    used = usage.used(limit.period, subject, limit.operations or Operation, now)
    return used.operations if limit.measure is Measure.COUNT else used.amount


def _more(limit: Limit, spending: Spending) -> int:
    return spending.count if limit.measure is Measure.COUNT else spending.amount


def _exceeded(name: str, period: Period, measure: Measure) -> Refusal:
    return refuse(Reason.LIMIT_EXCEEDED, limit=name, period=period, kind=measure)
