"""Ids of a kind that the ledger makes itself, and repeats that only a reference leads to."""

from uuid import NAMESPACE_DNS, uuid5

import pytest

from protos.esep.v1 import account_pb2, authorization_pb2
from protos.esep.v1 import account_service_pb2 as accounts
from protos.esep.v1 import authorization_service_pb2 as authorizations
from protos.esep.v1 import transfer_service_pb2 as transfers
from tests.rpc.rules_cases import approval, propose_adjustment
from tests.rpc.test_refusals import held
from tests.rpc.world import Bank, item, new_id, refused, transfer

RESERVED = [
    "00000000-0000-0000-0000-000000000000",
    "00000000-0000-0000-0000-000000000003",
    str(uuid5(NAMESPACE_DNS, "esep")),
]


@pytest.mark.parametrize("reserved", RESERVED)
def test_nobody_takes_an_id_that_the_ledger_would_make(bank: Bank, reserved: str) -> None:
    """An account's number or a name-based UUID as a request id is refused, alone and in a batch; nothing moves."""
    one = transfer(bank.rich, bank.poor, 10)
    one.request_id = reserved
    refusal = bank.refused(bank.ledger.transfers.CreateTransfer, one)
    assert refusal.reason == "INVALID_ARGUMENT"
    assert refusal.fields == {"request_id": "RESERVED"}
    many = transfers.CreateTransfersRequest(
        transfers=[item(bank.rich, bank.poor, 1), item(bank.rich, bank.poor, 1, request_id=reserved)]
    )
    refusal = bank.refused(bank.ledger.transfers.CreateTransfers, many)
    assert refusal.fields == {"transfers[1].request_id": "RESERVED"}


@pytest.mark.parametrize("kind", [account_pb2.ACCOUNT_KIND_CLEARING, account_pb2.ACCOUNT_KIND_CASH])
def test_nobody_opens_an_account_as_the_ledger(bank: Bank, kind: account_pb2.AccountKind.ValueType) -> None:
    """Accounts of the participant ``esep`` are the ledger's own: none can be taken for one."""
    request = accounts.OpenAccountRequest(request_id=new_id(), participant_id="esep", kind=kind)
    assert bank.refused(bank.ledger.accounts.OpenAccount, request).fields == {"participant_id": "RESERVED"}


def test_a_reversal_by_reference_is_told_again(bank: Bank) -> None:
    """A reversal that found its original by the acquirer's reference is answered again with its first outcome."""
    held(bank, acquirer_id="acq", acquirer_reference="again-1")
    request = authorizations.ReverseAuthorizationRequest(
        request_id=new_id(),
        acquirer_reference=authorization_pb2.AcquirerReference(acquirer_id="acq", acquirer_reference="again-1"),
        reversed_by=authorization_pb2.REVERSAL_INITIATOR_ACQUIRER,
    )
    first = bank.call(bank.ledger.authorizations.ReverseAuthorization, request)
    again = bank.call(bank.ledger.authorizations.ReverseAuthorization, request)
    assert again.authorization == first.authorization
    assert (first.receipt.replayed, again.receipt.replayed) == (False, True)


def test_what_followed_from_a_request_is_no_request(bank: Bank) -> None:
    """GetOutcome takes no id that the ledger made, be it in the log: those are nobody's requests."""
    checker = bank.world.client("checker")
    proposed = approval(propose_adjustment(bank))
    approved = checker.adjustments.ApproveAdjustment(proposed, metadata=checker.metadata).adjustment
    own = transfers.GetOutcomeRequest(request_id=proposed.request_id)
    assert checker.transfers.GetOutcome(own, metadata=checker.metadata).adjustment == approved
    made = transfers.GetOutcomeRequest(request_id=approved.transfer_id)
    refusal = refused(lambda: checker.transfers.GetOutcome(made, metadata=checker.metadata))
    assert refusal.reason == "OUTCOME_NOT_FOUND"
