"""What changed between two positions: accounts, figures, events; with sums that must tie out."""

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from domain.account import AccountClosed, AccountOpened
from domain.event import Event
from domain.movements import movements
from domain.ports import Row
from ledger.audit.figures.figuring import Figuring, upto
from ledger.audit.source import AccountFigures


class AccountChange(msgspec.Struct, frozen=True):
    """What an account had before, None where it was not there yet, and has after."""

    account_id: int
    before: AccountFigures | None
    after: AccountFigures

    @property
    def posted(self) -> int:
        """By how much what is posted changed."""
        return self.after.posted - (self.before.posted if self.before else 0)

    @property
    def held(self) -> int:
        """By how much what is held changed."""
        return self.after.held - (self.before.held if self.before else 0)

    @property
    def available(self) -> int:
        """By how much what is available changed."""
        return self.after.available - (self.before.available if self.before else 0)


class CurrencySum(msgspec.Struct, frozen=True):
    """What all changes of a currency come to, and what was moved in all."""

    currency: str
    posted: int
    held: int
    available: int
    moved: int


class Events:
    """The events between the two positions, counted."""

    def __init__(self) -> None:
        self.count = 0
        self.topics: Counter[str] = Counter()
        self.opened: list[int] = []
        self.closed: list[int] = []
        self.posted: Counter[int] = Counter()
        self.moved: Counter[int] = Counter()
        """What each account was debited with."""

    def add(self, row: Row, event: Event) -> None:
        """Count an event."""
        self.count += 1
        self.topics[row.topic] += 1
        if isinstance(event, AccountOpened):
            self.opened.append(int.from_bytes(row.originator_id, "big"))
        elif isinstance(event, AccountClosed):
            self.closed.append(int.from_bytes(row.originator_id, "big"))
        for leg in movements(event):
            self.posted[leg.debit_account] -= leg.amount
            self.posted[leg.credit_account] += leg.amount
            self.moved[leg.debit_account] += leg.amount


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that changed between two positions."""

    first: int
    last: int
    events: int
    topics: dict[str, int]
    opened: list[int]
    closed: list[int]
    accounts: list[AccountChange]
    sums: list[CurrencySum]
    disagreements: list[str]
    """What does not tie out; none, unless something is wrong with the history or the figures."""


def from_the_beginning(
    pieces: Iterable[Sequence[Row]], first: int, last: int
) -> tuple[Difference, list[AccountFigures]]:
    """Return the difference between two positions, and the figures right after the last, given all events.

    Raises ExportError for events that cannot be read.
    """
    figuring, events = Figuring(), Events()
    before: list[AccountFigures] = []
    for rows in upto(pieces, last):
        for row in rows:
            if row.position == first + 1:
                before = figuring.figures()
            event = figuring.apply(row)
            if row.position > first:
                events.add(row, event)
    after = figuring.figures()
    return compare(first, last, before if first < last else after, after, events), after


def compare(
    first: int, last: int, before: Iterable[AccountFigures], after: Iterable[AccountFigures], events: Events
) -> Difference:
    """Return the difference between the figures right after two positions, given the events between them."""
    earlier = {figures.account_id: figures for figures in before}
    later = {figures.account_id: figures for figures in after}
    found = [AccountChange(number, earlier.get(number), later[number]) for number in sorted(later)]
    sums = _sums(found, events)
    return Difference(
        first=first,
        last=last,
        events=events.count,
        topics=dict(sorted(events.topics.items())),
        opened=events.opened,
        closed=events.closed,
        accounts=[each for each in found if each.before != each.after],
        sums=sums,
        disagreements=[
            *_count_disagreements(first, last, events),
            *(f"account {number} is not there any more" for number in sorted(earlier.keys() - later.keys())),
            *_account_disagreements(found, events),
            *(f"the changes of {each.currency} come to {each.posted}, not to 0" for each in sums if each.posted),
        ],
    )


def together(found: Sequence[Difference]) -> Difference:
    """Return the differences of several partitions as one, whose positions are those of none of them."""
    topics: Counter[str] = Counter()
    sums: dict[str, list[CurrencySum]] = {}
    for each in found:
        topics.update(each.topics)
        for one in each.sums:
            sums.setdefault(one.currency, []).append(one)
    return Difference(
        first=0,
        last=0,
        events=sum(each.events for each in found),
        topics=dict(sorted(topics.items())),
        opened=[account for each in found for account in each.opened],
        closed=[account for each in found for account in each.closed],
        accounts=[account for each in found for account in each.accounts],
        sums=[
            CurrencySum(
                currency,
                sum(each.posted for each in of),
                sum(each.held for each in of),
                sum(each.available for each in of),
                sum(each.moved for each in of),
            )
            for currency, of in sorted(sums.items())
        ],
        disagreements=[wrong for each in found for wrong in each.disagreements],
    )


def unlike(told: Iterable[AccountFigures], made: Iterable[AccountFigures]) -> list[str]:
    """Say where figures that the ledger told are not those that the events make."""
    expected = {figures.account_id: figures for figures in made}
    wrong = [
        f"account {figures.account_id}: the ledger told other figures than its events make"
        for figures in told
        if expected.pop(figures.account_id, None) != figures
    ]
    return [*wrong, *(f"account {number}: the ledger told nothing of it" for number in sorted(expected))]


def _sums(changes: Sequence[AccountChange], events: Events) -> list[CurrencySum]:
    by_currency: dict[str, list[AccountChange]] = {}
    for each in changes:
        by_currency.setdefault(each.after.currency, []).append(each)
    return [
        CurrencySum(
            currency,
            sum(each.posted for each in of),
            sum(each.held for each in of),
            sum(each.available for each in of),
            sum(events.moved[each.account_id] for each in of),
        )
        for currency, of in sorted(by_currency.items())
    ]


def _count_disagreements(first: int, last: int, events: Events) -> list[str]:
    if events.count == last - first:
        return []
    return [f"there are {events.count} events behind position {first} up to {last}"]


def _account_disagreements(changes: Sequence[AccountChange], events: Events) -> list[str]:
    moved = dict(events.posted)
    wrong = [
        f"account {each.account_id}: events post {events.posted[each.account_id]}, figures change by {each.posted}"
        for each in changes
        if moved.pop(each.account_id, 0) != each.posted
    ]
    return [*wrong, *(f"account {number} is moved to or from, and is not there" for number in sorted(moved))]
