"""A customer's day at a bank, for those who look at it afterwards: a salary, purchases, holds, a transfer, a refund."""

from collections.abc import Sequence

from ledger.rpc.client import Ledger
from protos.esep.v1 import account_pb2, authorization_pb2
from protos.esep.v1 import authorization_service_pb2 as holds
from protos.esep.v1.account_service_pb2 import OpenAccountRequest
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.transfer_pb2 import NewTransfer, TransferLeg
from protos.esep.v1.transfer_service_pb2 import CreateTransferRequest
from scripts.demo_banks import Bank
from scripts.demo_client import new_id, position_of
from tests.serving import CALL_SECONDS

_SENT = 5_500_00
_FEE = 10_00


def a_day(ledger: Ledger, home: Bank, other: Bank) -> tuple[int, LogPosition]:
    """Let a new customer be paid, shop, fill up, send money and be refunded; return the account and where it ends."""
    request = OpenAccountRequest(
        request_id=new_id(), participant_id=home.name, kind=account_pb2.ACCOUNT_KIND_CUSTOMER, account_number="2099"
    )
    customer = ledger.accounts.OpenAccount(request, timeout=CALL_SECONDS).account.account_id
    _move(ledger, other.settlement, customer, 48_000_00, kind="salary")
    groceries = _hold(ledger, customer, home.merchant, 1_845_50, "Dordoi Market")
    _capture(ledger, groceries, 1_845_50)
    _capture(ledger, _hold(ledger, customer, other.merchant, 900_00, "Navat Teahouse"), 990_00)  # With a tip.
    fuel = _hold(
        ledger, customer, home.merchant, 3_000_00, "Ala-Too Fuel", authorization_pb2.AUTHORIZATION_KIND_PREAUTHORIZATION
    )
    _replace(ledger, fuel, 2_210_00)
    _hold(
        ledger,
        customer,
        other.merchant,
        12_000_00,
        "Karakol Lodge",
        authorization_pb2.AUTHORIZATION_KIND_PREAUTHORIZATION,
    )
    fee = TransferLeg(debit_account_id=customer, credit_account_id=home.fee_income, amount_tyiyn=_FEE)
    _move(ledger, customer, other.customers[0], _SENT, kind="card_to_card", legs=[fee])
    position = _refund(ledger, groceries, 250_00)
    return customer, position


def _move(ledger: Ledger, debit: int, credit: int, amount: int, *, kind: str, legs: Sequence[TransferLeg] = ()) -> None:
    transfer = NewTransfer(debit_account_id=debit, credit_account_id=credit, amount_tyiyn=amount, kind=kind, legs=legs)
    ledger.transfers.CreateTransfer(CreateTransferRequest(request_id=new_id(), transfer=transfer), timeout=CALL_SECONDS)


def _hold(
    ledger: Ledger,
    customer: int,
    merchant: int,
    amount: int,
    name: str,
    kind: authorization_pb2.AuthorizationKind.ValueType = authorization_pb2.AUTHORIZATION_KIND_PURCHASE,
) -> str:
    request = holds.CreateAuthorizationRequest(
        request_id=new_id(),
        account_id=customer,
        credit_account_id=merchant,
        amount_tyiyn=amount,
        kind=kind,
        entry_mode=authorization_pb2.ENTRY_MODE_CONTACTLESS,
        merchant_name=name,
    )
    return ledger.authorizations.CreateAuthorization(request, timeout=CALL_SECONDS).authorization.authorization_id


def _replace(ledger: Ledger, hold: str, total: int) -> None:
    request = holds.ReplaceAuthorizationAmountRequest(request_id=new_id(), authorization_id=hold, total_tyiyn=total)
    ledger.authorizations.ReplaceAuthorizationAmount(request, timeout=CALL_SECONDS)


def _capture(ledger: Ledger, hold: str, amount: int) -> None:
    request = holds.CaptureAuthorizationRequest(
        request_id=new_id(), authorization_id=hold, amount_tyiyn=amount, final=True, clearing_reference=new_id()
    )
    ledger.authorizations.CaptureAuthorization(request, timeout=CALL_SECONDS)


def _refund(ledger: Ledger, hold: str, amount: int) -> LogPosition:
    request = holds.PostRefundRequest(
        request_id=new_id(), authorization_id=hold, amount_tyiyn=amount, clearing_reference=new_id()
    )
    return position_of(ledger.authorizations.PostRefund(request, timeout=CALL_SECONDS).receipt)
