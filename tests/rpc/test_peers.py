"""Connections between servers: to whom they are made at all, how many are kept, and with which certificate."""

import asyncio
from collections.abc import Awaitable, Callable

import grpc
import pytest

from ledger.rpc import peers
from ledger.rpc.peers import Peers
from ledger.rpc.settings import RpcSettings

FIRST, SECOND, THIRD = (f"127.0.0.1:{port}" for port in (1, 2, 3))


def played(play: Callable[[Peers], Awaitable[None]]) -> None:
    """Do something with a server's connections, and close them."""

    async def playing() -> None:
        there = Peers(RpcSettings(development=True))
        try:
            await play(there)
        finally:
            await there.close()

    asyncio.run(playing())


@pytest.mark.parametrize(
    ("address", "reachable"),
    [("127.0.0.1:1", True), ("[::1]:1", True), ("localhost:1", True), ("10.0.0.1:1", False), ("127.0.0.1.kg:1", False)],
)
def test_in_development_calls_stay_on_this_machine(address: str, reachable: bool) -> None:  # noqa: FBT001
    """They are neither encrypted nor sealed with a secret, whatever address stands in the database."""

    async def play(there: Peers) -> None:
        assert there.reachable(address) == reachable

    played(play)


def test_a_connection_is_kept_and_of_many_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers come back at other addresses: beyond some, all are made anew, and those that were are closed."""
    monkeypatch.setattr(peers, "MOST", 2)

    async def play(there: Peers) -> None:
        first, second = there.to(FIRST), there.to(SECOND)
        assert (there.to(FIRST), there.to(SECOND)) == (first, second)
        third = there.to(THIRD)
        assert there.to(THIRD) is third
        assert there.to(FIRST) is not first
        await asyncio.gather(*there._closing)
        assert first.get_state() is grpc.ChannelConnectivity.SHUTDOWN
        assert second.get_state() is grpc.ChannelConnectivity.SHUTDOWN
        assert third.get_state() is not grpc.ChannelConnectivity.SHUTDOWN

    played(play)


def test_another_certificate_is_shown_over_other_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server whose certificate was exchanged calls with the new one from then on, not when it is started again."""
    shown = [grpc.ssl_channel_credentials(), grpc.ssl_channel_credentials()]

    class Shown:
        def current(self) -> grpc.ChannelCredentials:
            return shown[0]

    async def play(there: Peers) -> None:
        monkeypatch.setattr(there, "_shown", Shown())
        before = there.to(FIRST)
        assert there.to(FIRST) is before
        shown.pop(0)
        after = there.to(FIRST)
        assert after is not before
        assert there.to(FIRST) is after

    played(play)
