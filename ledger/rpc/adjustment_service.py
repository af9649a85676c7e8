"""AdjustmentService: correcting the books by hand, by two operators."""
# ruff: noqa: N802 - the names of the methods are the contract's

from domain.adjustment import AdjustmentProposed
from domain.command import Command
from domain.proposal import Proposal
from ledger.rpc import calls, errors
from ledger.rpc.calls import Context
from ledger.rpc.gateway import Gateway
from ledger.rpc.outcomes import Done
from ledger.rpc.proposals import ProposalReads
from ledger.rpc.reads import LogReads
from ledger.rpc.tellers import expect, proposed_adjustment
from ledger.rpc.translate import adjustment as translate
from ledger.rpc.translate.adjustment import adjustment_message
from ledger.rpc.translate.common import receipt
from protos.esep.v1 import adjustment_pb2
from protos.esep.v1 import adjustment_service_pb2 as pb
from protos.esep.v1.adjustment_service_pb2_grpc import AdjustmentServiceServicer


class AdjustmentService(AdjustmentServiceServicer):
    """Answers esep.v1.AdjustmentService."""

    def __init__(self, gateway: Gateway, log_reads: LogReads, proposals: ProposalReads) -> None:
        self._gateway = gateway
        self._log = log_reads
        self._proposals = proposals

    async def ProposeAdjustment(
        self, request: pb.ProposeAdjustmentRequest, context: Context
    ) -> pb.ProposeAdjustmentResponse:
        """Propose a movement by hand."""
        command, request_id = translate.propose_adjustment(request, calls.current().caller)
        done = await self._execute(command, request_id, validate_only=request.validate_only)
        return pb.ProposeAdjustmentResponse(adjustment=proposed_adjustment(done), receipt=receipt(done))

    async def ApproveAdjustment(
        self, request: pb.ApproveAdjustmentRequest, context: Context
    ) -> pb.ApproveAdjustmentResponse:
        """Approve it: the money moves."""
        command, request_id = translate.approve_adjustment(request, calls.current().caller)
        done = await self._execute(command, request_id, validate_only=request.validate_only)
        return pb.ApproveAdjustmentResponse(adjustment=proposed_adjustment(done), receipt=receipt(done))

    async def RejectAdjustment(
        self, request: pb.RejectAdjustmentRequest, context: Context
    ) -> pb.RejectAdjustmentResponse:
        """Reject it."""
        command, request_id = translate.reject_adjustment(request, calls.current().caller)
        done = await self._execute(command, request_id, validate_only=request.validate_only)
        return pb.RejectAdjustmentResponse(adjustment=proposed_adjustment(done), receipt=receipt(done))

    async def GetAdjustment(self, request: pb.GetAdjustmentRequest, context: Context) -> pb.GetAdjustmentResponse:
        """Read one adjustment."""
        position = await self._log.position(request)
        found = await self._proposals.one(request.adjustment_id, "adjustment_id", AdjustmentProposed, position)
        return pb.GetAdjustmentResponse(adjustment=self._told(found), position=self._log.message(position))

    async def ListAdjustments(self, request: pb.ListAdjustmentsRequest, context: Context) -> pb.ListAdjustmentsResponse:
        """List adjustments, the newest first."""
        page = await self._proposals.page(request, AdjustmentProposed)
        return pb.ListAdjustmentsResponse(
            adjustments=[self._told(each) for each in page.items],
            next_page_token=page.next_page_token,
            positions=page.positions,
        )

    def _told(self, proposal: Proposal) -> adjustment_pb2.Adjustment:
        return adjustment_message(proposal, expect(proposal.content, AdjustmentProposed), self._proposals.now())

    async def _execute(self, command: Command, request_id: bytes, *, validate_only: bool) -> Done:
        with errors.in_terms_of(paths=translate.PATHS):
            return await self._gateway.execute(command, request_id, validate_only=validate_only)
