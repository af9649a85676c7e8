"""PayeeService: the businesses that can be paid."""
# ruff: noqa: N802 - the names of the methods are the contract's

from domain.payee import Payee, payee_id
from domain.ports import Clock
from domain.refusals import Reason, Refused, invalid, refuse
from ledger.rpc.calls import Context
from ledger.rpc.gateway import Gateway
from ledger.rpc.intake import Intake
from ledger.rpc.outcomes import Done
from ledger.rpc.reads import LogReads, Reads
from ledger.rpc.tellers import expect
from ledger.rpc.translate import payment as translate
from ledger.rpc.translate.common import receipt
from projections.answers import RecordCursor
from projections.resources import PAYEE, participant_owner
from protos.esep.v1 import payee_pb2
from protos.esep.v1 import payee_service_pb2 as pb
from protos.esep.v1.payee_service_pb2_grpc import PayeeServiceServicer


class PayeeService(PayeeServiceServicer):
    """Answers esep.v1.PayeeService."""

    def __init__(self, gateway: Gateway, log_reads: LogReads, reads: Reads, clock: Clock) -> None:
        self._gateway = gateway
        self._log = log_reads
        self._reads = reads
        self._clock = clock

    async def RegisterPayee(self, request: pb.RegisterPayeeRequest, context: Context) -> pb.RegisterPayeeResponse:
        """Register a payee."""
        done = await self._gateway.execute(*translate.register_payee(request), validate_only=request.validate_only)
        return pb.RegisterPayeeResponse(payee=_told(done), receipt=receipt(done))

    async def UpdatePayee(self, request: pb.UpdatePayeeRequest, context: Context) -> pb.UpdatePayeeResponse:
        """Change a payee."""
        done = await self._gateway.execute(*translate.update_payee(request), validate_only=request.validate_only)
        return pb.UpdatePayeeResponse(payee=_told(done), receipt=receipt(done))

    async def GetPayee(self, request: pb.GetPayeeRequest, context: Context) -> pb.GetPayeeResponse:
        """Read one payee."""
        key = _key(request)
        position = await self._log.position(request)
        payee = await self._log.aggregate(key, position)
        if not isinstance(payee, Payee):
            raise Refused(refuse(Reason.PAYEE_NOT_FOUND, payee_id=request.payee_id, code=request.code))
        return pb.GetPayeeResponse(payee=translate.payee_message(payee), position=self._log.message(position))

    async def ListPayees(self, request: pb.ListPayeesRequest, context: Context) -> pb.ListPayeesResponse:
        """List a bank's payees, the newest first."""
        intake = Intake()
        owner = participant_owner(intake.participant_id(request.participant_id, "participant_id"))
        intake.check()
        reader, now = self._reads.reader, self._clock.now()
        page = await self._reads.page(
            request,
            RecordCursor,
            lambda after, limit: reader.list_resources(PAYEE, owner, now=now, after=after, limit=limit),
            lambda found: found.cursor,
        )
        return pb.ListPayeesResponse(
            payees=[translate.payee_message(found.resource) for found in page.items],
            next_page_token=page.next_page_token,
            positions=page.positions,
        )


def _key(request: pb.GetPayeeRequest) -> bytes:
    intake = Intake()
    match request.WhichOneof("payee"):
        case "payee_id":
            key = intake.known_id(request.payee_id, "payee_id")
        case "code":
            key = payee_id(intake.choice(request.kind, translate.PAYEE_KINDS, "kind"), request.code)
        case _:
            raise Refused(invalid("payee", "MISSING", "is required: a payee_id, or a code and its kind"))
    intake.check()
    return key


def _told(done: Done) -> payee_pb2.Payee:
    return translate.payee_message(expect(done.subject, Payee))
