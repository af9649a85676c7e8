"""The chain of an account's lines: whatever part of it is asked for, it is what the movements say."""

from random import Random
from typing import Any

import pytest

from domain.account import AccountKind
from domain.event import Leg
from ledger.log.codec import decode
from projections import statements
from projections.check import check
from projections.lines import (
    Line,
    Totals,
    end_of,
    last_lines,
    lines_between,
    place_of,
    totals_at,
)
from projections.schema import LINES_A_MARK
from tests.bulks import bulk_posted
from tests.projections.world import SECOND, World

_ACCOUNTS = range(1, 5)


def _history(world: World, random: Random) -> None:
    """Record some lines for each account, singly, late, with legs and in bulks, projected now and then."""
    for _ in _ACCOUNTS:
        world.open_account(kind=AccountKind.CASH)
    for step in range(60):
        one, other, third = random.sample(_ACCOUNTS, 3)
        match random.randrange(4):
            case 0:
                world.append(
                    bulk_posted(*((one, random.choice([other, third]), 3) for _ in range(random.randrange(1, 40))))
                )
            case 1:
                world.transfer(one, other, 5, effective_time=world.now - random.randrange(SECOND))
            case 2:
                world.transfer(one, other, 7, legs=(Leg("fee", one, third, 1), Leg("fee", other, one, 2)))
            case _:
                world.transfer(one, other, 11)
        if step % 7 == 0:
            world.project()
    world.project()


def _told(world: World, account: int) -> list[tuple[Any, ...]]:
    """Return place, signed amount, balance, total of debits and number of each line, told by all movements."""
    found = world.store.snapshot(
        lambda session: session.all(
            "SELECT position, leg, debit_account, amount, debit_posted, debit_debits, debit_movements,"
            " credit_posted, credit_debits, credit_movements FROM movements"
            " WHERE debit_account = ? OR credit_account = ? ORDER BY position, leg",
            account,
            account,
        )
    )
    return [
        (place_of(row[0], row[1]), -row[3], *row[4:7])
        if row[2] == account
        else (place_of(row[0], row[1]), row[3], *row[7:])
        for row in found
    ]


def _short(lines: list[Line]) -> list[tuple[int, int, int]]:
    return [(place_of(line.position, line.leg), line.amount, line.posted) for line in lines]


@pytest.mark.parametrize("seed", range(2))
def test_any_part_of_the_chain_is_found(world: World, seed: int) -> None:
    """From any place to any other, in pages of any size; the last lines; and what each position leaves."""
    random = Random(seed)
    _history(world, random)
    for account in _ACCOUNTS:
        told = _told(world, account)
        assert len(told) > 3 * LINES_A_MARK
        assert [number for *_, number in told] == list(range(1, len(told) + 1))
        short = [line[:3] for line in told]
        for _ in range(25):
            after, upto = sorted(
                random.choice([0, *(place + random.randrange(-1, 2) for place, *_ in told)]) for _ in "ab"
            )
            limit = random.choice([1, 2, LINES_A_MARK, 33, 1000])
            page = world.store.snapshot(lambda s: lines_between(s, account, after, upto, limit))  # noqa: B023
            assert _short(page) == [line for line in short if after < line[0] <= upto][:limit]
            newest = world.store.snapshot(lambda s: last_lines(s, account, limit))  # noqa: B023
            assert _short(newest) == short[::-1][:limit]
        for position in range(world.head + 2):
            found = world.store.snapshot(lambda s: totals_at(s, account, position))  # noqa: B023
            known = [Totals(*line[2:]) for line in told if line[0] <= end_of(position)]
            assert found == (known[-1] if known else Totals())


def test_every_sixteenth_line_is_marked(world: World) -> None:
    """So no question walks far; the marks are those of the chain, in order."""
    _history(world, Random(3))
    for account in _ACCOUNTS:
        marks = world.store.snapshot(
            lambda s: s.all("SELECT place FROM line_marks WHERE account_id = ? ORDER BY place", account)  # noqa: B023
        )
        places = [place for place, *_ in _told(world, account)]
        assert [place for (place,) in marks] == places[LINES_A_MARK - 1 :: LINES_A_MARK]


def test_an_account_without_lines_has_none(world: World) -> None:
    """One that was opened, and one that was not."""
    account = world.open_account()
    world.project()
    for each in (account, account + 1):
        asked = world.store.snapshot(lambda s: (last_lines(s, each, 5), lines_between(s, each, 0, end_of(9), 5)))  # noqa: B023
        assert asked == ([], [])
        assert world.store.snapshot(lambda s: totals_at(s, each, 9)) == Totals()  # noqa: B023


@pytest.mark.parametrize("reference", ["", "r{}", "салам"])
def test_many_transfers_are_written_as_one_by_one(
    world: World, monkeypatch: pytest.MonkeyPatch, reference: str
) -> None:
    """In columns, which share what they can, or each as a row: the tables are the same."""
    for _ in _ACCOUNTS:
        world.open_account(kind=AccountKind.CASH)
    for number in range(3 * LINES_A_MARK):
        world.transfer(
            1 + number % 4, 1 + (number + 1 + number % 3) % 4, 10 + number, reference=reference.format(number)
        )
    world.project()
    monkeypatch.setattr(statements, "_LEAST_TOGETHER", 1000)
    assert check(world.log, world.store, decode) == []
