"""Clients that do what no client should, each kind in a process of its own, and how everybody else fares meanwhile."""

import asyncio
import multiprocessing
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any, Final

import grpc

from protos.esep.v1.notification_pb2 import NOTIFICATION_CHANNEL_PUSH
from protos.esep.v1.notification_service_pb2 import SubscribeRequest
from protos.esep.v1.service_directory_pb2 import LANGUAGE_EN
from scripts.demo_client import answer_of
from tests.overload.caller import METHOD
from tests.overload.run import Prepared

MEBIBYTE: Final = 1 << 20
QUIET_SECONDS: Final = 3.0
MEANWHILE_SECONDS: Final = 10.0
CLOSED_SECONDS: Final = 100.0
"""By then a server must have closed the connections of those who say nothing: keepalive takes 70 s."""
MOST_GROWTH_MIB: Final = 256.0
_STREAM: Final = "/esep.v1.NotificationService/Subscribe"
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""How a client of HTTP/2 begins: with nothing to set."""
_UNBOUNDED: Final = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))

Said = Counter[str]


def misbehave(kind: str, there: Prepared, share: float) -> tuple[dict[str, Any], list[str]]:
    """Let clients of a kind misbehave, a share of the usual number; return a line about it, and what is wrong."""
    made = MISBEHAVING[kind]
    with there.watch() as watch:
        time.sleep(QUIET_SECONDS)
        quiet, before, begun = watch.figures(0.0), watch.mib(), time.monotonic()
        with clients(made, there.server.address, share) as said:
            time.sleep(MEANWHILE_SECONDS * min(1.0, 2 * share))
            meanwhile, peak = watch.figures(begun), watch.peak_mib(begun)
        time.sleep(1.0)
        after = watch.mib()
    line = {
        "clients": kind,
        "did": (made.__doc__ or "").strip(),
        "said": said,
        "others_before": quiet,
        "others_meanwhile": meanwhile,
        "mib_before": round(before),
        "mib_peak": round(peak),
        "mib_after": round(after),
    }
    return line, list(_wrong(kind, meanwhile, peak - before))


def _wrong(kind: str, meanwhile: Mapping[str, float], growth: float) -> Iterator[str]:
    if meanwhile["refused"] or not meanwhile["served"]:
        yield f"{kind}: others were not served meanwhile"
    if growth > MOST_GROWTH_MIB:
        yield f"{kind}: the server grew by {growth:.0f} MiB"


@contextmanager
def clients(made: "Kind", address: str, share: float) -> Iterator[Said]:
    """Let clients misbehave in a process of their own until the block ends; give what they were answered."""
    context = multiprocessing.get_context("spawn")
    answers, answer = context.Pipe(duplex=False)
    process = context.Process(target=made, args=(address, share, answer), daemon=True)
    process.start()
    answer.close()
    try:
        yield answers.recv()
    finally:
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        answers.close()


# What they do. Each says what it was answered, and stays until it is killed.

Kind = Callable[[str, float, Connection], None]


def slow_streams(address: str, share: float, answer: Connection) -> None:
    """300 streams of everything, of which nobody reads more than a message in five seconds."""
    asyncio.run(_streams(address, round(300 * share), answer, pause=5.0))


def idle_streams(address: str, share: float, answer: Connection) -> None:
    """1,000 streams that are opened and forgotten."""
    asyncio.run(_streams(address, round(1_000 * share), answer, pause=3_600.0))


def stuck_clients(address: str, share: float, answer: Connection) -> None:
    """300 streams of a process that is stopped for good, as a debugger or a full disk would stop it."""
    asyncio.run(_streams(address, round(300 * share), answer, pause=0.0, stuck=True))


def large_messages(address: str, share: float, answer: Connection) -> None:
    """40 messages of 64 MiB, four at a time."""
    asyncio.run(_messages(address, round(40 * share), bytes(64 * MEBIBYTE), grpc.Compression.NoCompression, answer))


def compression_bombs(address: str, share: float, answer: Connection) -> None:
    """12 messages that are small on the wire and 256 MiB when unpacked, four at a time."""
    asyncio.run(_messages(address, round(12 * share), bytes(256 * MEBIBYTE), grpc.Compression.Gzip, answer))


def half_open_connections(address: str, share: float, answer: Connection) -> None:
    """1,000 connections that say nothing, half of them after the first words of HTTP/2; they are closed in time."""
    host, port = address.rsplit(":", 1)
    connections = []
    for number in range(round(1_000 * share)):
        connection = socket.create_connection((host, int(port)))
        if number % 2:
            connection.sendall(PREFACE)
        connections.append(connection)
    begun = time.monotonic()
    said: Said = Counter(connected=len(connections))
    closed = sum(closed_by_server(connection, begun + CLOSED_SECONDS) for connection in connections)
    answer.send(said + Counter(closed=closed, seconds=round(time.monotonic() - begun)))
    signal.pause()


MISBEHAVING: Final[Mapping[str, Kind]] = {
    "slow_streams": slow_streams,
    "idle_streams": idle_streams,
    "stuck_clients": stuck_clients,
    "large_messages": large_messages,
    "compression_bombs": compression_bombs,
    "half_open_connections": half_open_connections,
}


def closed_by_server(connection: socket.socket, deadline: float) -> bool:
    """Wait until the server closes a connection, whatever it says before; tell whether it did."""
    with suppress(TimeoutError):
        while (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            try:
                if not connection.recv(65_536):
                    return True
            except ConnectionError:
                return True
    return False


async def _streams(address: str, count: int, answer: Connection, *, pause: float, stuck: bool = False) -> None:
    """Open streams, say what each began with, and read slowly from then on."""
    channels = [grpc.aio.insecure_channel(address, (("grpc.use_local_subchannel_pool", 1),)) for _ in range(10)]
    request = SubscribeRequest(language=LANGUAGE_EN, channel=NOTIFICATION_CHANNEL_PUSH).SerializeToString()
    methods: list[Any] = [channel.unary_stream(_STREAM) for channel in channels]
    streams = [methods[number % len(methods)](request) for number in range(count)]
    answer.send(Counter(await asyncio.gather(*map(_begun, streams))))
    if stuck:
        os.kill(os.getpid(), signal.SIGSTOP)
    while True:
        await asyncio.sleep(pause)
        await asyncio.gather(*(stream.read() for stream in streams), return_exceptions=True)


async def _begun(stream: Any) -> str:
    try:
        await stream.initial_metadata()
        await asyncio.sleep(1.0)  # Whether there is room is told after the beginning.
        if not stream.done():
            return "OPEN"
        await stream.read()
    except grpc.RpcError as error:
        return answer_of(error).reason
    return str((await stream.code()).name)


async def _messages(
    address: str, count: int, message: bytes, compression: grpc.Compression, answer: Connection
) -> None:
    said: Said = Counter()
    async with grpc.aio.insecure_channel(address, _UNBOUNDED) as channel:
        send: Any = channel.unary_unary(METHOD)

        async def one() -> None:
            try:
                await send(message, compression=compression, timeout=300.0)
                said["OK"] += 1
            except grpc.RpcError as error:
                said[answer_of(error).reason] += 1

        for _ in range(0, count, 4):
            await asyncio.gather(*(one() for _ in range(4)))
    answer.send(said)
    await asyncio.Event().wait()
