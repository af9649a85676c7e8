"""What an account has: now, and as of earlier moments."""

from domain.account import AccountKind
from tests.projections.world import DAY, START, World


def test_a_transfer_changes_both_balances(world: World) -> None:
    """The debited account has less and the credited account as much more."""
    bank = world.open_account(kind=AccountKind.SETTLEMENT)
    customer = world.open_account()
    world.transfer(bank, customer, 500)
    world.project()
    answer = world.reader.balance(customer, now=world.now)
    assert answer.result is not None
    assert (answer.result.posted, answer.result.held, answer.result.available) == (500, 0, 500)
    assert answer.positions == {0: 3}
    other = world.reader.balance(bank, now=world.now).result
    assert other is not None
    assert other.posted == -500
