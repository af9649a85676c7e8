"""ReceiptService: what an ATM or a branch prints, in forty columns. Questions only."""
# ruff: noqa: N802 - the names of the methods are the contract's

from collections.abc import Callable
from typing import Final
from zoneinfo import ZoneInfo

from domain import ids
from domain.refusals import Reason, Refused, refuse
from domain.services.catalogue import Language
from ledger.rpc.calls import Context
from ledger.rpc.intake import Intake
from ledger.rpc.operations import Operations
from ledger.rpc.reads import LogReads, Reads, positions_message, unknown_account
from ledger.rpc.statement_service import DEFAULT_LINES, MAX_LINES
from ledger.rpc.text import receipts
from ledger.rpc.text.receipts import Paper
from ledger.rpc.translate.directory import LANGUAGES
from projections.answers import Overview
from protos.esep.v1 import receipt_service_pb2 as pb
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.receipt_service_pb2_grpc import ReceiptServiceServicer

MAX_OPEN_AUTHORIZATIONS: Final = 100

AccountRequest = (
    pb.GetMiniStatementReceiptRequest | pb.GetAuthorizationsReceiptRequest | pb.GetTransactionsReceiptRequest
)


class ReceiptService(ReceiptServiceServicer):
    """Answers esep.v1.ReceiptService."""

    def __init__(self, reads: Reads, log_reads: LogReads, operations: Operations, zone: ZoneInfo) -> None:
        self._reads = reads
        self._log = log_reads
        self._operations = operations
        self._zone = zone

    async def GetMiniStatementReceipt(
        self, request: pb.GetMiniStatementReceiptRequest, context: Context
    ) -> pb.GetMiniStatementReceiptResponse:
        """Write what an ATM prints of an account."""
        limit = request.limit or DEFAULT_LINES
        lines, position = await self._written(
            request, receipts.mini_statement, lines=limit, authorizations=MAX_OPEN_AUTHORIZATIONS, only_open=True
        )
        return pb.GetMiniStatementReceiptResponse(lines=lines, position=position)

    async def GetAuthorizationsReceipt(
        self, request: pb.GetAuthorizationsReceiptRequest, context: Context
    ) -> pb.GetAuthorizationsReceiptResponse:
        """Write an account's authorisations."""
        limit = request.limit or DEFAULT_LINES
        lines, position = await self._written(
            request, receipts.authorizations, lines=0, authorizations=limit, only_open=False
        )
        return pb.GetAuthorizationsReceiptResponse(lines=lines, position=position)

    async def GetTransactionsReceipt(
        self, request: pb.GetTransactionsReceiptRequest, context: Context
    ) -> pb.GetTransactionsReceiptResponse:
        """Write an account's movements."""
        limit = request.limit or DEFAULT_LINES
        lines, position = await self._written(
            request, receipts.transactions, lines=limit, authorizations=0, only_open=True
        )
        return pb.GetTransactionsReceiptResponse(lines=lines, position=position)

    async def GetOperationReceipt(
        self, request: pb.GetOperationReceiptRequest, context: Context
    ) -> pb.GetOperationReceiptResponse:
        """Write the receipt of one operation."""
        intake = Intake()
        operation_id = intake.known_id(request.operation_id, "operation_id")
        language = intake.choice(request.language, LANGUAGES, "language")
        intake.check()
        now = self._reads.clock.now()
        position = await self._log.position(request)
        found = await self._operations.find(operation_id, position, now)
        if found is None:
            raise Refused(refuse(Reason.OPERATION_NOT_FOUND, operation_id=ids.format_uuid(operation_id)))
        operation, participant = found
        where = self._log.message(position)
        paper = self._paper(language, participant, now, where)
        return pb.GetOperationReceiptResponse(lines=receipts.operation(paper, operation), position=where)

    async def _written(
        self,
        request: AccountRequest,
        write: Callable[[Paper, Overview], list[str]],
        *,
        lines: int,
        authorizations: int,
        only_open: bool,
    ) -> tuple[list[str], LogPosition]:
        intake = Intake()
        intake.account_id(request.account_id, "account_id")
        language = intake.choice(request.language, LANGUAGES, "language")
        if not 0 <= request.limit <= MAX_LINES:
            intake.wrong("limit", "RANGE", f"is not 1 to {MAX_LINES}, or 0 for {DEFAULT_LINES}")
        intake.check()
        now, reader = self._reads.clock.now(), self._reads.reader
        found = await self._reads.ask(
            request,
            lambda: reader.overview(
                request.account_id,
                now=now,
                lines=lines,
                authorizations_limit=authorizations,
                only_open=only_open,
            ),
        )
        if found.result is None:
            raise unknown_account(request.account_id)
        (where,) = positions_message(found.positions)
        return write(self._paper(language, found.result.account.participant, now, where), found.result), where

    def _paper(self, language: Language, participant: str, now: int, where: LogPosition) -> Paper:
        return Paper(language, self._zone, participant, now, where.partition, where.position)
