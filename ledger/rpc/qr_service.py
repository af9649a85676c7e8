"""QrService: what codes say, and codes by which customers are paid."""
# ruff: noqa: N802 - the names of the methods are the contract's

from domain import ids
from domain.refusals import Reason, Refused, refuse
from domain.transfer_qr import TransferQr
from ledger.rpc.calls import Context
from ledger.rpc.gateway import Gateway
from ledger.rpc.intake import Intake
from ledger.rpc.quotes import Quotes
from ledger.rpc.reads import LogReads
from ledger.rpc.tellers import expect
from ledger.rpc.translate import qr as translate
from ledger.rpc.translate.common import receipt
from protos.esep.v1 import qr_service_pb2 as pb
from protos.esep.v1.qr_service_pb2_grpc import QrServiceServicer


class QrService(QrServiceServicer):
    """Answers esep.v1.QrService."""

    def __init__(self, gateway: Gateway, quotes: Quotes, log_reads: LogReads, provider: str) -> None:
        self._gateway = gateway
        self._quotes = quotes
        self._log = log_reads
        self._provider = provider

    async def DecodeQr(self, request: pb.DecodeQrRequest, context: Context) -> pb.DecodeQrResponse:
        """Tell what a code says."""
        return pb.DecodeQrResponse(qr=translate.scanned_message(translate.scanned(request.qr_text), self._provider))

    async def IssueTransferQr(self, request: pb.IssueTransferQrRequest, context: Context) -> pb.IssueTransferQrResponse:
        """Give a customer a code."""
        command, request_id = translate.issue_transfer_qr(request, self._provider)
        done = await self._gateway.execute(command, request_id, validate_only=request.validate_only)
        issued = await self._quotes.qr(expect(done.subject, TransferQr))
        return pb.IssueTransferQrResponse(transfer_qr=issued, receipt=receipt(done))

    async def GetTransferQr(self, request: pb.GetTransferQrRequest, context: Context) -> pb.GetTransferQrResponse:
        """Read one code."""
        intake = Intake()
        qr_id = intake.known_id(request.transfer_qr_id, "transfer_qr_id")
        customer_id = intake.known_id(request.customer_id, "customer_id")
        intake.check()
        position = await self._log.position(request)
        issued = await self._log.aggregate(qr_id, position)
        if not isinstance(issued, TransferQr) or issued.customer != customer_id:
            raise Refused(refuse(Reason.TRANSFER_QR_NOT_FOUND, transfer_qr_id=ids.format_uuid(qr_id)))
        return pb.GetTransferQrResponse(transfer_qr=await self._quotes.qr(issued), position=self._log.message(position))
