"""Bulks in an engine: among single transfers, across snapshots and restarts, and once for each request id."""

from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest

from domain.account import FreezeAccount, UnfreezeAccount
from domain.authorize import Authorize
from domain.books import Books
from domain.bulk import Bulk, BulkPosted, ReverseBulkLeg, posted_legs
from domain.event import Change
from domain.transfer import TransferPosted
from ledger.engine.settings import EngineSettings
from ledger.engine.tickets import Accepted, BatchOutcome, Declined, Repeated
from ledger.log.codec import decode
from ledger.log.factory import open_log
from tests.bulks import post_bulk
from tests.ledger.engine.faults import Fault, FaultyLog
from tests.ledger.engine.world import BRISK, DAY, Desk, HandClock, columns, engine_at
from tests.waiting import eventually

OFTEN = EngineSettings(**{**{name: getattr(BRISK, name) for name in BRISK.__struct_fields__}, "snapshot_every": 5})


def refusals(outcome: Any) -> list[tuple[int, str]]:
    """Return which legs of a bulk, or transfers of a batch, were refused, and why."""
    if isinstance(outcome, BatchOutcome):
        return [(index, declined.refusal.reason.name) for index, declined in outcome.declined]
    assert isinstance(outcome, Accepted)
    event = outcome.change.event
    assert isinstance(event, BulkPosted)
    return [(each.leg, each.reason) for each in event.refused]


def play(desk: Desk, accounts: list[int], steps: list[Any], *, in_bulks: bool) -> list[list[tuple[int, str]]]:
    """Carry out steps, those with many legs as bulks or as batches; return what was refused."""
    found = []
    for step in steps:
        if isinstance(step, int):
            desk.ask(FreezeAccount(account_id=accounts[step], credits=True))
            continue
        legs = [(accounts[debit], accounts[credit], amount) for debit, credit, amount in step]
        if in_bulks:
            found.append(refusals(desk.ask(post_bulk(*legs))))
        else:
            found.append(refusals(desk.ask_many([desk.transfer(*leg) for leg in legs])))
        desk.ask(desk.transfer(accounts[0], accounts[1], 3))
        desk.ask(UnfreezeAccount(account_id=accounts[2], credits=True))
    return found


def test_a_mixed_history_comes_to_the_same_across_restarts(tmp_path: Path) -> None:
    """Leg by leg or in bulks, with snapshots and restarts in between, and replayed from its first event: the same."""
    random = Random(7)
    parts: list[list[Any]] = []
    for _ in range(3):
        steps: list[Any] = []
        for _ in range(4):
            pairs = [random.sample(range(5), 2) for _ in range(random.randrange(1, 40))]
            steps += [[(*pair, random.choice([1, 8, 60])) for pair in pairs]]
            if random.random() < 0.5:
                steps.append(2)
        parts.append(steps)
    ends = []
    for name, in_bulks in (("bulks", True), ("singles", False)):
        url, clock = f"sqlite:///{tmp_path / name}.db", HandClock()
        accounts: list[int] = []
        told = []
        decided: dict[str, list[int]] = {}
        for seed, steps in enumerate(parts):
            with engine_at(url, clock, settings=OFTEN, seed=seed) as desk:
                if not accounts:
                    accounts = [desk.open(kind) for kind in ("cash", "customer", "customer", "merchant", "customer")]
                told.append(play(desk, accounts, steps, in_bulks=in_bulks))
                decided = columns(desk)
        with engine_at(url, clock, settings=OFTEN) as desk:
            assert columns(desk) == decided
            assert desk.log.load_snapshot(0, upto=desk.engine.durable) is not None
            replayed = Books(0)
            for row in desk.rows():
                change = Change(row.originator_id, row.originator_version, decode(row.topic, row.state))
                replayed.evolve(change, row.recorded_at, row.position)
            assert list(replayed.accounts.posted) == decided["posted"]
        ends.append((told, decided["posted"]))
    assert ends[0] == ends[1]
    assert any(refused for part in ends[0][0] for refused in part)


def test_a_request_posts_one_bulk(tmp_path: Path) -> None:
    """The same request moves nothing again, and is answered where the first one stands."""
    with engine_at(f"sqlite:///{tmp_path / 'log.db'}") as desk:
        cash, ana = desk.open("cash"), desk.open()
        request = desk.ids.recent()
        first = desk.ask(post_bulk(*[(cash, ana, 5)] * 3), request)
        again = desk.ask(post_bulk(*[(cash, ana, 5)] * 3), request)
        assert isinstance(again, Repeated)
        assert again.position == first.position
        assert desk.posted(ana) == 15
        tried = desk.ask(post_bulk(*[(cash, ana, 5)]), validate_only=True)
        assert (tried.position, desk.posted(ana)) == (0, 15)


def test_bulks_weigh_what_they_hold(tmp_path: Path) -> None:
    """The queue is bounded by the movements in it, however few requests they came in."""
    with engine_at(f"sqlite:///{tmp_path / 'log.db'}") as desk:
        cash, ana = desk.open("cash"), desk.open()
        waiting = [desk.start(post_bulk(*[(cash, ana, 1)] * 2_000), weight=2_000) for _ in range(20)]
        assert all(isinstance(wait(), Accepted) for wait in waiting)
        eventually(lambda: desk.engine.queued == 0)  # What was answered is counted out a moment later.
        assert desk.posted(ana) == 40_000


def test_a_leg_is_reversed_after_a_restart(tmp_path: Path) -> None:
    """A bulk that nobody remembers is read from the log, with what was reversed of it."""
    url, clock = f"sqlite:///{tmp_path / 'log.db'}", HandClock()
    with engine_at(url, clock) as desk:
        cash, ana, bek = desk.open("cash"), desk.open(), desk.open()
        request = desk.ids.recent()
        desk.ask(post_bulk(*[(cash, ana, 5), (cash, bek, 9), (ana, bek, 50)]), request)
        back = {"bulk_id": UUID(bytes=request)}
        assert isinstance(desk.ask(ReverseBulkLeg(leg=1, amount_tyiyn=4, **back)), Accepted)
    with engine_at(url, clock, seed=1) as desk:
        again = desk.ask(ReverseBulkLeg(leg=1, **back))
        assert isinstance(again.subject, Bulk)
        assert again.subject.reversed == {1: 9}
        assert desk.posted(bek) == 0
        assert isinstance(desk.ask(ReverseBulkLeg(leg=1, **back)), Declined)


def test_holds_that_have_lapsed_pay_for_legs(tmp_path: Path) -> None:
    """Before a bulk is decided, the holds of its payers that are over are ended, as for any transfer."""
    clock = HandClock()
    with engine_at(f"sqlite:///{tmp_path / 'log.db'}", clock) as desk:
        cash, ana, shop = desk.open("cash"), desk.open(), desk.open("merchant")
        desk.ask(desk.transfer(cash, ana, 100))
        held = desk.ask(Authorize(account_id=ana, credit_account_id=shop, amount_tyiyn=80, kind="purchase"))
        assert isinstance(held, Accepted)
        assert refusals(desk.ask(post_bulk(*[(ana, cash, 21)]))) == [(0, "INSUFFICIENT_FUNDS")]
        clock.advance(400 * DAY)
        assert refusals(desk.ask(post_bulk(*[(ana, cash, 100)]))) == []
        topics = [row.topic for row in desk.rows()]
        assert topics.index("authorization.expired.v1") < len(topics) - 1 - topics[::-1].index("bulk.posted.v1")


def test_a_hold_that_has_lapsed_keeps_no_leg_from_being_reversed(tmp_path: Path) -> None:
    """The hold of the account that gives the money back is ended first, where its time is over."""
    clock = HandClock()
    with engine_at(f"sqlite:///{tmp_path / 'log.db'}", clock) as desk:
        cash, ana, shop = desk.open("cash"), desk.open(), desk.open("merchant")
        request = desk.ids.recent()
        desk.ask(post_bulk((cash, ana, 100)), request)
        held = desk.ask(Authorize(account_id=ana, credit_account_id=shop, amount_tyiyn=80, kind="purchase"))
        assert isinstance(held, Accepted)
        back = ReverseBulkLeg(bulk_id=UUID(bytes=request), leg=0)
        assert isinstance(desk.ask(back), Declined)
        clock.advance(400 * DAY)
        assert isinstance(desk.ask(back), Accepted)
        assert desk.posted(ana) == 0


def test_what_a_log_holds_of_a_bulk_is_one_event(tmp_path: Path) -> None:
    """Thousands of movements are one row, that anybody reads as the same movements."""
    with engine_at(f"sqlite:///{tmp_path / 'log.db'}") as desk:
        cash, ana = desk.open("cash"), desk.open()
        before = len(desk.rows())
        desk.ask(post_bulk(*[(cash, ana, leg + 1) for leg in range(8_190)]))
        (row,) = desk.rows()[before:]
        event = decode(row.topic, row.state)
        assert isinstance(event, BulkPosted)
        assert posted_legs(event).amounts.tolist() == list(range(1, 8_191))
        assert desk.posted(ana) == 8_190 * 8_191 // 2


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.ANSWER_LOST, Fault.FOREIGN])
def test_a_bulk_whose_commit_fails_is_posted_once(tmp_path: Path, fault: Fault) -> None:
    """Whatever becomes of an append: the money is taken back, the bulk is decided again, and it moves once."""
    log = FaultyLog(open_log(f"sqlite:///{tmp_path / 'log.db'}"))
    desk = Desk(log.as_log(), HandClock()).serving()
    try:
        cash, ana = desk.open("cash"), desk.open()
        log.foreign.append((desk.ids.recent(), TransferPosted(cash, ana, 7)))
        log.faults.append(fault)
        outcome = desk.insist(post_bulk(*[(cash, ana, 5), (ana, cash, 6), (ana, cash, 1)]))
        assert outcome.position
        moved = [row for row in desk.rows() if row.topic == BulkPosted.TOPIC]
        assert len(moved) == 1
        event = decode(moved[0].topic, moved[0].state)
        assert isinstance(event, BulkPosted)
        came_first = 7 if fault is Fault.FOREIGN else 0
        assert [each.leg for each in event.refused] == ([] if came_first else [1])
        assert desk.posted(ana) == (5 if came_first else 4)
        assert desk.posted(cash) == -desk.posted(ana)
    finally:
        desk.stop()
        log.inner.close()
