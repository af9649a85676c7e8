"""TransferService: moving money, moving it back, and how a request ended."""
# ruff: noqa: N802 - the names of the methods are the contract's

from collections.abc import Callable
from typing import Final

from domain.refusals import Reason, Refused, invalid, refuse
from domain.transfer import Transfer, TransferReversed
from ledger.engine.tickets import BatchTicket
from ledger.rpc import calls, errors
from ledger.rpc.calls import Context
from ledger.rpc.gateway import Gateway
from ledger.rpc.guard import told
from ledger.rpc.intake import Intake
from ledger.rpc.metrics import Metrics
from ledger.rpc.reads import LogReads, Reads
from ledger.rpc.replays import BatchResult
from ledger.rpc.tellers import Teller, expect
from ledger.rpc.translate import batch
from ledger.rpc.translate import transfer as translate
from ledger.rpc.translate.common import receipt
from ledger.rpc.whereabouts import which
from projections.answers import Answer, Located, RecordCursor
from protos.esep.v1 import transfer_pb2
from protos.esep.v1 import transfer_service_pb2 as pb
from protos.esep.v1.transfer_service_pb2_grpc import TransferServiceServicer

MAX_REFERENCE: Final = 64


class TransferService(TransferServiceServicer):
    """Answers esep.v1.TransferService."""

    def __init__(self, gateway: Gateway, log_reads: LogReads, reads: Reads, teller: Teller, metrics: Metrics) -> None:
        self._gateway = gateway
        self._log = log_reads
        self._reads = reads
        self._teller = teller
        self._metrics = metrics

    async def CreateTransfer(self, request: pb.CreateTransferRequest, context: Context) -> pb.CreateTransferResponse:
        """Move money."""
        command, request_id = translate.create_transfer(request)
        with errors.in_terms_of(prefix="transfer."):
            done = await self._gateway.execute(command, request_id, validate_only=request.validate_only)
        transfer = await self._teller.transfer(expect(done.subject, Transfer))
        return pb.CreateTransferResponse(transfer=transfer, receipt=receipt(done))

    async def CreateTransfers(self, request: pb.CreateTransfersRequest, context: Context) -> pb.CreateTransfersResponse:
        """Make many transfers, each by itself or all together."""
        request_id = batch.batch_id(request)
        self._metrics.batch(len(request.transfers))
        transfers = await batch.new_transfers(request)
        caller = calls.current().caller
        if not request.atomic:
            ticket = BatchTicket(transfers, caller, validate_only=request.validate_only)
            return self._columns(await self._gateway.execute_batch(ticket))
        batch.no_repeat_inside(transfers)
        ticket = BatchTicket(
            transfers,
            caller,
            atomic=True,
            request_id=request_id,
            fingerprint=await batch.fingerprint(transfers),
            validate_only=request.validate_only,
        )
        done = await self._gateway.execute_atomic(ticket)
        first, count = done.position + 1, len(transfers)
        return pb.CreateTransfersResponse(
            positions=range(first, first + count) if done.position else [0] * count,
            replayed=range(count) if done.replayed else (),
            partition=done.partition,
            receipt=receipt(done),
        )

    async def ReverseTransfer(self, request: pb.ReverseTransferRequest, context: Context) -> pb.ReverseTransferResponse:
        """Move a transfer's money back."""
        command, request_id = translate.reverse_transfer(request)
        home, trial = request.partition, request.validate_only
        done = await self._gateway.execute(command, request_id, validate_only=trial, home=home)
        transfer = expect(done.subject, Transfer)
        return pb.ReverseTransferResponse(
            reversal=translate.reversal_message(done, expect(done.event, TransferReversed), transfer),
            transfer=await self._teller.transfer(transfer),
            receipt=receipt(done),
        )

    async def GetTransfer(self, request: pb.GetTransferRequest, context: Context) -> pb.GetTransferResponse:
        """Read one transfer from the log."""
        intake = Intake()
        transfer_id = intake.known_id(request.transfer_id, "transfer_id")
        intake.check()
        log = self._log.at(request.partition)
        position = await log.position(request)
        transfer = await log.aggregate(transfer_id, position)
        if not isinstance(transfer, Transfer) or transfer.decline is not None:
            raise Refused(refuse(Reason.TRANSFER_NOT_FOUND, transfer_id=request.transfer_id))
        return pb.GetTransferResponse(transfer=await self._teller.transfer(transfer), position=log.message(position))

    async def ListTransfers(self, request: pb.ListTransfersRequest, context: Context) -> pb.ListTransfersResponse:
        """List the caller's own transfers with a reference or a tag."""
        page = await self._reads.page(request, RecordCursor, self._question(request), lambda found: found.cursor)
        transfers = []
        for found in page.items:
            transfer = await self._log.at(found.partition).aggregate(found.originator_id, found.position)
            if transfer is not None:
                transfers.append(await self._teller.transfer(expect(transfer, Transfer)))
        return pb.ListTransfersResponse(
            transfers=transfers, next_page_token=page.next_page_token, positions=page.positions
        )

    def _question(
        self, request: pb.ListTransfersRequest
    ) -> Callable[[RecordCursor | None, int], Answer[list[Located]]]:
        reader, caller = self._reads.reader, calls.current().caller
        match request.WhichOneof("filter"):
            case "reference":
                reference = request.reference
                if not 1 <= len(reference) <= MAX_REFERENCE:
                    raise Refused(invalid("reference", "LENGTH", f"is not 1 to {MAX_REFERENCE} characters long"))
                return lambda after, limit: reader.transfers_by_reference(caller, reference, after=after, limit=limit)
            case "tag":
                key, value = request.tag.key, request.tag.value
                if not key:
                    raise Refused(invalid("tag.key", "MISSING", "is required"))
                return lambda after, limit: reader.transfers_by_tag(caller, key, value, after=after, limit=limit)
            case None:
                raise Refused(invalid("filter", "MISSING", "is required: a reference or a tag"))

    async def GetOutcome(self, request: pb.GetOutcomeRequest, context: Context) -> pb.GetOutcomeResponse:
        """Tell how a request of this caller ended."""
        intake = Intake()
        request_id = intake.known_id(request.request_id, "request_id")
        intake.check()
        home = await self._gateway.home_of(request_id, which(request))
        log = self._log.at(home)
        position = await log.position(request)
        who = calls.current().who
        done = await self._gateway.find(request_id, who.name, who.customer, home)
        answer = await self._teller.outcome(done)
        answer.position.CopyFrom(log.message(max(position, done.position)))
        return answer

    def _columns(self, result: BatchResult) -> pb.CreateTransfersResponse:
        return pb.CreateTransfersResponse(
            positions=result.positions,
            replayed=result.replayed,
            refusals=[
                transfer_pb2.TransferRefusal(
                    index=item.index,
                    reason=item.refusal.reason.name,
                    message=errors.message(item.refusal),
                    metadata=told(item.refusal).metadata,
                    recorded=item.recorded,
                )
                for item in result.refused
            ],
            partition=result.partition,
        )
