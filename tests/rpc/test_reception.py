"""Whatever a call names, it is received: by its method, or as one of no method, and those after it as well."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc._cython import cygrpc  # type: ignore[attr-defined]

from ledger.rpc.reception import receiving
from tests.rpc.world import PATIENCE, Bank, World
from tests.waiting import eventually

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SETTINGS, _HEADERS, _DATA = 4, 1, 0
_END_STREAM, _END_HEADERS = 1, 4
UNIMPLEMENTED = b"grpc-status\x0212"


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def header(name: bytes, value: bytes) -> bytes:
    """Return a header that is neither packed nor remembered."""
    return bytes([0, len(name)]) + name + bytes([len(value)]) + value


def answer_to(address: str, path: bytes) -> bytes:
    """Return all that a server answers to a call of a path, which no client of gRPC would let pass."""
    host, _, port = address.rpartition(":")
    headers = {
        b":method": b"POST",
        b":scheme": b"http",
        b":path": path,
        b":authority": b"esep",
        b"content-type": b"application/grpc",
        b"te": b"trailers",
    }
    sent = b"".join(header(*each) for each in headers.items())
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        connection.sendall(_PREFACE + frame(_SETTINGS, 0, 0, b"") + frame(_HEADERS, _END_HEADERS, 1, sent))
        connection.sendall(frame(_DATA, _END_STREAM, 1, bytes(5)))
        answered = b""
        while b"grpc-status" not in answered or b"grpc-message" not in answered:
            more = connection.recv(4_096)
            if not more:
                break
            answered += more
    return answered


@pytest.mark.parametrize(
    "path",
    [
        b"/esep.v1.\xff\xfe/CreateTransfer",
        b"/esep.v1.TransferService/\xc3",
        "/счёт/перевод".encode(),
        b"",
        b"/",
        b"/esep.v1.TransferService/CreateTransfer/",
        b"/esep.v1.TransferService/createTransfer",
        b"esep.v1.TransferService/CreateTransfer",
        b"/esep.v1.TransferService/CreateTransfer\0",
    ],
)
def test_what_names_no_method_harms_nobody(bank: Bank, path: bytes) -> None:
    """A path that is none, and one that is no text, is answered that there is no such method; others are served on."""
    assert UNIMPLEMENTED in answer_to(bank.world.address, path)
    assert UNIMPLEMENTED in answer_to(bank.world.address, path)
    assert bank.move(bank.rich, bank.poor, 1).transfer.amount_tyiyn == 1


def test_no_call_looks_at_all_methods(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """What grpcio's own loop does for each method that waits, it does for none."""
    looked: list[object] = []
    wait = asyncio.wait

    def watched(waiting: Any, **options: Any) -> Any:
        looked.append(waiting)
        return wait(waiting, **options)

    monkeypatch.setattr(asyncio, "wait", watched)
    bank.move(bank.rich, bank.poor, 1)
    assert not looked


class _Empty:
    """A method that answers when it is let, and tells when it was called as often as it may be."""

    def __init__(self) -> None:
        self.called = asyncio.Semaphore(0)
        self.let = asyncio.Event()

    async def answer(self, _request: bytes, _context: object) -> bytes:
        self.called.release()
        await self.let.wait()
        return b""

    def handlers(self) -> Any:
        """Return what is added to a server."""
        return {"Wait": grpc.unary_unary_rpc_method_handler(self.answer)}


def test_more_calls_than_there_may_be_are_told_so() -> None:
    """The bound holds for all methods together, and who comes when others have ended is served."""

    async def flood() -> None:
        server, method = receiving([], [], 2), _Empty()
        server.add_registered_method_handlers("test", method.handlers())
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            ask: Any = channel.unary_unary("/test/Wait")
            first, second = ask(b"", timeout=PATIENCE), ask(b"", timeout=PATIENCE)
            for _ in range(2):
                await asyncio.wait_for(method.called.acquire(), PATIENCE)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await ask(b"", timeout=PATIENCE)
            assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            method.let.set()
            assert (await first, await second) == (b"", b"")
            assert await ask(b"", timeout=PATIENCE) == b""
        await server.stop(0)

    asyncio.run(flood())


def test_a_failure_to_receive_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where calls can be received no more, the server ends by the error, and whoever waits for its end is told."""

    async def fail() -> None:
        server = receiving([], [], 2)
        server.add_registered_method_handlers("test", _Empty().handlers())
        server.add_insecure_port("127.0.0.1:0")

        async def broken(*_: object) -> None:
            raise RuntimeError("nothing is received")

        monkeypatch.setattr(type(server._server), "_request_registered_call", broken)  # type: ignore[attr-defined]
        await server.start()
        with pytest.raises(RuntimeError, match="nothing is received"):
            await asyncio.wait_for(server.wait_for_termination(), PATIENCE)

    asyncio.run(fail())


def test_it_stands_on_what_grpcio_has() -> None:
    """The parts of grpcio that it uses are there, and take what they took: a new release may have others."""
    functions = {
        "_handle_rpc": ("method_name", "method_resolver", "interceptors", "rpc_state", "loop", "concurrency_exceeded"),
        "_schedule_rpc_coro": ("rpc_coro", "rpc_state", "loop", "method_name"),
    }
    for name, taken in functions.items():
        code = getattr(cygrpc, name).__code__
        assert code.co_varnames[: code.co_argcount] == taken


def test_a_server_that_is_heard_no_more_is_given_up(tmp_path: Path) -> None:
    """Else its process would stay the owner, alive and out of reach; a stop in order gives nothing up."""
    given_up: list[BaseException] = []
    with World(tmp_path) as heard:
        heard.run(watched(heard, given_up))
    assert not given_up
    (tmp_path / "again").mkdir()
    with World(tmp_path / "again") as lost:
        lost.run(watched(lost, given_up))
        lost.run(lambda: lost.edge.server.stop(None))
        eventually(lambda: given_up)
    assert len(given_up) == 1


def watched(world: World, given_up: list[BaseException]) -> Callable[[], Awaitable[None]]:
    """Return what has a server watched as its process does."""

    async def watch() -> None:
        world.edge.watch(given_up.append)

    return watch
