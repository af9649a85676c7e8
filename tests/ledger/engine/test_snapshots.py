"""A start from a snapshot and a tail comes to the same state as a start from genesis, or the snapshot is not used."""

import time
from typing import Any
from uuid import UUID

import msgspec
import pytest

from domain.authorize import Authorize, Spender
from domain.books import Books
from domain.clearing import ForcePost
from domain.credentials import Verdict
from domain.customer import ConfirmRegistration, IdentifyCustomer, RegisterCustomer, Tier
from domain.engine import SnapshotTaken
from domain.publishing import ApproveRules, ProposeRules, RulesModel
from domain.refusals import Reason
from domain.resolve import Capture
from domain.rules import Operation
from domain.transfer_reversal import ReverseTransfer
from ledger.engine import snapshot
from ledger.engine.modes import Mode
from ledger.engine.requests import Ahead
from ledger.engine.settings import EngineSettings
from ledger.engine.tickets import Accepted, Declined
from ledger.log.api import Log
from tests.ledger.engine.faults import Fault, FaultyLog
from tests.ledger.engine.world import BRISK, PATIENCE, SECOND, Desk, HandClock, columns, open_holds
from tests.waiting import eventually

OFTEN = EngineSettings(
    beat_interval=0.02, standby_interval=0.01, retry_interval=0.005, patience=0.05, takeover_after=0.3, snapshot_every=1
)


class Without:
    """A log without snapshots, or with those of another hand."""

    def __init__(self, inner: Log, damage: Any = None) -> None:
        self._inner = inner
        self._damage = damage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def load_snapshot(self, partition: int, *, upto: int) -> tuple[int, bytes] | None:
        found = self._inner.load_snapshot(partition, upto=upto)
        return (found[0], self._damage(found[1])) if found and self._damage else None


def busy(desk: Desk) -> dict[str, Any]:
    """Live a while; return what there was in the end."""
    cash, one, shop = desk.open("cash"), desk.open(account_number="1"), desk.open("merchant")
    desk.ask(desk.transfer(cash, one, 10_000))
    holds = []
    for amount in range(100, 108):
        desk.clock.advance(SECOND)
        request = desk.ids.recent()
        desk.ask(Authorize(account_id=one, credit_account_id=shop, amount_tyiyn=amount), request)
        holds.append(UUID(bytes=request))
    desk.ask(Capture(authorization_id=holds[0], amount_tyiyn=50, clearing_reference="c0"))
    desk.ask(Capture(authorization_id=holds[1], amount_tyiyn=500, clearing_reference="c1", final=True))
    spend(desk, one, shop)
    return {"cash": cash, "one": one, "shop": shop}


def spend(desk: Desk, account: int, shop: int) -> None:
    """Publish rules, and spend under them as an identified customer."""
    customer, proposal = desk.ids.recent(), desk.ids.recent()
    desk.ask(RegisterCustomer(participant_id="b", login=b"1", phone=b"2", confirm_by=2**60), customer)
    whose = {"customer_id": UUID(bytes=customer)}
    desk.ask(ConfirmRegistration(**whose, verdict=Verdict.RIGHT))
    desk.ask(IdentifyCustomer(**whose, tier=Tier.REMOTE))
    limits = ({"name": "a", "subject": "customer", "period": "day", "measure": "sum", "maximum": 1_000},)
    document = RulesModel.model_validate({"holds": {"ttl_seconds": 86_400}, "limits": limits})
    desk.ask(ProposeRules(rules=document, operator="maker"), proposal)
    desk.ask(ApproveRules(proposal_id=UUID(bytes=proposal), operator="checker"))
    spender = Spender(operation=Operation.TOP_UP, **whose)
    for amount in (10, 20):
        desk.ask(Authorize(account_id=account, credit_account_id=shop, amount_tyiyn=amount, spender=spender))
    assert desk.books.rules.versions
    assert set(desk.books.usage.days.values()) == {(2, 30)}


def figures(desk: Desk) -> tuple[Any, ...]:
    books = desk.books
    return columns(desk), open_holds(desk), books.holds, books.currencies, books.rules, vars(books.usage)


def test_snapshot_and_tail_come_to_what_genesis_comes_to(log: Log, clock: HandClock) -> None:
    """After a graceful stop and some more life, both ways of starting end in the same state."""
    desk = Desk(log, clock).serving()
    there = busy(desk)
    desk.stop()
    desk = Desk(log, clock, seed=1).serving()
    desk.ask(desk.transfer(there["cash"], there["one"], 5))
    expected = figures(desk)
    desk.engine._was_owner = False
    desk.engine._finish = lambda: log.release(0, desk.engine.owner)  # type: ignore[method-assign]
    desk.stop()
    for source in (log, Without(log)):
        again = Desk(source, clock, seed=2).serving()
        assert figures(again) == expected
        again.engine._finish = lambda again=again: log.release(0, again.engine.owner)  # type: ignore[method-assign, misc]
        again.stop()


@pytest.mark.parametrize("damage", [lambda data: data[:-1] + b"\x00", lambda data: b"", lambda data: data * 2])
def test_a_tampered_snapshot_is_not_used(log: Log, clock: HandClock, damage: Any) -> None:
    """A snapshot whose digest the log does not vouch for is passed over, and history is replayed."""
    desk = Desk(log, clock).serving()
    busy(desk)
    expected = figures(desk)
    desk.stop()
    again = Desk(Without(log, damage), clock, seed=1).serving()
    assert figures(again) == expected
    again.stop()


def test_a_snapshot_nobody_vouched_for_is_not_used(log: Log, clock: HandClock) -> None:
    """A well-formed snapshot is worth nothing without its digest in the log."""
    desk = Desk(log, clock).serving()
    busy(desk)
    expected = figures(desk)
    desk.stop()
    log.save_snapshot(0, log.head(0), b"anything")
    again = Desk(log, clock, seed=1).serving()
    assert figures(again) == expected
    again.stop()


def test_snapshots_are_made_while_requests_come_in(log: Log, clock: HandClock) -> None:
    """A snapshot taken beside new requests shows its own position, and a start from it is right."""
    desk = Desk(log, clock, settings=OFTEN).serving()
    there = busy(desk)
    for amount in range(1, 100):
        desk.ask(desk.transfer(there["cash"], there["one"], amount))
    expected = figures(desk)
    desk.stop()
    assert sum(row.topic == SnapshotTaken.TOPIC for row in log.read(0, 0, 10_000)) > 1
    again = Desk(log, clock, seed=1).serving()
    assert figures(again)[:3] == expected[:3]
    again.stop()


def test_a_snapshot_is_no_reason_for_another(log: Log, clock: HandClock) -> None:
    """However often snapshots are made, an engine that nobody asks anything records nothing more."""
    desk = Desk(log, clock, settings=OFTEN).serving()
    desk.open("cash")
    assert eventually(lambda: log.read(0, log.head(0) - 1, 1)[0].topic == SnapshotTaken.TOPIC)
    taken = log.head(0)
    time.sleep(0.3)
    assert log.head(0) <= taken + 1  # One was perhaps under way.
    eventually(lambda: not desk.engine._snapshots.busy)
    desk.open("cash")
    assert eventually(lambda: log.read(0, log.head(0) - 1, 1)[0].topic == SnapshotTaken.TOPIC)
    desk.stop()


@pytest.fixture
def crowded(faulty: FaultyLog, clock: HandClock) -> tuple[Desk, dict[str, Any]]:
    """Give an engine that has forgotten a clearing reference and is about to take a snapshot."""
    desk = Desk(faulty.as_log(), clock).serving()
    there = busy(desk)
    desk.stop()
    desk = Desk(faulty.as_log(), clock, seed=1).serving()
    desk.engine._snapshots._copied_at = -desk.engine.settings.snapshot_every
    return desk, there


@pytest.mark.parametrize("why", ["a reference used before", "no room"])
def test_a_snapshot_of_what_was_undone_is_never_kept(
    crowded: tuple[Desk, dict[str, Any]], faulty: FaultyLog, clock: HandClock, why: str
) -> None:
    """A state that the log refused does not come back as a snapshot, although other events take its positions."""
    desk, there = crowded
    clock.advance(SECOND)
    reference = "c1" if why == "a reference used before" else "new"
    if why == "no room":
        faulty.faults.append(Fault.FULL)
    post = ForcePost(
        account_id=there["one"], credit_account_id=there["shop"], amount_tyiyn=777, clearing_reference=reference
    )
    outcome = desk.ask(post)
    assert isinstance(outcome, Declined)
    assert outcome.refusal.reason in (Reason.CLEARING_REFERENCE_SEEN, Reason.STORAGE_FULL)
    for _ in range(3):
        desk.ask(desk.transfer(there["cash"], there["one"], 1))
    eventually(lambda: not desk.engine._snapshots.busy)
    expected = columns(desk)
    desk.engine._finish = lambda: faulty.inner.release(0, desk.engine.owner)  # type: ignore[method-assign]
    desk.stop()
    again = Desk(faulty.as_log(), clock, seed=2).serving()
    found = columns(again)
    again.stop()
    assert found == expected


def test_a_snapshot_of_another_format_is_passed_over(
    log: Log, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an upgrade that changes the snapshot's form, history is replayed."""
    desk = Desk(log, clock).serving()
    busy(desk)
    expected = columns(desk)
    desk.stop()
    monkeypatch.setattr("ledger.engine.snapshot.FORMAT", 99)
    again = Desk(log, clock, seed=1)
    served = again.engine.wait_until_serving(PATIENCE)
    found = columns(again)
    again.stop()
    assert served
    assert found == expected


def test_a_transfer_asked_for_before_it_was_made_can_be_reversed_afterwards(desk: Desk) -> None:
    """A reversal that came too early leaves nothing behind: the next one finds the transfer."""
    cash, one = desk.open("cash"), desk.open()
    for batched in (False, True):
        transfer = desk.transfer(cash, one, 10)
        reverse = ReverseTransfer(transfer_id=UUID(bytes=transfer.request_id))
        early = desk.ask(reverse)
        assert early.refusal.reason is Reason.TRANSFER_NOT_FOUND
        if batched:
            desk.ask_many([transfer])
        else:
            desk.ask(transfer)
        assert isinstance(desk.ask(reverse), Accepted)
    assert desk.posted(one) == 0


def test_the_clock_far_behind_stops_the_engine(log: Log, clock: HandClock) -> None:
    """An engine whose clock is far behind the last record refuses to run, and says why."""
    desk = Desk(log, clock).serving()
    busy(desk)
    desk.stop()
    clock.advance(-120 * SECOND)
    late = Desk(log, clock)
    assert "behind" in str(eventually(lambda: late.fatal)[0])
    assert late.engine.mode is Mode.BROKEN
    late.stop()


def test_a_clock_slightly_behind_is_no_matter(log: Log, clock: HandClock) -> None:
    """Recorded time goes on increasing when the clock has stepped back a little."""
    desk = Desk(log, clock).serving()
    there = busy(desk)
    desk.stop()
    clock.advance(-30 * SECOND)
    desk = Desk(log, clock, seed=1, settings=BRISK).serving()
    desk.ask(desk.transfer(there["cash"], there["one"], 1))
    times = [row.recorded_at for row in desk.rows()]
    assert times == sorted(set(times))
    desk.stop()


def test_a_snapshot_of_another_time_zone_is_passed_over() -> None:
    """Days that begin at another instant hold other sums: they are counted anew from history."""
    data = snapshot.dump(Books(0, utc_offset_seconds=21_600), 7, 7, Ahead())
    assert snapshot.restore(data, Books(0, utc_offset_seconds=21_600)) == (7, 7, Ahead())
    with pytest.raises(ValueError, match="21600"):
        snapshot.restore(data, Books(0, utc_offset_seconds=0))


def test_a_snapshot_of_the_first_format_is_refused() -> None:
    """What was kept before limits were counted lacks their figures, and is no state to begin with."""
    known = msgspec.msgpack.decode(snapshot.dump(Books(0), 7, 7, Ahead()))
    del known["usage"], known["rules"]
    with pytest.raises(ValueError, match="format 1"):
        snapshot.restore(msgspec.msgpack.encode(known | {"format": 1}), Books(0))
