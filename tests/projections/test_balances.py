"""What an account has: now, and as of earlier moments."""

import pytest

from domain.account import AccountFrozen, AccountKind, MinimumBalanceSet, OverdraftLimitSet
from domain.ids import account_id, account_originator
from projections.answers import AsOf, AtEffectiveTime, AtPosition, AtRecordedTime, Balance, PositionInFutureError
from tests.projections.world import DAY, SECOND, World


def balance(world: World, account: int, *, as_of: AsOf | None = None, later: int = 0) -> Balance:
    found = world.reader.balance(account, now=world.now + later, as_of=as_of).result
    assert found is not None
    return found


def test_a_transfer_changes_both_balances(world: World) -> None:
    """The debited account has less and the credited account as much more."""
    bank, customer = world.open_account(kind=AccountKind.SETTLEMENT), world.open_account()
    world.transfer(bank, customer, 500)
    world.project()
    assert (balance(world, bank).posted, balance(world, customer).posted) == (-500, 500)


def test_an_answer_says_its_position(world: World) -> None:
    """Every answer names the position that it reflects."""
    account = world.open_account()
    world.project()
    world.open_account()
    assert world.reader.balance(account, now=world.now).positions == {0: 1}
    assert world.reader.position(0) == 1


def test_available_is_posted_less_held_and_limits(world: World) -> None:
    """Available = posted - held + overdraft limit - minimum balance."""
    bank = world.open_account(kind=AccountKind.SETTLEMENT)
    customer = world.open_account(overdraft_limit=70, minimum_balance=30)
    world.transfer(bank, customer, 500)
    world.authorize(customer, bank, 200)
    world.project()
    assert balance(world, customer).available == 500 - 200 + 70 - 30


def test_a_lapsed_hold_does_not_count_before_its_end_is_recorded(world: World) -> None:
    """From the very instant of its expiry a hold is not in the balance."""
    bank, customer = world.open_account(kind=AccountKind.SETTLEMENT), world.open_account()
    world.authorize(customer, bank, 200, lasts=60 * SECOND)
    world.project()
    ends_in = 59 * SECOND
    assert balance(world, customer, later=ends_in - 1).held == 200
    assert balance(world, customer, later=ends_in).held == 0


def test_limits_as_of_a_position_are_those_of_then(world: World) -> None:
    """What was available earlier depends on the limits that the account had then."""
    account = world.open_account(overdraft_limit=10)
    world.append(OverdraftLimitSet(limit=20), MinimumBalanceSet(minimum=5), originator=account_originator(account))
    world.project()
    limits = [balance(world, account, as_of=AtPosition(0, position)).available for position in (1, 2, 3)]
    assert limits == [10, 20, 15]


def test_a_freeze_does_not_change_the_limits(world: World) -> None:
    """The limits as of a position survive events that are not about them."""
    account = world.open_account(overdraft_limit=10)
    world.append(AccountFrozen(debits=True), originator=account_originator(account))
    world.project()
    assert balance(world, account, as_of=AtPosition(0, 2)).overdraft_limit == 10


def test_an_effective_time_has_no_holds(world: World) -> None:
    """Holds are known by when they were recorded only."""
    account = world.open_account()
    world.project()
    found = balance(world, account, as_of=AtEffectiveTime(world.now))
    assert (found.held, found.available) == (None, None)


def test_before_its_opening_an_account_has_no_balance(world: World) -> None:
    """By position, by recorded and by effective time alike; at the very event, and instant, it has one."""
    world.open_account()
    account = world.open_account()
    opened = world.now
    world.project()
    before: list[AsOf] = [AtPosition(0, 1), AtRecordedTime(opened - 1), AtEffectiveTime(opened - 1)]
    at: list[AsOf] = [AtPosition(0, 2), AtRecordedTime(opened), AtEffectiveTime(opened)]
    assert [world.reader.balance(account, now=world.now, as_of=as_of).result for as_of in before] == [None] * 3
    assert [balance(world, account, as_of=as_of).posted for as_of in at] == [0] * 3


def test_a_movement_may_have_happened_before_the_opening(world: World) -> None:
    """By effective time the account has a balance from its first movement on; the books of then knew of neither."""
    bank, account = world.open_account(kind=AccountKind.SETTLEMENT), world.open_account()
    happened = world.now - DAY
    world.transfer(bank, account, 500, effective_time=happened)
    world.transfer(account, bank, 500, effective_time=happened + 1)
    world.project()
    first, moved = AtEffectiveTime(happened), AtEffectiveTime(happened + 1)
    assert (balance(world, account, as_of=first).posted, balance(world, account, as_of=moved).posted) == (500, 0)
    for too_early in (AtEffectiveTime(happened - 1), AtRecordedTime(happened)):
        assert world.reader.balance(account, now=world.now, as_of=too_early).result is None


@pytest.mark.parametrize("shift", [0, 1])
def test_a_moment_after_now_is_refused(world: World, shift: int) -> None:
    """A position that is not reached and a time after now have no answer yet."""
    account = world.open_account()
    world.project()
    moments: list[AsOf] = [
        AtPosition(0, 1 + shift),
        AtRecordedTime(world.now + shift),
        AtEffectiveTime(world.now + shift),
    ]
    for as_of in moments:
        if shift:
            with pytest.raises(PositionInFutureError):
                world.reader.balance(account, now=world.now, as_of=as_of)
        else:
            assert balance(world, account, as_of=as_of).posted == 0


def test_an_unknown_account_has_no_balance(world: World) -> None:
    """There is no answer for an account that was never opened, in this partition or another."""
    world.open_account()
    world.project()
    for unknown in (account_id(0, 9), account_id(3, 1)):
        assert world.reader.balance(unknown, now=world.now).result is None
    assert world.reader.balance(account_id(3, 1), now=world.now).positions == {3: 0}


def test_several_balances_are_of_one_position(world: World) -> None:
    """Balances asked for together come in the order asked for."""
    bank, customer = world.open_account(kind=AccountKind.SETTLEMENT), world.open_account()
    world.transfer(bank, customer, 5)
    world.project()
    answer = world.reader.balances([customer, account_id(0, 9), bank], now=world.now)
    assert [found and found.posted for found in answer.result] == [5, None, -5]
    assert answer.positions == {0: 3}


def test_the_trial_balance_sums_to_zero_in_each_currency(world: World) -> None:
    """Its lines are by currency and kind, and count the accounts in them."""
    for currency in ("KGS", "USD"):
        bank = world.open_account(kind=AccountKind.SETTLEMENT, currency=currency)
        customers = [world.open_account(currency=currency) for _ in range(2)]
        for customer in customers:
            world.transfer(bank, customer, 2**61)
    world.project()
    lines = world.reader.trial_balance(now=world.now).result
    assert [(line.currency, line.kind, line.posted, line.account_count) for line in lines] == [
        ("KGS", AccountKind.CUSTOMER, 2**62, 2),
        ("KGS", AccountKind.SETTLEMENT, -(2**62), 1),
        ("USD", AccountKind.CUSTOMER, 2**62, 2),
        ("USD", AccountKind.SETTLEMENT, -(2**62), 1),
    ]


def test_totals_beyond_64_bits_still_tie_out(world: World) -> None:
    """An account may turn over more than 2^63 in its life; a period's totals stay right."""
    bank, customer = world.open_account(kind=AccountKind.SETTLEMENT), world.open_account()
    for _ in range(5):
        world.transfer(bank, customer, 2**61)
        world.transfer(customer, bank, 2**61)
    world.project()
    start = world.now - 3 * SECOND
    found = world.reader.statement(customer, start=start, end=world.now + 1).result
    assert found is not None
    assert (found.total_debits, found.total_credits, found.count) == (2 * 2**61, 2 * 2**61, 4)


def test_an_account_is_found_by_its_number(world: World) -> None:
    """The number is the participant's own; no number finds nothing."""
    account = world.open_account(number="108", tags={"b": "2", "a": "1"})
    world.open_account()
    world.project()
    found = world.reader.account(account).result
    assert found is not None
    assert (found.number, found.tags) == ("108", {"a": "1", "b": "2"})
    assert world.reader.accounts_by_number("bank-a", ["108", "", "109"]).result == {"108": account}
    assert world.reader.accounts_by_number("bank-b", ["108"]).result == {}


def test_accounts_are_listed_in_pages(world: World) -> None:
    """A participant's accounts come in the order of their ids, filtered by kind and state."""
    mine = [world.open_account(kind=kind) for kind in (AccountKind.CUSTOMER, AccountKind.MERCHANT) * 2]
    world.open_account(participant="bank-b")
    world.project()
    listed = world.reader.list_accounts
    first = listed("bank-a", limit=3).result
    assert [account.account_id for account in first] == mine[:3]
    assert [account.account_id for account in listed("bank-a", after=mine[2]).result] == mine[3:]
    merchants = listed("bank-a", kinds=[AccountKind.MERCHANT], closed=False).result
    assert [account.account_id for account in merchants] == mine[1::2]
    assert listed("bank-a", closed=True).result == []


def test_holds_as_of_a_recorded_time_lapse_at_that_time(world: World) -> None:
    """A hold counts at the moments before its expiry, although later ones do not show it."""
    bank, customer = world.open_account(kind=AccountKind.SETTLEMENT), world.open_account()
    world.authorize(customer, bank, 200, lasts=60 * SECOND)
    made = world.now
    world.now += DAY
    world.open_account()
    world.project()
    assert balance(world, customer, as_of=AtRecordedTime(made + 58 * SECOND)).held == 200
    assert balance(world, customer, as_of=AtRecordedTime(made + 59 * SECOND)).held == 0
    assert balance(world, customer, as_of=AtPosition(0, 3)).held == 200
    assert balance(world, customer, as_of=AtPosition(0, 4)).held == 0
