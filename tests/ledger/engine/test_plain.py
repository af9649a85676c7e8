"""Batches decided over columns, against the same batches decided one transfer after another."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.account import AccountKind, FreezeAccount, OpenAccount
from domain.books import Books
from domain.columns import undo
from domain.event import Policy
from domain.money import MAX_AMOUNT, MAX_BALANCE
from domain.plain import PlainTransfers, try_move_all
from domain.transfer import CreateTransfer, TransferPosted
from ledger.engine.decider import Decider
from ledger.engine.requests import RecentRequests
from ledger.engine.tickets import BatchOutcome, BatchTicket, CommandTicket

NOW = 1_800_000_000_000_000
ACCOUNTS = 5

amounts = st.one_of(st.integers(1, 300), st.sampled_from([MAX_AMOUNT, MAX_AMOUNT - 1]))
accounts_ = st.integers(0, ACCOUNTS + 1)
movements = st.lists(st.tuples(accounts_, accounts_, amounts).filter(lambda each: each[0] != each[1]), min_size=1)


class Still:
    """A clock that stands still."""

    def now(self) -> int:
        return NOW


def request_id(number: int) -> bytes:
    return (NOW // 1000).to_bytes(6, "big") + bytes([0x70, 0, 0x80]) + number.to_bytes(7, "big")


def ledger(kinds: list[AccountKind], posted: list[int], frozen: list[bool]) -> Decider:
    """Return a decider whose accounts have these balances."""
    decider = Decider(Books(0), RecentRequests(1_000, since=0, position=0), Policy(), Still())
    batch = decider.begin()
    for index, kind in enumerate(kinds):
        opening = OpenAccount(participant_id="bank", kind=kind, overdraft_limit_tyiyn=index * 100)
        decider.decide(CommandTicket(opening, request_id(index), "dev"), batch)
        decider.books.accounts.posted[index + 1] = posted[index]
        if frozen[index]:
            freeze = FreezeAccount(account_id=index + 1, debits=True)
            decider.decide(CommandTicket(freeze, request_id(100 + index), "dev"), batch)
    decider.seal(batch)
    return decider


def decide(decider: Decider, transfers: "PlainTransfers | list[CreateTransfer]") -> tuple[object, ...]:
    """Return everything that deciding a batch came to."""
    batch = decider.begin()
    ticket = BatchTicket(transfers, "dev")
    decider.decide(ticket, batch)
    assert isinstance(ticket.outcome, BatchOutcome)
    figures = msgspec.to_builtins(ticket.outcome.positions), ticket.outcome.declined, ticket.outcome.repeated
    return batch.rows, figures, list(decider.books.accounts.posted), decider.position, decider.recorded_at


@settings(max_examples=300, deadline=None)
@given(
    kinds=st.lists(st.sampled_from(AccountKind), min_size=ACCOUNTS, max_size=ACCOUNTS),
    posted=st.lists(st.integers(-200, 2_000), min_size=ACCOUNTS, max_size=ACCOUNTS),
    frozen=st.lists(st.sampled_from([False] * 7 + [True]), min_size=ACCOUNTS, max_size=ACCOUNTS),
    moves=movements,
    repeat=st.booleans(),
)
def test_columns_decide_as_one_by_one(
    kinds: list[AccountKind], posted: list[int], frozen: list[bool], moves: list[tuple[int, int, int]], *, repeat: bool
) -> None:
    """A batch comes to the same rows, outcomes and balances over columns and one transfer after another."""
    ids = [request_id(1_000 + number) for number in range(len(moves))]
    if repeat:
        ids[-1] = ids[0]
    events = [TransferPosted(debit, credit, amount) for debit, credit, amount in moves]
    columns = PlainTransfers(ids, events)
    assert decide(ledger(kinds, posted, frozen), columns) == decide(ledger(kinds, posted, frozen), list(columns))


@settings(max_examples=100, deadline=None)
@given(moves=movements)
def test_columns_are_undone(moves: list[tuple[int, int, int]]) -> None:
    """Undoing a batch that was moved over columns restores every balance."""
    accounts = ledger([AccountKind.CASH] * ACCOUNTS, [7] * ACCOUNTS, [False] * ACCOUNTS).books.accounts
    journal: list[tuple[object, object, object]] = []
    moved = try_move_all([TransferPosted(*each) for each in moves], accounts, journal)
    if not moved:
        assert not journal
    undo(journal)
    assert list(accounts.posted) == [0] + [7] * ACCOUNTS


def test_columns_leave_extreme_balances_to_the_guards() -> None:
    """Near the bounds of a balance nothing is moved over columns, so that no sum there can overflow."""
    accounts = ledger([AccountKind.CASH] * ACCOUNTS, [0] * ACCOUNTS, [False] * ACCOUNTS).books.accounts
    one = [TransferPosted(1, 2, 5)]
    assert try_move_all(one, accounts, [])
    for extreme in (MAX_BALANCE, -MAX_BALANCE):
        accounts.posted[2] = extreme
        assert not try_move_all(one, accounts, [])
        assert accounts.posted[2] == extreme


def test_a_whole_batch_goes_over_columns() -> None:
    """The short way is really taken: a batch that no order could refuse is moved at once."""
    decider = ledger([AccountKind.CASH] * ACCOUNTS, [0] * ACCOUNTS, [False] * ACCOUNTS)
    batch = decider.begin()
    columns = PlainTransfers([request_id(1_000), request_id(1_001)], [TransferPosted(1, 2, 5), TransferPosted(2, 3, 4)])
    assert decider._all_at_once(columns, batch, "dev")
    assert list(decider.books.accounts.posted) == [0, -5, 1, 4, 0, 0]
