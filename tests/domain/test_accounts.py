"""Opening, freezing, limits and closing of accounts."""

from typing import Any

import pytest

from domain.account import (
    AccountClosed,
    AccountFrozen,
    AccountOpened,
    AccountUnfrozen,
    CloseAccount,
    FreezeAccount,
    MinimumBalanceSet,
    OpenAccount,
    OverdraftLimitSet,
    SetMinimumBalance,
    SetOverdraftLimit,
    UnfreezeAccount,
)
from domain.authorize import Authorize
from domain.command import Command
from domain.money import MAX_BALANCE
from domain.refusals import Reason
from domain.resolve import Capture
from tests.domain.spec import ANA, BEK, CASH, KINDS, NOBODY, SETTLEMENT, SHOP, Spec, uid

LIFECYCLE: list[tuple[type[Command], dict[str, Any], Any]] = [
    (FreezeAccount, {"debits": True}, AccountFrozen(debits=True)),
    (UnfreezeAccount, {"credits": True, "explanation": "e"}, AccountUnfrozen(credits=True, explanation="e")),
    (SetOverdraftLimit, {"overdraft_limit_tyiyn": 5}, OverdraftLimitSet(limit=5)),
    (SetMinimumBalance, {"minimum_balance_tyiyn": 5}, MinimumBalanceSet(minimum=5)),
    (CloseAccount, {"explanation": "e"}, AccountClosed(explanation="e")),
]
each_command = pytest.mark.parametrize(
    ("kind", "fields", "event"), LIFECYCLE, ids=[one[0].__name__ for one in LIFECYCLE]
)


def opening(**fields: Any) -> OpenAccount:
    return OpenAccount.model_validate({"participant_id": "bank-a", "kind": "customer", **fields})


def test_an_account_is_opened_under_the_next_number() -> None:
    """Opening records the content and claims the number for the participant."""
    spec = Spec().when(opening(account_number="17", currency_code="USD", overdraft_limit_tyiyn=3))
    spec.then(AccountOpened(participant="bank-a", kind=KINDS[1], currency="USD", number="17", overdraft_limit=3))
    spec.then_claimed(("account_number", "bank-a/17"))
    assert len(spec.books.accounts) == len(KINDS) + 1


def test_a_number_is_unique_within_its_bank_only() -> None:
    """The same number at another bank is another number."""
    spec = Spec().given_done(opening(account_number="17"))
    spec.when(opening(account_number="17")).then_refused(Reason.ACCOUNT_NUMBER_TAKEN)
    spec.when(opening(account_number="17", participant_id="bank-b")).then_claimed(("account_number", "bank-b/17"))


def test_a_currency_nobody_keeps_is_refused_before_the_number() -> None:
    """Currency is guarded first."""
    spec = Spec().given_done(opening(account_number="17"))
    spec.when(opening(account_number="17", currency_code="EUR")).then_refused(Reason.CURRENCY_UNKNOWN)


@each_command
def test_a_lifecycle_command_records_its_event(kind: type[Command], fields: dict[str, Any], event: Any) -> None:
    """Each command on an account is recorded as its one event, with the next version."""
    spec = Spec().when(kind.model_validate({"account_id": ANA, "expected_version": 1, **fields})).then(event)
    assert spec.books.accounts.version[ANA] == 2


@each_command
def test_guards_of_lifecycle_commands_stand_in_order(kind: type[Command], fields: dict[str, Any], event: Any) -> None:
    """Unknown, then the expected version, then closed."""
    spec = Spec().given((BEK, AccountClosed()))

    def command(account: int, version: int | None) -> Command:
        return kind.model_validate({"account_id": account, "expected_version": version, **fields})

    spec.when(command(NOBODY, 7)).then_refused(Reason.ACCOUNT_NOT_FOUND, account_id="99")
    spec.when(command(BEK, 7)).then_refused(Reason.EXPECTED_VERSION_MISMATCH, expected="7", actual="2")
    spec.when(command(BEK, 2)).then_refused(Reason.ACCOUNT_CLOSED)
    spec.when(command(BEK, None)).then_refused(Reason.ACCOUNT_CLOSED)


def test_an_account_closes_only_empty_and_without_open_holds() -> None:
    """Neither money nor a hold, not even one of which nothing is left, may remain."""
    hold = Authorize(account_id=ANA, credit_account_id=SHOP, amount_tyiyn=10)
    spec = Spec().funds(ANA, 10)
    spec.when(CloseAccount(account_id=ANA)).then_refused(Reason.ACCOUNT_NOT_EMPTY, posted_tyiyn="10")
    spec.when(hold, uid(1))
    spec.when(Capture(authorization_id=uid(1), amount_tyiyn=10, clearing_reference="c"))
    spec.then_figures(ANA, posted=0).when(CloseAccount(account_id=ANA)).then_refused(Reason.ACCOUNT_NOT_EMPTY)
    spec.given_done(Capture(authorization_id=uid(1), amount_tyiyn=1, final=True, clearing_reference="d"))
    spec.funds(ANA, 1).when(CloseAccount(account_id=ANA)).then(AccountClosed())


@pytest.mark.parametrize(
    ("frozen", "debit", "credit"),
    [
        (AccountFrozen(debits=True), False, True),
        (AccountFrozen(credits=True), True, False),
        (AccountFrozen(debits=True, credits=True), False, False),
        (AccountFrozen(), True, True),
    ],
)
def test_a_freeze_binds_its_direction_alone(frozen: AccountFrozen, debit: bool, credit: bool) -> None:  # noqa: FBT001
    """What is frozen for debits can be credited, and the other way round; lifting one leaves the other."""
    spec = Spec().funds(ANA, 10).given((ANA, frozen))
    for allowed, transfer in ((debit, spec.transfer(ANA, CASH, 1)), (credit, spec.transfer(CASH, ANA, 1))):
        spec.when(transfer)
        if not allowed:
            spec.then_refused(Reason.ACCOUNT_FROZEN, account_id=str(ANA))
        assert isinstance(spec.decided, list) is allowed
    spec.given((ANA, AccountUnfrozen(debits=True))).when(spec.transfer(ANA, CASH, 1))
    assert isinstance(spec.decided, list)


@pytest.mark.parametrize(
    ("overdraft", "minimum", "spendable"), [(0, 0, 100), (50, 0, 150), (0, 30, 70), (50, 30, 120), (0, 200, -100)]
)
def test_available_is_posted_less_held_plus_overdraft_less_minimum(
    overdraft: int, minimum: int, spendable: int
) -> None:
    """Exactly the available balance can be spent, and not one tyiyn more."""
    spec = (
        Spec()
        .funds(ANA, 100)
        .given((ANA, OverdraftLimitSet(limit=overdraft)), (ANA, MinimumBalanceSet(minimum=minimum)))
    )
    assert spec.books.accounts.spendable(ANA) == spendable
    spec.when(spec.transfer(ANA, CASH, max(spendable, 0) + 1)).then_refused(Reason.INSUFFICIENT_FUNDS)
    if spendable > 0:
        spec.given_done(spec.transfer(ANA, CASH, spendable)).then_figures(ANA, posted=100 - spendable)


@pytest.mark.parametrize("account", [CASH, SETTLEMENT])
def test_unguarded_accounts_may_be_negative_down_to_the_limit(account: int) -> None:
    """Cash and settlement accounts go below zero, and no account below -2^62."""
    spec = Spec().given_done(spec_transfer := Spec().transfer(account, ANA, 10**15))
    assert spec_transfer.amount == 10**15
    spec.books.accounts.posted[account] = -MAX_BALANCE + 1
    spec.when(spec.transfer(account, BEK, 2)).then_refused(Reason.BALANCE_LIMIT)
    spec.when(spec.transfer(account, BEK, 1)).then_figures(account, posted=-MAX_BALANCE)
