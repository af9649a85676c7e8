"""A decision's own moment: the policy of that engine, the state of that position, and where the state is made from."""

import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec
import pytest

from domain.books import Books
from domain.engine import EngineStarted, SnapshotTaken
from domain.event import Event, Policy
from domain.ports import Row
from ledger.audit.replay import past
from ledger.audit.replay.past import NoSnapshots, Past
from ledger.audit.replay.replayer import Replayer, Verdict
from ledger.engine.settings import EngineSettings
from ledger.engine.snapshot import TrustedSnapshots
from ledger.log.codec import decode, encode
from ledger.log.errors import ReadOutOfTime
from protos.esep.v1 import audit_pb2 as pb
from protos.esep.v1 import audit_service_pb2 as api
from tests.ledger.log.test_codec_golden import path_of
from tests.rpc.test_audit_questions import busy
from tests.rpc.test_refusals import held
from tests.rpc.world import Bank, World

SHORT = Policy(version="short", hold_ttl_seconds=3_600)
LONG = Policy(version="long", hold_ttl_seconds=7_200, utc_offset_seconds=3 * 3_600)
QUICK = EngineSettings(beat_interval=0.05, snapshot_every=5)


class Rewritten:
    """A log of which some events read otherwise."""

    def __init__(self, log: Any, change: Callable[[Row], Row]) -> None:
        self._log = log
        self._change = change
        self.head, self.find = log.head, log.find
        self.load_snapshot = log.load_snapshot
        self.read_from: list[int] = []
        """Behind which positions pages were read."""

    def read(self, partition: int, after: int, limit: int) -> list[Row]:
        self.read_from.append(after)
        return [self._change(row) for row in self._log.read(partition, after, limit)]

    def aggregate(self, partition: int, originator_id: bytes, **upto: Any) -> list[Row]:
        return [self._change(row) for row in self._log.aggregate(partition, originator_id, **upto)]


def without_policy(row: Row) -> Row:
    """Return a row as it was before engines recorded their policy."""
    event = decode(row.topic, row.state)
    if isinstance(event, EngineStarted):
        return row._replace(state=encode(EngineStarted(epoch=event.epoch, owner=event.owner)))
    return row


def same(row: Row) -> Row:
    return row


def test_a_decision_is_made_again_under_the_policy_of_its_time(tmp_path: Path) -> None:
    """The settings were changed since: holds last longer, and days begin at another hour."""
    with World(tmp_path, policy=SHORT) as world:
        bank = Bank(world)
        first = held(bank)
    with World(tmp_path, policy=LONG) as world:
        bank.world, bank.ledger = world, world.client()
        second = held(bank)
        for authorization_id, policy in ((first, SHORT), (second, LONG), (first, SHORT)):
            asked = api.ReplayDecisionRequest(request_id=authorization_id)
            replay = bank.call(bank.ledger.audit.ReplayDecision, asked).replay
            assert replay.verdict == pb.REPLAY_VERDICT_SAME
            assert (replay.policy_version, replay.policy_recorded) == (policy.version, True)


def test_a_log_that_names_no_policy_is_decided_by_todays_and_that_is_said(tmp_path: Path) -> None:
    """It may be another decision for that alone, and the answer names the policy."""
    with World(tmp_path, policy=SHORT) as world:
        held(Bank(world))
        position = world.log.head(0)
        old = Rewritten(world.log, without_policy)
        by_the_same = Replayer(old, 0, SHORT).replay(position)
        assert (by_the_same.verdict, by_the_same.policy_recorded) == (Verdict.SAME, False)
        by_another = Replayer(old, 0, LONG).replay(position)
    assert (by_another.verdict, by_another.policy_version, by_another.policy_recorded) == (
        Verdict.DIFFERENT,
        "long",
        False,
    )
    assert ["rule_version" in each or "expires_at" in each for each in by_another.differences] == [True, True]


@pytest.mark.parametrize(
    ("topic", "form", "missing"),
    [
        ("command.declined.v1", "full", ("acquirer_id", "acquirer_reference", "authorization_id", "by", "explanation")),
        ("transfer_batch.declined.v1", "full", ("transfers",)),
        ("authorization.approved.v1", "token", ("tap",)),
        ("authorization.declined.v1", "token", ("tap",)),
        ("card_binding.requested.v1", "full", ("name_mark",)),
        ("quote.created.v1", "full", ("recipient",)),
    ],
)
def test_an_old_event_without_its_inputs_is_not_decided_again(
    bank: Bank, topic: str, form: str, missing: tuple[str, ...]
) -> None:
    """What it lacks is named: nothing is made up in its place."""
    position = bank.move(bank.rich, bank.poor, 1).receipt.position
    stored = path_of(topic, form).read_bytes()

    def old(row: Row) -> Row:
        return row._replace(topic=topic, state=stored) if row.position == position else row

    answer = Replayer(Rewritten(bank.world.log, old), 0, bank.world.policy).replay(position)
    assert (answer.verdict, answer.missing) == (Verdict.NOT_REBUILT, missing)
    assert answer.explanation


# Where the state is made from.


def own_events(world: World, kind: type[Event]) -> list[Any]:
    """Return what engines said of themselves."""
    events = [decode(row.topic, row.state) for row in world.log.read(0, 0, 10_000)]
    return [event for event in events if isinstance(event, kind)]


def test_every_decision_is_the_same_from_a_snapshot(tmp_path: Path) -> None:
    """Backwards, so that each question begins anew: from the newest state that was kept before it."""
    with World(tmp_path, engine=QUICK) as world:
        bank = Bank(world)
        busy(bank)
        for _ in range(30):
            bank.move(bank.rich, bank.poor, 1)
    with World(tmp_path, engine=QUICK) as world:  # Stopping kept the last state, and starting says so.
        again = Bank.calling(world)
        again.move(bank.rich, bank.poor, 1)  # Before it there is a state that was kept, whenever the others were.
        kept = [each.at for each in own_events(world, SnapshotTaken)]
        moves = [row.position for row in world.log.read(0, 0, 1_000) if row.topic == "transfer.posted.v1"]
        log = Rewritten(world.log, same)
        replayer = Replayer(log, 0, world.policy, TrustedSnapshots(log, 0))  # type: ignore[arg-type] # as much as is read
        for position in reversed(moves):
            log.read_from.clear()
            assert replayer.replay(position).verdict is Verdict.SAME
            begun = min(log.read_from)
            assert begun in (0, position - 1, *kept)
        newest = replayer.replay(max(moves))
        assert newest.verdict is Verdict.SAME
        log.read_from.clear()
        Replayer(log, 0, world.policy, TrustedSnapshots(log, 0)).replay(max(moves))  # type: ignore[arg-type] # ditto
        assert min(log.read_from) > 0


def test_a_snapshot_that_the_log_does_not_vouch_for_is_not_used(tmp_path: Path) -> None:
    """Whoever could change the state that was kept could otherwise change every decision."""
    with World(tmp_path, engine=QUICK) as world:
        bank = Bank(world)
        for _ in range(10):
            bank.move(bank.rich, bank.poor, 1)
    with World(tmp_path, engine=QUICK) as world:
        head = world.log.head(0)
        assert TrustedSnapshots(world.log, 0).find(0, head) is not None
        found = world.log.load_snapshot(0, upto=head)
        assert found is not None
        for position in range(1, head + 1):
            world.log.save_snapshot(0, position, found[1] + b" ")
        assert TrustedSnapshots(world.log, 0).find(0, head) is None


def test_a_state_at_hand_is_given_up_only_for_one_that_spares_much(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading on is cheaper than restoring, and never are two states held."""
    for _ in range(10):
        bank.move(bank.rich, bank.poor, 1)
    asked: list[tuple[int, int]] = []
    held_books: list[weakref.ref[Books]] = []

    class Snapshots(NoSnapshots):
        def find(self, after: int, upto: int) -> bytes | None:
            asked.append((after, upto))
            return b"state" if held_books and upto > after else None

        def restore(self, data: bytes, books: Books) -> int:
            assert data == b"state"
            assert held_books[0]() is None
            return 0

    monkeypatch.setattr(past, "WORTH_A_SNAPSHOT", 4)
    state = Past(bank.world.log, 0, bank.world.policy, Snapshots())
    state.go_to(2)
    state.go_to(5)
    assert asked == [(0, 2), (6, 5)]
    held_books.append(weakref.ref(state.books))
    state.go_to(12)
    assert state.position == 12


def test_whoever_runs_out_of_time_goes_on_where_it_was_left(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question that is asked again is nearer its answer each time."""
    for _ in range(10):
        bank.move(bank.rich, bank.poor, 1)
    monkeypatch.setattr(past, "_AT_A_TIME", 4)
    log = Rewritten(bank.world.log, same)
    state = Past(log, 0, bank.world.policy, NoSnapshots())
    patience = iter([True, False, True, True, True])

    def impatient(partition: int, after: int, limit: int) -> list[Row]:
        if not next(patience):
            raise ReadOutOfTime("the call is over")
        return Rewritten.read(log, partition, after, limit)

    monkeypatch.setattr(log, "read", impatient)
    with pytest.raises(ReadOutOfTime):
        state.go_to(12)
    assert state.position == 4
    state.go_to(12)
    assert log.read_from == [0, 4, 8]


def test_two_questions_at_once_make_one_state(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits for the first, and holds no thread meanwhile."""
    positions = [bank.move(bank.rich, bank.poor, 1).receipt.position for _ in range(6)]
    at_once, most, lock, real = 0, 0, Lock(), Replayer.replay

    def counted(self: Replayer, position: int) -> Any:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        try:
            return real(self, position)
        finally:
            with lock:
                at_once -= 1

    monkeypatch.setattr(Replayer, "replay", counted)

    def ask(position: int) -> int:
        request = api.ReplayDecisionRequest()
        request.position.position = position
        verdict: int = bank.call(bank.ledger.audit.ReplayDecision, request).replay.verdict
        return verdict

    with ThreadPoolExecutor(6) as threads:
        verdicts = list(threads.map(ask, positions * 4))
    assert set(verdicts) == {pb.REPLAY_VERDICT_SAME}
    assert most == 1


def test_an_engine_records_its_policy_whole(bank: Bank) -> None:
    """Every value, so that a later default does not change what was; that there is one partition leaves no trace."""
    [started] = own_events(bank.world, EngineStarted)
    assert started.policy == bank.world.policy
    stored = msgspec.json.decode(encode(started))["policy"]
    assert set(stored) == set(Policy.__struct_fields__) - {"several"}
