"""One engine decides at a time; another follows, and takes over when the first gives no sign of life."""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from time import sleep

import msgspec
import psycopg
import pytest

from domain.engine import ENGINE_ID, EngineStarted
from domain.ports import Row
from domain.refusals import Reason, Refused
from domain.transfer import CreateTransfer, TransferPosted
from ledger.engine.modes import Mode
from ledger.engine.tickets import Accepted, Repeated
from ledger.log.api import Log
from ledger.log.codec import decode, encode
from tests.ledger.engine.faults import Fault, FaultyLog
from tests.ledger.engine.world import BRISK, PATIENCE, Desk, HandClock, columns
from tests.waiting import eventually

PATIENT = msgspec.structs.replace(BRISK, takeover_after=60.0)
"""So that an owner whose signs of life come late, on a busy machine, is not taken for dead."""


class Silent(FaultyLog):
    """A log through which no sign of life gets, once ``silent`` is set; while ``slow`` is, each takes its time."""

    silent = False
    slow = False

    def __init__(self, inner: Log) -> None:
        super().__init__(inner)
        self.under_way, self.given = threading.Event(), threading.Event()

    def beat(self, partition: int, owner: str, address: str = "") -> None:
        if self.slow:
            self.under_way.set()
            sleep(0.5)
        if not self.silent:
            self.inner.beat(partition, owner, address)
        if self.under_way.is_set():
            self.given.set()


@pytest.fixture
def silent(log: Log) -> Silent:
    return Silent(log)


@pytest.fixture
def owner(silent: Silent, clock: HandClock) -> Iterator[Desk]:
    desk = Desk(silent.as_log(), clock, seed=1, settings=PATIENT).serving()
    yield desk
    silent.let_go()
    desk.stop()


@pytest.fixture
def standby(owner: Desk, log: Log, clock: HandClock) -> Iterator[Desk]:
    desk = Desk(log, clock, seed=2, settings=PATIENT)
    eventually(lambda: desk.engine.mode is Mode.STANDBY)
    yield desk
    desk.stop()


def lose_patience(standby: Desk) -> None:
    """Have a standby take an owner for dead that has given no sign of life for a moment."""
    standby.engine.settings = BRISK


def epochs(desk: Desk) -> list[int]:
    return [event.epoch for row in desk.rows() if isinstance(event := decode(row.topic, row.state), EngineStarted)]


def reason_of(desk: Desk, transfer: CreateTransfer) -> Reason:
    """Return why a trial run is refused, at once or when it is decided."""
    try:
        refusal = desk.ask(transfer, validate_only=True).refusal
    except Refused as refused:
        refusal = refused.refusal
    reason: Reason = refusal.reason
    return reason


def test_a_standby_follows_and_refuses(owner: Desk, standby: Desk) -> None:
    """A standby knows what the owner has decided, and sends callers to it."""
    cash, one = owner.open("cash"), owner.open()
    owner.ask(owner.transfer(cash, one, 10))
    eventually(lambda: standby.engine.durable == owner.engine.durable)
    assert columns(standby) == columns(owner)
    with pytest.raises(Refused) as refused:
        standby.ask(standby.transfer(cash, one, 10))
    assert refused.value.refusal.reason is Reason.NOT_THE_OWNER


def test_a_standby_takes_over_after_a_goodbye(owner: Desk, standby: Desk, clock: HandClock) -> None:
    """When the owner stops gracefully, the standby serves with the next epoch."""
    cash, one = owner.open("cash"), owner.open()
    owner.ask(transfer := owner.transfer(cash, one, 10))
    owner.stop()
    standby.serving()
    assert epochs(standby) == [1, 2]
    clock.advance(1_000)
    assert isinstance(standby.ask(transfer), Repeated)
    assert isinstance(standby.ask(standby.transfer(cash, one, 5)), Accepted)
    assert standby.posted(one) == 15


def test_a_goodbye_is_the_last_that_is_heard(owner: Desk, silent: Silent, log: Log) -> None:
    """A sign of life that is under way when the owner stops does not take the goodbye back."""
    silent.slow = True
    assert silent.under_way.wait(PATIENCE)
    owner.stop()
    assert silent.given.wait(PATIENCE)
    assert log.last_beat(0) is None


def test_a_standby_takes_over_from_one_that_hangs(owner: Desk, standby: Desk, silent: Silent, clock: HandClock) -> None:
    """An owner that hangs in a commit loses the partition, steps back, and its request is decided once."""
    cash, one = owner.open("cash"), owner.open()
    clock.advance(1_000)
    silent.faults.append(Fault.SLOW)
    transfer = owner.transfer(cash, one, 10)
    waiting = owner.start(transfer)
    assert silent.hung.wait(20)
    silent.silent = True
    lose_patience(standby)
    standby.serving()
    assert isinstance(standby.ask(transfer), Accepted)
    silent.let_go()
    outcome = waiting()
    assert getattr(outcome, "refusal", None) is None or outcome.refusal.reason is Reason.NOT_THE_OWNER
    eventually(lambda: owner.engine.mode is Mode.STANDBY)
    eventually(lambda: owner.engine.durable == standby.engine.durable)
    assert columns(owner) == columns(standby)
    assert standby.posted(one) == 10
    assert epochs(standby) == [1, 2]


def test_an_idle_owner_notices_that_it_was_superseded(owner: Desk, standby: Desk, silent: Silent) -> None:
    """An owner that only reads steps back as well, and answers nothing from its old state."""
    cash, one = owner.open("cash"), owner.open()
    silent.silent = True
    lose_patience(standby)
    standby.serving()
    eventually(lambda: owner.engine.mode is Mode.STANDBY)
    with pytest.raises(Refused):
        owner.ask(owner.transfer(cash, one, 1), validate_only=True)


def test_a_stale_owner_answers_no_trial_run(owner: Desk, silent: Silent, log: Log, clock: HandClock) -> None:
    """A trial run decided on a state that has been overtaken is decided again, or refused."""
    cash, one = owner.open("cash"), owner.open()
    event = EngineStarted(epoch=2, owner="another")
    rows = log.aggregate(0, ENGINE_ID)
    row = Row(0, log.head(0) + 1, ENGINE_ID, len(rows) + 1, event.TOPIC, encode(event), clock.now() + 999, None, "")
    log.append([row])
    assert reason_of(owner, owner.transfer(cash, one, 1)) is Reason.NOT_THE_OWNER
    eventually(lambda: owner.engine.mode is not Mode.OWNER or owner.engine._decider.books.life.epoch > 2)


def test_an_unknown_event_blocks(owner: Desk, log: Log, clock: HandClock) -> None:
    """An engine that meets an event of an unknown kind decides nothing more, and says so."""
    cash, one = owner.open("cash"), owner.open()
    log.append([Row(0, log.head(0) + 1, b"n" * 16, 1, "moon.landed.v1", b"{}", clock.now() + 999, None, "")])
    eventually(lambda: owner.engine.mode is Mode.BLOCKED)
    with pytest.raises(Refused) as refused:
        owner.ask(owner.transfer(cash, one, 1))
    assert refused.value.refusal.reason is Reason.UNKNOWN_EVENT


def test_an_unknown_event_blocks_from_the_start(log: Log, clock: HandClock) -> None:
    """An engine started on a history it does not understand does not serve."""
    log.append([Row(0, 1, b"n" * 16, 1, "moon.landed.v1", b"{}", clock.now(), None, "")])
    desk = Desk(log, clock)
    eventually(lambda: desk.engine.mode is Mode.BLOCKED)
    desk.stop()
    assert log.head(0) == 1


class Restored(FaultyLog):
    """A log that is replaced by another history, once, between a look at it and the append that builds on it."""

    restore: Callable[[], object] | None = None

    def take_over(self, rows: Sequence[Row], *, tail: bytes) -> None:
        restore, self.restore = self.restore, None
        if restore is not None:
            restore()
        self.inner.take_over(rows, tail=tail)


def test_a_history_replaced_at_the_last_moment_is_taken_in(owner: Desk, log: Log, store_url: str) -> None:
    """An engine that would take over after another event than it saw takes in what is there instead."""
    cash, one = owner.open("cash"), owner.open()
    owner.ask(owner.transfer(cash, one, 10))
    state = encode(TransferPosted(debit_account=cash, credit_account=one, amount=77))
    restored = Restored(log)
    restored.restore = lambda: rewrite_last(store_url, state)
    standby = Desk(restored.as_log(), owner.clock, seed=4, settings=PATIENT)
    eventually(lambda: standby.engine.durable == owner.engine.durable)
    assert standby.posted(one) == 10
    owner.engine._snapshots.kept_at = owner.engine.durable  # No event of its own when it stops.
    owner.stop()
    standby.serving()
    posted, started = standby.posted(one), epochs(standby)
    standby.stop()
    assert (posted, started) == (77, [1, 2])


def rewrite_last(store_url: str, state: bytes) -> None:
    """Put another state into the last event, behind everybody's back."""
    if store_url.startswith("sqlite"):
        with closing(sqlite3.connect(store_url.removeprefix("sqlite:///"))) as file, file:
            file.execute("UPDATE events SET state = ? WHERE position = (SELECT max(position) FROM events)", (state,))
    else:
        with psycopg.connect(store_url) as connection:
            connection.execute(
                "UPDATE events SET state = %s WHERE position = (SELECT max(position) FROM events)", (state,)
            )


def test_a_standby_with_a_clock_far_behind_does_not_take_over(owner: Desk, log: Log, silent: Silent) -> None:
    """A standby refuses to run, as a starting engine does, when its clock is far behind the last record."""
    slow = HandClock()
    standby = Desk(log, slow, seed=3, settings=PATIENT)
    eventually(lambda: standby.engine.mode is Mode.STANDBY)
    owner.clock.advance(3_600_000_000)
    owner.open()
    owner.stop()
    eventually(lambda: standby.engine.mode in (Mode.OWNER, Mode.BROKEN))
    mode = standby.engine.mode
    standby.stop()
    assert mode is Mode.BROKEN


class Dropping(FaultyLog):
    """A log whose last event is dropped by a failover between two reads of an engine that starts."""

    reads = 0

    def read(self, partition: int, after: int, limit: int) -> list[Row]:
        self.reads += 1
        return [] if self.reads == 2 else self.inner.read(partition, after, limit)


def test_an_engine_begins_anew_when_history_changes_while_it_starts(log: Log, clock: HandClock) -> None:
    """An engine that has read what a failover then drops reads again; it does not break."""
    before = Desk(log, clock).serving()
    cash = before.open("cash")
    before.stop()
    dropping = Dropping(log)
    desk = Desk(dropping.as_log(), clock, settings=msgspec.structs.replace(BRISK, snapshot_every=1_000_000))
    eventually(lambda: desk.engine.mode in (Mode.OWNER, Mode.BROKEN))
    mode, fatal = desk.engine.mode, desk.fatal
    desk.stop()
    assert (mode, fatal, dropping.reads > 2) == (Mode.OWNER, [], True)
    assert desk.posted(cash) == 0
