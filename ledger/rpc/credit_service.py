"""CreditService: paying salaries and pensions in bulk."""
# ruff: noqa: N802 - the names of the methods are the contract's

from domain.credit import CreditFile
from domain.refusals import Reason, Refused, refuse
from ledger.engine.tickets import CreditTicket
from ledger.rpc import calls, errors
from ledger.rpc.calls import Context
from ledger.rpc.credits import CreditTargets
from ledger.rpc.gateway import Gateway
from ledger.rpc.guard import told
from ledger.rpc.intake import Intake
from ledger.rpc.metrics import Metrics
from ledger.rpc.reads import LogReads, Reads
from ledger.rpc.replays import NotMade, events_at
from ledger.rpc.tellers import expect
from ledger.rpc.translate import credit as translate
from ledger.rpc.translate.common import receipt
from ledger.rpc.translate.credit import credit_file_message, credit_line_message
from protos.esep.v1 import credit_pb2
from protos.esep.v1 import credit_service_pb2 as pb
from protos.esep.v1.credit_service_pb2_grpc import CreditServiceServicer


class CreditService(CreditServiceServicer):
    """Answers esep.v1.CreditService."""

    def __init__(self, gateway: Gateway, log_reads: LogReads, reads: Reads, metrics: Metrics) -> None:
        self._gateway = gateway
        self._log = log_reads
        self._reads = reads
        self._targets = CreditTargets(gateway, reads.reader)
        self._metrics = metrics

    async def OpenCreditFile(self, request: pb.OpenCreditFileRequest, context: Context) -> pb.OpenCreditFileResponse:
        """Announce a file."""
        command, request_id = translate.open_credit_file(request)
        done = await self._gateway.execute(command, request_id, validate_only=request.validate_only)
        file = credit_file_message(expect(done.subject, CreditFile))
        return pb.OpenCreditFileResponse(credit_file=file, receipt=receipt(done))

    async def PostCreditLines(self, request: pb.PostCreditLinesRequest, context: Context) -> pb.PostCreditLinesResponse:
        """Pay lines, each by itself."""
        file_id, wanted = await translate.wanted_lines(request)
        self._metrics.batch(len(wanted))
        found = await self._targets.find([target for _, target in wanted])
        lines = await translate.credit_lines(file_id, wanted, found)
        ticket = CreditTicket(file_id, lines, calls.current().caller, validate_only=request.validate_only)
        result = await self._gateway.execute_credits(ticket)
        position = await self._log.head()
        return pb.PostCreditLinesResponse(
            positions=result.positions,
            replayed=result.replayed,
            refusals=[_refusal(item, lines[item.index].number) for item in result.refused],
            partition=self._gateway.engine.partition,
            credit_file=credit_file_message(await self._file(file_id, position)),
            position=self._log.message(position),
        )

    async def CloseCreditFile(self, request: pb.CloseCreditFileRequest, context: Context) -> pb.CloseCreditFileResponse:
        """End a file that is complete."""
        command, request_id = translate.close_credit_file(request)
        with errors.in_terms_of(paths=translate.PATHS):
            done = await self._gateway.execute(command, request_id, validate_only=request.validate_only)
        file = credit_file_message(expect(done.subject, CreditFile))
        return pb.CloseCreditFileResponse(credit_file=file, receipt=receipt(done))

    async def GetCreditFile(self, request: pb.GetCreditFileRequest, context: Context) -> pb.GetCreditFileResponse:
        """Read one file."""
        position = await self._log.position(request)
        file = await self._file(_file_id(request), position)
        return pb.GetCreditFileResponse(credit_file=credit_file_message(file), position=self._log.message(position))

    async def ListCreditLines(self, request: pb.ListCreditLinesRequest, context: Context) -> pb.ListCreditLinesResponse:
        """List a file's lines by their numbers."""
        file_id = _file_id(request)
        await self._file(file_id, await self._log.position(request))
        reader, partition = self._reads.reader, self._gateway.engine.partition
        page = await self._reads.page(
            request,
            int,
            lambda after, limit: reader.list_credit_lines(
                partition, file_id, refused_only=request.refused_only, after=after or 0, limit=limit
            ),
            lambda found: found.line,
        )
        positions = {found.position for found in page.items}
        rows = await self._gateway.question(events_at, self._gateway.outcomes, positions) if positions else {}
        return pb.ListCreditLinesResponse(
            lines=[credit_line_message(*rows[found.position]) for found in page.items],
            next_page_token=page.next_page_token,
            positions=page.positions,
        )

    async def _file(self, file_id: bytes, position: int) -> CreditFile:
        found = await self._log.aggregate(file_id, position)
        if not isinstance(found, CreditFile):
            raise Refused(refuse(Reason.CREDIT_FILE_NOT_FOUND, credit_file_id=file_id.hex()))
        return found


def _file_id(request: pb.GetCreditFileRequest | pb.ListCreditLinesRequest) -> bytes:
    intake = Intake()
    file_id = intake.known_id(request.credit_file_id, "credit_file_id")
    intake.check()
    return file_id


def _refusal(item: NotMade, number: int) -> credit_pb2.CreditLineRefusal:
    return credit_pb2.CreditLineRefusal(
        index=item.index,
        line_number=number,
        reason=item.refusal.reason.name,
        message=errors.message(item.refusal),
        metadata=told(item.refusal).metadata,
        recorded=item.recorded,
    )
