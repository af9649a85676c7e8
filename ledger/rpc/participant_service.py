"""ParticipantService: registering and reading the banks of the scheme."""
# ruff: noqa: N802 - the names of the methods are the contract's

from domain.participant import Participant, participant_key
from domain.refusals import Reason, Refused, refuse
from ledger.rpc import calls
from ledger.rpc.callers import OF_THE_SCHEME, Role
from ledger.rpc.calls import Context
from ledger.rpc.gateway import Gateway
from ledger.rpc.reads import LogReads, Reads
from ledger.rpc.tellers import expect
from ledger.rpc.translate import participant as translate
from ledger.rpc.translate.common import receipt
from ledger.rpc.translate.participant import participant_message
from protos.esep.v1 import participant_service_pb2 as pb
from protos.esep.v1.participant_pb2 import Participant as Message
from protos.esep.v1.participant_service_pb2_grpc import ParticipantServiceServicer


class ParticipantService(ParticipantServiceServicer):
    """Answers esep.v1.ParticipantService."""

    def __init__(self, gateway: Gateway, log_reads: LogReads, reads: Reads) -> None:
        self._gateway = gateway
        self._log = log_reads
        self._reads = reads

    async def RegisterParticipant(
        self, request: pb.RegisterParticipantRequest, context: Context
    ) -> pb.RegisterParticipantResponse:
        """Register a bank."""
        command, request_id = translate.register_participant(request)
        done = await self._gateway.execute(command, request_id, validate_only=request.validate_only)
        found = participant_message(expect(done.subject, Participant))
        return pb.RegisterParticipantResponse(participant=found, receipt=receipt(done))

    async def UpdateParticipant(
        self, request: pb.UpdateParticipantRequest, context: Context
    ) -> pb.UpdateParticipantResponse:
        """Change a bank's names and accounts."""
        command, request_id = translate.update_participant(request)
        done = await self._gateway.execute(command, request_id, validate_only=request.validate_only)
        found = participant_message(expect(done.subject, Participant))
        return pb.UpdateParticipantResponse(participant=found, receipt=receipt(done))

    async def GetParticipant(self, request: pb.GetParticipantRequest, context: Context) -> pb.GetParticipantResponse:
        """Read one bank."""
        position = await self._log.position(request)
        found = await self._log.aggregate(participant_key(request.participant_id), position)
        if not isinstance(found, Participant):
            raise Refused(refuse(Reason.PARTICIPANT_NOT_FOUND, participant_id=request.participant_id))
        return pb.GetParticipantResponse(participant=_told(found), position=self._log.message(position))

    async def ListParticipants(
        self, request: pb.ListParticipantsRequest, context: Context
    ) -> pb.ListParticipantsResponse:
        """List the banks in the order of their ids."""
        reader = self._reads.reader
        page = await self._reads.page(
            request,
            str,
            lambda after, limit: reader.list_participants(after=after or "", limit=limit),
            lambda found: found.participant,
        )
        return pb.ListParticipantsResponse(
            participants=[_told(found) for found in page.items],
            next_page_token=page.next_page_token,
            positions=page.positions,
        )


def _told(found: Participant) -> Message:
    """Return a bank as this task's caller may see it: whose accounts are whose is nobody else's business."""
    who = calls.current().who
    own = who.role is Role.BANK and who.participant == found.participant
    return participant_message(found, accounts=own or who.role in OF_THE_SCHEME)
