"""How each refusal about participants, rules, adjustments and limits comes about, one function a reason."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from domain.authorize import Spender
from domain.refusals import Reason
from domain.rules import Operation
from protos.esep.v1 import (
    account_pb2,
    adjustment_service_pb2,
    authorization_service_pb2,
    participant_pb2,
    participant_service_pb2,
    rules_pb2,
    rules_service_pb2,
    transfer_service_pb2,
)
from protos.esep.v1.authorization_pb2 import AUTHORIZATION_KIND_PURCHASE as PURCHASE
from protos.esep.v1.authorization_pb2 import ENTRY_MODE_CHIP as CHIP
from tests.rpc.world import Bank, Refusal, new_id, refused

DAY = 86_400 * 1_000_000
NAMES = participant_pb2.ParticipantNames(ky="Айыл банк", ru="Айыл Банк", en="Aiyl Bank")


def registration(bank: Bank, **fields: Any) -> participant_service_pb2.RegisterParticipantRequest:
    """Return a request to register the bank, with accounts of its own."""
    given = {
        "participant_id": "bank-a",
        "names": NAMES,
        "settlement_account_id": bank.open(account_pb2.ACCOUNT_KIND_SETTLEMENT),
        "fee_account_id": bank.open(account_pb2.ACCOUNT_KIND_FEE_INCOME),
        **fields,
    }
    return participant_service_pb2.RegisterParticipantRequest(request_id=new_id(), **given)


def document(**fields: Any) -> rules_pb2.RulesDocument:
    """Return rules without fees and limits but those given."""
    return rules_pb2.RulesDocument(holds=rules_pb2.HoldLengths(ttl_seconds=604_800), **fields)


def propose_rules(bank: Bank, **fields: Any) -> str:
    """Propose rules; return the proposal's id."""
    request = rules_service_pb2.ProposeRulesRequest(request_id=new_id(), document=document(), **fields)
    return str(bank.call(bank.ledger.rules.ProposeRules, request).proposal.proposal_id)


def rules_approval(proposal_id: str) -> rules_service_pb2.ApproveRulesRequest:
    return rules_service_pb2.ApproveRulesRequest(request_id=new_id(), proposal_id=proposal_id)


def adjustment(bank: Bank, **fields: Any) -> adjustment_service_pb2.ProposeAdjustmentRequest:
    """Return a request to move 40 tyiyn by hand."""
    given = {
        "debit_account_id": bank.rich,
        "credit_account_id": bank.poor,
        "amount_tyiyn": 40,
        "explanation": "posted twice",
        **fields,
    }
    return adjustment_service_pb2.ProposeAdjustmentRequest(request_id=new_id(), **given)


def propose_adjustment(bank: Bank) -> str:
    """Propose an adjustment; return its id."""
    return str(bank.call(bank.ledger.adjustments.ProposeAdjustment, adjustment(bank)).adjustment.adjustment_id)


def approval(adjustment_id: str) -> adjustment_service_pb2.ApproveAdjustmentRequest:
    return adjustment_service_pb2.ApproveAdjustmentRequest(request_id=new_id(), adjustment_id=adjustment_id)


def already_registered(bank: Bank) -> Refusal:
    request = registration(bank)
    bank.call(bank.ledger.participants.RegisterParticipant, request)
    request.request_id = new_id()
    return bank.refused(bank.ledger.participants.RegisterParticipant, request)


def not_registered(bank: Bank) -> Refusal:
    request = participant_service_pb2.GetParticipantRequest(participant_id="nobody")
    return bank.refused(bank.ledger.participants.GetParticipant, request)


def no_such_rules(bank: Bank) -> Refusal:
    return bank.refused(bank.ledger.rules.GetRules, rules_service_pb2.GetRulesRequest(version=7))


def no_such_proposal(bank: Bank) -> Refusal:
    return bank.refused(bank.ledger.adjustments.ApproveAdjustment, approval(new_id()))


def same_operator(bank: Bank) -> Refusal:
    return bank.refused(bank.ledger.adjustments.ApproveAdjustment, approval(propose_adjustment(bank)))


def not_reversible(bank: Bank) -> Refusal:
    checker = bank.world.client("checker")
    request = approval(propose_adjustment(bank))
    approved = checker.adjustments.ApproveAdjustment(request, metadata=checker.metadata).adjustment
    reverse = transfer_service_pb2.ReverseTransferRequest(request_id=new_id(), transfer_id=approved.transfer_id)
    return bank.refused(bank.ledger.transfers.ReverseTransfer, reverse)


def resolved(bank: Bank) -> Refusal:
    adjustment_id = propose_adjustment(bank)
    request = adjustment_service_pb2.RejectAdjustmentRequest(request_id=new_id(), adjustment_id=adjustment_id)
    bank.call(bank.ledger.adjustments.RejectAdjustment, request)
    return bank.refused(bank.ledger.adjustments.ApproveAdjustment, approval(adjustment_id))


def expired(bank: Bank) -> Refusal:
    adjustment_id = propose_adjustment(bank)
    bank.world.clock.ahead += 3 * DAY
    return bank.refused(bank.ledger.adjustments.ApproveAdjustment, approval(adjustment_id))


def outdated(bank: Bank) -> Refusal:
    proposals = [propose_rules(bank) for _ in range(2)]
    checker = bank.world.client("checker")
    checker.rules.ApproveRules(rules_approval(proposals[0]), metadata=checker.metadata)
    return refused(lambda: checker.rules.ApproveRules(rules_approval(proposals[1]), metadata=checker.metadata))


def limit_exceeded(bank: Bank) -> Refusal:
    spender = Spender(operation=Operation.POS_PAYMENT, customer_id=uuid4())
    bank.world.engine.changing = lambda command: command.model_copy(update={"spender": spender})
    request = authorization_service_pb2.CreateAuthorizationRequest(
        request_id=new_id(),
        account_id=bank.rich,
        credit_account_id=bank.merchant,
        amount_tyiyn=1,
        kind=PURCHASE,
        entry_mode=CHIP,
    )
    return bank.refused(bank.ledger.authorizations.CreateAuthorization, request)


RULES_CASES: dict[Reason, Callable[[Bank], Refusal]] = {
    Reason.PARTICIPANT_ALREADY_REGISTERED: already_registered,
    Reason.PARTICIPANT_NOT_FOUND: not_registered,
    Reason.RULES_NOT_FOUND: no_such_rules,
    Reason.PROPOSAL_NOT_FOUND: no_such_proposal,
    Reason.PROPOSAL_RESOLVED: resolved,
    Reason.PROPOSAL_EXPIRED: expired,
    Reason.PROPOSAL_OUTDATED: outdated,
    Reason.SAME_OPERATOR: same_operator,
    Reason.ADJUSTMENT_NOT_REVERSIBLE: not_reversible,
    Reason.LIMIT_EXCEEDED: limit_exceeded,
}
