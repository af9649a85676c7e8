"""Whatever an append does, nothing that was acknowledged is lost, and nothing happens twice."""

import threading
from collections.abc import Callable, Iterator, Sequence
from time import monotonic

import msgspec
import pytest

from domain.authorize import Advise
from domain.ports import Row
from domain.refusals import Reason
from domain.transfer import TransferPosted
from ledger.engine.modes import Mode
from ledger.engine.tickets import Accepted, Declined, Repeated
from ledger.log.api import Log
from ledger.log.errors import LogUnavailable
from ledger.log.sqlite import SQLiteLog
from tests.ledger.engine.faults import Fault, FaultyLog
from tests.ledger.engine.world import BRISK, Desk, HandClock, columns
from tests.waiting import eventually

FAULTS = [Fault.LOST, Fault.ANSWER_LOST, Fault.FULL, Fault.FOREIGN, Fault.CONFLICT]
TRANSFERS = 6


@pytest.fixture
def shaky(faulty: FaultyLog, clock: HandClock) -> Iterator[Desk]:
    desk = Desk(faulty.as_log(), clock).serving()
    yield desk
    faulty.faults.clear()
    faulty.let_go()
    desk.stop()


def foreign(desk: Desk, faulty: FaultyLog, cash: int, other: int) -> None:
    faulty.foreign.append((desk.ids.unordered(), TransferPosted(debit_account=cash, credit_account=other, amount=1)))


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("nth", range(TRANSFERS))
def test_every_failure_at_every_append_leaves_each_transfer_exactly_once(
    shaky: Desk, faulty: FaultyLog, fault: Fault, nth: int
) -> None:
    """A client that repeats its request until it is answered moves its money exactly once."""
    cash, one, other = shaky.open("cash"), shaky.open(), shaky.open()
    foreign(shaky, faulty, cash, other)
    faulty.faults.extend([Fault.NONE] * nth + [fault])
    for amount in range(1, TRANSFERS + 1):
        shaky.clock.advance(1_000)
        assert isinstance(shaky.insist(shaky.transfer(cash, one, amount)), Accepted | Repeated)
    assert shaky.posted(one) == sum(range(1, TRANSFERS + 1))
    assert shaky.posted(other) == (1 if fault is Fault.FOREIGN else 0)
    assert_replays(shaky, faulty)


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.ANSWER_LOST, Fault.FOREIGN, Fault.CONFLICT])
def test_requests_in_flight_survive_a_failure(shaky: Desk, faulty: FaultyLog, fault: Fault) -> None:
    """Requests that wait while an append fails are decided again, and each is answered once."""
    cash, one, other = shaky.open("cash"), shaky.open(), shaky.open()
    foreign(shaky, faulty, cash, other)
    shaky.clock.advance(1_000)
    faulty.faults.extend([Fault.SLOW, fault, fault if fault is not Fault.FOREIGN else Fault.NONE])
    waiting = [shaky.start(shaky.transfer(cash, one, 10))]
    assert faulty.hung.wait(20)
    waiting += [shaky.start(shaky.transfer(cash, one, 10)) for _ in range(20)]
    faulty.let_go()
    assert all(isinstance(wait(), Accepted | Repeated) for wait in waiting)
    assert shaky.posted(one) == 210
    assert_replays(shaky, faulty)


class Dying(FaultyLog):
    """A log whose slow appends come to nothing in the end."""

    def _append(self, rows: Sequence[Row], append: Callable[[Sequence[Row]], None] | None = None) -> None:
        if self.faults and self.faults[0] is Fault.SLOW:
            self.faults.popleft()
            self.hung.set()
            self._released.wait(30)
            raise LogUnavailable("the connection broke at last")
        super()._append(rows, append)


class TellingClock(HandClock):
    """Does something, once, when the deciding thread next asks for the time."""

    def __init__(self) -> None:
        super().__init__()
        self.then: Callable[[], object] | None = None

    def now(self) -> int:
        if self.then is not None and threading.current_thread().name.startswith("esep-decide"):
            then, self.then = self.then, None
            then()
        return super().now()


def test_nothing_is_written_behind_a_batch_that_failed(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch being decided while the one before it fails is never appended: it would stand after a gap."""
    monkeypatch.setattr("ledger.engine.intake._MANY", 1)  # So that one is decided while another is being written.
    dying, clock = Dying(log), TellingClock()
    desk = Desk(dying.as_log(), clock).serving()
    cash, one = desk.open("cash"), desk.open()
    clock.advance(1_000)
    dying.faults.append(Fault.SLOW)
    first = desk.start(desk.transfer(cash, one, 10))
    assert dying.hung.wait(20)

    def fail_now() -> None:
        dying.let_go()
        eventually(lambda: desk.engine._failed is not None)

    clock.then = fail_now
    second = desk.start(desk.transfer(cash, one, 5))
    assert isinstance(first(), Accepted)
    assert isinstance(second(), Accepted)
    assert desk.posted(one) == 15
    assert_replays(desk, dying)


def test_an_answer_that_was_lost_is_not_called_a_replay(shaky: Desk, faulty: FaultyLog) -> None:
    """A request whose commit was lost from sight is answered as what it is: the first outcome."""
    cash, one = shaky.open("cash"), shaky.open()
    shaky.clock.advance(1_000)
    faulty.faults.append(Fault.ANSWER_LOST)
    outcome = shaky.ask(shaky.transfer(cash, one, 10))
    assert isinstance(outcome, Repeated)
    assert not outcome.replayed


def test_each_item_of_a_lost_answer_is_told_as_what_it_is(shaky: Desk, faulty: FaultyLog) -> None:
    """When a batch's commit is lost from sight, its own items are first outcomes, and its repeats are replays."""
    cash, one = shaky.open("cash"), shaky.open()
    shaky.clock.advance(1_000)
    earlier = shaky.transfer(cash, one, 1)
    shaky.ask(earlier)
    shaky.clock.advance(1_000)
    new, refused = shaky.transfer(cash, one, 10), shaky.transfer(one, cash, 1_000_000)
    faulty.faults.append(Fault.ANSWER_LOST)
    outcome = shaky.ask_many([new, earlier, refused, new])
    assert {index: repeated.replayed for index, repeated in outcome.repeated} == {0: False, 1: True, 2: False, 3: True}


def test_a_repeat_in_a_lost_answer_is_still_a_repeat(shaky: Desk, faulty: FaultyLog) -> None:
    """A repeat that was answered together with a commit lost from sight is told as a replay."""
    cash, one = shaky.open("cash"), shaky.open()
    shaky.clock.advance(1_000)
    earlier = shaky.transfer(cash, one, 1)
    shaky.ask(earlier)
    shaky.clock.advance(1_000)
    faulty.faults.extend([Fault.SLOW, Fault.ANSWER_LOST])
    waiting = [shaky.start(shaky.transfer(cash, one, 2))]
    assert faulty.hung.wait(20)
    waiting += [shaky.start(shaky.transfer(cash, one, 3)), shaky.start(earlier)]
    faulty.let_go()
    first, lost, repeat = (wait() for wait in waiting)
    assert isinstance(first, Accepted)
    assert (lost.replayed, repeat.replayed) == (False, True)


class Doubtful(FaultyLog):
    """A log whose head cannot be read when ``doubts`` says so."""

    doubts = 0

    def head(self, partition: int) -> int:
        if self.doubts and threading.current_thread().name.startswith("esep-commit"):
            self.doubts -= 1
            raise LogUnavailable("no answer")
        return self.inner.head(partition)


def test_doubt_about_an_answer_does_not_make_it_a_replay(log: Log, clock: HandClock) -> None:
    """An outcome that was lost from sight is still the first when telling it fails for a while as well."""
    doubtful = Doubtful(log)
    desk = Desk(doubtful.as_log(), clock).serving()
    cash, one = desk.open("cash"), desk.open()
    clock.advance(1_000)
    doubtful.faults.append(Fault.ANSWER_LOST)
    doubtful.doubts = 1
    outcome = desk.ask(desk.transfer(cash, one, 10))
    desk.stop()
    assert doubtful.doubts == 0
    assert not outcome.replayed


def test_no_room_is_answered_and_passes(shaky: Desk, faulty: FaultyLog) -> None:
    """Without room nothing moves, and the caller is told; with room the same request succeeds."""
    cash, one = shaky.open("cash"), shaky.open()
    shaky.clock.advance(1_000)
    transfer = shaky.transfer(cash, one, 10)
    faulty.faults.append(Fault.FULL)
    outcome = shaky.ask(transfer)
    assert isinstance(outcome, Declined)
    assert outcome.refusal.reason is Reason.STORAGE_FULL
    assert (shaky.posted(cash), shaky.posted(one)) == (0, 0)
    assert isinstance(shaky.ask(transfer), Accepted)
    assert shaky.posted(one) == 10


def test_a_file_that_may_not_grow_refuses_until_it_may(sqlite_url: str, clock: HandClock) -> None:
    """A real SQLite file at its limit answers STORAGE_FULL, and what was acknowledged before is still there."""
    path = sqlite_url.removeprefix("sqlite:///")
    log = SQLiteLog(path, most_pages=40)
    desk = Desk(log, clock).serving()
    cash, one = desk.open("cash"), desk.open()
    acknowledged = 0
    while True:
        clock.advance(1_000)
        transfer = desk.transfer(cash, one, 1, reference="x" * 64)
        outcome = desk.ask(transfer)
        if isinstance(outcome, Declined):
            break
        acknowledged += 1
    assert outcome.refusal.reason is Reason.STORAGE_FULL
    assert desk.posted(one) == acknowledged > 10
    desk.stop()
    log.close()
    log = SQLiteLog(path)
    desk = Desk(log, clock).serving()
    assert desk.posted(one) == acknowledged
    assert isinstance(desk.ask(transfer), Accepted)
    desk.stop()
    log.close()


def test_a_database_that_stays_away_is_told_in_time(shaky: Desk, faulty: FaultyLog) -> None:
    """When the database does not come back within the engine's patience, callers hear LEDGER_UNAVAILABLE."""
    cash, one = shaky.open("cash"), shaky.open()
    shaky.clock.advance(1_000)
    transfer = shaky.transfer(cash, one, 10)
    faulty.faults.append(Fault.LOST)
    faulty.reading.clear()
    outcome = shaky.ask(transfer)
    assert outcome.refusal.reason is Reason.LEDGER_UNAVAILABLE
    faulty.reading.set()
    assert isinstance(shaky.insist(transfer), Accepted)
    assert shaky.posted(one) == 10


def test_a_conflict_that_never_explains_itself_stops_the_engine(shaky: Desk, faulty: FaultyLog) -> None:
    """An engine whose appends conflict with nothing the log shows stops rather than try for ever."""
    cash, one = shaky.open("cash"), shaky.open()
    shaky.clock.advance(1_000)
    faulty.faults.extend([Fault.CONFLICT] * 20)
    outcome = shaky.ask(shaky.transfer(cash, one, 10))
    assert outcome.refusal.reason is Reason.LEDGER_UNAVAILABLE
    assert shaky.engine.mode is Mode.BROKEN
    eventually(lambda: shaky.fatal)


def test_an_unknown_fate_without_room_to_settle_it_is_ridden_out(shaky: Desk, faulty: FaultyLog) -> None:
    """An engine that cannot write its EngineStarted for want of room waits for room; it does not break."""
    cash, one = shaky.open("cash"), shaky.open()
    shaky.clock.advance(1_000)
    faulty.faults.extend([Fault.LOST, Fault.FULL])
    outcome = shaky.ask(shaky.transfer(cash, one, 10))
    assert isinstance(outcome, Accepted | Declined)
    assert shaky.engine.mode is not Mode.BROKEN


def test_a_sweep_without_room_does_not_spin(faulty: FaultyLog, clock: HandClock) -> None:
    """While there is no room to record an expiry, the engine tries again in a while, not at once."""
    patient = msgspec.structs.replace(BRISK, retry_interval=0.1)
    desk = Desk(faulty.as_log(), clock, settings=patient).serving()
    cash, one = desk.open("cash"), desk.open()
    hold = desk.insist(hold_of(cash, one))
    faulty.faults.extend([Fault.FULL] * 2_000)
    before, began = faulty.appends, monotonic()
    clock.time = hold.subject.expires_at
    eventually(lambda: faulty.appends > before)
    desk.engine.pause(0.5)
    spins, took = faulty.appends - before, monotonic() - began
    faulty.faults.clear()
    desk.stop()
    assert spins <= took / patient.retry_interval + 1


def hold_of(account: int, credit: int) -> Advise:
    return Advise(account_id=account, credit_account_id=credit, amount_tyiyn=5)


def assert_replays(desk: Desk, faulty: FaultyLog) -> None:
    """Check that a second engine, which reads everything from the log, has the same figures."""
    figures = columns(desk)
    rows = faulty.inner.read(0, 0, 10_000)
    assert [row.position for row in rows] == list(range(1, len(rows) + 1))
    assert len({row.recorded_at for row in rows}) == len(rows)
    faulty.faults.clear()
    desk.stop()
    assert not desk.fatal
    again = Desk(faulty.inner, desk.clock).serving()
    assert columns(again) == figures
    again.stop()
