"""Asking providers of services, each over its own gRPC connection (esep.v1.ProviderService).

Whatever goes wrong on the way is silence, never an answer: a call that failed may have been carried out.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import grpc
import structlog

from domain import ids
from domain.payment import Payment
from domain.refusals import Reason, Refused, refuse
from domain.settle import Answer
from ledger.rpc.settings import Endpoint
from protos.esep.v1 import provider_service_pb2 as pb
from protos.esep.v1.provider_service_pb2_grpc import ProviderServiceStub

if TYPE_CHECKING:  # Only the stub files know it.
    from protos.esep.v1.provider_service_pb2_grpc import ProviderServiceAsyncStub

ANYBODY: Final = "*"
"""Stands in the file of providers for all that are not named."""

MAX_REFERENCE: Final = 64
MAX_EXPLANATION: Final = 140

_log = structlog.get_logger("esep.providers")

Fields = Mapping[str, str]


class Beneficiary(NamedTuple):
    """What a provider says of what a payer entered."""

    known: bool
    masked_name: str


class Delivery(NamedTuple):
    """What a provider says of a delivery. ``unheard``: it has never reached the provider."""

    answer: Answer
    reference: str = ""
    explanation: str = ""
    unheard: bool = False


SILENCE: Final = Delivery(Answer.UNKNOWN)


class Order(NamedTuple):
    """What a provider is asked to deliver."""

    payment: Payment
    provider_id: str
    fields: Fields


class Providers(Protocol):
    """Asks providers."""

    async def check(self, provider_id: str, service_id: str, fields: Fields) -> Beneficiary:
        """Return what a provider says of a beneficiary; raises Refused(PROVIDER_UNAVAILABLE)."""
        ...

    async def deliver(self, order: Order) -> Delivery:
        """Ask a provider to deliver; never raises for what is the provider's."""
        ...

    async def status(self, order: Order) -> Delivery:
        """Ask a provider how a delivery stands; never raises for what is the provider's."""
        ...

    async def close(self) -> None: ...


class GrpcProviders:
    """Providers that serve esep.v1.ProviderService. Used inside one running event loop."""

    def __init__(self, endpoints: Mapping[str, Endpoint], timeout_seconds: float) -> None:
        self._endpoints = endpoints
        self._timeout = timeout_seconds
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def check(self, provider_id: str, service_id: str, fields: Fields) -> Beneficiary:
        """Return what a provider says of a beneficiary; raises Refused(PROVIDER_UNAVAILABLE)."""
        request = pb.CheckBeneficiaryRequest(provider_id=provider_id, service_id=service_id, fields=fields)
        stub = self._stub(provider_id)
        if stub is None:
            raise Refused(refuse(Reason.PROVIDER_UNAVAILABLE, provider_id=provider_id))
        try:
            said = await stub.CheckBeneficiary(request, timeout=self._timeout)
        except grpc.aio.AioRpcError as error:
            _log.warning("provider.silent", provider_id=provider_id, method="CheckBeneficiary", code=error.code().name)
            raise Refused(refuse(Reason.PROVIDER_UNAVAILABLE, provider_id=provider_id)) from None
        return Beneficiary(said.known, said.masked_name)

    async def deliver(self, order: Order) -> Delivery:
        """Ask a provider to deliver."""
        stub = self._stub(order.provider_id)
        if stub is None:
            return SILENCE
        details = order.payment.details
        request = pb.DeliverRequest(
            payment_id=ids.format_uuid(order.payment.payment_id),
            provider_id=order.provider_id,
            service_id=details.service,
            fields=order.fields,
            amount_tyiyn=details.amount,
            currency_code=details.currency,
        )
        try:
            return _delivery(await stub.Deliver(request, timeout=self._timeout))
        except grpc.aio.AioRpcError as error:
            _log.warning("provider.silent", provider_id=order.provider_id, method="Deliver", code=error.code().name)
            return SILENCE

    async def status(self, order: Order) -> Delivery:
        """Ask a provider how a delivery stands."""
        stub = self._stub(order.provider_id)
        if stub is None:
            return SILENCE
        payment_id = ids.format_uuid(order.payment.payment_id)
        request = pb.GetDeliveryRequest(payment_id=payment_id, provider_id=order.provider_id)
        try:
            return _delivery(await stub.GetDelivery(request, timeout=self._timeout))
        except grpc.aio.AioRpcError as error:
            _log.warning("provider.silent", provider_id=order.provider_id, method="GetDelivery", code=error.code().name)
            return SILENCE

    async def close(self) -> None:
        """Close every connection."""
        for channel in self._channels.values():
            await channel.close()

    def _stub(self, provider_id: str) -> "ProviderServiceAsyncStub | None":
        endpoint = self._endpoints.get(provider_id) or self._endpoints.get(ANYBODY)
        if endpoint is None:
            return None
        channel = self._channels.get(endpoint.target)
        if channel is None:
            channel = self._channels[endpoint.target] = _connect(endpoint)
        stub: ProviderServiceAsyncStub = ProviderServiceStub(channel)
        return stub


def _connect(endpoint: Endpoint) -> grpc.aio.Channel:
    if endpoint.authority_file is None:
        return grpc.aio.insecure_channel(endpoint.target)
    credentials = grpc.ssl_channel_credentials(endpoint.authority_file.read_bytes())
    return grpc.aio.secure_channel(endpoint.target, credentials)


def _delivery(said: pb.DeliverResponse | pb.GetDeliveryResponse) -> Delivery:
    reference, explanation = _text(said.provider_reference, MAX_REFERENCE), _text(said.explanation, MAX_EXPLANATION)
    match said.state:
        case pb.DELIVERY_STATE_DELIVERED:
            return Delivery(Answer.DELIVERED, reference, explanation)
        case pb.DELIVERY_STATE_REFUSED:
            return Delivery(Answer.REFUSED, reference, explanation)
        case pb.DELIVERY_STATE_UNKNOWN:
            return Delivery(Answer.UNKNOWN, unheard=True)
        case _:
            return SILENCE


def _text(said: str, longest: int) -> str:
    """Return what a provider said, as far as the ledger keeps such a thing: its answer counts, not its manners."""
    return "".join(character for character in said if character.isprintable())[:longest]
