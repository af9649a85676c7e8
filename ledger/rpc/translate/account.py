"""Accounts: requests to commands, and the account as it is told."""

from typing import Final, NamedTuple

from domain.account import (
    LEDGER,
    Account,
    AccountKind,
    CloseAccount,
    FreezeAccount,
    OpenAccount,
    SetMinimumBalance,
    SetOverdraftLimit,
    UnfreezeAccount,
)
from domain.money import SOM
from ledger.rpc.intake import Intake, tags, timestamp
from protos.esep.v1 import account_pb2, account_service_pb2

KINDS: Final[dict[int, AccountKind]] = {
    account_pb2.ACCOUNT_KIND_CUSTOMER: AccountKind.CUSTOMER,
    account_pb2.ACCOUNT_KIND_SETTLEMENT: AccountKind.SETTLEMENT,
    account_pb2.ACCOUNT_KIND_MERCHANT: AccountKind.MERCHANT,
    account_pb2.ACCOUNT_KIND_PROVIDER: AccountKind.PROVIDER,
    account_pb2.ACCOUNT_KIND_FEE_INCOME: AccountKind.FEE_INCOME,
    account_pb2.ACCOUNT_KIND_CASH: AccountKind.CASH,
    account_pb2.ACCOUNT_KIND_CLEARING: AccountKind.CLEARING,
}
KIND_NUMBERS: Final = {kind: account_pb2.AccountKind.ValueType(number) for number, kind in KINDS.items()}


CLOSED: Final[dict[int, bool]] = {account_pb2.ACCOUNT_STATE_OPEN: False, account_pb2.ACCOUNT_STATE_CLOSED: True}


def open_account(request: account_service_pb2.OpenAccountRequest) -> tuple[OpenAccount, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    if request.participant_id == LEDGER:
        intake.wrong("participant_id", "RESERVED", "is the ledger itself, which opens its accounts on its own")
    values = {
        "participant_id": request.participant_id,
        "kind": intake.choice(request.kind, KINDS, "kind"),
        "currency_code": request.currency_code or SOM,
        "account_number": request.account_number,
        "overdraft_limit_tyiyn": request.overdraft_limit_tyiyn,
        "minimum_balance_tyiyn": request.minimum_balance_tyiyn,
        "reference": request.reference,
        "tags": tags(request.tags),
        "partition": request.partition,
    }
    return intake.build(OpenAccount, values), request_id


def freeze_account(request: account_service_pb2.FreezeAccountRequest) -> tuple[FreezeAccount, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    return intake.build(FreezeAccount, _directions(intake, request)), request_id


def unfreeze_account(request: account_service_pb2.UnfreezeAccountRequest) -> tuple[UnfreezeAccount, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    return intake.build(UnfreezeAccount, _directions(intake, request)), request_id


def set_overdraft_limit(request: account_service_pb2.SetOverdraftLimitRequest) -> tuple[SetOverdraftLimit, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {**_target(request), "overdraft_limit_tyiyn": request.overdraft_limit_tyiyn}
    return intake.build(SetOverdraftLimit, values), request_id


def set_minimum_balance(request: account_service_pb2.SetMinimumBalanceRequest) -> tuple[SetMinimumBalance, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {**_target(request), "minimum_balance_tyiyn": request.minimum_balance_tyiyn}
    return intake.build(SetMinimumBalance, values), request_id


def close_account(request: account_service_pb2.CloseAccountRequest) -> tuple[CloseAccount, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    return intake.build(CloseAccount, {**_target(request), "explanation": request.explanation}), request_id


class AccountsWanted(NamedTuple):
    """Which accounts to list; ``closed`` is None for both."""

    participant_id: str
    kinds: list[AccountKind]
    closed: bool | None


def list_accounts(request: account_service_pb2.ListAccountsRequest) -> AccountsWanted:
    """Return which accounts a request asks for."""
    intake = Intake()
    participant = intake.participant_id(request.participant_id, "participant_id")
    kinds = [intake.choice(number, KINDS, f"kinds[{index}]") for index, number in enumerate(request.kinds)]
    states = {intake.choice(number, CLOSED, f"states[{index}]") for index, number in enumerate(request.states)}
    intake.check()
    return AccountsWanted(participant, kinds, states.pop() if len(states) == 1 else None)


_Lifecycle = (
    account_service_pb2.FreezeAccountRequest
    | account_service_pb2.UnfreezeAccountRequest
    | account_service_pb2.SetOverdraftLimitRequest
    | account_service_pb2.SetMinimumBalanceRequest
    | account_service_pb2.CloseAccountRequest
)


def _target(request: _Lifecycle) -> dict[str, object]:
    expected = request.expected_version if request.HasField("expected_version") else None
    return {"account_id": request.account_id, "expected_version": expected}


def _directions(
    intake: Intake, request: account_service_pb2.FreezeAccountRequest | account_service_pb2.UnfreezeAccountRequest
) -> dict[str, object]:
    if not (request.debits or request.credits):
        intake.wrong("debits", "MISSING", "or credits is required")
    return {
        **_target(request),
        "debits": request.debits,
        "credits": request.credits,
        "explanation": request.explanation,
    }


def account_message(account: Account, *, trial: bool = False) -> account_pb2.Account:
    """Return the account as it is told. In a trial run of its opening it has no id."""
    return account_pb2.Account(
        account_id=0 if trial else account.account_id,
        participant_id=account.participant,
        kind=KIND_NUMBERS[account.kind],
        currency_code=account.currency,
        account_number=account.number,
        state=account_pb2.ACCOUNT_STATE_CLOSED if account.closed else account_pb2.ACCOUNT_STATE_OPEN,
        debits_frozen=account.debits_frozen,
        credits_frozen=account.credits_frozen,
        overdraft_limit_tyiyn=account.overdraft_limit,
        minimum_balance_tyiyn=account.minimum_balance,
        version=account.version,
        create_time=timestamp(account.created_at),
        update_time=timestamp(account.updated_at),
        reference=account.reference,
        tags=account.tags,
    )
