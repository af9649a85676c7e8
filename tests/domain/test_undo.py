"""Undoing the journal brings the books back to exactly what they were."""

import copy
from collections.abc import Callable
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.account import AccountKind, CloseAccount, FreezeAccount, OpenAccount, SetOverdraftLimit
from domain.aggregate import fold
from domain.authorize import Advise, Authorize
from domain.books import Books, NotAtHandError
from domain.clearing import ForcePost, PostRefund
from domain.columns import undo
from domain.command import Command
from domain.engine import ENGINE_ID, EngineStarted
from domain.event import Change, Context, Leg
from domain.refusals import Refusal
from domain.resolve import Capture, Increment, Replace, Reverse, ReversePart, expire
from domain.transfer import CreateTransfer
from domain.transfer_reversal import ReverseTransfer
from tests.domain.spec import NOW, POLICY, uid

Step = tuple[int, int, int, int]
STEPS = st.lists(st.tuples(st.integers(0, 15), st.integers(1, 4), st.integers(1, 4), st.integers(1, 400)), max_size=30)


class World:
    """Books with a small cache, driven by numbers."""

    def __init__(self) -> None:
        self.books = Books(0, cache_size=3)
        self.lives: dict[bytes, list[tuple[Change, int]]] = {}
        self.count = 0
        self.position = 0
        for kind in (AccountKind.CASH, AccountKind.CUSTOMER, AccountKind.CUSTOMER, AccountKind.MERCHANT):
            self.run(OpenAccount(participant_id="b", kind=kind))
        for account in (2, 3, 4):
            self.transfer(1, account, 500)
        self.books.journal.clear()

    def transfer(self, debit: int, credit: int, amount: int, *legs: Leg) -> None:
        self.count += 1
        self.run(CreateTransfer(uid(self.count).bytes, debit, credit, amount, legs=legs))

    def run(self, command: Command | CreateTransfer) -> None:
        self.count += 1
        request = command.request_id if isinstance(command, CreateTransfer) else uid(self.count).bytes
        for needed in command.needs() if isinstance(command, Command) else ():
            self.bring(needed)
        try:
            decided = command.decide(self.books, Context(request, NOW + self.position, POLICY))
        except NotAtHandError as missing:
            self.bring(missing.aggregate_id)  # And leave it at that: books may hear of what nobody asks for again.
            return
        if not isinstance(decided, Refusal):
            for change in decided:
                self.take(change)

    def bring(self, key: bytes) -> None:
        if not self.books.at_hand(key):
            self.books.remember(key, fold(self.lives.get(key, [])))

    def take(self, change: Change) -> None:
        before = self.lives.get(change.originator_id, [])
        if change.version != len(before) + 1:
            return
        self.position += 1
        self.lives[change.originator_id] = [*before, (change, NOW + self.position)]
        self.books.evolve(change, NOW + self.position, self.position)

    def step(self, step: Step) -> None:
        what, one, other, amount = step
        other = other if other != one else other % 4 + 1
        holds = [key for key, life in self.lives.items() if life[0][0].event.TOPIC.startswith("authorization.")]
        moves = [key for key, life in self.lives.items() if life[0][0].event.TOPIC == "transfer.posted.v1"]
        hold = UUID(bytes=holds[amount % len(holds)]) if holds else uid(0)
        reference = f"r{amount % 5}"
        commands: list[Callable[[], Any]] = [
            lambda: self.transfer(one, other, amount),
            lambda: self.transfer(one, other, amount, Leg("fee", other, one, 1)),
            lambda: self.run(ReverseTransfer(transfer_id=UUID(bytes=moves[amount % len(moves)]))),
            lambda: self.run(ReverseTransfer(transfer_id=uid(self.count + 2))),
            lambda: self.run(
                Authorize(account_id=one, credit_account_id=other, amount_tyiyn=amount, acquirer_reference=reference)
            ),
            lambda: self.run(Advise(account_id=one, credit_account_id=other, amount_tyiyn=amount)),
            lambda: self.run(Increment(authorization_id=hold, amount_tyiyn=amount)),
            lambda: self.run(Replace(authorization_id=hold, total_tyiyn=amount)),
            lambda: self.run(ReversePart(authorization_id=hold, amount_tyiyn=1)),
            lambda: self.run(Reverse(authorization_id=hold) if amount % 2 else Reverse(acquirer_reference=reference)),
            lambda: self.run(
                Capture(
                    authorization_id=hold, amount_tyiyn=amount, final=amount % 3 == 0, clearing_reference=f"c{amount}"
                )
            ),
            lambda: self.run(
                ForcePost(account_id=one, credit_account_id=other, amount_tyiyn=amount, clearing_reference=f"c{amount}")
            ),
            lambda: self.run(PostRefund(authorization_id=hold, amount_tyiyn=1, clearing_reference=f"d{amount}")),
            lambda: self.run(
                OpenAccount(
                    participant_id="b",
                    kind=AccountKind.CUSTOMER,
                    account_number=str(amount),
                    currency_code="USD" if amount % 2 else "KGS",
                )
            ),
            lambda: self.run(
                (
                    FreezeAccount(account_id=one, debits=True),
                    SetOverdraftLimit(account_id=one, overdraft_limit_tyiyn=amount),
                    CloseAccount(account_id=one),
                )[amount % 3]
            ),
            self.lapse,
        ]
        commands[what]()

    def lapse(self) -> None:
        """End two holds, and let an engine start."""
        for authorization in self.books.due(2**62, 2):
            self.take(expire(authorization))
        self.take(Change(ENGINE_ID, self.books.life.version + 1, EngineStarted(epoch=1, owner="o")))

    def state(self) -> dict[str, Any]:
        """Return a copy of everything that the journal answers for."""
        books = self.books
        return copy.deepcopy(
            {
                "columns": books.accounts.dump(),
                "currencies": books.currencies,
                "open": books.open,
                "holds": books.holds,
                "life": books.life,
                "rules": books.rules,
                "usage": vars(books.usage),
                "cache": {key: (str(value), position) for key, (value, position) in books._cache.items()},
                "evicted_at": books.evicted_at,
            }
        )


@given(STEPS, STEPS)
@settings(max_examples=150, deadline=None, print_blob=True)
def test_undoing_restores_the_state_exactly(before: list[Step], after: list[Step]) -> None:
    """Whatever happened, undoing it to a mark leaves what was there at the mark, and undoing all leaves the start."""
    world = World()
    start = world.state()
    for step in before:
        world.step(step)
    mark, middle = len(world.books.journal), world.state()
    for step in after:
        world.step(step)
    undo(world.books.journal, mark)
    assert world.state() == middle
    undo(world.books.journal)
    assert world.state() == start


@given(STEPS)
@settings(max_examples=60, deadline=None, print_blob=True)
def test_what_is_undone_and_done_again_comes_to_the_same(steps: list[Step]) -> None:
    """After an undo, the same events lead to the same balances, holds and accounts."""
    world = World()
    begun = {key: list(life) for key, life in world.lives.items()}
    for step in steps:
        world.step(step)
    first = world.state()
    changes = sorted(
        (recorded_at, change)
        for key, life in world.lives.items()
        for change, recorded_at in life[len(begun.get(key, [])) :]
    )
    undo(world.books.journal)
    for recorded_at, change in changes:
        world.books.evolve(change, recorded_at, recorded_at - NOW)
    again = world.state()
    for name in ("columns", "currencies", "open", "holds", "life", "rules", "usage"):
        assert again[name] == first[name]


@given(STEPS)
@settings(max_examples=60, deadline=None, print_blob=True)
def test_the_books_balance_after_every_event(steps: list[Step]) -> None:
    """Posted balances add up to zero, and what is held is the sum of the open holds."""
    world = World()
    for step in steps:
        world.step(step)
        books = world.books
        assert sum(books.accounts.posted) == 0
        for account in range(1, len(books.accounts) + 1):
            held = [books.open[key].remaining for key in books.holds.get(account, ())]
            assert books.accounts.held[account] == sum(held)
            assert min(held, default=0) >= 0
