"""Plays scenarios over gRPC, and says where the ledger does otherwise than a scenario expects.

Each scenario has accounts of its own: a customer, a merchant, a settlement account that the opening balance comes
from, and an account for each kind of fee. Every step is a new request. After every step the books are asked, as at
the step's own position.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import grpc

from ledger.rpc.client import Ledger
from protos.esep.v1 import account_pb2, authorization_pb2
from protos.esep.v1 import account_service_pb2 as account_api
from protos.esep.v1 import authorization_service_pb2 as api
from protos.esep.v1 import statement_service_pb2 as statement_api
from protos.esep.v1 import transfer_service_pb2 as transfer_api
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.statement_pb2 import Balance
from protos.esep.v1.transfer_pb2 import NewTransfer
from scripts import scenarios as ops
from scripts.demo_client import Answer, answer_of, new_id, position_of
from scripts.demo_server import ServerClock

ACQUIRER: Final = "conformance"
_DAY: Final = 86_400
_CALL_SECONDS: Final = 60.0
_TIMER_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.02
_PRINCIPAL: Final = frozenset({"settlement", "withdrawal", "purchase", "principal", "capture"})
"""Parts of a capture that the merchant's account is paid; the others are fees with accounts of their own."""


class Difference(Exception):
    """The ledger did otherwise than the scenario expects."""


class Played(NamedTuple):
    """What a scenario came to; ``difference`` is the first one, empty when there was none."""

    scenario: ops.Scenario
    customer: int
    steps: int
    difference: str


@dataclass
class _Stage:
    """The accounts and the names of one scenario."""

    customer: int
    merchant: int
    position: LogPosition
    fees: dict[str, int] = field(default_factory=dict)
    authorizations: dict[str, str] = field(default_factory=dict)
    references: dict[str, str] = field(default_factory=dict)
    cleared: str = ""


class Player:
    """Plays scenarios one after another against one server, whose clock it moves."""

    def __init__(self, ledger: Ledger, clock: ServerClock, participant_id: str = "conformance") -> None:
        self._ledger = ledger
        self._clock = clock
        self._participant_id = participant_id
        self._stage = _Stage(0, 0, LogPosition())

    def play(self, scenario: ops.Scenario) -> Played:
        """Play one scenario up to its first difference."""
        number, label = 0, "before the first step"
        try:
            self._stage = self._set_up(scenario.opening_posted)
            self._agree(self._balance(), available=scenario.opening_posted)
            for number, step in enumerate(scenario.steps, 1):
                label = f"step {number} ({step.op})"
                self._play_step(step)
        except Difference as difference:
            return Played(scenario, self._stage.customer, number, f"{label}: {difference}")
        except grpc.RpcError as error:
            answer = answer_of(error)
            return Played(scenario, self._stage.customer, number, f"{label}: {answer.reason}: {answer.message}")
        return Played(scenario, self._stage.customer, number, "")

    # A step, and what must hold after it.

    def _play_step(self, step: ops.AnyStep) -> None:
        before = self._balance()
        refused = self._try(step)
        after = self._balance()
        if step.error is None:
            if refused is not None:
                raise Difference(f"refused with {refused.reason} ({refused.message})")
        else:
            expected = step.error.upper()
            if refused is None:
                raise Difference(f"accepted, but must be refused with {expected}")
            if refused.reason != expected:
                raise Difference(f"refused with {refused.reason}, but must be with {expected}")
            if after != before:
                raise Difference(f"refused, but the balance moved from\n{before}to\n{after}")
        self._agree(after, available=step.available)

    def _try(self, step: ops.AnyStep) -> Answer | None:
        try:
            self._perform(step)
        except grpc.RpcError as error:
            answer = answer_of(error)
            if answer.position > self._stage.position.position:
                self._stage.position = LogPosition(partition=answer.partition, position=answer.position)
            if step.error is None and answer.position == 0:
                raise
            return answer
        return None

    def _agree(self, balance: Balance, *, available: int | None) -> None:
        """Compare a balance with the scenario's, with the open holds, and the books with zero."""
        if available is not None and balance.available_tyiyn != available:
            raise Difference(f"available is {balance.available_tyiyn}, must be {available}")
        if balance.available_tyiyn != balance.posted_tyiyn - balance.held_tyiyn:
            raise Difference(
                f"available {balance.available_tyiyn} is not posted {balance.posted_tyiyn} - held {balance.held_tyiyn}"
            )
        held = sum(hold.remaining_tyiyn for hold in self._open())
        if held != balance.held_tyiyn:
            raise Difference(f"the open authorizations hold {held}, the balance says {balance.held_tyiyn}")
        books: dict[str, int] = {}
        request = statement_api.GetTrialBalanceRequest(min_position=self._stage.position)
        for line in self._ledger.statements.GetTrialBalance(request, timeout=_CALL_SECONDS).lines:
            books[line.currency_code] = books.get(line.currency_code, 0) + line.posted_tyiyn
        if any(books.values()):
            raise Difference(f"the books do not sum to zero: {books}")

    def _balance(self) -> Balance:
        request = statement_api.GetBalanceRequest(account_id=self._stage.customer, min_position=self._stage.position)
        return self._ledger.statements.GetBalance(request, timeout=_CALL_SECONDS).balance

    def _open(self) -> list[authorization_pb2.Authorization]:
        request = statement_api.ListAuthorizationsRequest(
            account_id=self._stage.customer,
            states=[authorization_pb2.AUTHORIZATION_STATE_OPEN],
            page_size=1000,
            min_position=self._stage.position,
        )
        return list(self._ledger.statements.ListAuthorizations(request, timeout=_CALL_SECONDS).authorizations)

    # Accounts.

    def _set_up(self, opening_posted: int) -> _Stage:
        stage = self._stage = _Stage(0, 0, LogPosition())
        stage.customer = self._open_account(account_pb2.ACCOUNT_KIND_CUSTOMER)
        stage.merchant = self._open_account(account_pb2.ACCOUNT_KIND_MERCHANT)
        if opening_posted:
            settlement = self._open_account(account_pb2.ACCOUNT_KIND_SETTLEMENT)
            self._send(
                self._ledger.transfers.CreateTransfer,
                transfer_api.CreateTransferRequest(
                    request_id=new_id(),
                    transfer=NewTransfer(
                        debit_account_id=settlement,
                        credit_account_id=stage.customer,
                        amount_tyiyn=opening_posted,
                        kind="opening",
                    ),
                ),
            )
        return stage

    def _open_account(self, kind: account_pb2.AccountKind.ValueType) -> int:
        request = account_api.OpenAccountRequest(
            request_id=new_id(), participant_id=self._participant_id, kind=kind, currency_code="KGS"
        )
        answer: account_api.OpenAccountResponse = self._send(self._ledger.accounts.OpenAccount, request)
        return answer.account.account_id

    def _fee_account(self, kind: str) -> int:
        fees = self._stage.fees
        if kind not in fees:
            fees[kind] = self._open_account(account_pb2.ACCOUNT_KIND_FEE_INCOME)
        return fees[kind]

    def _send(self, method: Callable[..., Any], request: Any) -> Any:
        answer = method(request, timeout=_CALL_SECONDS)
        self._stage.position = position_of(answer.receipt)
        return answer

    # Operations.

    def _perform(self, step: ops.AnyStep) -> None:
        """Send what a step stands for; the refusal, if it is one, comes as the error of the call."""
        service = self._ledger.authorizations
        match step:
            case ops.Authorize():
                self._authorize(step)
            case ops.Increment(auth=auth, delta=delta):
                increment = api.IncrementAuthorizationRequest(
                    request_id=new_id(), authorization_id=self._id(auth), amount_tyiyn=delta
                )
                self._send(service.IncrementAuthorization, increment)
            case ops.Replace(auth=auth, total=total):
                replace = api.ReplaceAuthorizationAmountRequest(
                    request_id=new_id(), authorization_id=self._id(auth), total_tyiyn=total
                )
                self._send(service.ReplaceAuthorizationAmount, replace)
            case ops.PartialReverse(auth=auth, amount=amount):
                reverse_part = api.ReverseAuthorizationPartRequest(
                    request_id=new_id(), authorization_id=self._id(auth), amount_tyiyn=amount
                )
                self._send(service.ReverseAuthorizationPart, reverse_part)
            case ops.Reverse(auth=auth):
                self._send(service.ReverseAuthorization, self._reversal(auth))
            case ops.Capture():
                self._capture(step)
            case ops.Expire(auth=auth):
                self._expire(auth)
            case ops.ForcePost(amount=amount):
                self._force_post(amount)
            case ops.RefundAuth(amount=amount, auth=refunded):
                refund_authorization = api.AuthorizeRefundRequest(
                    request_id=new_id(),
                    account_id=self._stage.customer,
                    authorization_id="" if refunded is None else self._id(refunded),
                    amount_tyiyn=amount,
                )
                self._send(service.AuthorizeRefund, refund_authorization)
            case ops.Refund(auth=auth, amount=amount):
                self._refund(api.PostRefundRequest(authorization_id=self._id(auth), amount_tyiyn=amount))
            case ops.Credit(amount=amount):
                accounts = api.MerchantCredit(account_id=self._stage.customer, merchant_account_id=self._stage.merchant)
                self._refund(api.PostRefundRequest(merchant_credit=accounts, amount_tyiyn=amount))
            case ops.SettlementNotice(amount=amount):
                notice = api.RecordSettlementNoticeRequest(
                    request_id=new_id(), clearing_reference=self._stage.cleared or new_id(), amount_tyiyn=amount
                )
                self._send(service.RecordSettlementNotice, notice)
            case ops.BalanceInquiry():
                pass  # The balance is asked after every step.
            case ops.AdvanceDays(days=days):
                self._clock.advance(days * _DAY)
                self._await_timers()

    def _authorize(self, step: ops.Authorize) -> None:
        request_id = new_id()
        first_of_its_name = step.auth not in self._stage.authorizations
        self._stage.authorizations[step.auth] = request_id
        request = api.CreateAuthorizationRequest(
            request_id=request_id,
            account_id=self._stage.customer,
            credit_account_id=self._stage.merchant,
            amount_tyiyn=step.amount,
            requested_amount_tyiyn=step.requested,
            kind=authorization_pb2.AUTHORIZATION_KIND_PURCHASE,
            acquirer_id=ACQUIRER,
            acquirer_reference=self._reference(step.auth) if first_of_its_name else new_id(),
            merchant_name="Dordoi Market",
            parts=[authorization_pb2.AmountPart(kind=kind, amount_tyiyn=part) for kind, part in step.parts.items()],
        )
        self._send(self._ledger.authorizations.CreateAuthorization, request)

    def _capture(self, step: ops.Capture) -> None:
        merchant = self._stage.merchant
        request = api.CaptureAuthorizationRequest(
            request_id=new_id(),
            authorization_id=self._id(step.auth),
            amount_tyiyn=step.amount,
            final=step.final,
            clearing_reference=new_id(),
            parts=[
                authorization_pb2.CapturePart(
                    kind=kind,
                    amount_tyiyn=amount,
                    credit_account_id=merchant if kind in _PRINCIPAL else self._fee_account(kind),
                )
                for kind, amount in step.parts.items()
            ],
        )
        self._send(self._ledger.authorizations.CaptureAuthorization, request)
        self._stage.cleared = request.clearing_reference

    def _force_post(self, amount: int) -> None:
        request = api.ForcePostRequest(
            request_id=new_id(),
            account_id=self._stage.customer,
            credit_account_id=self._stage.merchant,
            amount_tyiyn=amount,
            clearing_reference=new_id(),
        )
        self._send(self._ledger.authorizations.ForcePost, request)
        self._stage.cleared = request.clearing_reference

    def _refund(self, request: api.PostRefundRequest) -> None:
        request.request_id, request.clearing_reference = new_id(), new_id()
        self._send(self._ledger.authorizations.PostRefund, request)
        self._stage.cleared = request.clearing_reference

    def _reversal(self, auth: str) -> api.ReverseAuthorizationRequest:
        """Name the original by its id, or before it has arrived by its acquirer's reference."""
        request = api.ReverseAuthorizationRequest(
            request_id=new_id(), reversed_by=authorization_pb2.REVERSAL_INITIATOR_ACQUIRER
        )
        if auth in self._stage.authorizations:
            request.authorization_id = self._id(auth)
        else:
            original = authorization_pb2.AcquirerReference(
                acquirer_id=ACQUIRER, acquirer_reference=self._reference(auth)
            )
            request.acquirer_reference.CopyFrom(original)
        return request

    def _id(self, auth: str) -> str:
        """Return the id that an authorisation of the scenario has in the ledger; an unknown one where it has none."""
        return self._stage.authorizations.get(auth) or new_id()

    def _reference(self, auth: str) -> str:
        return self._stage.references.setdefault(auth, new_id())

    # Time.

    def _expire(self, auth: str) -> None:
        """Let the time pass at which the hold ends, or would have ended."""
        request = api.GetAuthorizationRequest(authorization_id=self._id(auth), min_position=self._stage.position)
        hold = self._ledger.authorizations.GetAuthorization(request, timeout=_CALL_SECONDS).authorization
        left = hold.expire_time.seconds + 1 - self._clock.now()
        if left > 0:
            self._clock.advance(int(left) + 1)
        self._await_timers()

    def _await_timers(self) -> None:
        """Wait until the ledger has recorded every expiry that is due."""
        patience = time.monotonic() + _TIMER_SECONDS
        while any(hold.expire_time.ToSeconds() < self._clock.now() - 1 for hold in self._open()):
            if time.monotonic() > patience:
                raise Difference(f"a hold that has lapsed is not recorded as expired after {_TIMER_SECONDS:.0f} s")
            time.sleep(_POLL_SECONDS)
