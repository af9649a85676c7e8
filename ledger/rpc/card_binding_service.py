"""CardBindingService: binding cards to customers."""
# ruff: noqa: N802 - the names of the methods are the contract's

from domain import ids
from domain.authorization import Authorization
from domain.binding import Binding
from domain.ports import Clock
from domain.refusals import Reason, Refused, refuse
from ledger.rpc.bindings import Bindings
from ledger.rpc.calls import Context
from ledger.rpc.gateway import Gateway
from ledger.rpc.intake import timestamp
from ledger.rpc.outcomes import Done
from ledger.rpc.reads import LogReads
from ledger.rpc.tellers import expect
from ledger.rpc.translate import card_binding as translate
from ledger.rpc.translate.common import receipt
from protos.esep.v1 import card_binding_pb2
from protos.esep.v1 import card_binding_service_pb2 as pb
from protos.esep.v1.card_binding_service_pb2_grpc import CardBindingServiceServicer


class CardBindingService(CardBindingServiceServicer):
    """Answers esep.v1.CardBindingService."""

    def __init__(self, gateway: Gateway, bindings: Bindings, log_reads: LogReads, clock: Clock) -> None:
        self._gateway = gateway
        self._bindings = bindings
        self._log = log_reads
        self._clock = clock

    async def RequestCardBinding(
        self, request: pb.RequestCardBindingRequest, context: Context
    ) -> pb.RequestCardBindingResponse:
        """Begin to bind a card."""
        done = await self._bindings.request(*translate.request_card_binding(request))
        return pb.RequestCardBindingResponse(binding=await self._told(done), receipt=receipt(done))

    async def ConfirmCardBinding(
        self, request: pb.ConfirmCardBindingRequest, context: Context
    ) -> pb.ConfirmCardBindingResponse:
        """Name the amount that is held."""
        done = await self._gateway.execute(*translate.confirm_card_binding(request), validate_only=False)
        return pb.ConfirmCardBindingResponse(binding=await self._told(done), receipt=receipt(done))

    async def CancelCardBinding(
        self, request: pb.CancelCardBindingRequest, context: Context
    ) -> pb.CancelCardBindingResponse:
        """Give a binding up."""
        done = await self._gateway.execute(*translate.cancel_card_binding(request), validate_only=request.validate_only)
        return pb.CancelCardBindingResponse(binding=await self._told(done), receipt=receipt(done))

    async def GetCardBinding(self, request: pb.GetCardBindingRequest, context: Context) -> pb.GetCardBindingResponse:
        """Read one binding from the log."""
        position = await self._log.position(request)
        binding_id, customer_id = translate.get_card_binding(request)
        binding = await self._log.aggregate(binding_id, position)
        if not isinstance(binding, Binding) or binding.customer != customer_id:
            raise Refused(refuse(Reason.BINDING_NOT_FOUND, binding_id=ids.format_uuid(binding_id)))
        return pb.GetCardBindingResponse(
            binding=await self._bindings.message(binding, self._clock.now()), position=self._log.message(position)
        )

    async def DiscloseHeldAmount(
        self, request: pb.DiscloseHeldAmountRequest, context: Context
    ) -> pb.DiscloseHeldAmountResponse:
        """Tell an operator the held amount, once it is recorded who asked."""
        done = await self._gateway.execute(*translate.disclose_held_amount(request), validate_only=False)
        binding = expect(done.subject, Binding)
        hold = expect(await self._log.aggregate(binding.hold, done.position), Authorization)
        return pb.DiscloseHeldAmountResponse(
            binding=await self._told(done),
            receipt=receipt(done),
            amount_tyiyn=hold.authorized,
            expire_time=timestamp(hold.expires_at),
        )

    async def _told(self, done: Done) -> card_binding_pb2.CardBinding:
        return await self._bindings.message(expect(done.subject, Binding), done.recorded_at)
