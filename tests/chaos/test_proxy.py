"""The network that is cut, made slow and silenced leaves nothing open behind it."""

import asyncio
import socket

from tests.chaos.proxy import Proxy

SECONDS = 30.0


def test_a_connection_that_is_broken_twice_is_closed_on_both_sides() -> None:
    """The second time while the first is still being seen to: a database dies just before the network is cut."""
    with socket.create_server(("127.0.0.1", 0)) as database:
        database.settimeout(SECONDS)
        with (
            Proxy(("127.0.0.1", database.getsockname()[1])) as proxy,
            socket.create_connection(("127.0.0.1", proxy.port), SECONDS) as client,
        ):
            there, _ = database.accept()
            with there:
                there.settimeout(SECONDS)
                client.sendall(b"asked")
                assert there.recv(16) == b"asked"
                there.sendall(b"answered")
                assert client.recv(16) == b"answered"

                async def break_twice() -> None:
                    (connection,) = proxy._connections
                    for _ in range(2):
                        connection.cancel()
                        await asyncio.sleep(0)

                proxy._do(break_twice())
                for end in (there, client):
                    assert _closed(end)


def _closed(end: socket.socket) -> bool:
    """Tell whether the other side closes a connection."""
    try:
        return not end.recv(16)
    except ConnectionResetError:
        return True
