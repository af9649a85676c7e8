"""AliasService: linking phone numbers to cards."""
# ruff: noqa: N802 - the names of the methods are the contract's

from collections.abc import Collection

from domain import ids
from domain.alias import Alias
from domain.refusals import Reason, Refused, refuse
from ledger.rpc.aliases import Aliases
from ledger.rpc.calls import Context
from ledger.rpc.gateway import Gateway
from ledger.rpc.intake import Intake
from ledger.rpc.outcomes import Done
from ledger.rpc.reads import LogReads
from ledger.rpc.tellers import expect
from ledger.rpc.translate import alias as translate
from ledger.rpc.translate.common import receipt
from protos.esep.v1 import alias_pb2
from protos.esep.v1 import alias_service_pb2 as pb
from protos.esep.v1.alias_service_pb2_grpc import AliasServiceServicer


class AliasService(AliasServiceServicer):
    """Answers esep.v1.AliasService."""

    def __init__(self, gateway: Gateway, aliases: Aliases, log_reads: LogReads, countries: Collection[str]) -> None:
        self._gateway = gateway
        self._aliases = aliases
        self._log = log_reads
        self._countries = countries

    async def SendAliasCode(self, request: pb.SendAliasCodeRequest, context: Context) -> pb.SendAliasCodeResponse:
        """Send a code to a number."""
        customer_id, phone = translate.send_alias_code(request, self._countries)
        await self._aliases.send_code(customer_id, phone)
        return pb.SendAliasCodeResponse(phone_number=phone)

    async def LinkPhone(self, request: pb.LinkPhoneRequest, context: Context) -> pb.LinkPhoneResponse:
        """Let a number lead to a card."""
        done = await self._aliases.link(*translate.link_phone(request, self._countries))
        return pb.LinkPhoneResponse(alias=await self._told(done), receipt=receipt(done))

    async def UnlinkPhone(self, request: pb.UnlinkPhoneRequest, context: Context) -> pb.UnlinkPhoneResponse:
        """Let a number lead nowhere."""
        command, request_id = translate.unlink_phone(request)
        done = await self._gateway.execute(command, request_id, validate_only=request.validate_only)
        return pb.UnlinkPhoneResponse(alias=await self._told(done), receipt=receipt(done))

    async def GetAlias(self, request: pb.GetAliasRequest, context: Context) -> pb.GetAliasResponse:
        """Read one alias."""
        intake = Intake()
        alias_id = intake.known_id(request.alias_id, "alias_id")
        customer_id = intake.known_id(request.customer_id, "customer_id")
        intake.check()
        position = await self._log.position(request)
        alias = await self._log.aggregate(alias_id, position)
        if not isinstance(alias, Alias) or alias.customer != customer_id:
            raise Refused(refuse(Reason.ALIAS_NOT_FOUND, alias_id=ids.format_uuid(alias_id)))
        return pb.GetAliasResponse(alias=await self._aliases.message(alias), position=self._log.message(position))

    async def ListAliases(self, request: pb.ListAliasesRequest, context: Context) -> pb.ListAliasesResponse:
        """List the numbers that lead to a customer."""
        intake = Intake()
        customer_id = intake.known_id(request.customer_id, "customer_id")
        intake.check()
        position = await self._log.position(request)
        found = [await self._log.aggregate(alias_id, position) for alias_id in await self._aliases.of(customer_id)]
        linked = [
            await self._aliases.message(alias)
            for alias in found
            if isinstance(alias, Alias) and alias.linked and alias.customer == customer_id
        ]
        return pb.ListAliasesResponse(aliases=linked, position=self._log.message(position))

    async def _told(self, done: Done) -> alias_pb2.Alias:
        return await self._aliases.message(expect(done.subject, Alias))
