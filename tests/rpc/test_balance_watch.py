"""Watching balances: as they are, whenever they change, and behind any position."""

from typing import Any

import pytest

from ledger.log.codec import decode
from projections.rebuild import rebuild
from protos.esep.v1 import account_pb2
from protos.esep.v1 import statement_service_pb2 as api
from tests.rpc.test_refusals import held
from tests.rpc.world import PATIENCE, Bank, refused
from tests.waiting import eventually


class Watching:
    """A stream as a client reads it."""

    def __init__(self, bank: Bank, *accounts: int, after: int | None = None) -> None:
        bank.world.catch_up()
        request = api.WatchBalancesRequest(account_ids=accounts)
        if after is not None:
            request.after.position = after
        self.call: Any = bank.ledger.statements.WatchBalances(request, metadata=bank.ledger.metadata, timeout=PATIENCE)

    def next(self) -> api.WatchBalancesResponse:
        answer: api.WatchBalancesResponse = next(self.call)
        return answer

    def first(self) -> dict[int, int]:
        """Return what is told before the stream has caught up: the accounts and what is posted to each."""
        told = {}
        while not (message := self.next()).HasField("caught_up"):
            assert message.HasField("balances")
            told = {each.account_id: each.posted_tyiyn for each in message.balances.balances}
        return told

    def change(self) -> api.BalanceBatch:
        """Return the next change, however many heartbeats come before it."""
        while not (message := self.next()).HasField("balances"):
            pass
        return message.balances


def test_balances_are_told_as_they_are_and_whenever_they_change(bank: Bank) -> None:
    """First all that are watched, then each that has changed, with the position that it is of."""
    watching = Watching(bank, bank.rich, bank.poor, bank.merchant)
    assert watching.first() == {bank.rich: 1_000_000, bank.poor: 0, bank.merchant: 0}
    for amount, told in ((10, [999_990, 10]), (20, [999_970, 30])):
        receipt = bank.move(bank.rich, bank.poor, amount).receipt
        batch = watching.change()
        assert batch.position.position == receipt.position
        assert [each.account_id for each in batch.balances] == [bank.rich, bank.poor]
        assert [each.posted_tyiyn for each in batch.balances] == told


def test_what_is_held_is_told_as_well(bank: Bank) -> None:
    """A hold changes what is available, and nothing of what was posted."""
    watching = Watching(bank, bank.rich)
    watching.first()
    held(bank, 70)
    (balance,) = watching.change().balances
    assert (balance.posted_tyiyn, balance.held_tyiyn, balance.available_tyiyn) == (1_000_000, 70, 999_930)


def test_behind_a_position_only_what_has_changed_since_is_told(bank: Bank) -> None:
    """A watcher that was cut off is told what it missed, once, and of an account that was opened since."""
    seen = bank.move(bank.rich, bank.poor, 10).receipt.position
    assert Watching(bank, bank.rich, bank.poor, bank.merchant, after=seen).first() == {}
    bank.move(bank.rich, bank.poor, 5)
    bank.move(bank.rich, bank.poor, 5)
    missed = Watching(bank, bank.rich, bank.poor, bank.merchant, after=seen).first()
    assert missed == {bank.rich: 999_980, bank.poor: 20}
    opened = bank.open(account_pb2.ACCOUNT_KIND_CUSTOMER)
    assert Watching(bank, opened, after=seen).first() == {opened: 0}


def test_a_reader_that_comes_late_is_told_the_last_of_many_changes(bank: Bank) -> None:
    """Nothing old is kept for it: what changed meanwhile is told once, as it is."""
    watching = Watching(bank, bank.poor)
    watching.first()
    bank.world.hold_projections()
    for _ in range(20):
        bank.move(bank.rich, bank.poor, 1)
    bank.world.resume_projections()
    told = [watching.change().balances[0].posted_tyiyn]
    while told[-1] < 20:
        told.append(watching.change().balances[0].posted_tyiyn)
    assert told == sorted(set(told))


@pytest.mark.parametrize("settings", [{"heartbeat_seconds": 0.05}])
def test_a_quiet_stream_says_that_it_lives(limited_bank: Bank) -> None:
    """Heartbeats tell the position up to which nothing has changed, also where others' balances have."""
    watching = Watching(limited_bank, limited_bank.merchant)
    watching.first()
    receipt = limited_bank.move(limited_bank.rich, limited_bank.poor, 5).receipt
    eventually(lambda: watching.next().heartbeat.position.position == receipt.position)


@pytest.mark.parametrize("settings", [{"heartbeat_seconds": 0.05}])
def test_a_hold_that_lapses_unrecorded_is_told(limited_bank: Bank) -> None:
    """It is told when a heartbeat would have been: nothing was recorded that could have told of it sooner."""
    held(limited_bank, 70)
    watching = Watching(limited_bank, limited_bank.rich)
    watching.first()
    limited_bank.world.clock.ahead = 7 * 86_400 * 1_000_000
    (balance,) = watching.change().balances
    assert (balance.held_tyiyn, balance.available_tyiyn) == (0, 1_000_000)


def test_tables_that_are_made_anew_tell_nothing_twice_and_nothing_old(bank: Bank) -> None:
    """While projections begin again, the stream waits; it goes on with the next change."""
    watching = Watching(bank, bank.rich, bank.poor)
    watching.first()
    world = bank.world
    rebuild(world.log, world._store, decode)
    bank.move(bank.rich, bank.poor, 7)
    assert [each.posted_tyiyn for each in watching.change().balances] == [999_993, 7]


def test_an_unknown_account_is_named(bank: Bank) -> None:
    """Nothing is told of the others."""
    refusal = refused(lambda: Watching(bank, bank.rich, 999).first())
    assert (refusal.reason, refusal.metadata["account_id"]) == ("ACCOUNT_NOT_FOUND", "999")


def test_many_watch_and_each_is_told(bank: Bank) -> None:
    """A hundred watchers of one account all hear of its change."""
    watchers = [Watching(bank, bank.poor) for _ in range(100)]
    for watching in watchers:
        watching.first()
    bank.move(bank.rich, bank.poor, 3)
    assert [watching.change().balances[0].posted_tyiyn for watching in watchers] == [3] * len(watchers)
