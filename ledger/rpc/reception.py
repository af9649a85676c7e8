"""How calls are received: each method waits for its own next call, and all else that is asked for is no method.

grpcio's own server fails this one twice. It reads the path of a call that names none of its methods as UTF-8, and where
it is none, stops serving for good: one call by anybody, before anybody has asked who it is. And whenever a call comes
in, it looks at all the methods that wait, which with more than a hundred of them was a quarter of what a whole call
takes. So its loop is left waiting for nothing here, and calls are received beside it: those of a method by that method,
whose name nobody has to read, and all others as calls of no method, whatever their path.

The names that begin with an underscore are grpcio's own. Whether they still are what they were, tests tell.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]

from ledger.rpc.keepalive import Options

_NO_METHOD: Final = ""


class _Methods(dict[str, Any]):
    """The handlers of methods by their names."""

    def resolve_handler(self, details: grpc.HandlerCallDetails) -> Any:
        """Return a method's handler, None where there is no such method."""
        return self.get(details.method)


class _Receiving(cygrpc.AioServer):  # type: ignore[misc]
    """Receives calls, each method by itself."""

    def __init__(self, interceptors: Sequence[grpc.aio.ServerInterceptor], options: Options, most_calls: int) -> None:
        self._here = asyncio.get_running_loop()
        super().__init__(self._here, None, (), interceptors, tuple(options), None)
        self._gates = tuple(interceptors)
        self._most_calls = most_calls
        self._methods = _Methods()
        self._idle: asyncio.Future[None] = self._here.create_future()
        """What grpcio's own loop waits for: it ends with the last that is received."""
        self._receiving: set[asyncio.Task[None]] = set()
        self._calls: set[asyncio.Task[None]] = set()

    def add_registered_method_handlers(self, handlers: Mapping[str, Any]) -> None:
        super().add_registered_method_handlers(dict(handlers))
        self._methods.update(handlers)

    def _make_request_call_future(self, method: bytes | None) -> "asyncio.Future[None]":
        """Begin to receive the calls of a method, or of none: asked once for each when the server starts."""
        receiving = self._here.create_task(self._receive(method))
        self._receiving.add(receiving)
        receiving.add_done_callback(self._received_last)
        return self._idle

    async def _receive(self, method: bytes | None) -> None:
        name = _NO_METHOD if method is None else method.decode()
        while True:
            try:
                call = await (self._request_call() if method is None else self._request_registered_call(method))
            except cygrpc._RequestCallError:  # noqa: SLF001
                if not self.is_running():
                    return
            else:
                self._begin(name, call)

    def _received_last(self, receiving: "asyncio.Task[None]") -> None:
        """Let grpcio's own loop end: in order where the server stops, else by the error."""
        self._receiving.discard(receiving)
        if not self._idle.done() and not receiving.cancelled():
            self._idle.set_exception(receiving.exception() or cygrpc._RequestCallError())  # noqa: SLF001

    def _begin(self, name: str, call: Any) -> None:
        too_many = len(self._calls) >= self._most_calls
        answer = cygrpc._handle_rpc(name, self._methods, self._gates, call, self._here, too_many)  # noqa: SLF001
        task = self._here.create_task(cygrpc._schedule_rpc_coro(answer, call, self._here, name))  # noqa: SLF001
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)


class _Server(grpc.aio._server.Server):  # type: ignore[misc, name-defined]  # noqa: SLF001
    def __init__(self, receiving: _Receiving) -> None:
        self._loop = asyncio.get_running_loop()
        self._server = receiving

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Add none: the stubs add each method twice, and here it is received as a registered one."""


def receiving(
    interceptors: Sequence[grpc.aio.ServerInterceptor], options: Options, maximum_concurrent_rpcs: int
) -> grpc.aio.Server:
    """Return a server, to which methods are to be added; used inside one running event loop."""
    return cast("grpc.aio.Server", _Server(_Receiving(interceptors, options, maximum_concurrent_rpcs)))
