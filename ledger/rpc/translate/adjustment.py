"""Adjustments: requests to commands, and a proposal as it is told."""

from collections.abc import Iterable
from typing import Final

from domain import ids
from domain.adjustment import AdjustmentProposed, ApproveAdjustment, ProposeAdjustment, RejectAdjustment
from domain.proposal import Proposal, ProposalState
from ledger.rpc.intake import Intake, timestamp
from protos.esep.v1 import adjustment_pb2
from protos.esep.v1 import adjustment_service_pb2 as pb

STATES: Final[dict[int, ProposalState]] = {
    adjustment_pb2.PROPOSAL_STATE_OPEN: ProposalState.OPEN,
    adjustment_pb2.PROPOSAL_STATE_APPROVED: ProposalState.APPROVED,
    adjustment_pb2.PROPOSAL_STATE_REJECTED: ProposalState.REJECTED,
    adjustment_pb2.PROPOSAL_STATE_EXPIRED: ProposalState.EXPIRED,
}
STATE_NUMBERS: Final = {
    ProposalState.OPEN: adjustment_pb2.PROPOSAL_STATE_OPEN,
    ProposalState.APPROVED: adjustment_pb2.PROPOSAL_STATE_APPROVED,
    ProposalState.REJECTED: adjustment_pb2.PROPOSAL_STATE_REJECTED,
    ProposalState.EXPIRED: adjustment_pb2.PROPOSAL_STATE_EXPIRED,
}
PATHS: Final = {"proposal_id": "adjustment_id"}


def propose_adjustment(request: pb.ProposeAdjustmentRequest, caller: str) -> tuple[ProposeAdjustment, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {
        "debit_account_id": request.debit_account_id,
        "credit_account_id": request.credit_account_id,
        "amount_tyiyn": request.amount_tyiyn,
        "explanation": request.explanation,
        "reference": request.reference,
        "operator": caller,
    }
    return intake.build(ProposeAdjustment, values), request_id


def approve_adjustment(request: pb.ApproveAdjustmentRequest, caller: str) -> tuple[ApproveAdjustment, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {"proposal_id": intake.uuid(request.adjustment_id, "adjustment_id"), "operator": caller}
    return intake.build(ApproveAdjustment, values, PATHS), request_id


def reject_adjustment(request: pb.RejectAdjustmentRequest, caller: str) -> tuple[RejectAdjustment, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {
        "proposal_id": intake.uuid(request.adjustment_id, "adjustment_id"),
        "operator": caller,
        "explanation": request.explanation,
    }
    return intake.build(RejectAdjustment, values, PATHS), request_id


def wanted_states(states: Iterable[int]) -> list[ProposalState]:
    """Return the states that a list asks for."""
    intake = Intake()
    found = [intake.choice(number, STATES, f"states[{index}]") for index, number in enumerate(states)]
    intake.check()
    return found


def adjustment_message(proposal: Proposal, content: AdjustmentProposed, now: int) -> adjustment_pb2.Adjustment:
    """Return an adjustment as it is told at a moment."""
    return adjustment_pb2.Adjustment(
        adjustment_id=ids.format_uuid(proposal.proposal_id),
        state=STATE_NUMBERS[proposal.state(now)],
        debit_account_id=content.debit_account,
        credit_account_id=content.credit_account,
        amount_tyiyn=content.amount,
        explanation=content.explanation,
        reference=content.reference,
        maker=content.maker,
        checker=proposal.checker,
        rejection=proposal.rejection,
        transfer_id="" if proposal.result is None else ids.format_uuid(proposal.result),
        expire_time=timestamp(content.expires_at),
        version=proposal.version,
        create_time=timestamp(proposal.created_at),
        update_time=timestamp(proposal.updated_at),
    )
