"""The outermost layer of every call: caller, permission, deadline, refusals, one log line, metrics.

Nothing of an uncaught exception leaves but a correlation id: grpcio would send its text to the caller. Messages
that cannot be decoded, or are too large, become refusals as well, which is why decoding is wrapped here: grpcio
calls it outside of any handler. A guarded handler is built once per method, not once per call.

A method that answers with a stream is an async generator. Its stream lives as long as its caller's deadline, for
ever without one, and is ended by ``drain`` before the server is stopped: grpcio would wait for it all the grace. What
a caller may do is looked at again as a stream goes on: no message leaves on a permission that was given too long ago.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from hashlib import sha256
from secrets import token_hex
from time import perf_counter
from typing import Any, Final, NamedTuple

import grpc
import structlog
from google.protobuf.message import DecodeError

from domain.refusals import Reason, Refusal, Refused, invalid, refuse
from ledger.rpc import calls, errors
from ledger.rpc.callers import Caller
from ledger.rpc.calls import Context, Handler
from ledger.rpc.forwarding import Forwarding, Passed, Received
from ledger.rpc.guard import Guard, opened, rule_of, told
from ledger.rpc.homes import HOMES
from ledger.rpc.identity import Identity, Metadata, acting
from ledger.rpc.metrics import Metrics
from ledger.rpc.permissions import NONE, PERMISSIONS, Row
from ledger.rpc.rates import PACED, Rates
from ledger.rpc.sealing import SEAL_KEY
from ledger.rpc.streams import OpenStreams

GUARDED: Final = "/esep."
_TURN_SECONDS: Final = 0.01
_QUIET_TURNS: Final = 10
_RESTLESS_SECONDS: Final = 2.0
"""How long a server that stops waits for calls to cease, beyond those under way."""
LARGE_BYTES: Final = 16_384
"""Larger requests write much at once (no question is as long): they are not decoded when there is no room for them."""
_REQUEST_ID_LENGTH: Final = 36
_TRACE_ID: Final = slice(3, 35)
_TRACE_PARENT_LENGTH: Final = 55

log = structlog.get_logger("esep.rpc")

Behaviour = Callable[[Any, Context], Awaitable[Any]]
Note = Callable[[str, Any, calls.Call], Awaitable[None]]
"""Notes a call that was admitted, where such calls are noted, before it is answered; raises Refused."""
Streaming = Callable[[Any, Context], AsyncGenerator[Any, None]]


class _Unreadable(NamedTuple):
    """Stands for a request that was refused while it was decoded."""

    refusal: Refusal


class _Coming:
    """A call as it came in, and what its line of the log says of its way between servers."""

    __slots__ = ("metadata", "request", "way")

    def __init__(self, request: Any, metadata: Metadata) -> None:
        self.request = request
        self.metadata = metadata
        self.way: dict[str, str] = {}


Work = Callable[[_Coming, Context], Awaitable[Any]]


async def _write(context: Context, message: Any) -> None:
    """Write a message of a stream; that the caller is gone may show here before the call is cancelled."""
    try:
        await context.write(message)
    except grpc.aio.InternalError as gone:
        raise asyncio.CancelledError from gone


class Gate(grpc.aio.ServerInterceptor):
    """Guards every method of the ledger's own services; health and reflection pass by."""

    def __init__(
        self,
        identity: Identity,
        guard: Guard,
        note: Note,
        metrics: Metrics,
        rates: Rates,
        full: Callable[[], bool],
        forwarding: Forwarding | None,
        *,
        max_deadline_seconds: float,
        max_request_bytes: int,
        max_streams: int,
        max_calls: int,
        permission_seconds: float,
    ) -> None:
        self._identity = identity
        self._permission = guard
        self._note = note
        self._metrics = metrics
        self._rates = rates
        self._full = full
        self._streams = OpenStreams(metrics, max_streams)
        self._max_deadline_seconds = max_deadline_seconds
        self._max_request_bytes = max_request_bytes
        self._max_calls = max_calls
        self._permission_seconds = permission_seconds
        self._forwarding = forwarding
        self._draining = False
        self._under_way = 0
        self._met = 0
        """How many calls there ever were."""
        self._guarded: dict[str, Handler] = {}
        self._taking_in: dict[str, Handler] = {}

    async def drain(self, grace: float) -> None:
        """Answer SHUTTING_DOWN to new calls and open streams, and wait for calls under way, ``grace`` seconds at most.

        Before the server itself is stopped, because grpcio cancels what it has received and not begun: the caller
        would not learn that it may send the request again. For the same reason it is waited until none comes any
        more, for a moment counted in turns of the event loop: time passes on a starved machine, and no call is met.
        """
        self._draining = True
        clock = asyncio.get_running_loop().time
        begun = clock()
        self._streams.end_all()
        quiet = 0
        while clock() - begun < grace:
            met = self._met
            await asyncio.sleep(_TURN_SECONDS)
            quiet = quiet + 1 if self._met == met else 0
            if not self._under_way and (quiet >= _QUIET_TURNS or clock() - begun >= _RESTLESS_SECONDS):
                break
        self._streams.cut_off()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Return the method's guarded handler."""
        method = handler_call_details.method
        forwarding = self._forwarding if method in HOMES else None
        taking_in = forwarding if forwarding is not None and _is_sealed(handler_call_details) else None
        made = self._guarded if taking_in is None else self._taking_in
        guarded = made.get(method)
        if guarded is not None:
            return guarded
        handler = await continuation(handler_call_details)
        if handler is None or not method.startswith(GUARDED):
            return handler
        if handler.request_streaming:
            raise TypeError(f"{method} takes a stream, which no method of the ledger does")
        unary: Any = handler.unary_unary
        streaming: Any = handler.unary_stream
        decode, encode = self._decoder(handler.request_deserializer), handler.response_serializer
        if streaming:
            guarded = grpc.unary_stream_rpc_method_handler(self._guard_stream(method, streaming), decode, encode)
        elif taking_in is None:
            work = self._called(method, unary, forwarding)
            encode = encode if forwarding is None else _unless_bytes(encode)
            guarded = grpc.unary_unary_rpc_method_handler(self._guard(method, work), decode, encode)
        else:
            work = self._taken_in(method, unary, taking_in)
            guarded = grpc.unary_unary_rpc_method_handler(self._guard(method, work), _with_digest(decode), encode)
        made[method] = guarded
        return guarded

    def _decoder(self, decode: Callable[[bytes], Any] | None) -> Callable[[bytes], Any]:
        if decode is None:
            raise TypeError("a method of the ledger decodes its requests")

        def guarded(data: bytes) -> Any:
            if len(data) > self._max_request_bytes:
                return _Unreadable(refuse(Reason.MESSAGE_TOO_LARGE, bytes=len(data), max_bytes=self._max_request_bytes))
            if len(data) > LARGE_BYTES and self._full():
                return _Unreadable(refuse(Reason.QUEUE_FULL))
            try:
                return decode(data)
            except DecodeError:
                return _Unreadable(invalid("request", "UNDECODABLE", "is no such message, or holds invalid UTF-8"))

        return guarded

    def _guard(self, method: str, work: Work) -> Behaviour:
        """Return a method whose every call ends with an answer, a count and a line of the log."""

        async def answer(request: Any, context: Context) -> Any:
            started = perf_counter()
            coming = _Coming(request, dict(context.invocation_metadata() or ()))
            code = grpc.StatusCode.OK
            reason: Reason | None = None
            self._under_way += 1
            self._met += 1
            try:
                return await work(coming, context)
            except asyncio.CancelledError:
                code = grpc.StatusCode.CANCELLED
                raise
            except Passed as passed:
                code, reason, end = passed.code, passed.reason, passed.end
            except Exception as error:  # noqa: BLE001 - whatever it is, its text must not leave
                refusal = self._refusal(method, error)
                code, reason, end = errors.code(refusal.reason), refusal.reason, partial(errors.abort, refusal=refusal)
            finally:
                self._under_way -= 1
                seconds = perf_counter() - started
                self._metrics.answered(method, code, reason, seconds)
                _log_call(method, code, reason, coming.request, coming.metadata, seconds, **coming.way)
            return await end(context)

        return answer

    def _called(self, method: str, behaviour: Behaviour, forwarding: Forwarding | None) -> Work:
        """Return what a call comes to: it is done here, or by the server that owns what it is about."""
        row = PERMISSIONS.get(method, NONE)
        paced = method in PACED

        async def work(coming: _Coming, context: Context) -> Any:
            request = coming.request
            call = self._open(context, coming.metadata, self._max_deadline_seconds)
            async with asyncio.timeout_at(call.deadline):
                await self._admit(row, request, call)
                if paced:
                    self._rates.admit_subject(method, request, call.who)
                await self._note(method, request, call)
                route = None if forwarding is None else await forwarding.route(method, request)
                if forwarding is None or route is None:
                    return await behaviour(request, context)
                coming.way["forwarded_to"] = route.address
                return await forwarding.ask(route, method, request, call, coming.metadata)

        return work

    def _taken_in(self, method: str, behaviour: Behaviour, forwarding: Forwarding) -> Work:
        """Return what a call that another server forwards comes to: it was counted and noted there."""
        row = PERMISSIONS.get(method, NONE)

        async def work(coming: _Coming, context: Context) -> Any:
            received: Received = coming.request
            said = forwarding.taken_in(coming.metadata, method, received.digest)
            self._metrics.taken_in(said.sender)
            coming.request, coming.way["forwarded_by"] = received.message, said.sender
            call = self._open(context, coming.metadata, self._max_deadline_seconds, said.who)
            async with asyncio.timeout_at(call.deadline):
                await self._admit(row, coming.request, call)
                return await behaviour(coming.request, context)

        return work

    def _guard_stream(self, method: str, behaviour: Streaming) -> Behaviour:
        """Return a coroutine that writes the stream itself: a cancelled generator would be found by the collector."""
        row = PERMISSIONS.get(method, NONE)

        async def answer(request: Any, context: Context) -> None:
            started = perf_counter()
            refusal: Refusal | None = None
            code = grpc.StatusCode.OK
            metadata: Metadata = dict(context.invocation_metadata() or ())
            sent = 0

            async def send() -> None:
                nonlocal sent
                clock = asyncio.get_running_loop().time
                call = self._open(context, metadata, math.inf)
                admitted = clock()
                await self._admit_in_time(row, request, call)
                await self._note(method, request, call)
                # A first message given up under way would leave its initial metadata to be sent twice, and no end told.
                await context.send_initial_metadata(())
                async with self._streams.open(method, call.deadline), aclosing(behaviour(request, context)) as messages:
                    async for message in messages:
                        if clock() - admitted >= self._permission_seconds:
                            admitted = clock()
                            call.who = acting(self._identity.caller(context, metadata), metadata)
                            await self._admit_in_time(row, request, call)
                        await _write(context, message)
                        sent += 1

            self._under_way += 1
            self._met += 1
            try:
                await send()
            except asyncio.CancelledError:
                code = grpc.StatusCode.CANCELLED
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, its text must not leave
                refusal = self._refusal(method, error)
                code = errors.code(refusal.reason)
                await errors.abort(context, refusal)
            finally:
                self._under_way -= 1
                reason = None if refusal is None else refusal.reason
                self._metrics.streamed(method, code, reason, sent)
                _log_call(method, code, reason, request, metadata, perf_counter() - started, messages=sent)

        return answer

    def _open(self, context: Context, metadata: Metadata, longest: float, known: Caller | None = None) -> calls.Call:
        """Begin a call; ``known`` is who makes it, where another server has found that out and counted it."""
        if self._draining:
            raise Refused(refuse(Reason.SHUTTING_DOWN))
        if self._under_way > self._max_calls:
            raise Refused(refuse(Reason.QUEUE_FULL, max_concurrent_calls=self._max_calls))
        remaining: float | None = context.time_remaining()  # The stubs leave out that there may be none.
        seconds = longest if remaining is None else min(remaining, longest)
        if seconds <= 0:
            raise Refused(refuse(Reason.DEADLINE_EXCEEDED))
        caller = acting(self._identity.caller(context, metadata), metadata) if known is None else known
        call = opened(calls.Call(caller, asyncio.get_running_loop().time() + seconds))
        calls.enter(call)
        if known is None:
            self._rates.admit_caller(caller)
        return call

    async def _admit(self, row: Row, request: Any, call: calls.Call) -> None:
        """Return if the caller may do what it asks for, in words that can be read; else raise Refused."""
        rule = rule_of(row, call.who.role)
        if type(request) is _Unreadable:
            raise Refused(request.refusal)
        await self._permission.admit(row, rule, request, call)

    async def _admit_in_time(self, row: Row, request: Any, call: calls.Call) -> None:
        """Admit a stream, which has no end, as if it were a call that has one."""
        limit = asyncio.timeout(min(call.remaining(), self._max_deadline_seconds))
        try:
            async with limit:
                await self._admit(row, request, call)
        except TimeoutError:
            if not limit.expired():
                raise
            late = call.remaining() == 0
            raise Refused(refuse(Reason.DEADLINE_EXCEEDED if late else Reason.LEDGER_UNAVAILABLE)) from None

    def _refusal(self, method: str, error: Exception) -> Refusal:
        """Return what the caller is told of an error."""
        if not isinstance(error, Refused):
            return self._uncaught(method, error)
        if error.refusal.reason is Reason.INTERNAL:
            return self._defect(method, error.refusal)
        return told(error.refusal)

    @staticmethod
    def _defect(method: str, refusal: Refusal) -> Refusal:
        """Give a defect that another layer has logged an id by which it is found."""
        correlation_id = token_hex(8)
        log.error("defect", method=method, correlation_id=correlation_id, reason=refusal.reason.name)
        return refuse(Reason.INTERNAL, correlation_id=correlation_id)

    @staticmethod
    def _uncaught(method: str, error: Exception) -> Refusal:
        if isinstance(error, TimeoutError) and calls.current().remaining() == 0:
            return refuse(Reason.DEADLINE_EXCEEDED)
        correlation_id = token_hex(8)
        log.error("uncaught", method=method, correlation_id=correlation_id, exc_info=error)
        return refuse(Reason.INTERNAL, correlation_id=correlation_id)


def _is_sealed(details: grpc.HandlerCallDetails) -> bool:
    """Tell whether a call comes from another server, as it says itself; whether that is so is asked later."""
    return any(key == SEAL_KEY for key, _ in details.invocation_metadata or ())


def _with_digest(decode: Callable[[bytes], Any]) -> Callable[[bytes], Received]:
    return lambda data: Received(sha256(data).digest(), decode(data))


def _unless_bytes(serialize: Callable[[Any], bytes] | None) -> Callable[[Any], bytes]:
    """Let through what another server has put into bytes."""
    if serialize is None:
        raise TypeError("a method of the ledger encodes its answers")
    return lambda answer: answer if type(answer) is bytes else serialize(answer)


def _log_call(
    method: str,
    code: grpc.StatusCode,
    reason: Reason | None,
    request: Any,
    metadata: Metadata,
    seconds: float,
    **more: int | str,
) -> None:
    log.info(
        "call",
        method=method,
        caller=calls.caller_name(),
        code=code.name,
        reason="" if reason is None else reason.name,
        request_id=getattr(request, "request_id", "")[:_REQUEST_ID_LENGTH],
        duration_ms=round(seconds * 1000, 3),
        trace_id=_trace_id(metadata),
        **more,
    )


def _trace_id(metadata: Metadata) -> str:
    """Return the trace id of a W3C traceparent, empty when there is none."""
    parent = metadata.get("traceparent", "")
    return parent[_TRACE_ID] if isinstance(parent, str) and len(parent) == _TRACE_PARENT_LENGTH else ""
