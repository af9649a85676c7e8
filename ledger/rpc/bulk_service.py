"""BulkService: movements by the thousand, in columns."""
# ruff: noqa: N802 - the names of the methods are the contract's

from domain.bulk import Bulk, BulkLegReversed
from domain.refusals import Reason, Refused, refuse
from ledger.rpc import errors
from ledger.rpc.calls import Context
from ledger.rpc.gateway import Gateway
from ledger.rpc.intake import Intake
from ledger.rpc.metrics import Metrics
from ledger.rpc.paging import Pager
from ledger.rpc.reads import LogReads
from ledger.rpc.tellers import expect
from ledger.rpc.translate import bulk as translate
from ledger.rpc.translate.common import receipt
from protos.esep.v1 import bulk_service_pb2 as pb
from protos.esep.v1.bulk_service_pb2_grpc import BulkServiceServicer
from protos.esep.v1.common_pb2 import LogPosition


class BulkService(BulkServiceServicer):
    """Answers esep.v1.BulkService."""

    def __init__(self, gateway: Gateway, log_reads: LogReads, pager: Pager, metrics: Metrics) -> None:
        self._gateway = gateway
        self._log = log_reads
        self._pager = pager
        self._metrics = metrics

    async def PostBulk(self, request: pb.PostBulkRequest, context: Context) -> pb.PostBulkResponse:
        """Move money many times."""
        command, request_id = translate.post_bulk(request)
        self._metrics.batch(len(command.legs.amounts))
        with errors.in_terms_of():
            done = await self._gateway.execute_bulk(command, request_id, validate_only=request.validate_only)
        return pb.PostBulkResponse(bulk=translate.bulk_message(expect(done.subject, Bulk)), receipt=receipt(done))

    async def ReverseBulkLeg(self, request: pb.ReverseBulkLegRequest, context: Context) -> pb.ReverseBulkLegResponse:
        """Move the money of one leg back."""
        command, request_id = translate.reverse_bulk_leg(request)
        home, trial = request.partition, request.validate_only
        done = await self._gateway.execute(command, request_id, validate_only=trial, home=home)
        event, bulk = expect(done.event, BulkLegReversed), expect(done.subject, Bulk)
        return pb.ReverseBulkLegResponse(
            reversal=translate.reversal_message(done, event, bulk),
            leg=translate.leg_messages(bulk, [event.leg])[0],
            receipt=receipt(done),
        )

    async def GetBulk(self, request: pb.GetBulkRequest, context: Context) -> pb.GetBulkResponse:
        """Read one bulk from the log."""
        bulk, position = await self._bulk(request)
        return pb.GetBulkResponse(bulk=translate.bulk_message(bulk), position=position)

    async def ListBulkLegs(self, request: pb.ListBulkLegsRequest, context: Context) -> pb.ListBulkLegsResponse:
        """List the legs of a bulk."""
        page = self._pager.page(request, int)
        bulk, position = await self._bulk(request)
        after = -1 if page.cursor is None else page.cursor
        numbers = translate.wanted_legs(
            bulk, account=request.account_id, refused_only=request.refused_only, after=after
        )[: page.size].tolist()
        return pb.ListBulkLegsResponse(
            legs=translate.leg_messages(bulk, numbers),
            next_page_token=self._pager.token(request, numbers[-1] if len(numbers) == page.size else None),
            position=position,
        )

    async def _bulk(self, request: pb.GetBulkRequest | pb.ListBulkLegsRequest) -> tuple[Bulk, LogPosition]:
        """Return a bulk from the log of its partition, and the position as of which it is told."""
        intake = Intake()
        bulk_id = intake.known_id(request.bulk_id, "bulk_id")
        intake.check()
        log = self._log.at(request.partition)
        position = await log.position(request)
        found = await log.aggregate(bulk_id, position)
        if not isinstance(found, Bulk):
            raise Refused(refuse(Reason.BULK_NOT_FOUND, bulk_id=request.bulk_id))
        return found, log.message(position)
