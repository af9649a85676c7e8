"""QuoteService: transfers for customers, quoted first and then confirmed."""
# ruff: noqa: N802 - the names of the methods are the contract's

from collections.abc import Collection

from domain import ids
from domain.quote import Quote
from domain.refusals import Reason, Refused, refuse
from domain.transfer import Transfer
from ledger.rpc.calls import Context
from ledger.rpc.gateway import Gateway
from ledger.rpc.intake import Intake
from ledger.rpc.quotes import Quotes
from ledger.rpc.reads import LogReads
from ledger.rpc.tellers import Teller, expect
from ledger.rpc.translate import quote as translate
from ledger.rpc.translate.common import receipt
from protos.esep.v1 import quote_service_pb2 as pb
from protos.esep.v1.quote_service_pb2_grpc import QuoteServiceServicer


class QuoteService(QuoteServiceServicer):
    """Answers esep.v1.QuoteService."""

    def __init__(
        self,
        gateway: Gateway,
        quotes: Quotes,
        teller: Teller,
        log_reads: LogReads,
        countries: Collection[str],
        qr_provider: str,
    ) -> None:
        self._gateway = gateway
        self._quotes = quotes
        self._teller = teller
        self._log = log_reads
        self._countries = countries
        self._qr_provider = qr_provider

    async def CreateQuote(self, request: pb.CreateQuoteRequest, context: Context) -> pb.CreateQuoteResponse:
        """Tell whom a transfer reaches and what it costs."""
        asked, request_id = translate.create_quote(request, self._countries, self._qr_provider)
        command = await self._quotes.command(asked)
        done = await self._gateway.execute(command, request_id, validate_only=request.validate_only)
        quote = await self._quotes.message(expect(done.subject, Quote))
        return pb.CreateQuoteResponse(quote=quote, receipt=receipt(done))

    async def ConfirmQuote(self, request: pb.ConfirmQuoteRequest, context: Context) -> pb.ConfirmQuoteResponse:
        """Make the transfer that was quoted."""
        command, request_id = translate.confirm_quote(request)
        done = await self._gateway.execute(command, request_id, validate_only=request.validate_only)
        transfer = await self._teller.transfer(expect(done.subject, Transfer))
        return pb.ConfirmQuoteResponse(transfer=transfer, receipt=receipt(done))

    async def GetQuote(self, request: pb.GetQuoteRequest, context: Context) -> pb.GetQuoteResponse:
        """Read one quote."""
        intake = Intake()
        quote_id = intake.known_id(request.quote_id, "quote_id")
        customer_id = intake.known_id(request.customer_id, "customer_id")
        intake.check()
        position = await self._log.position(request)
        quote = await self._log.aggregate(quote_id, position)
        if not isinstance(quote, Quote) or quote.customer != customer_id:
            raise Refused(refuse(Reason.QUOTE_NOT_FOUND, quote_id=ids.format_uuid(quote_id)))
        return pb.GetQuoteResponse(quote=await self._quotes.message(quote), position=self._log.message(position))
