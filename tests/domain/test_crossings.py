"""Transfers between partitions: sending, receiving, and how they end."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from domain.account import LEDGER, AccountClosed, AccountFrozen, AccountKind, AccountOpened, CloseAccount
from domain.crossing import (
    TransferCompleted,
    TransferReceived,
    TransferRejected,
    TransferReturned,
    TransferSent,
    Way,
    delivery_id,
    receive_request,
)
from domain.event import Leg, Policy
from domain.ids import account_id
from domain.money import MAX_BALANCE
from domain.refusals import Reason
from domain.transfer import fees, payee
from domain.transfer_reversal import ReverseTransfer
from domain.transit import CompleteTransfer, OpenClearing, ReceiveTransfer, ReturnTransfer
from tests.domain.spec import ANA, BEK, CASH, DOLLARS, NOBODY, NOW, POLICY, SECOND, SHOP, Spec, uid

TWO = msgspec.structs.replace(POLICY, several=2)
CLEARING = 7
THERE = account_id(1, BEK)
THERES_CLEARING = account_id(1, CLEARING)
FUNDS = 100


def home() -> Spec:
    """Return the books of partition 0 of two, with money on Ana's account."""
    return Spec(TWO).given_done(OpenClearing(currency="KGS")).funds(ANA, FUNDS)


def there() -> Spec:
    """Return the books of partition 1 of two."""
    return Spec(TWO, partition=1).given_done(OpenClearing(currency="KGS"))


def sent(spec: Spec, amount: int = 60, **fields: Any) -> UUID:
    """Send money from Ana to partition 1; return the transfer's id."""
    command = spec.transfer(ANA, THERE, amount, **fields)
    spec.given_done(command)
    return UUID(bytes=command.request_id)


def receive(transfer: UUID, to: int = THERE, **fields: Any) -> ReceiveTransfer:
    content = {"amount_tyiyn": 60, "currency": "KGS", "kind": "transfer", **fields}
    given = {"home": 0, "sent_at": NOW, "debit_account_id": ANA, "credit_account_id": to, **content}
    return ReceiveTransfer(transfer_id=transfer, **given)


def total(spec: Spec) -> int:
    return sum(spec.books.accounts.posted)


def test_a_clearing_account_is_the_ledgers_own() -> None:
    """Opening it makes a clearing account of the currency, kept by the ledger and found by its currency."""
    spec = Spec(TWO)
    spec.when(OpenClearing(currency="KGS"))
    spec.then(AccountOpened(participant=LEDGER, kind=AccountKind.CLEARING, currency="KGS", reserved=True))
    spec.then_claimed(("transit_clearing", "KGS"))
    spec.when(OpenClearing(currency="EUR")).then_refused(Reason.CURRENCY_UNKNOWN)


def test_money_for_another_partition_waits_on_the_clearing_account() -> None:
    """Sending moves it from the payer to the clearing account, in one event that names the payee."""
    spec = home()
    spec.when(spec.transfer(ANA, THERE, 60, reference="r", tags={"a": "b"}, kind="rent"))
    spec.then(
        TransferSent(
            debit_account=ANA,
            credit_account=THERE,
            amount=60,
            currency="KGS",
            legs=(Leg("rent", ANA, CLEARING, 60),),
            kind="rent",
            reference="r",
            tags={"a": "b"},
        )
    )
    spec.then_figures(ANA, posted=40).then_figures(CLEARING, posted=60)
    assert total(spec) == 0


def test_the_way_to_the_clearing_account_is_no_fee() -> None:
    """Who is told of the transfer hears of the payee and of nothing else that was paid."""
    spec = home()
    transferred = spec.life(sent(spec))
    assert (payee(transferred), fees(transferred), transferred.legs) == (THERE, (), ())


@pytest.mark.parametrize(
    ("debit", "amount", "fields", "reason"),
    [
        (NOBODY, 1, {}, Reason.ACCOUNT_NOT_FOUND),
        (ANA, 1, {"legs": (Leg("fee", ANA, SHOP, 1),)}, Reason.LEGS_BETWEEN_PARTITIONS),
        (DOLLARS, 1, {}, Reason.CLEARING_NOT_OPEN),
        (ANA, 1, {"currency": "USD"}, Reason.CURRENCY_MISMATCH),
        (SHOP, 1, {"effective_time": NOW + 1_000 * SECOND}, Reason.ACCOUNT_FROZEN),
        (ANA, 101, {"effective_time": NOW + 1_000 * SECOND}, Reason.EFFECTIVE_TIME_OUT_OF_BOUNDS),
        (ANA, 101, {}, Reason.INSUFFICIENT_FUNDS),
        (ANA, 100, {}, None),
    ],
)
def test_the_payers_side_is_guarded_as_ever(
    debit: int, amount: int, fields: dict[str, Any], reason: Reason | None
) -> None:
    """Whatever stands in the way of a transfer at home stands in the way of sending."""
    spec = home().given((SHOP, AccountFrozen(debits=True)))
    spec.when(spec.transfer(debit, THERE, amount, **fields))
    if reason is not None:
        spec.then_refused(reason)
    assert total(spec) == 0


@pytest.mark.parametrize(("policy", "account"), [(TWO, account_id(2, 1)), (POLICY, account_id(1, 1)), (TWO, NOBODY)])
def test_no_money_is_sent_where_there_is_no_other_partition(policy: Policy, account: int) -> None:
    """An account of a partition that the ledger does not have is not found, nor is one that home does not have."""
    spec = Spec(policy).given_done(OpenClearing(currency="KGS")).funds(ANA, FUNDS)
    spec.when(spec.transfer(ANA, account, 1)).then_refused(Reason.ACCOUNT_NOT_FOUND, account_id=account)
    elsewhere = spec.transfer(account, ANA, 1)
    spec.when(elsewhere).then_refused(Reason.ACCOUNT_NOT_FOUND, account_id=account)


def test_the_payee_is_paid_from_the_destinations_clearing_account() -> None:
    """The receipt stands under an id that follows from the transfer and its home, whatever else bears that id here."""
    spec, transfer = there(), uid(5)
    spec.when(receive(transfer, reference="r", effective_time=NOW))
    spec.then(
        TransferReceived(
            transfer=transfer,
            home=0,
            sent_at=NOW,
            debit_account=ANA,
            credit_account=THERE,
            amount=60,
            currency="KGS",
            legs=(Leg("transfer", THERES_CLEARING, THERE, 60),),
            reference="r",
            effective_time=NOW,
        )
    )
    assert isinstance(spec.decided, list)
    assert spec.decided[0].originator_id == delivery_id(transfer.bytes, 0)
    assert (
        len({delivery_id(transfer.bytes, 0), delivery_id(transfer.bytes, 1), receive_request(transfer.bytes, 0)}) == 3
    )
    spec.then_figures(THERE, posted=60).then_figures(THERES_CLEARING, posted=-60)
    assert total(spec) == 0


@pytest.mark.parametrize(
    ("payee", "fields", "reason"),
    [
        (NOBODY, {}, "ACCOUNT_NOT_FOUND"),
        (DOLLARS, {}, "CURRENCY_MISMATCH"),
        (SHOP, {}, "ACCOUNT_CLOSED"),
        (ANA, {}, "ACCOUNT_FROZEN"),
        (CASH, {}, "BALANCE_LIMIT"),
    ],
)
def test_why_a_payee_cannot_be_paid_is_recorded(payee: int, fields: dict[str, Any], reason: str) -> None:
    """A refusal at the destination is an event, also of what would leave no trace in a transfer at home."""
    spec = there().given((account_id(1, SHOP), AccountClosed()), (account_id(1, ANA), AccountFrozen(credits=True)))
    spec.books.accounts.posted[CASH] = MAX_BALANCE
    spec.when(receive(uid(5), account_id(1, payee), **fields))
    event = spec.event()
    assert isinstance(event, TransferRejected)
    assert event.reason == reason
    spec.then_figures(THERES_CLEARING, posted=0)


def test_nothing_is_received_before_it_was_sent() -> None:
    """A destination whose clock is behind waits until it is later there too; nothing is recorded meanwhile."""
    spec, sent_at = there(), NOW + 5 * SECOND
    spec.when(receive(uid(5), sent_at=sent_at)).then_refused(Reason.EFFECTIVE_TIME_OUT_OF_BOUNDS)
    assert not Reason.EFFECTIVE_TIME_OUT_OF_BOUNDS.value.recorded
    spec.now = sent_at - 1
    spec.when(receive(uid(5), sent_at=sent_at)).then_refused(Reason.EFFECTIVE_TIME_OUT_OF_BOUNDS)
    spec.given_done(receive(uid(5), sent_at=sent_at))


def test_nothing_is_received_before_the_clearing_account_is_open() -> None:
    """A partition that has just begun refuses for now, and for good in no case."""
    Spec(TWO, partition=1).when(receive(uid(5))).then_refused(Reason.CLEARING_NOT_OPEN)
    assert not Reason.CLEARING_NOT_OPEN.value.recorded


def test_a_received_transfer_is_completed_at_home() -> None:
    """Completion moves nothing; from then on nothing is in transit."""
    spec = home()
    transfer = sent(spec)
    assert spec.books.sent_from(ANA) == 60
    spec.when(CompleteTransfer(transfer_id=transfer, position=9)).then(TransferCompleted(position=9))
    spec.then_figures(ANA, posted=40).then_figures(CLEARING, posted=60)
    ended = spec.life(transfer)
    assert (ended.crossing.way, ended.version) == (Way.COMPLETED, 2)
    assert not spec.books.transit


def test_a_rejected_transfer_is_returned_at_home() -> None:
    """The payer has all of it again, whatever its account may take by itself, and the transfer says why."""
    spec = home()
    transfer = sent(spec)
    spec.given((ANA, AccountFrozen(credits=True, debits=True)))
    back = ReturnTransfer(transfer_id=transfer, position=9, reason="ACCOUNT_CLOSED", detail={"account_id": "5"})
    spec.when(back).then(
        TransferReturned(
            position=9,
            reason="ACCOUNT_CLOSED",
            detail={"account_id": "5"},
            legs=(Leg("reversal", CLEARING, ANA, 60),),
        )
    )
    spec.then_figures(ANA, posted=100).then_figures(CLEARING, posted=0)
    transferred = spec.life(transfer)
    assert (transferred.crossing.way, transferred.crossing.reason) == (Way.RETURNED, "ACCOUNT_CLOSED")
    assert (transferred.reversed_amount, transferred.reversed_whole) == (60, True)
    assert not spec.books.transit


@pytest.mark.parametrize("first", ["complete", "return"])
@pytest.mark.parametrize("then", ["complete", "return"])
def test_a_transfer_ends_once(first: str, then: str) -> None:
    """Whatever ended it, nothing ends it again."""
    spec = home()
    transfer = sent(spec)
    ends = {
        "complete": CompleteTransfer(transfer_id=transfer, position=9),
        "return": ReturnTransfer(transfer_id=transfer, position=9, reason="ACCOUNT_CLOSED"),
    }
    spec.given_done(ends[first]).when(ends[then]).then_refused(Reason.TRANSFER_NOT_FOUND)


def test_what_never_crossed_has_no_such_end() -> None:
    """A transfer within the partition is neither completed nor returned."""
    spec = home()
    command = spec.transfer(ANA, BEK, 1)
    spec.given_done(command)
    transfer = UUID(bytes=command.request_id)
    spec.when(CompleteTransfer(transfer_id=transfer, position=9)).then_refused(Reason.TRANSFER_NOT_FOUND)
    spec.when(CompleteTransfer(transfer_id=uid(77), position=9)).then_refused(Reason.TRANSFER_NOT_FOUND)


def test_an_account_stays_open_while_its_money_is_in_transit() -> None:
    """It may come back: only when it is there for good does the account close."""
    spec = home()
    transfer = sent(spec, FUNDS)
    close = CloseAccount(account_id=ANA)
    spec.when(close).then_refused(Reason.ACCOUNT_NOT_EMPTY, posted_tyiyn=0, in_transit_tyiyn=FUNDS)
    spec.given_done(CompleteTransfer(transfer_id=transfer, position=9), close)


def test_a_reversal_does_not_reach_another_partition() -> None:
    """A transfer that crossed is not reversed, neither on its way nor after; one that came back needs no reversal."""
    spec = home()
    done, back = sent(spec, 10), sent(spec, 20)
    spec.when(ReverseTransfer(transfer_id=done)).then_refused(Reason.TRANSFER_CROSSED)
    spec.given_done(CompleteTransfer(transfer_id=done, position=9))
    spec.given_done(ReturnTransfer(transfer_id=back, position=10, reason="ACCOUNT_CLOSED"))
    spec.when(ReverseTransfer(transfer_id=done)).then_refused(Reason.TRANSFER_CROSSED)
    spec.when(ReverseTransfer(transfer_id=back)).then_refused(Reason.ALREADY_REVERSED)


@pytest.mark.parametrize("named", ["", "KGS"])
def test_what_was_sent_remembers_what_was_asked(named: str) -> None:
    """A repeated request is recognised by its content, the currency as it was named or not."""
    spec = home()
    command = spec.transfer(ANA, THERE, 60, currency=named)
    spec.given_done(command)
    event = spec.event()
    assert command.same_as(event)
    assert not msgspec.structs.replace(command, amount=61).same_as(event)
    assert not msgspec.structs.replace(command, currency="" if named else "KGS").same_as(event)
    assert not msgspec.structs.replace(command, legs=(Leg("fee", ANA, SHOP, 1),)).same_as(event)
