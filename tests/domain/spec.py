"""Given some events, when a command comes, then these events follow or this refusal.

Each spec starts with a small world: a cash account, two customers, a merchant and a settlement account in som, and
a customer in dollars. Fingerprints and claims' holders are checked elsewhere, so they are left out of comparisons.
"""

from collections import defaultdict
from typing import Any, Self
from uuid import UUID

import msgspec

from domain.account import AccountKind, AccountOpened
from domain.aggregate import Aggregate, fold
from domain.books import Books, NotAtHandError
from domain.claim import ClaimMade
from domain.command import Command
from domain.event import Change, Context, Event, Policy
from domain.ids import account_id, account_originator
from domain.refusals import Reason, Refusal
from domain.resolve import expire
from domain.transfer import CreateTransfer
from tests.domain.replayed import assert_decided_again

SECOND = 1_000_000
DAY = 86_400 * SECOND
NOW = 1_790_000_000 * SECOND
POLICY = Policy(currencies=("KGS", "USD"))

CASH, ANA, BEK, SHOP, SETTLEMENT, DOLLARS, NOBODY = 1, 2, 3, 4, 5, 6, 99
KINDS = (
    AccountKind.CASH,
    AccountKind.CUSTOMER,
    AccountKind.CUSTOMER,
    AccountKind.MERCHANT,
    AccountKind.SETTLEMENT,
    AccountKind.CUSTOMER,
)


def uid(number: int) -> UUID:
    """Return an id made of a number."""
    return UUID(int=(0x70 << 72) | number << 8 | 0x8 << 60)


class Spec:
    """The books of a small world, and what was decided last."""

    def __init__(self, policy: Policy = POLICY, *, partition: int = 0) -> None:
        self.books = Books(partition, utc_offset_seconds=policy.utc_offset_seconds)
        self.policy = policy
        self.now = NOW
        self.decided: list[Change] | Refusal | None = None
        self._position = 0
        self._history: list[tuple[Change, int]] = []
        self._requests = 1_000
        self._lives: dict[bytes, list[tuple[Change, int]]] = defaultdict(list)
        for index, kind in enumerate(KINDS, start=1):
            currency = "USD" if index == DOLLARS else "KGS"
            key = account_originator(account_id(partition, index))
            self.given((key, AccountOpened(participant="bank-a", kind=kind, currency=currency)))

    # Given.

    def given(self, *events: tuple[UUID | bytes | int, Event]) -> Self:
        """Take in events, each with its aggregate: an id, or the number of an account."""
        for whose, event in events:
            if isinstance(whose, int):
                key = account_originator(whose)
            else:
                key = whose.bytes if isinstance(whose, UUID) else whose
            self._take(Change(key, len(self._lives[key]) + 1, event))
        return self

    def given_done(self, *commands: Command | CreateTransfer) -> Self:
        """Carry out commands that must succeed."""
        for command in commands:
            self.when(command)
            assert isinstance(self.decided, list), self.decided
        return self

    def funds(self, account: int, amount: int) -> Self:
        """Put cash on an account."""
        return self.given_done(self.transfer(CASH, account, amount))

    def after(self, microseconds: int) -> Self:
        """Let time pass."""
        self.now += microseconds
        return self

    def lapse(self) -> Self:
        """Record the end of the holds whose time is over."""
        for authorization in self.books.due(self.now, 1_000):
            self._take(expire(authorization))
        return self

    def transfer(self, debit: int, credit: int, amount: int, **fields: Any) -> CreateTransfer:
        """Return the command for a transfer with a fresh id."""
        self._requests += 1
        return CreateTransfer(uid(self._requests).bytes, debit, credit, amount, **fields)

    # When.

    def when(self, command: Command | CreateTransfer, request: UUID | None = None) -> Self:
        """Decide a command, and take in what follows from it."""
        self._requests += 1
        request_id = (
            command.request_id if isinstance(command, CreateTransfer) else (request or uid(self._requests)).bytes
        )
        if isinstance(command, Command):
            for needed in command.needs():
                self._bring(needed)
        self.now += 1
        context = Context(request_id, self.now, self.policy)
        decided = self._decide(command, context)
        if getattr(command, "spender", None) is None:  # No request names one: it stands in what a tap asks for.
            assert_decided_again(command, decided, self.books, context, self._find, self._decide)
        self.decided = decided
        if isinstance(decided, list):
            for change in decided:
                self._take(change)
        return self

    # Then.

    def then(self, *events: Event) -> Self:
        """Check which events followed, claims and fingerprints left out."""
        assert isinstance(self.decided, list), self.decided
        found = [_bare(change.event) for change in self.decided if not isinstance(change.event, ClaimMade)]
        assert found == [_bare(event) for event in events]
        return self

    def then_claimed(self, *keys: tuple[str, str]) -> Self:
        """Check which keys were claimed."""
        assert isinstance(self.decided, list), self.decided
        claims = [change.event for change in self.decided if isinstance(change.event, ClaimMade)]
        assert [(event.kind, event.key) for event in claims] == list(keys)
        return self

    def then_refused(self, reason: Reason, **figures: object) -> Self:
        """Check that the command was refused, with these figures."""
        assert isinstance(self.decided, Refusal), self.decided
        assert self.decided.reason is reason
        told = {name: str(value) for name, value in figures.items()}
        assert told.items() <= dict(self.decided.metadata).items()
        return self

    def then_figures(self, account: int, *, posted: int, held: int = 0) -> Self:
        """Check an account's balances."""
        index = self.books.accounts.find(account)
        assert (self.books.accounts.posted[index], self.books.accounts.held[index]) == (posted, held)
        return self

    @property
    def history(self) -> list[tuple[Change, int]]:
        """All changes with their recorded times, in order."""
        return self._history

    def event(self) -> Any:
        """Return the first event that followed."""
        assert isinstance(self.decided, list), self.decided
        return self.decided[0].event

    def life(self, aggregate_id: UUID) -> Any:
        """Return an aggregate as its events tell it."""
        return fold(self._lives[aggregate_id.bytes])

    def _decide(self, command: Command | CreateTransfer, context: Context) -> list[Change] | Refusal:
        """Decide again and again, each time with what was missing brought to hand."""
        while True:
            try:
                return command.decide(self.books, context)
            except NotAtHandError as missing:
                self._bring(missing.aggregate_id)

    def _find(self, aggregate_id: bytes) -> Aggregate | None:
        return fold(self._lives.get(aggregate_id, []))

    def _bring(self, needed: bytes) -> None:
        if not self.books.at_hand(needed):
            self.books.remember(needed, fold(self._lives[needed]))

    def _take(self, change: Change) -> None:
        self._position += 1
        assert change.version == len(self._lives[change.originator_id]) + 1
        self._lives[change.originator_id].append((change, self.now))
        self._history.append((change, self.now))
        self.books.evolve(change, self.now, self._position)


def _bare(event: Event) -> Event:
    return msgspec.structs.replace(event, fingerprint="") if hasattr(event, "fingerprint") else event
