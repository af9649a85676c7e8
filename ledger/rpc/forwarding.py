"""Passing a write on to the server that owns its partition, and its answer back as it came.

The server that was called knows who calls, has counted the call and looked at what the caller may do. The owner hears
all of this under a seal (``ledger.rpc.sealing``), looks once more at what the caller may do, by what its partition
holds, and answers what it would have answered the caller itself. A forwarded call is never forwarded again: where
ownership has just changed, the caller is told to come again. Nor is one sent twice: when no answer comes, the caller is
told that it is not known what was done, and that the same request does it once.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import grpc
import structlog
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from domain.refusals import Reason, Refused, refuse
from ledger.rpc.calls import Call, Context
from ledger.rpc.errors import DETAILS_KEY, PUSHBACK_KEY
from ledger.rpc.gateway import Gateway
from ledger.rpc.homes import HOMES
from ledger.rpc.identity import Metadata
from ledger.rpc.metrics import Metrics
from ledger.rpc.peers import Peers
from ledger.rpc.routes import Route, Routes
from ledger.rpc.sealing import SEAL_KEY, Forwarded, Seals
from ledger.rpc.settings import RpcSettings

WATCH_SECONDS: Final = 1.0
"""How often it is looked, while an owner has not answered, whether it still is the owner."""
_TRACE: Final = "traceparent"
_OURS: Final = (DETAILS_KEY, PUSHBACK_KEY)

log = structlog.get_logger("esep.rpc")


class Passed(Exception):
    """The owner refused: what the caller is told is the owner's own answer."""

    def __init__(self, error: grpc.aio.AioRpcError, status: bytes) -> None:
        super().__init__(error.code().name)
        self.code = error.code()
        self.message = error.details() or ""
        self.reason = _reason(status)
        """Why, None where this server has no such reason."""
        self.trailers: list[tuple[str, str | bytes]] = [
            (key, value) for key, value in error.trailing_metadata() or () if key in _OURS
        ]

    async def end(self, context: Context) -> None:
        """End a call as the owner has ended it."""
        await context.abort(self.code, self.message, trailing_metadata=tuple(self.trailers))


class Received(NamedTuple):
    """A request that another server forwarded."""

    digest: bytes
    """Of the request's bytes: the seal is for these alone."""
    message: Any


class Forwarding:
    """Forwards, and takes in what others forward. ``own_address`` is told before anything is served."""

    def __init__(self, gateway: Gateway, settings: RpcSettings, metrics: Metrics) -> None:
        """Begin without a connection; raises OSError or ValueError where a file of the settings cannot be read."""
        self.own_address = ""
        """Where other servers reach this one, empty where they cannot."""
        self._gateway = gateway
        self._metrics = metrics
        self._seals = Seals.of(settings.forwarding_keys_file)
        self._peers = Peers(settings)
        self._routes = Routes(gateway.engine.log, gateway.look, settings.takeover_after_seconds)

    async def route(self, method: str, request: Any) -> Route | None:
        """Return the way to the server that is to answer a write; None where this one is, or there is no other."""
        home = await HOMES[method](self._gateway, request)
        engine = None if home is None else self._gateway.engine_of(home)
        if engine is None or engine.serving:
            return None
        route = await self._routes.to(engine.partition)
        if route is None or route.address == self.own_address or not self._peers.reachable(route.address):
            return None
        return route

    async def ask(self, route: Route, method: str, request: Any, call: Call, metadata: Metadata) -> bytes:
        """Return an owner's answer, as it is; raises Passed with its refusal, and Refused when there is no answer."""
        body = request.SerializeToString()
        remaining = call.remaining()
        seal = self._seals.seal(call.who, self.own_address, route.address, method, body)
        sealed: list[tuple[str, str | bytes]] = [(SEAL_KEY, seal)]
        sealed += [(_TRACE, metadata[_TRACE])] if _TRACE in metadata else []
        code = grpc.StatusCode.UNAVAILABLE
        try:
            send: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._peers.to(route.address).unary_unary(method)
            asked = send(body, timeout=remaining, metadata=sealed)
            answer = await self._watched(asked, route)
            code = grpc.StatusCode.OK
        except grpc.aio.AioRpcError as error:
            code = error.code()
            raise self._failed(error, route, method) from None
        else:
            return answer
        finally:
            self._metrics.forwarded(route.partition, code)

    def taken_in(self, metadata: Metadata, method: str, digest: bytes) -> Forwarded:
        """Return what another server says of a call that it forwards to this one; raises Refused(UNAUTHENTICATED)."""
        return self._seals.open(metadata.get(SEAL_KEY), method, digest, self.own_address)

    async def close(self) -> None:
        """Forward nothing more."""
        await self._peers.close()

    async def _watched(self, asked: "grpc.aio.UnaryUnaryCall[bytes, bytes]", route: Route) -> bytes:
        """Wait for an answer, for as long as nobody else has become the owner.

        A database that does not say who the owner is holds up no answer.
        """
        answer = asyncio.ensure_future(_value(asked))
        replaced = asyncio.create_task(self._until_replaced(route))
        try:
            await asyncio.wait((answer, replaced), return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
            await replaced
            raise _unreachable()
        finally:
            asked.cancel()
            answer.cancel()
            replaced.cancel()

    async def _until_replaced(self, route: Route) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if await self._replaced(route):
                return

    async def _replaced(self, route: Route) -> bool:
        try:
            now = await self._routes.to(route.partition)
        except Refused:  # The database does not say.
            return False
        return now is not None and now.owner != route.owner

    def _failed(self, error: grpc.aio.AioRpcError, route: Route, method: str) -> Exception:
        """Return what is to be raised for a call that was not answered with a message."""
        status = next((value for key, value in error.trailing_metadata() or () if key == DETAILS_KEY), None)
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            self._routes.forget(route.partition)  # Stopping, or not the owner any more: or gone.
        if isinstance(status, bytes):
            passed = Passed(error, status)
            if passed.reason is not Reason.UNAUTHENTICATED:
                return passed
            log.error("forwarding.distrusted", method=method, forwarded_to=route.address)
        elif error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return Refused(refuse(Reason.DEADLINE_EXCEEDED))
        else:
            log.warning("forwarding.unanswered", method=method, forwarded_to=route.address, code=error.code().name)
        return _unreachable()


async def _value(asked: "grpc.aio.UnaryUnaryCall[bytes, bytes]") -> bytes:
    return await asked


def _unreachable() -> Refused:
    return Refused(refuse(Reason.OWNER_UNREACHABLE))


def _reason(status: bytes) -> Reason | None:
    """Return the reason that the details of a status give."""
    details: Sequence[Any] = Status.FromString(status).details
    for detail in details:
        info = ErrorInfo()
        if detail.Is(info.DESCRIPTOR) and detail.Unpack(info):
            return Reason.__members__.get(info.reason)
    return None
