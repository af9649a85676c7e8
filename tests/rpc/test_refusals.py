"""Every reason, reached over the wire: its code, its ErrorInfo and the details of its kind."""

from collections.abc import Callable
from unittest.mock import patch
from uuid import uuid4

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2 as details

from domain.money import MAX_AMOUNT
from domain.refusals import Kind, Reason, Refused, refuse
from ledger.rpc import errors, positions
from projections.runner import live_copy
from projections.schema import notices_dropped
from protos.esep.v1 import account_pb2, authorization_pb2, common_pb2
from protos.esep.v1 import account_service_pb2 as accounts
from protos.esep.v1 import authorization_service_pb2 as authorizations
from protos.esep.v1 import notification_service_pb2 as notifications
from protos.esep.v1 import receipt_service_pb2 as receipts
from protos.esep.v1 import service_directory_service_pb2 as directory
from protos.esep.v1 import statement_service_pb2 as statements
from protos.esep.v1 import transfer_service_pb2 as transfers
from protos.esep.v1.service_directory_pb2 import LANGUAGE_KY
from tests.rpc.audit_cases import AUDIT_CASES
from tests.rpc.bulk_cases import BULK_CASES
from tests.rpc.card_cases import CARD_CASES
from tests.rpc.credit_cases import CREDIT_CASES
from tests.rpc.crossing_cases import CROSSING_CASES, TWO
from tests.rpc.customer_cases import CUSTOMER_CASES
from tests.rpc.payment_cases import PAYMENT_CASES
from tests.rpc.rules_cases import RULES_CASES
from tests.rpc.token_cases import TOKEN_CASES
from tests.rpc.transfer_cases import TRANSFER_CASES
from tests.rpc.world import PATIENCE, Bank, Refusal, new_id, refused, transfer

Case = Callable[[Bank], Refusal]

UNKNOWN = (1 << 40) - 1
CUSTOMER = account_pb2.ACCOUNT_KIND_CUSTOMER


def authorize(bank: Bank, amount: int = 500, **fields: object) -> authorizations.CreateAuthorizationRequest:
    """Return a request to hold an amount of the rich customer for the merchant."""
    content = {
        "request_id": new_id(),
        "account_id": bank.rich,
        "credit_account_id": bank.merchant,
        "amount_tyiyn": amount,
        "kind": authorization_pb2.AUTHORIZATION_KIND_PURCHASE,
        "entry_mode": authorization_pb2.ENTRY_MODE_CHIP,
        **fields,
    }
    return authorizations.CreateAuthorizationRequest(**content)  # type: ignore[arg-type] # fields of many types


def held(bank: Bank, amount: int = 500, **fields: object) -> str:
    """Hold an amount; return the authorization's id."""
    answer = bank.call(bank.ledger.authorizations.CreateAuthorization, authorize(bank, amount, **fields))
    return str(answer.authorization.authorization_id)


def reverse(authorization_id: str) -> authorizations.ReverseAuthorizationRequest:
    return authorizations.ReverseAuthorizationRequest(
        request_id=new_id(),
        authorization_id=authorization_id,
        reversed_by=authorization_pb2.REVERSAL_INITIATOR_ACQUIRER,
    )


def capture(authorization_id: str, amount: int, reference: str) -> authorizations.CaptureAuthorizationRequest:
    return authorizations.CaptureAuthorizationRequest(
        request_id=new_id(), authorization_id=authorization_id, amount_tyiyn=amount, clearing_reference=reference
    )


def invalid_argument(bank: Bank) -> Refusal:
    return bank.refused(bank.ledger.transfers.CreateTransfer, transfer(bank.rich, bank.poor, 0))


def effective_time_out_of_bounds(bank: Bank) -> Refusal:
    request = transfer(bank.rich, bank.poor, 1, effective_time=Timestamp(seconds=1))
    return bank.refused(bank.ledger.transfers.CreateTransfer, request)


def page_token_invalid(bank: Bank) -> Refusal:
    request = accounts.ListAccountsRequest(participant_id="bank-a", page_token="x" * 40)
    return bank.refused(bank.ledger.accounts.ListAccounts, request)


def currency_unknown(bank: Bank) -> Refusal:
    request = accounts.OpenAccountRequest(
        request_id=new_id(), participant_id="bank-a", kind=CUSTOMER, currency_code="XTS"
    )
    return bank.refused(bank.ledger.accounts.OpenAccount, request)


def account_not_found(bank: Bank) -> Refusal:
    return bank.refused(bank.ledger.accounts.GetAccount, accounts.GetAccountRequest(account_id=UNKNOWN))


def transfer_not_found(bank: Bank) -> Refusal:
    return bank.refused(bank.ledger.transfers.GetTransfer, transfers.GetTransferRequest(transfer_id=new_id()))


def authorization_not_found(bank: Bank) -> Refusal:
    return bank.refused(bank.ledger.authorizations.ReverseAuthorization, reverse(new_id()))


def clearing_reference_not_found(bank: Bank) -> Refusal:
    request = authorizations.RecordSettlementNoticeRequest(
        request_id=new_id(), clearing_reference="never", amount_tyiyn=1
    )
    return bank.refused(bank.ledger.authorizations.RecordSettlementNotice, request)


def operation_not_found(bank: Bank) -> Refusal:
    request = receipts.GetOperationReceiptRequest(operation_id=new_id(), language=LANGUAGE_KY)
    return bank.refused(bank.ledger.receipts.GetOperationReceipt, request)


def too_many_streams(bank: Bank) -> Refusal:
    request = notifications.SubscribeRequest(language=LANGUAGE_KY)
    open_one = bank.call(bank.ledger.notifications.Subscribe, request)
    next(open_one)
    refusal = refused(lambda: list(bank.call(bank.ledger.notifications.Subscribe, request)))
    open_one.cancel()
    return refusal


def notifications_dropped(bank: Bank) -> Refusal:
    head = common_pb2.LogPosition(position=bank.world.log.head(0))
    page = notifications.ListNotificationsRequest(language=LANGUAGE_KY, min_position=head)
    bank.call(bank.ledger.notifications.ListNotifications, page)  # The tables are there, and have taken everything in.
    copy = live_copy(bank.world._store)
    with copy.write() as writer:
        writer.insert(notices_dropped, [(0, 1, 0)])
    copy.close()
    request = notifications.SubscribeRequest(language=LANGUAGE_KY)
    return refused(lambda: list(bank.call(bank.ledger.notifications.Subscribe, request)))


def outcome_not_found(bank: Bank) -> Refusal:
    return bank.refused(bank.ledger.transfers.GetOutcome, transfers.GetOutcomeRequest(request_id=new_id()))


def account_closed(bank: Bank) -> Refusal:
    close = accounts.CloseAccountRequest(request_id=new_id(), account_id=bank.poor)
    bank.call(bank.ledger.accounts.CloseAccount, close)
    return bank.refused(bank.ledger.transfers.CreateTransfer, transfer(bank.rich, bank.poor, 1))


def account_frozen(bank: Bank) -> Refusal:
    freeze = accounts.FreezeAccountRequest(request_id=new_id(), account_id=bank.rich, debits=True)
    bank.call(bank.ledger.accounts.FreezeAccount, freeze)
    return bank.refused(bank.ledger.transfers.CreateTransfer, transfer(bank.rich, bank.poor, 1))


def account_not_empty(bank: Bank) -> Refusal:
    close = accounts.CloseAccountRequest(request_id=new_id(), account_id=bank.rich)
    return bank.refused(bank.ledger.accounts.CloseAccount, close)


def account_number_taken(bank: Bank) -> Refusal:
    bank.open(CUSTOMER, account_number="1080000000000001")
    again = accounts.OpenAccountRequest(
        request_id=new_id(), participant_id="bank-a", kind=CUSTOMER, account_number="1080000000000001"
    )
    return bank.refused(bank.ledger.accounts.OpenAccount, again)


def currency_mismatch(bank: Bank) -> Refusal:
    return bank.refused(bank.ledger.transfers.CreateTransfer, transfer(bank.rich, bank.poor, 1, currency_code="USD"))


def insufficient_funds(bank: Bank) -> Refusal:
    return bank.refused(bank.ledger.transfers.CreateTransfer, transfer(bank.poor, bank.rich, 1))


def balance_limit(bank: Bank) -> Refusal:
    largest = [transfer(bank.cash, bank.merchant, MAX_AMOUNT).transfer for _ in range(4_700)]
    for item in largest:
        item.request_id = new_id()
    batch = transfers.CreateTransfersRequest(transfers=largest)
    bank.call(bank.ledger.transfers.CreateTransfers, batch)
    return bank.refused(bank.ledger.transfers.CreateTransfer, transfer(bank.cash, bank.merchant, MAX_AMOUNT))


def over_reversal(bank: Bank) -> Refusal:
    request = authorizations.ReverseAuthorizationPartRequest(
        request_id=new_id(), authorization_id=held(bank, 500), amount_tyiyn=501
    )
    return bank.refused(bank.ledger.authorizations.ReverseAuthorizationPart, request)


def over_refund(bank: Bank) -> Refusal:
    authorization_id = held(bank, 500)
    bank.call(bank.ledger.authorizations.CaptureAuthorization, capture(authorization_id, 500, "c-1"))
    request = authorizations.PostRefundRequest(
        request_id=new_id(), authorization_id=authorization_id, amount_tyiyn=501, clearing_reference="c-2"
    )
    return bank.refused(bank.ledger.authorizations.PostRefund, request)


def already_resolved(bank: Bank) -> Refusal:
    authorization_id = held(bank)
    bank.call(bank.ledger.authorizations.ReverseAuthorization, reverse(authorization_id))
    return bank.refused(bank.ledger.authorizations.ReverseAuthorization, reverse(authorization_id))


def already_reversed(bank: Bank) -> Refusal:
    made = bank.move(bank.rich, bank.poor, 10).transfer.transfer_id
    first = transfers.ReverseTransferRequest(request_id=new_id(), transfer_id=made)
    bank.call(bank.ledger.transfers.ReverseTransfer, first)
    second = transfers.ReverseTransferRequest(request_id=new_id(), transfer_id=made)
    return bank.refused(bank.ledger.transfers.ReverseTransfer, second)


def authorization_declined(bank: Bank) -> Refusal:
    declined = authorize(bank, 500, account_id=bank.poor)
    bank.refused(bank.ledger.authorizations.CreateAuthorization, declined)
    return bank.refused(bank.ledger.authorizations.CaptureAuthorization, capture(declined.request_id, 500, "c-3"))


def reversed_before(bank: Bank) -> Refusal:
    reference = authorization_pb2.AcquirerReference(acquirer_id="acq", acquirer_reference="r-1")
    early = authorizations.ReverseAuthorizationRequest(
        request_id=new_id(),
        acquirer_reference=reference,
        reversed_by=authorization_pb2.REVERSAL_INITIATOR_ACQUIRER,
    )
    bank.call(bank.ledger.authorizations.ReverseAuthorization, early)
    late = authorize(bank, acquirer_id="acq", acquirer_reference="r-1")
    return bank.refused(bank.ledger.authorizations.CreateAuthorization, late)


def acquirer_reference_seen(bank: Bank) -> Refusal:
    held(bank, acquirer_id="acq", acquirer_reference="r-2")
    again = authorize(bank, acquirer_id="acq", acquirer_reference="r-2")
    return bank.refused(bank.ledger.authorizations.CreateAuthorization, again)


def clearing_reference_seen(bank: Bank) -> Refusal:
    authorization_id = held(bank)
    bank.call(bank.ledger.authorizations.CaptureAuthorization, capture(authorization_id, 10, "c-4"))
    return bank.refused(bank.ledger.authorizations.CaptureAuthorization, capture(authorization_id, 10, "c-4"))


def request_id_reused(bank: Bank) -> Refusal:
    first = transfer(bank.rich, bank.poor, 10)
    bank.call(bank.ledger.transfers.CreateTransfer, first)
    other = transfer(bank.rich, bank.poor, 11, request_id=first.request_id)
    return bank.refused(bank.ledger.transfers.CreateTransfer, other)


def expected_version_mismatch(bank: Bank) -> Refusal:
    freeze = accounts.FreezeAccountRequest(request_id=new_id(), account_id=bank.rich, debits=True, expected_version=7)
    return bank.refused(bank.ledger.accounts.FreezeAccount, freeze)


def permission_denied(bank: Bank) -> Refusal:
    stranger = Bank.calling(bank.world, "no such name!")
    return stranger.refused(stranger.ledger.accounts.GetAccount, accounts.GetAccountRequest(account_id=bank.rich))


def message_too_large(bank: Bank) -> Refusal:
    reference = "x" * (17 << 20)
    return bank.refused(bank.ledger.transfers.CreateTransfer, transfer(1, 2, 3, reference=reference))


def service_not_found(bank: Bank) -> Refusal:
    return bank.refused(bank.ledger.directory.GetService, directory.GetServiceRequest(service_id="none"))


def position_not_reached(bank: Bank) -> Refusal:
    request = statements.GetBalanceRequest(
        account_id=bank.rich, min_position=common_pb2.LogPosition(partition=0, position=1_000_000)
    )
    with patch.object(positions, "_MARGIN", 0.95):  # Time enough to tell it in, however slow this machine is.
        return bank.refused(bank.ledger.statements.GetBalance, request, timeout=None)


def deadline_exceeded(bank: Bank) -> Refusal:
    bank.world.engine.holding = True
    with patch.object(bank.world.edge._gate, "_max_deadline_seconds", 1.5):
        return bank.refused(bank.ledger.transfers.CreateTransfer, transfer(bank.rich, bank.poor, 1), timeout=None)


def internal(bank: Bank) -> Refusal:
    bank.world.engine.refusing = RuntimeError("the secret of the engine")
    return bank.refused(bank.ledger.transfers.CreateTransfer, transfer(bank.rich, bank.poor, 1))


def from_the_engine(reason: Reason) -> Case:
    def case(bank: Bank) -> Refusal:
        bank.world.engine.refusing = Refused(refuse(reason))
        return bank.refused(bank.ledger.transfers.CreateTransfer, transfer(bank.rich, bank.poor, 1))

    return case


CASES: dict[Reason, Case] = {
    Reason.INVALID_ARGUMENT: invalid_argument,
    Reason.EFFECTIVE_TIME_OUT_OF_BOUNDS: effective_time_out_of_bounds,
    Reason.PAGE_TOKEN_INVALID: page_token_invalid,
    Reason.NOTIFICATIONS_DROPPED: notifications_dropped,
    Reason.CURRENCY_UNKNOWN: currency_unknown,
    Reason.ACCOUNT_NOT_FOUND: account_not_found,
    Reason.TRANSFER_NOT_FOUND: transfer_not_found,
    Reason.AUTHORIZATION_NOT_FOUND: authorization_not_found,
    Reason.CLEARING_REFERENCE_NOT_FOUND: clearing_reference_not_found,
    Reason.SERVICE_NOT_FOUND: service_not_found,
    Reason.OPERATION_NOT_FOUND: operation_not_found,
    Reason.OUTCOME_NOT_FOUND: outcome_not_found,
    Reason.ACCOUNT_CLOSED: account_closed,
    Reason.ACCOUNT_FROZEN: account_frozen,
    Reason.ACCOUNT_NOT_EMPTY: account_not_empty,
    Reason.ACCOUNT_NUMBER_TAKEN: account_number_taken,
    Reason.CURRENCY_MISMATCH: currency_mismatch,
    Reason.INSUFFICIENT_FUNDS: insufficient_funds,
    Reason.BALANCE_LIMIT: balance_limit,
    Reason.OVER_REVERSAL: over_reversal,
    Reason.OVER_REFUND: over_refund,
    Reason.ALREADY_RESOLVED: already_resolved,
    Reason.ALREADY_REVERSED: already_reversed,
    Reason.AUTHORIZATION_DECLINED: authorization_declined,
    Reason.REVERSED_BEFORE: reversed_before,
    Reason.ACQUIRER_REFERENCE_SEEN: acquirer_reference_seen,
    Reason.CLEARING_REFERENCE_SEEN: clearing_reference_seen,
    Reason.REQUEST_ID_REUSED: request_id_reused,
    Reason.EXPECTED_VERSION_MISMATCH: expected_version_mismatch,
    Reason.PERMISSION_DENIED: permission_denied,
    Reason.UNAUTHENTICATED: from_the_engine(Reason.UNAUTHENTICATED),
    Reason.RATE_LIMITED: from_the_engine(Reason.RATE_LIMITED),
    Reason.QUEUE_FULL: from_the_engine(Reason.QUEUE_FULL),
    Reason.STORAGE_FULL: from_the_engine(Reason.STORAGE_FULL),
    Reason.TOO_MANY_STREAMS: too_many_streams,
    Reason.MESSAGE_TOO_LARGE: message_too_large,
    Reason.LEDGER_UNAVAILABLE: from_the_engine(Reason.LEDGER_UNAVAILABLE),
    Reason.NOT_THE_OWNER: from_the_engine(Reason.NOT_THE_OWNER),
    Reason.OWNER_UNREACHABLE: from_the_engine(Reason.OWNER_UNREACHABLE),
    Reason.SHUTTING_DOWN: from_the_engine(Reason.SHUTTING_DOWN),
    Reason.UNKNOWN_EVENT: from_the_engine(Reason.UNKNOWN_EVENT),
    Reason.POSITION_NOT_REACHED: position_not_reached,
    Reason.DEADLINE_EXCEEDED: deadline_exceeded,
    Reason.INTERNAL: internal,
    **AUDIT_CASES,
    **CARD_CASES,
    **CUSTOMER_CASES,
    **TOKEN_CASES,
    **CREDIT_CASES,
    **BULK_CASES,
    **TRANSFER_CASES,
    **RULES_CASES,
    **PAYMENT_CASES,
    **CROSSING_CASES,
}

DETAILS = {
    Kind.INVALID: details.BadRequest,
    Kind.NOT_FOUND: details.ResourceInfo,
    Kind.STATE: details.PreconditionFailure,
    Kind.EXHAUSTED: details.RetryInfo,
    Kind.UNAVAILABLE: details.RetryInfo,
}


@pytest.mark.parametrize(
    ("reason", "settings"),
    [
        (
            reason,
            {
                "max_deadline_seconds": PATIENCE,
                "max_streams": 1,
                "policy": TWO if reason in CROSSING_CASES else None,
            },
        )
        for reason in Reason
    ],
    ids=[reason.name for reason in Reason],
)
def test_every_reason_reaches_the_caller(reason: Reason, limited_bank: Bank) -> None:
    """Each reason comes with its code, its ErrorInfo, the details of its kind, and whether it is recorded."""
    refusal = CASES[reason](limited_bank)
    kind = reason.value.kind
    assert refusal.code is errors.CODES[kind]
    assert (refusal.reason, refusal.info.domain) == (reason.name, "esep.kg")
    assert refusal.metadata["recorded"] == ("true" if reason.value.recorded else "false")
    assert ("position" in refusal.metadata) == reason.value.recorded
    expected = None if reason is Reason.MESSAGE_TOO_LARGE else DETAILS.get(kind)
    assert [detail for detail in DETAILS.values() if refusal.has(detail)] == (
        [] if expected is None else _all(expected)
    )


def _all(expected: type[object]) -> list[type[object]]:
    return [detail for detail in DETAILS.values() if detail is expected]


def test_what_stands_in_the_way_is_named(bank: Bank) -> None:
    """A precondition names the account, and a missing resource its type and name."""
    refusal = insufficient_funds(bank)
    violation = refusal.detail(details.PreconditionFailure()).violations[0]
    assert (violation.type, violation.subject) == ("INSUFFICIENT_FUNDS", f"account_id:{bank.poor}")
    missing = account_not_found(bank).detail(details.ResourceInfo())
    assert (missing.resource_type, missing.resource_name) == ("account", str(UNKNOWN))


def test_a_version_that_changed_is_told_with_both_versions(bank: Bank) -> None:
    """EXPECTED_VERSION_MISMATCH says what was expected and what is."""
    refusal = expected_version_mismatch(bank)
    assert refusal.code.name == "ABORTED"
    assert (refusal.metadata["expected"], refusal.metadata["actual"]) == ("7", "1")


def test_an_uncaught_exception_leaves_nothing_but_a_correlation_id(bank: Bank) -> None:
    """The text of an exception stays inside."""
    refusal = internal(bank)
    assert "secret" not in refusal.text
    assert set(refusal.metadata) == {"correlation_id", "recorded"}
    assert len(refusal.metadata["correlation_id"]) == 16


def test_a_reused_request_id_tells_nothing_of_the_first_request(bank: Bank) -> None:
    """Whoever guesses an id learns only that it is taken."""
    assert set(request_id_reused(bank).metadata) == {"recorded"}


def test_the_domains_fields_are_told_in_the_requests_terms(bank: Bank) -> None:
    """What the domain finds at fault is named by the path that the caller wrote."""
    assert effective_time_out_of_bounds(bank).fields == {"transfer.effective_time": "EFFECTIVE_TIME_OUT_OF_BOUNDS"}
    assert currency_unknown(bank).fields == {"currency_code": "CURRENCY_UNKNOWN"}
    split = capture(held(bank), 10, f"c-{uuid4()}")
    split.parts.add(amount_tyiyn=9, credit_account_id=bank.merchant)
    assert bank.refused(bank.ledger.authorizations.CaptureAuthorization, split).fields == {"parts": "SUM"}
