"""Transfers, their legs, and their reversal."""

from typing import Any
from uuid import UUID

import pytest

from domain.account import AccountClosed, AccountFrozen
from domain.event import Leg
from domain.money import MAX_AMOUNT, MAX_BALANCE
from domain.refusals import Reason
from domain.transfer import TransferDeclined, TransferPosted, TransferReversed
from domain.transfer_reversal import ReverseTransfer
from tests.domain.spec import ANA, BEK, CASH, DAY, DOLLARS, NOBODY, NOW, SETTLEMENT, SHOP, Spec

TOO_LATE = NOW + DAY


def reverse(transfer: Any, amount: int | None = None) -> ReverseTransfer:
    return ReverseTransfer(transfer_id=UUID(bytes=transfer.request_id), amount_tyiyn=amount)


def test_a_transfer_moves_money_in_one_event() -> None:
    """The debited account loses what the credited one gains."""
    spec = Spec()
    spec.when(spec.transfer(CASH, ANA, 7, reference="r", tags={"a": "b"}))
    spec.then(TransferPosted(debit_account=CASH, credit_account=ANA, amount=7, reference="r", tags={"a": "b"}))
    spec.then_figures(CASH, posted=-7).then_figures(ANA, posted=7)


@pytest.mark.parametrize(
    ("debit", "credit", "fields", "reason"),
    [
        (NOBODY, DOLLARS, {}, Reason.ACCOUNT_NOT_FOUND),
        (BEK, NOBODY, {}, Reason.ACCOUNT_NOT_FOUND),
        (0, ANA, {}, Reason.ACCOUNT_NOT_FOUND),
        (1 << 40 | 2, ANA, {}, Reason.ACCOUNT_NOT_FOUND),
        (BEK, DOLLARS, {"effective_time": TOO_LATE}, Reason.CURRENCY_MISMATCH),
        (BEK, SHOP, {"currency": "USD", "effective_time": TOO_LATE}, Reason.CURRENCY_MISMATCH),
        (BEK, SHOP, {"effective_time": TOO_LATE}, Reason.ACCOUNT_CLOSED),
        (ANA, BEK, {"effective_time": TOO_LATE}, Reason.ACCOUNT_CLOSED),
        (SHOP, ANA, {"effective_time": TOO_LATE}, Reason.ACCOUNT_FROZEN),
        (ANA, CASH, {"effective_time": TOO_LATE}, Reason.EFFECTIVE_TIME_OUT_OF_BOUNDS),
        (ANA, CASH, {"effective_time": NOW - 31 * DAY}, Reason.EFFECTIVE_TIME_OUT_OF_BOUNDS),
        (ANA, CASH, {"effective_time": NOW - 29 * DAY}, Reason.INSUFFICIENT_FUNDS),
        (ANA, CASH, {}, Reason.INSUFFICIENT_FUNDS),
    ],
)
def test_guards_stand_in_the_documented_order(debit: int, credit: int, fields: dict[str, Any], reason: Reason) -> None:
    """Accounts, currency, state, time, funds: a transfer with several faults is told the first."""
    spec = Spec().given((BEK, AccountClosed()), (SHOP, AccountFrozen(debits=True)))
    spec.when(spec.transfer(debit, credit, MAX_AMOUNT, **fields)).then_refused(reason)


@pytest.mark.parametrize(("balance", "side"), [(MAX_BALANCE - 5, "credit"), (-MAX_BALANCE + 5, "debit")])
def test_no_balance_passes_its_bounds(balance: int, side: str) -> None:
    """A transfer up to 2^62 succeeds, one tyiyn more is refused."""
    spec = Spec()
    spec.books.accounts.posted[SETTLEMENT] = balance
    way = (CASH, SETTLEMENT) if side == "credit" else (SETTLEMENT, CASH)
    spec.when(spec.transfer(*way, 6)).then_refused(Reason.BALANCE_LIMIT)
    spec.when(spec.transfer(*way, 5, legs=(Leg("fee", *way, 1),))).then_refused(Reason.BALANCE_LIMIT)
    spec.given_done(spec.transfer(*way, 5))
    assert abs(spec.books.accounts.posted[SETTLEMENT]) == MAX_BALANCE


@pytest.mark.parametrize(
    ("legs", "reason"),
    [
        ((Leg("fee", ANA, SHOP, 40),), None),
        ((Leg("fee", ANA, SHOP, 41),), Reason.INSUFFICIENT_FUNDS),
        ((Leg("onward", BEK, SHOP, 60),), None),
        ((Leg("onward", BEK, SHOP, 61),), Reason.INSUFFICIENT_FUNDS),
        ((Leg("fee", NOBODY, SHOP, 1),), Reason.ACCOUNT_NOT_FOUND),
        ((Leg("fee", DOLLARS, SHOP, 1),), Reason.CURRENCY_MISMATCH),
        ((Leg("fee", ANA, CASH, 1), Leg("fee", ANA, SETTLEMENT, 1)), Reason.ACCOUNT_FROZEN),
        ((Leg("fee", ANA, CASH, 40), Leg("fee", BEK, SHOP, 60)), None),
    ],
)
def test_legs_move_with_the_first_or_nothing_moves(legs: tuple[Leg, ...], reason: Reason | None) -> None:
    """Every leg is guarded in order; a leg may spend what an earlier one brought in."""
    spec = Spec().funds(ANA, 100).given((SETTLEMENT, AccountFrozen(credits=True)))
    spec.when(spec.transfer(ANA, BEK, 60, legs=legs))
    if reason is None:
        assert isinstance(spec.decided, list)
        assert sum(spec.books.accounts.posted) == 0
    else:
        spec.then_refused(reason).then_figures(ANA, posted=100).then_figures(BEK, posted=0)


def test_a_refusal_keeps_the_content_of_the_request() -> None:
    """The record of a declined transfer says what was asked and why not."""
    spec = Spec()
    transfer = spec.transfer(ANA, CASH, 5, reference="r")
    spec.when(transfer).then_refused(Reason.INSUFFICIENT_FUNDS)
    assert not isinstance(spec.decided, list)
    assert spec.decided is not None
    declined = transfer.declined(spec.decided)
    assert isinstance(declined, TransferDeclined)
    assert (declined.reason, declined.reference, declined.amount) == ("INSUFFICIENT_FUNDS", "r", 5)
    assert transfer.same_as(declined)
    assert not spec.transfer(ANA, CASH, 6, reference="r").same_as(declined)


def test_a_whole_reversal_brings_everything_back() -> None:
    """The reversal moves the main part and every leg back, once."""
    spec = Spec().funds(ANA, 100)
    transfer = spec.transfer(ANA, BEK, 60, legs=(Leg("fee", ANA, SHOP, 4),))
    spec.given_done(transfer).when(reverse(transfer))
    spec.then(TransferReversed(legs=(Leg("fee_reversal", SHOP, ANA, 4), Leg("reversal", BEK, ANA, 60)), whole=True))
    spec.then_figures(ANA, posted=100).then_figures(BEK, posted=0).then_figures(SHOP, posted=0)
    spec.when(reverse(transfer)).then_refused(Reason.ALREADY_REVERSED)


def test_parts_are_reversed_up_to_the_amount() -> None:
    """Parts add up; more than what is left is refused; the rest and the fee come back with a whole reversal."""
    spec = Spec().funds(ANA, 100)
    transfer = spec.transfer(ANA, BEK, 60, legs=(Leg("fee", ANA, SHOP, 4),))
    spec.given_done(transfer, reverse(transfer, 50)).then_figures(ANA, posted=86)
    spec.when(reverse(transfer, 11)).then_refused(Reason.OVER_REVERSAL, remaining_tyiyn="10")
    spec.given_done(reverse(transfer, 10)).when(reverse(transfer, 1)).then_refused(Reason.OVER_REVERSAL)
    spec.when(reverse(transfer)).then(TransferReversed(legs=(Leg("fee_reversal", SHOP, ANA, 4),), whole=True))
    spec.then_figures(ANA, posted=100)


def test_a_transfer_without_legs_is_whole_when_its_parts_are() -> None:
    """The part that brings back the last tyiyn makes the reversal whole."""
    spec = Spec().funds(ANA, 100)
    transfer = spec.transfer(ANA, BEK, 60)
    spec.given_done(transfer, reverse(transfer, 59)).when(reverse(transfer, 1))
    assert spec.event().whole
    spec.when(reverse(transfer, 1)).then_refused(Reason.ALREADY_REVERSED)


def test_a_reversal_needs_the_money_and_the_accounts() -> None:
    """What was spent, frozen or never posted cannot be reversed."""
    spec = Spec().funds(ANA, 100)
    transfer = spec.transfer(ANA, BEK, 60)
    spec.when(reverse(transfer)).then_refused(Reason.TRANSFER_NOT_FOUND)
    spec.given_done(transfer, spec.transfer(BEK, CASH, 1))
    spec.when(reverse(transfer)).then_refused(Reason.INSUFFICIENT_FUNDS, account_id=str(BEK))
    spec.funds(BEK, 1).given((ANA, AccountFrozen(credits=True)))
    spec.when(reverse(transfer)).then_refused(Reason.ACCOUNT_FROZEN, account_id=str(ANA))


def test_a_chain_is_reversed_from_its_end() -> None:
    """Money that went on to a third account comes back through the second."""
    spec = Spec().funds(ANA, 100)
    transfer = spec.transfer(ANA, BEK, 60, legs=(Leg("onward", BEK, SHOP, 60),))
    spec.given_done(transfer).given_done(reverse(transfer)).then_figures(ANA, posted=100)
