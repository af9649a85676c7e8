"""Bulks: thousands of movements decided together come to what they come to one by one."""

import copy
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.account import AccountClosed, AccountFrozen, AccountKind, AccountOpened, MinimumBalanceSet
from domain.aggregate import fold
from domain.authorization import AuthorizationApproved
from domain.books import MOST_BULKS, Books
from domain.bulk import Bulk, BulkLegReversed, BulkPosted, ReverseBulkLeg, asked_legs, posted_legs
from domain.columns import undo
from domain.event import Change, Context, Leg
from domain.ids import account_id, account_originator
from domain.legs import MAX_LEGS, Legs, RefusedLeg, violations
from domain.money import MAX_AMOUNT, MAX_BALANCE
from domain.movements import movements, net
from domain.refusals import Reason, Refusal
from domain.transfer import CreateTransfer
from tests.bulks import Asked, column, post_bulk
from tests.domain.spec import ANA, BEK, CASH, DAY, DOLLARS, NOBODY, NOW, POLICY, SETTLEMENT, SHOP, Spec, uid

BULK = uid(7)


def refused(spec: Spec) -> tuple[RefusedLeg, ...]:
    """Return the legs that were refused of the bulk that was decided last."""
    found: tuple[RefusedLeg, ...] = spec.event().refused
    return found


# What becomes of the legs.


def test_every_leg_that_can_be_is_posted() -> None:
    """The event holds the columns as they were asked for, and the accounts have what they come to."""
    spec = Spec().funds(ANA, 1_000)
    asked = post_bulk((ANA, BEK, 300), (ANA, SHOP, 700), (CASH, ANA, 5), references=("a", "", "c"), kind="salary")
    spec.when(asked, BULK)
    event = spec.event()
    assert (event.count, event.kind, event.currency, event.references) == (3, "salary", "KGS", ("a", "", "c"))
    assert [each.tolist() for each in asked_legs(event)] == [[ANA, ANA, CASH], [BEK, SHOP, ANA], [300, 700, 5]]
    assert event.refused == ()
    spec.then_figures(ANA, posted=5).then_figures(BEK, posted=300).then_figures(SHOP, posted=700)
    assert [change.originator_id for change in spec.decided or ()] == [BULK.bytes]  # type: ignore[union-attr]


def test_a_leg_may_spend_what_an_earlier_one_brought_in() -> None:
    """Credits of legs already posted count, those of later ones do not."""
    spec = Spec().funds(ANA, 100)
    spec.when(post_bulk((BEK, SHOP, 40), (ANA, BEK, 60), (BEK, SHOP, 50), (BEK, SHOP, 20), (BEK, SHOP, 10)))
    short = Reason.INSUFFICIENT_FUNDS.name
    assert refused(spec) == (RefusedLeg(0, short, BEK), RefusedLeg(3, short, BEK))
    spec.then_figures(ANA, posted=40).then_figures(BEK, posted=0).then_figures(SHOP, posted=60)


def test_a_refused_leg_brings_nothing_in() -> None:
    """What a refused leg would have credited pays for no later leg."""
    spec = Spec().funds(ANA, 100)
    spec.when(post_bulk((ANA, BEK, 101), (BEK, SHOP, 1), (ANA, BEK, 100), (BEK, SHOP, 100)))
    assert [each.leg for each in refused(spec)] == [0, 1]
    spec.then_figures(SHOP, posted=100)


def test_what_is_held_pays_for_no_leg() -> None:
    """A hold, and a minimum balance, count in a bulk as they do in a transfer."""
    hold = AuthorizationApproved(
        account=ANA,
        credit_account=SHOP,
        amount=30,
        currency="KGS",
        kind="purchase",
        expires_at=2 * NOW,
        rule_version="1",
    )
    spec = Spec().funds(ANA, 100).given((uid(1), hold), (ANA, MinimumBalanceSet(minimum=20)))
    spec.when(post_bulk((ANA, BEK, 50), (ANA, BEK, 1)))
    assert refused(spec) == (RefusedLeg(1, Reason.INSUFFICIENT_FUNDS.name, ANA),)


def test_the_first_reason_counts() -> None:
    """Currency comes before restrictions, restrictions before funds; the account in the way is named where one is."""
    spec = Spec().given((BEK, AccountFrozen(credits=True)), (SHOP, AccountFrozen(debits=True)))
    spec.given((account_originator(7), AccountOpened(participant="b", kind=AccountKind.CASH, currency="KGS")))
    spec.given((7, AccountClosed()))
    spec.when(
        post_bulk(
            *((ANA, DOLLARS, 1), (ANA, BEK, 1), (SHOP, ANA, 1), (7, BEK, 1), (CASH, 7, 1), (ANA, SHOP, 1)),
            *((CASH, ANA, 1), (7, DOLLARS, 1)),
        )
    )
    assert refused(spec) == (
        RefusedLeg(0, "CURRENCY_MISMATCH"),
        RefusedLeg(1, "ACCOUNT_FROZEN", BEK),
        RefusedLeg(2, "ACCOUNT_FROZEN", SHOP),
        RefusedLeg(3, "ACCOUNT_CLOSED", 7),
        RefusedLeg(4, "ACCOUNT_CLOSED", 7),
        RefusedLeg(5, "INSUFFICIENT_FUNDS", ANA),
        RefusedLeg(7, "CURRENCY_MISMATCH"),
    )
    spec.then_figures(ANA, posted=1)


@pytest.mark.parametrize("code", ["USD", "XXX"])
def test_a_bulk_has_one_currency(code: str) -> None:
    """Where it is named, legs of accounts in any other are refused, also where nobody keeps accounts in it."""
    spec = Spec().when(post_bulk((CASH, ANA, 1), (SETTLEMENT, BEK, 1), currency_code=code))
    assert refused(spec) == tuple(RefusedLeg(leg, "CURRENCY_MISMATCH") for leg in (0, 1))
    assert spec.event().currency == code


def test_a_bulk_of_which_nothing_is_posted_is_posted_all_the_same() -> None:
    """Its outcome is what became of its legs: the same request is answered with the same refusals for ever."""
    spec = Spec().when(post_bulk((ANA, BEK, 1), (BEK, ANA, 1)), BULK)
    assert [each.leg for each in refused(spec)] == [0, 1]
    assert movements(spec.event()) == ()


def test_entries_that_name_no_account_are_all_told_and_nothing_moves() -> None:
    """An unknown account is a mistake in the request, not an outcome: the whole bulk is refused, without a record."""
    spec = Spec().when(post_bulk((CASH, ANA, 1), (NOBODY, ANA, 1), (CASH, 1 << 40 | 1, 1), (DOLLARS + 1, ANA, 1)))
    spec.then_refused(Reason.ACCOUNTS_UNKNOWN)
    assert isinstance(spec.decided, Refusal)
    wrong = ["debit_account_ids[1]", "debit_account_ids[3]", "credit_account_ids[2]"]
    assert [each.field for each in spec.decided.violations] == wrong
    assert not spec.decided.reason.value.recorded


def test_an_id_of_no_account_is_unknown_in_every_partition() -> None:
    """Accounts are numbered from 1 in each: the number before the first is nobody's."""
    here = [account_id(1, index) for index in range(3)]
    spec = Spec(partition=1).when(post_bulk((here[1], here[0], 1), (here[0], here[2], 1)))
    spec.then_refused(Reason.ACCOUNTS_UNKNOWN)
    assert isinstance(spec.decided, Refusal)
    assert [each.field for each in spec.decided.violations] == ["debit_account_ids[1]", "credit_account_ids[0]"]


def test_an_effective_time_out_of_bounds_refuses_the_whole() -> None:
    Spec().when(post_bulk((CASH, ANA, 1), effective_time=2 * NOW)).then_refused(Reason.EFFECTIVE_TIME_OUT_OF_BOUNDS)


def test_a_bulk_happened_when_it_says() -> None:
    """And was recorded when it was."""
    spec = Spec().when(post_bulk((CASH, ANA, 1), effective_time=NOW - DAY), BULK)
    assert isinstance(spec.decided, list)
    bulk = fold([(spec.decided[0], spec.now)])
    assert isinstance(bulk, Bulk)
    assert (bulk.effective_time, bulk.created_at, bulk.updated_at) == (NOW - DAY, spec.now, spec.now)


def test_columns_are_looked_at_entry_by_entry() -> None:
    """Every entry at fault is named by its path, the first twenty of them."""
    found = violations(Legs(*(np.array(each) for each in ([1, 0, 3], [2, 3, 3], [1, MAX_AMOUNT, MAX_AMOUNT + 1]))))
    assert [(each.field, each.rule) for each in found] == [
        ("debit_account_ids[1]", "RANGE"),
        ("amounts_tyiyn[2]", "RANGE"),
        ("credit_account_ids[2]", "SAME_ACCOUNT"),
    ]
    assert len(violations(Legs(*(np.zeros(50, np.int64) for _ in range(3))))) == 20


def test_an_event_whose_columns_do_not_fit_together_is_none() -> None:
    """A history that was tampered with is not read as other legs."""
    whole = BulkPosted(
        count=2, debit_accounts=column((1, 2)), credit_accounts=column((2, 1)), amounts=column((1, 1)), currency="KGS"
    )
    for wrong in (
        {"count": 3},
        {"amounts": column((1,))},
        {"debit_accounts": b"x" * 17},
        {"references": ("a",)},
        {"refused": (RefusedLeg(2, "X"),)},
        {"refused": (RefusedLeg(1, "X"), RefusedLeg(0, "X"))},
        {"refused": (RefusedLeg(1, "X"), RefusedLeg(1, "X"))},
    ):
        stored = msgspec.json.encode(msgspec.structs.asdict(whole) | wrong)
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(stored, type=BulkPosted)


def test_the_content_of_a_bulk_has_one_fingerprint() -> None:
    """Any other entry, order, reference or field is another request."""
    legs = ((1, 2, 3), (2, 1, 3))
    prints = {
        each.fingerprint()
        for each in (
            post_bulk(*legs),
            post_bulk(*reversed(legs)),
            post_bulk((1, 2, 3), (2, 1, 4)),
            post_bulk(*legs, references=("", "x")),
            post_bulk(*legs, references=("x", "")),
            post_bulk(*legs, kind="salary"),
            post_bulk(*legs, currency_code="KGS"),
            post_bulk(*legs, effective_time=1),
        )
    }
    assert len(prints) == 8
    assert post_bulk(*legs).fingerprint() == post_bulk(*legs).fingerprint()


def test_what_an_event_moves_on_an_account_is_the_sum_of_its_movements() -> None:
    """The short way, over columns, says the same as the movements one by one."""
    spec = Spec().funds(ANA, 10).when(post_bulk((ANA, BEK, 4), (ANA, BEK, 9), (BEK, ANA, 3), (SHOP, ANA, 1)))
    for account in (ANA, BEK, SHOP, NOBODY):
        moved = [
            (leg.credit_account == account, leg.debit_account == account, leg.amount) for leg in movements(spec.event())
        ]
        assert net(spec.event(), account) == sum(amount * (paid - pays) for paid, pays, amount in moved)
    assert net(spec.event(), ANA) == -1


# Reversal of a leg.


def posted() -> Spec:
    """Return books with a bulk of three legs, the second of them refused."""
    return Spec().funds(ANA, 100).when(post_bulk((ANA, BEK, 60), (ANA, BEK, 41), (ANA, SHOP, 40)), BULK)


def back(leg: int, **fields: Any) -> ReverseBulkLeg:
    """Return the command to reverse a leg."""
    return ReverseBulkLeg(bulk_id=BULK, leg=leg, **fields)


def test_a_leg_is_moved_back_like_a_transfer() -> None:
    """Whole, or in parts that never exceed it; then it is reversed."""
    spec = posted().when(back(0, explanation="twice"))
    spec.then(BulkLegReversed(leg=0, legs=(Leg("reversal", BEK, ANA, 60),), explanation="twice"))
    spec.then_figures(ANA, posted=60).then_figures(BEK, posted=0)
    spec.when(back(0)).then_refused(Reason.ALREADY_REVERSED)
    spec.given_done(back(2, amount_tyiyn=15))
    spec.when(back(2, amount_tyiyn=26)).then_refused(Reason.OVER_REVERSAL, remaining_tyiyn=25)
    spec.given_done(back(2)).then_figures(SHOP, posted=0)
    life = spec.life(BULK)
    assert isinstance(life, Bulk)
    assert (life.reversed, life.version) == ({0: 60, 2: 40}, 4)


@pytest.mark.parametrize("leg", [1, 3, 8_189])
def test_a_leg_that_moved_nothing_cannot_be_reversed(leg: int) -> None:
    """Neither a refused leg, nor one that the bulk does not have."""
    posted().when(back(leg)).then_refused(Reason.BULK_LEG_NOT_FOUND, leg=leg)


def test_what_is_no_bulk_has_no_legs() -> None:
    posted().when(ReverseBulkLeg(bulk_id=uid(9), leg=0)).then_refused(Reason.BULK_NOT_FOUND)


def test_money_that_was_spent_is_not_moved_back() -> None:
    """The account that was paid must have it, and may neither be frozen nor closed."""
    spec = posted()
    spec.given_done(spec.transfer(BEK, SHOP, 1))
    spec.when(back(0)).then_refused(Reason.INSUFFICIENT_FUNDS, account_id=BEK)
    spec.given((SHOP, AccountFrozen(debits=True))).when(back(2)).then_refused(Reason.ACCOUNT_FROZEN, account_id=SHOP)


# The same as one by one.

ACCOUNTS = 6
KINDS = (AccountKind.CASH, *[AccountKind.CUSTOMER] * 3, AccountKind.MERCHANT, AccountKind.SETTLEMENT)
LARGE = st.sampled_from([1, 7, 50, MAX_AMOUNT])
LEGS = st.lists(st.tuples(st.integers(1, ACCOUNTS), st.integers(1, ACCOUNTS - 1), LARGE), min_size=1, max_size=40)


class Twins:
    """Two books with the same history: one moves leg by leg, the other in bulks."""

    def __init__(self, *, near_the_limit: bool, seed: int) -> None:
        self.singles, self.bulks = Books(0), Books(0)
        self.position = 0
        for index, kind in enumerate(KINDS, 1):
            opened = AccountOpened(
                participant="b",
                kind=kind,
                currency="USD" if seed % 5 == 1 and index == 4 else "KGS",
                overdraft_limit=seed % 3 * 20 if index == 2 else 0,
                minimum_balance=seed % 2 * 10 if index == 3 else 0,
            )
            self.take(Change(account_originator(index), 1, opened))
        if seed % 7 == 2:
            self.take(Change(account_originator(3), 2, AccountFrozen(credits=True)))
        if seed % 7 == 3:
            self.take(Change(account_originator(5), 2, AccountFrozen(debits=True)))
        for books in (self.singles, self.bulks):
            posted = books.accounts.posted
            posted[2], posted[4] = 60, 30
            if near_the_limit:
                posted[1], posted[5] = -MAX_BALANCE + 3 * MAX_AMOUNT, MAX_BALANCE - 2 * MAX_AMOUNT

    def take(self, change: Change) -> None:
        self.position += 1
        for books in (self.singles, self.bulks):
            books.evolve(change, NOW, self.position)

    def one_by_one(self, legs: list[Asked]) -> list[tuple[int, str, str]]:
        """Make transfers of the legs; return which were refused, and why."""
        found = []
        for leg, (debit, credit, amount) in enumerate(legs):
            transfer = CreateTransfer(uid(leg).bytes, debit, credit, amount, currency="KGS")
            decided = transfer.decide(self.singles, Context(transfer.request_id, NOW, POLICY))
            if isinstance(decided, Refusal):
                found.append((leg, decided.reason.name, decided.metadata.get("account_id", "0")))
            else:
                self.singles.evolve(decided[0], NOW, self.position)
        return found

    def at_once(self, legs: list[Asked], request: UUID) -> list[tuple[int, str, str]]:
        """Post the legs as a bulk; return which were refused, and why."""
        decided = post_bulk(*legs, currency_code="KGS").decide(self.bulks, Context(request.bytes, NOW, POLICY))
        assert isinstance(decided, list)
        before = copy.deepcopy(self.bulks.accounts.posted)
        mark = len(self.bulks.journal)
        self.bulks.evolve(decided[0], NOW, self.position)
        undo(self.bulks.journal, mark)
        assert self.bulks.accounts.posted == before
        self.bulks.evolve(decided[0], NOW, self.position)
        event: Any = decided[0].event
        return [(each.leg, each.reason, str(each.account)) for each in event.refused]


@settings(max_examples=150, deadline=None)
@given(st.lists(LEGS, min_size=1, max_size=4), st.sampled_from([0, 1]), st.integers(0, 41))
@example([[(2, 5, MAX_AMOUNT)], [(1, 5, MAX_AMOUNT)] * 40], 1, 0)
@example([[(1, 5, MAX_AMOUNT)] * 3 + [(5, 2, 7), (2, 5, 7)]], 1, 0)
@example([[(6, 5, MAX_AMOUNT)] * 3], 1, 0)
def test_a_bulk_comes_to_what_its_legs_come_to_one_by_one(drawn: list[list[Asked]], near: int, seed: int) -> None:
    """The same legs are refused for the same reasons, and every balance is the same, at the bounds of balances too."""
    twins = Twins(near_the_limit=bool(near), seed=seed)
    for number, chosen in enumerate(drawn):
        legs = [(debit, credit if credit < debit else credit + 1, amount) for debit, credit, amount in chosen]
        assert twins.at_once(legs, uid(1_000 + number)) == twins.one_by_one(legs)
        assert twins.bulks.accounts.posted == twins.singles.accounts.posted
        mixed = CreateTransfer(uid(number).bytes, *legs[0], currency="KGS")
        for books in (twins.bulks, twins.singles):
            decided = mixed.decide(books, Context(mixed.request_id, NOW, POLICY))
            for change in [] if isinstance(decided, Refusal) else decided:
                books.evolve(change, NOW, twins.position)


def test_the_largest_bulk_moves_what_it_says_to_the_last_tyiyn() -> None:
    """Sums stay whole numbers: 8,190 legs of 10^15 and one tyiyn less are not told from floating point."""
    books = Books(0)
    for index, kind in enumerate((AccountKind.CASH, AccountKind.CASH, AccountKind.CASH), 1):
        opened = AccountOpened(participant="b", kind=kind, currency="KGS")
        books.evolve(Change(account_originator(index), 1, opened), NOW, index)
    legs = [(1 + leg % 2, 3, MAX_AMOUNT - (leg == 8_000)) for leg in range(MAX_LEGS)]
    decided = post_bulk(*legs).decide(books, Context(BULK.bytes, NOW, POLICY))
    assert isinstance(decided, list)
    event: Any = decided[0].event
    books.evolve(decided[0], NOW, 4)
    fit = MAX_BALANCE // MAX_AMOUNT
    assert {each.reason for each in event.refused} == {"BALANCE_LIMIT"}
    assert books.accounts.posted[3] == posted_legs(event).total == fit * MAX_AMOUNT
    assert event.count - len(event.refused) == fit
    assert sum(books.accounts.posted) == 0
    assert fold([(decided[0], NOW)]) == Bulk(BULK.bytes, event, NOW, NOW, NOW)


def test_few_bulks_are_remembered() -> None:
    """Whoever reverses legs of many bulks has the oldest read from the log again, not all of them in memory."""
    spec = Spec().funds(ANA, 10_000)
    ids = [uid(2_000 + number) for number in range(MOST_BULKS + 5)]
    for each in ids:
        spec.when(post_bulk((ANA, BEK, 2)), each)
        spec.given_done(ReverseBulkLeg(bulk_id=each, leg=0, amount_tyiyn=1))
    assert [spec.books.at_hand(each.bytes) for each in ids] == [False] * 5 + [True] * MOST_BULKS
    spec.given_done(ReverseBulkLeg(bulk_id=ids[0], leg=0))
    assert not spec.books.at_hand(ids[5].bytes)
    spec.when(ReverseBulkLeg(bulk_id=ids[0], leg=0)).then_refused(Reason.ALREADY_REVERSED)


def test_a_bulk_is_remembered_since_it_was_last_in_use() -> None:
    """The one that nobody has touched for longest is forgotten; an undo brings back the same ones, and no more."""
    spec = Spec().funds(ANA, 10_000)
    ids = [uid(2_000 + number) for number in range(MOST_BULKS + 1)]

    def reverse(bulk: UUID) -> None:
        spec.given_done(ReverseBulkLeg(bulk_id=bulk, leg=0, amount_tyiyn=1))

    for each in ids:
        spec.when(post_bulk((ANA, BEK, 3)), each)
    for each in (*ids[:-1], ids[0]):
        reverse(each)
    before, mark = set(spec.books._bulks), len(spec.books.journal)
    reverse(ids[-1])
    assert [spec.books.at_hand(each.bytes) for each in ids] == [each != ids[1] for each in ids]
    undo(spec.books.journal, mark)
    assert [spec.books.at_hand(each.bytes) for each in ids] == [each != ids[-1] for each in ids]
    assert set(spec.books._bulks) == before
