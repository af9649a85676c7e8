"""What every account had right after a position."""

import pytest

from projections.answers import AtPosition, Figures, PositionInFutureError
from tests.projections.test_runner import some_history
from tests.projections.world import SECOND, World


def figures(world: World, position: int, *, limit: int = 2) -> list[Figures]:
    found: list[Figures] = []
    while True:
        after = found[-1].account_id if found else 0
        page = world.reader.figures(0, position, after=after, limit=limit).result
        found += page
        if len(page) < limit:
            return found


def test_figures_are_the_balances_of_the_position(world: World) -> None:
    """At every position each account that was there is listed once, with what its balance is told to have been."""
    some_history(world)
    world.project()
    found: list[Figures] = []
    for position in range(world.log.head(0) + 1):
        found = figures(world, position)
        ids = [each.account_id for each in found]
        assert ids == sorted(set(ids))
        told = world.reader.balances(ids, now=world.now, as_of=AtPosition(0, position)).result
        for each, balance in zip(found, told, strict=True):
            assert balance is not None
            assert (each.currency, each.posted, each.overdraft_limit, each.minimum_balance) == (
                balance.currency,
                balance.posted,
                balance.overdraft_limit,
                balance.minimum_balance,
            )
            assert each.held == balance.held
    assert [each.account_id for each in found] == [
        each.account_id for each in world.reader.list_accounts("bank-a", limit=100).result
    ]


def test_what_had_lapsed_is_not_held(world: World) -> None:
    """From the event on that is recorded when a hold's time is over, it is not held, whenever its end is recorded."""
    bank, customer = world.open_account(), world.open_account()
    world.authorize(customer, bank, 200, lasts=3 * SECOND)
    for _ in range(3):
        world.transfer(bank, customer, 1)
    world.project()
    assert [figures(world, position)[1].held for position in range(3, 7)] == [200, 200, 0, 0]


def test_no_account_is_listed_before_it_was_opened(world: World) -> None:
    """An account is in the list from the position of its opening on, and none is before the first event."""
    first, second = world.open_account(), world.open_account()
    world.project()
    listed = [[each.account_id for each in figures(world, position)] for position in range(3)]
    assert listed == [[], [first], [first, second]]


def test_a_position_that_is_not_there_yet(world: World) -> None:
    """Nothing is told of a position that the tables do not reflect."""
    world.open_account()
    world.project()
    with pytest.raises(PositionInFutureError):
        figures(world, 2)
