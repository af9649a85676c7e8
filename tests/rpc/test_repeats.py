"""The same request again: the first outcome, told by every method in the same words."""

import pytest

from protos.esep.v1 import account_pb2, authorization_pb2
from protos.esep.v1 import account_service_pb2 as accounts
from protos.esep.v1 import authorization_service_pb2 as authorizations
from protos.esep.v1 import transfer_service_pb2 as transfers
from tests.rpc.test_refusals import authorize, capture, held, reverse
from tests.rpc.world import Bank, item, new_id, transfer

REFERENCE = authorization_pb2.AcquirerReference(acquirer_id="acq", acquirer_reference="r-9")


def open_account(bank: Bank) -> tuple[object, object, str]:
    request = accounts.OpenAccountRequest(
        request_id=new_id(), participant_id="bank-a", kind=account_pb2.ACCOUNT_KIND_CUSTOMER, tags={"b": "1", "a": "2"}
    )
    return bank.ledger.accounts.OpenAccount, request, "account"


def freeze(bank: Bank) -> tuple[object, object, str]:
    request = accounts.FreezeAccountRequest(request_id=new_id(), account_id=bank.poor, credits=True)
    return bank.ledger.accounts.FreezeAccount, request, "account"


def set_limit(bank: Bank) -> tuple[object, object, str]:
    request = accounts.SetOverdraftLimitRequest(request_id=new_id(), account_id=bank.poor, overdraft_limit_tyiyn=5)
    return bank.ledger.accounts.SetOverdraftLimit, request, "account"


def move(bank: Bank) -> tuple[object, object, str]:
    return (
        bank.ledger.transfers.CreateTransfer,
        transfer(bank.rich, bank.poor, 10, tags={"b": "1", "a": "2"}),
        "transfer",
    )


def move_back(bank: Bank) -> tuple[object, object, str]:
    made = bank.move(bank.rich, bank.poor, 10).transfer.transfer_id
    request = transfers.ReverseTransferRequest(request_id=new_id(), transfer_id=made, amount_tyiyn=4, explanation="why")
    return bank.ledger.transfers.ReverseTransfer, request, "transfer_reversal"


def hold(bank: Bank) -> tuple[object, object, str]:
    return bank.ledger.authorizations.CreateAuthorization, authorize(bank, 10), "authorization"


def hold_part(bank: Bank) -> tuple[object, object, str]:
    request = authorize(bank, 2_000_000, accept_partial=True)
    return bank.ledger.authorizations.CreateAuthorization, request, "authorization"


def advise(bank: Bank) -> tuple[object, object, str]:
    request = authorizations.AdviseAuthorizationRequest(
        request_id=new_id(),
        account_id=bank.poor,
        credit_account_id=bank.merchant,
        amount_tyiyn=7,
        kind=authorization_pb2.AUTHORIZATION_KIND_PURCHASE,
    )
    return bank.ledger.authorizations.AdviseAuthorization, request, "authorization"


def increment(bank: Bank) -> tuple[object, object, str]:
    request = authorizations.IncrementAuthorizationRequest(
        request_id=new_id(), authorization_id=held(bank), amount_tyiyn=3
    )
    return bank.ledger.authorizations.IncrementAuthorization, request, "authorization"


def replace(bank: Bank) -> tuple[object, object, str]:
    request = authorizations.ReplaceAuthorizationAmountRequest(
        request_id=new_id(), authorization_id=held(bank), total_tyiyn=3
    )
    return bank.ledger.authorizations.ReplaceAuthorizationAmount, request, "authorization"


def release(bank: Bank) -> tuple[object, object, str]:
    return bank.ledger.authorizations.ReverseAuthorization, reverse(held(bank)), "authorization"


def release_early(bank: Bank) -> tuple[object, object, str]:
    request = authorizations.ReverseAuthorizationRequest(
        request_id=new_id(),
        acquirer_reference=REFERENCE,
        reversed_by=authorization_pb2.REVERSAL_INITIATOR_ACQUIRER,
    )
    return bank.ledger.authorizations.ReverseAuthorization, request, "kept_reversal"


def post(bank: Bank) -> tuple[object, object, str]:
    return bank.ledger.authorizations.CaptureAuthorization, capture(held(bank), 600, "p-1"), "authorization"


def force(bank: Bank) -> tuple[object, object, str]:
    request = authorizations.ForcePostRequest(
        request_id=new_id(), account_id=bank.rich, amount_tyiyn=9, clearing_reference="f-1", merchant_name="Kiosk"
    )
    request.parts.add(kind="settlement", amount_tyiyn=8, credit_account_id=bank.merchant)
    request.parts.add(amount_tyiyn=1, credit_account_id=bank.cash)
    return bank.ledger.authorizations.ForcePost, request, "force_posting"


def announce_refund(bank: Bank) -> tuple[object, object, str]:
    request = authorizations.AuthorizeRefundRequest(
        request_id=new_id(), account_id=bank.rich, amount_tyiyn=5, authorization_id=held(bank)
    )
    return bank.ledger.authorizations.AuthorizeRefund, request, "refund_authorization"


def refund(bank: Bank) -> tuple[object, object, str]:
    authorization_id = held(bank)
    bank.call(bank.ledger.authorizations.CaptureAuthorization, capture(authorization_id, 500, "r-1"))
    request = authorizations.PostRefundRequest(
        request_id=new_id(), authorization_id=authorization_id, amount_tyiyn=5, clearing_reference="r-2"
    )
    return bank.ledger.authorizations.PostRefund, request, "refund"


def credit(bank: Bank) -> tuple[object, object, str]:
    request = authorizations.PostRefundRequest(
        request_id=new_id(),
        merchant_credit=authorizations.MerchantCredit(account_id=bank.rich, merchant_account_id=bank.merchant),
        amount_tyiyn=5,
        clearing_reference="r-3",
    )
    return bank.ledger.authorizations.PostRefund, request, "refund"


def notice(bank: Bank) -> tuple[object, object, str]:
    bank.call(bank.ledger.authorizations.CaptureAuthorization, capture(held(bank), 500, "n-1"))
    request = authorizations.RecordSettlementNoticeRequest(
        request_id=new_id(), clearing_reference="n-1", amount_tyiyn=499
    )
    return bank.ledger.authorizations.RecordSettlementNotice, request, "settlement_notice"


CASES = [
    open_account, freeze, set_limit, move, move_back, hold, hold_part, advise, increment, replace, release,
    release_early, post, force, announce_refund, refund, credit, notice,
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_the_first_outcome_is_told_again(bank: Bank, case: object) -> None:
    """A repeat answers the first answer but for ``replayed``, GetOutcome the same resource; neither records."""
    method, request, field = case(bank)  # type: ignore[operator] # a function of this module
    first = bank.call(method, request)
    head = bank.world.log.head(0)
    again = bank.call(method, request)
    assert again.receipt.replayed
    again.receipt.replayed = False
    assert again == first
    told = bank.call(bank.ledger.transfers.GetOutcome, transfers.GetOutcomeRequest(request_id=request.request_id))
    assert told.WhichOneof("outcome") == field
    assert told.receipt.replayed
    assert getattr(told, field) == getattr(first, {"transfer_reversal": "reversal"}.get(field, field))
    assert bank.world.log.head(0) == head


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_trial_decides_and_records_nothing(bank: Bank, case: object) -> None:
    """validate_only answers without a receipt, and the same id is still free."""
    method, request, _ = case(bank)  # type: ignore[operator] # a function of this module
    head = bank.world.log.head(0)
    request.validate_only = True
    trial = bank.call(method, request)
    assert not trial.HasField("receipt")
    assert bank.world.log.head(0) == head
    request.validate_only = False
    assert not bank.call(method, request).receipt.replayed


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_another_caller_is_told_nothing(bank: Bank, case: object) -> None:
    """A request id of somebody else is taken, and its outcome unknown."""
    method, request, _ = case(bank)  # type: ignore[operator] # a function of this module
    bank.call(method, request)
    bank.ledger.metadata = (("esep-caller", "bank-b"),)
    assert bank.refused(method, request).reason == "REQUEST_ID_REUSED"
    asked = transfers.GetOutcomeRequest(request_id=request.request_id)
    assert bank.refused(bank.ledger.transfers.GetOutcome, asked).reason == "OUTCOME_NOT_FOUND"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_an_id_stands_for_one_request(bank: Bank, case: object) -> None:
    """The same id for a transfer of other content is refused, whatever it stood for first."""
    method, request, _ = case(bank)  # type: ignore[operator] # a function of this module
    bank.call(method, request)
    other = transfer(bank.rich, bank.poor, 11, request_id=request.request_id)
    assert bank.refused(bank.ledger.transfers.CreateTransfer, other).reason == "REQUEST_ID_REUSED"


@pytest.mark.parametrize(
    ("case", "field", "value"),
    [
        (open_account, "reference", "x"),
        (freeze, "explanation", "x"),
        (post, "amount_tyiyn", 1),
        (move_back, "amount_tyiyn", 3),
    ],
)
def test_the_same_method_with_other_content_is_another_request(
    bank: Bank, case: object, field: str, value: object
) -> None:
    """One changed field makes it another request, which needs an id of its own."""
    method, request, _ = case(bank)  # type: ignore[operator] # a function of this module
    bank.call(method, request)
    setattr(request, field, value)
    assert bank.refused(method, request).reason == "REQUEST_ID_REUSED"


def test_a_decline_is_final_and_told_again(bank: Bank) -> None:
    """A recorded refusal is the same refusal for ever, even when there is money now."""
    request = transfer(bank.poor, bank.rich, 1)
    first = bank.refused(bank.ledger.transfers.CreateTransfer, request)
    bank.move(bank.rich, bank.poor, 10)
    again = bank.refused(bank.ledger.transfers.CreateTransfer, request)
    assert (again.code, again.text) == (first.code, first.text)
    assert again.metadata == {**first.metadata, "replayed": "true"}
    told = bank.call(bank.ledger.transfers.GetOutcome, transfers.GetOutcomeRequest(request_id=request.request_id))
    assert told.refusal.reason == "INSUFFICIENT_FUNDS"


def test_a_declined_authorization_can_be_read(bank: Bank) -> None:
    """The decline of a hold is an authorization of its own."""
    request = authorize(bank, account_id=bank.poor)
    first = bank.refused(bank.ledger.authorizations.CreateAuthorization, request)
    again = bank.refused(bank.ledger.authorizations.CreateAuthorization, request)
    assert again.metadata == {**first.metadata, "replayed": "true"}
    read = bank.call(
        bank.ledger.authorizations.GetAuthorization,
        authorizations.GetAuthorizationRequest(authorization_id=request.request_id),
    )
    assert read.authorization.state == authorization_pb2.AUTHORIZATION_STATE_DECLINED
    assert read.authorization.decline_reason == "INSUFFICIENT_FUNDS"
    assert not read.authorization.HasField("expire_time")


def test_the_resource_is_told_as_it_was(bank: Bank) -> None:
    """A repeat shows the account as that request left it, not as it is today."""
    method, request, _ = freeze(bank)
    bank.call(method, request)  # type: ignore[arg-type] # a request
    unfreeze = accounts.UnfreezeAccountRequest(request_id=new_id(), account_id=bank.poor, credits=True)
    bank.call(bank.ledger.accounts.UnfreezeAccount, unfreeze)
    limit = accounts.SetOverdraftLimitRequest(request_id=new_id(), account_id=bank.poor, overdraft_limit_tyiyn=5)
    bank.call(bank.ledger.accounts.SetOverdraftLimit, limit)
    account = bank.call(method, request).account  # type: ignore[arg-type] # a request
    assert (account.version, account.credits_frozen, account.overdraft_limit_tyiyn) == (2, True, 0)


def test_the_id_of_an_account_is_nobodys_request(bank: Bank) -> None:
    """What stands in the log under an id is an outcome only for whoever asked for it by that id."""
    asked = transfers.GetOutcomeRequest(request_id=f"00000000-0000-0000-0000-{bank.rich:012x}")
    assert bank.refused(bank.ledger.transfers.GetOutcome, asked).reason == "OUTCOME_NOT_FOUND"


def test_a_transfer_of_a_batch_is_repeated_alone(bank: Bank) -> None:
    """Each item's id is its own key, whichever way it is sent again."""
    one = item(bank.rich, bank.poor, 10)
    bank.call(bank.ledger.transfers.CreateTransfers, transfers.CreateTransfersRequest(transfers=[one]))
    alone = transfers.CreateTransferRequest(request_id=one.request_id, transfer=one)
    assert bank.call(bank.ledger.transfers.CreateTransfer, alone).receipt.replayed
