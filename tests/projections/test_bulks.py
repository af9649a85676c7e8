"""Bulks in the tables: each leg is a line like that of any transfer, whatever stands around it."""

from pathlib import Path
from random import Random
from typing import Any

import pytest

from domain.account import AccountKind
from domain.bulk import BulkLegReversed
from domain.card import CardIssued
from domain.event import Leg
from domain.legs import RefusedLeg
from ledger.log.codec import decode
from projections import runner
from projections.answers import AtEffectiveTime, Axis, Cursor, NoticeKind, Source, Wanted
from projections.check import check
from projections.runner import live_copy
from tests.bulks import bulk_posted
from tests.projections.world import SECOND, World, open_world

MOVEMENTS = (
    "SELECT debit_account, credit_account, amount, debit_posted, debit_debits, debit_movements,"
    " credit_posted, credit_debits, credit_movements, kind, reference FROM movements ORDER BY position, leg"
)


def movements(world: World) -> list[tuple[Any, ...]]:
    """Return the rows of movements in order, without their keys."""
    return world.store.snapshot(lambda session: session.all(MOVEMENTS))


def balances(world: World) -> list[tuple[Any, ...]]:
    """Return the rows of balances in order, but for the places of the last lines."""
    sql = "SELECT account_id, posted, held, debits, movements, longest_delay FROM balances ORDER BY account_id"
    return world.store.snapshot(lambda session: session.all(sql))


@pytest.mark.parametrize("seed", range(2))
def test_legs_are_lines_like_those_of_transfers(world: World, tmp_path: Path, seed: int) -> None:
    """One history leg by leg, one in bulks among transfers: the same movements, running figures and balances."""
    with open_world(f"sqlite:///{tmp_path / 'single.db'}") as single:
        _the_same_history(single, world, Random(seed))
        assert movements(world) == movements(single)
        assert balances(world) == balances(single)
    assert check(world.log, world.store, decode) == []


def _the_same_history(single: World, many: World, random: Random) -> None:
    for world in (single, many):
        for _ in range(6):
            world.open_account(kind=AccountKind.CASH)
    for _ in range(4):
        legs: list[tuple[int, int, int]] = []
        for _ in range(random.randrange(1, 60)):
            debit, credit = random.sample(range(1, 7), 2)
            legs.append((debit, credit, random.choice([1, 17, 10**15])))
        references = tuple(random.choice(["", "r1", "салам"]) for _ in legs)
        refused = sorted(random.sample(range(len(legs)), random.randrange(len(legs) + 1)))
        posted = bulk_posted(
            *legs, references=references, kind="salary", refused=tuple(RefusedLeg(leg, "X") for leg in refused)
        )
        many.append(posted)
        for leg, (debit, credit, amount) in enumerate(legs):
            if leg not in refused:
                single.transfer(debit, credit, amount, reference=references[leg], kind="salary")
        for world in (single, many):
            world.transfer(1, 2, 5)
    for world in (single, many):
        world.project()


@pytest.mark.parametrize("late", [None, 60 * SECOND])
def test_a_bulk_that_moves_nothing_has_no_lines(world: World, late: int | None) -> None:
    """Every leg was refused, and the tables go on: alone in its batch, and between others."""
    payer, paid = (world.open_account(kind=AccountKind.CASH) for _ in range(2))
    refused = tuple(RefusedLeg(leg, "INSUFFICIENT_FUNDS", payer) for leg in range(2))
    happened = None if late is None else world.now - late

    def nothing_moves() -> None:
        world.append(bulk_posted((payer, paid, 5), (payer, paid, 7), refused=refused, effective_time=happened))

    nothing_moves()
    world.project()
    assert movements(world) == []
    world.append(bulk_posted((payer, paid, 5)))
    nothing_moves()
    world.append(bulk_posted((payer, paid, 7)))
    world.project()
    assert [row[2] for row in movements(world)] == [5, 7]
    assert check(world.log, world.store, decode) == []


def test_a_late_bulk_stands_where_it_happened(world: World) -> None:
    """Along effective time its legs count from then, and along recorded time from when they were recorded."""
    payer, first, second = (world.open_account(kind=AccountKind.CASH) for _ in range(3))
    happened = world.now - 60 * SECOND
    world.append(bulk_posted((payer, first, 5), (payer, second, 7), (first, second, 2), effective_time=happened))
    world.project()
    for axis, opening in ((Axis.EFFECTIVE, happened), (Axis.RECORDED, world.now)):
        told = world.reader.statement(second, start=opening, end=opening + 1, axis=axis).result
        assert told is not None
        assert [(line.position, line.leg, line.amount) for line in told.lines] == [(4, 1, 7), (4, 2, 2)]
    balance = world.reader.balance(payer, now=world.now, as_of=AtEffectiveTime(happened)).result
    assert balance is not None
    assert balance.posted == -12
    assert check(world.log, world.store, decode) == []


def test_a_bulk_of_the_future_stops_the_tables(world: World) -> None:
    """As any event that says it happened after it was recorded: no rule lets it, so nobody tells what it means."""
    payer, paid = (world.open_account(kind=AccountKind.CASH) for _ in range(2))
    world.append(bulk_posted((payer, paid, 5), effective_time=world.now + 60 * SECOND))
    with pytest.raises(ValueError, match="happened after it was recorded"):
        world.project()


def test_a_reversal_is_a_line_under_the_number_of_its_leg(world: World) -> None:
    """Whoever reads a statement knows which leg of which bulk came back."""
    payer, paid = (world.open_account(kind=AccountKind.CASH) for _ in range(2))
    posted = world.append(bulk_posted((payer, paid, 5), (payer, paid, 7)))
    world.append(BulkLegReversed(leg=1, legs=(Leg("reversal", paid, payer, 7),)), originator=posted)
    world.project()
    told = world.reader.mini_statement(paid, now=world.now).result
    assert told is not None
    assert [(line.position, line.leg, line.amount, line.balance_after) for line in told.lines] == [
        (4, 1, -7, 5),
        (3, 1, 7, 12),
        (3, 0, 5, 5),
    ]
    assert {(line.source_type, line.source_id) for line in told.lines} == {(Source.BULK, posted)}
    assert check(world.log, world.store, decode) == []


def test_many_bulks_are_not_projected_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one transaction takes in has a bound in bytes, because one event may have thousands of rows."""
    monkeypatch.setattr(runner, "MOST_BYTES", 1_000)
    payer, paid = (world.open_account(kind=AccountKind.CASH) for _ in range(2))
    for _ in range(5):
        world.append(bulk_posted(*[(payer, paid, 1)] * 9))
    copy = live_copy(world.store)
    try:
        projector = runner.Projector(world.log, copy, decode)
        steps = []
        while taken := projector.step(0):
            steps.append(taken)
    finally:
        copy.close()
    assert sum(steps) == 7
    assert max(steps) <= 4
    assert check(world.log, world.store, decode) == []


def test_whoever_has_a_card_is_told_of_a_leg(world: World) -> None:
    """Legs are told as transfers are, each once and in order; refused ones and accounts without cards are not."""
    payer, paid, other = (world.open_account(kind=kind) for kind in (AccountKind.CASH, *[AccountKind.CUSTOMER] * 2))
    world.append(
        CardIssued(participant="bank-a", account=paid, masked="941700******1234", expires=2030_12, par="A" * 29)
    )
    legs = [(payer, paid, 1), (payer, other, 9)] * 20 + [(paid, payer, 4)]
    posted = world.append(bulk_posted(*legs, kind="salary", refused=(RefusedLeg(0, "X"),)))
    world.append(BulkLegReversed(leg=2, legs=(Leg("reversal", paid, payer, 1),)), originator=posted)
    world.project()
    found = world.reader.notices(0, Cursor(), Wanted(), limit=1_000).notices
    assert [(each.kind, each.account_id, each.amount) for each in found] == [
        *[(NoticeKind.SALARY_CREDITED, paid, 1)] * 19,
        (NoticeKind.MONEY_OUT, paid, 4),
        (NoticeKind.MONEY_OUT, paid, 1),
    ]
    assert [each.cursor.item for each in found] == [*range(20), 0]
