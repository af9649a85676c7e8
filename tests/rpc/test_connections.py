"""What a connection may do to a server before anything is asked over it, and with messages that are compressed."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from time import monotonic
from typing import Any
from unittest.mock import patch

import grpc
import pytest
from cryptography import x509

from ledger.rpc import keepalive
from ledger.rpc.peers import Peers
from ledger.rpc.settings import RpcSettings
from protos.esep.v1.transfer_service_pb2 import CreateTransfersRequest
from tests.authority import Authority
from tests.overload.misbehaving import PREFACE, closed_by_server
from tests.rpc.world import PATIENCE, Bank, World, refused

BRIEF_MS = 500
SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""The frame by which either side says that it sets nothing."""
SETTLED = bytes([0, 0, 0, 4, 1, 0, 0, 0, 0])
"""The frame by which either side takes the other's settings."""


@pytest.fixture
def impatient() -> Iterator[None]:
    """Let servers soon look whether their clients are there."""
    brief: dict[str, Any] = {"CLIENT_PING_MS": BRIEF_MS, "PING_TIMEOUT_MS": BRIEF_MS, "HANDSHAKE_MS": BRIEF_MS}
    with patch.multiple(keepalive, **brief):
        yield


@pytest.mark.parametrize(
    "said", [b"", PREFACE[:9], PREFACE, PREFACE + SETTLED], ids=["nothing", "half", "begun", "settled"]
)
@pytest.mark.usefixtures("impatient")
def test_a_connection_that_falls_silent_is_closed(tmp_path: Path, said: bytes) -> None:
    """Before it has said how it speaks, or afterwards: a client that is gone without a word costs nothing for long."""
    with World(tmp_path) as world:
        assert is_closed(world, said)


@pytest.mark.usefixtures("impatient")
def test_a_connection_that_never_begins_to_encrypt_is_closed(tmp_path: Path) -> None:
    """Outside development the first words are those of TLS; nobody waits long for them."""
    certificate, key = Authority(tmp_path, "servers").issue("ledger", x509.IPAddress(IPv4Address("127.0.0.1")))
    clients = Authority(tmp_path, "clients").file
    files: dict[str, Any] = {"certificate_file": certificate, "key_file": key, "client_authorities_file": clients}
    with World(tmp_path, development=False, **files) as world:
        assert is_closed(world, b"")


@pytest.mark.usefixtures("impatient")
def test_a_server_that_falls_silent_is_given_up_by_those_that_call_it() -> None:
    """A forwarded call does not wait for its deadline where the owner is gone without a word."""

    async def called(address: str) -> grpc.StatusCode:
        peers = Peers(RpcSettings(development=True))
        send: Any = peers.to(address).unary_unary("/esep.v1.AccountService/OpenAccount")
        try:
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                await send(b"", timeout=PATIENCE)
        finally:
            await peers.close()
        return ended.value.code()

    def begin_and_fall_silent() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(SETTINGS + SETTLED)
            closed_by_server(connection, monotonic() + 2 * PATIENCE)  # Here it is the client who closes.

    with socket.create_server(("127.0.0.1", 0)) as listening:
        silent = threading.Thread(target=begin_and_fall_silent)
        silent.start()
        code = asyncio.run(called(f"127.0.0.1:{listening.getsockname()[1]}"))
        silent.join()
    assert code is grpc.StatusCode.UNAVAILABLE


def is_closed(world: World, said: bytes) -> bool:
    """Tell whether a server closes a connection after what it has said, and before long."""
    host, port = world.address.rsplit(":", 1)
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(said)
        return closed_by_server(connection, monotonic() + PATIENCE)


def test_a_compressed_message_is_refused_unread(bank: Bank) -> None:
    """Nobody bounds what it becomes when it is unpacked; what is sent as it is, is served."""
    send: Any = bank.ledger.channel.unary_unary("/esep.v1.TransferService/CreateTransfers")
    message = CreateTransfersRequest().SerializeToString() + bytes(1 << 20)
    refusal = refused(lambda: send(message, compression=grpc.Compression.Gzip, timeout=PATIENCE))
    assert refusal.code is grpc.StatusCode.UNIMPLEMENTED
    assert bank.move(bank.rich, bank.poor, 1).receipt.position
