"""What an attentive enemy tries: histories that change, holds that never end up anywhere, numbers without end."""

import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import ClassVar
from uuid import UUID

from msgspec.structs import replace

from domain.authorization import Authorization
from domain.authorize import Advise
from domain.books import Books
from domain.command import Command
from domain.event import Change, Context
from domain.money import MAX_AMOUNT, MAX_BALANCE
from domain.refusals import Reason, Refusal, refuse
from domain.resolve import Increment, Reverse, ReversePart
from domain.transfer import CreateTransfer
from ledger.engine.modes import Mode
from ledger.engine.tickets import Accepted, BatchOutcome, Declined
from ledger.log.api import Log
from ledger.log.sqlite import SQLiteLog
from tests.ledger.engine.faults import FaultyLog
from tests.ledger.engine.world import BRISK, Desk, HandClock
from tests.waiting import eventually


def test_a_record_of_a_decline_holds_its_id_against_every_other_use(desk: Desk) -> None:
    """A declined command's id stands in the log's column of request ids, which is unique."""
    cash, one = desk.open("cash"), desk.open()
    hold = desk.insist(Advise(account_id=cash, credit_account_id=one, amount_tyiyn=5)).subject
    declined = desk.ask(ReversePart(authorization_id=UUID(bytes=hold.authorization_id), amount_tyiyn=6))
    row = desk.log.read(0, declined.position - 1, 1)[0]
    assert row.request_id == row.originator_id


def test_holds_that_are_resolved_leave_no_trace_in_memory(desk: Desk) -> None:
    """The order of expiries stays about as long as there are open holds, trial runs included."""
    cash, one = desk.open("cash"), desk.open()
    hold = Advise(account_id=cash, credit_account_id=one, amount_tyiyn=5)
    decide = desk.engine._decider.books
    for _ in range(1_200):
        desk.ask(hold, validate_only=True)
    assert len(decide._due) <= 1_100


def test_the_sums_of_an_authorisation_stay_within_bounds(desk: Desk) -> None:
    """No counter of an authorisation passes 2^62, whatever is added and taken away again."""
    cash, one = desk.open("cash"), desk.open()
    held = desk.insist(Advise(account_id=cash, credit_account_id=one, amount_tyiyn=5)).subject
    assert isinstance(held, Authorization)
    target = UUID(bytes=held.authorization_id)

    books = desk.engine._decider.books
    full = replace(held, incremented=MAX_BALANCE - 1, reversed=MAX_BALANCE - 1, remaining=MAX_AMOUNT)
    books.open[held.authorization_id] = full
    for command in (
        Increment(authorization_id=target, amount_tyiyn=2),
        ReversePart(authorization_id=target, amount_tyiyn=2),
    ):
        outcome = desk.ask(command)
        assert isinstance(outcome, Declined)
        assert outcome.refusal.reason is Reason.BALANCE_LIMIT
    books.open[held.authorization_id] = held


def test_a_trial_batch_with_one_id_twice_is_answered_as_the_batch_would_be(desk: Desk) -> None:
    """Within a trial, the same transfer twice is one, and another one under its id is refused."""
    cash, one = desk.open("cash"), desk.open()
    first = desk.transfer(cash, one, 10)
    other = desk.transfer(cash, one, 11)

    outcome = desk.ask_many([first, first, replace(other, request_id=first.request_id)], validate_only=True)
    assert isinstance(outcome, BatchOutcome)
    assert outcome.positions == [0, 0, 0]
    assert outcome.repeated == []
    assert [(index, each.refusal.reason) for index, each in outcome.declined] == [(2, Reason.REQUEST_ID_REUSED)]


def test_a_standby_whose_history_was_dropped_begins_anew(tmp_path: Path, clock: HandClock) -> None:
    """When the log has lost what a standby saw, it takes over from what the log has, without a gap."""
    path = tmp_path / "log.db"
    owner = Desk(SQLiteLog(path), clock).serving()
    cash, one = owner.open("cash"), owner.open()
    standby = Desk(SQLiteLog(path), clock, seed=2, settings=replace(BRISK, takeover_after=60.0))
    owner.insist(owner.transfer(cash, one, 500))
    owner.stop()
    owner.log.close()
    eventually(lambda: standby.engine.mode in (Mode.STANDBY, Mode.OWNER))
    standby.stop()
    standby.log.close()

    again = Desk(SQLiteLog(path), clock, seed=3).serving()
    again.engine.mode = Mode.STANDBY
    with closing(sqlite3.connect(path)) as behind, behind:
        head = behind.execute("SELECT max(position) FROM events").fetchone()[0]
        behind.execute("DELETE FROM events WHERE position = ?", (head,))
        behind.execute("DELETE FROM trees")
    again.engine.outpaced()
    eventually(lambda: again.engine.mode is Mode.OWNER and again.engine.durable >= head)
    rows = again.log.read(0, 0, 10_000)
    assert [row.position for row in rows] == list(range(1, len(rows) + 1))
    again.stop()
    again.log.close()


def test_a_reversal_by_reference_is_about_nothing_the_caller_named(desk: Desk) -> None:
    """A reversal by the acquirer's reference names no target, so that its repeat is known by its content."""
    assert Reverse(acquirer_id="q", acquirer_reference="r").target() is None
    assert desk.engine.serving


class Follow(Command):
    """Asks the books for one aggregate after another, none of them named beforehand."""

    NAME: ClassVar[str] = "follow"

    chain: tuple[UUID, ...]

    def decide(self, books: Books, context: Context) -> list[Change] | Refusal:
        found = [books.aggregate(each.bytes) for each in self.chain]
        known = sum(each is not None for each in found)
        return refuse(Reason.OVER_REFUND, known=known)


def test_what_a_decision_turns_out_to_need_is_looked_up(log: Log, clock: HandClock) -> None:
    """A decision may ask for aggregates as it goes: those not in memory are read, and it is made again."""
    desk = Desk(log, clock).serving()
    cash, one = desk.open("cash"), desk.open()
    made = [desk.insist(desk.transfer(cash, one, 5)).change.originator_id for _ in range(4)]
    chain = (*(UUID(bytes=each) for each in made), UUID(int=1 << 100))

    outcome = desk.ask(Follow(chain=chain))
    desk.stop()
    assert isinstance(outcome, Declined)
    assert outcome.refusal.metadata["known"] == "4"
    assert outcome.position


class Searching(FaultyLog):
    """A log that is searched for a request id until ``found`` is set."""

    def __init__(self, inner: Log) -> None:
        super().__init__(inner)
        self.searched = threading.Event()
        self.found = threading.Event()

    def find(self, partition: int, ids: Sequence[bytes]) -> dict[bytes, int]:
        self.searched.set()
        self.found.wait(30)
        return self.inner.find(partition, ids)


def test_an_engine_that_stops_does_not_spin_while_it_looks_something_up(log: Log, clock: HandClock) -> None:
    """An engine waits for the last look-ups before it stops, and takes no processor for that."""
    searching = Searching(log)
    desk = Desk(searching.as_log(), clock).serving()
    cash, one = desk.open("cash"), desk.open()
    answer = desk.start(CreateTransfer(desk.ids.unordered(), cash, one, 5))
    assert searching.searched.wait(20)
    stopping = threading.Thread(target=desk.stop)
    stopping.start()
    eventually(lambda: desk.engine.mode is Mode.STOPPING)
    turns = 0
    idle = desk.engine._idle

    def counted() -> bool:
        nonlocal turns
        turns += 1
        return idle()

    desk.engine._idle = counted  # type: ignore[method-assign]
    stopping.join(0.5)
    spins = turns
    searching.found.set()
    stopping.join(20)
    assert isinstance(answer(), Accepted)
    assert spins < 200
