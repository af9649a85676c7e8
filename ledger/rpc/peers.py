"""Connections to the other servers of the ledger, made when they are first needed.

They speak TLS with this server's own certificate, for servers that ask their clients for one, and are held against the
authorities that sign servers' certificates. In development they are plain, and lead nowhere but to this machine.
"""

import asyncio
from functools import partial
from pathlib import Path
from typing import Final

import grpc

from ledger.rpc.keepalive import peer_options
from ledger.rpc.listening import read_shown
from ledger.rpc.settings import LOOPBACK, RpcSettings
from ledger.rpc.watched import Watched

_GRACE_SECONDS: Final = 60.0
MOST: Final = 64
"""Connections that are kept; servers come back at other addresses."""


class Peers:
    """The connections, by address. Used inside one running event loop."""

    def __init__(self, settings: RpcSettings) -> None:
        """Begin without a connection; raises OSError or ValueError where a file of the settings cannot be read."""
        self._development = settings.development
        self._shown: Watched[grpc.ChannelCredentials] | None = None
        files = (settings.certificate_file, settings.key_file, settings.server_authorities_file)
        if not settings.development:
            named = [file for file in files if file is not None]
            self._shown = Watched(named, partial(_credentials, *named))
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._made_with: grpc.ChannelCredentials | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def reachable(self, address: str) -> bool:
        """Tell whether a server may be forwarded to: in development, one of this machine alone."""
        return not self._development or address.rpartition(":")[0] in LOOPBACK

    def to(self, address: str) -> grpc.aio.Channel:
        """Return the connection to a server."""
        shown = None if self._shown is None else self._shown.current()
        if shown is not self._made_with or (len(self._channels) >= MOST and address not in self._channels):
            self._retire()
            self._made_with = shown
        channel = self._channels.get(address)
        if channel is None:
            channel = self._channels[address] = _channel(address, shown)
        return channel

    async def close(self) -> None:
        """Close all of them; what is still under way is given up."""
        for closing in self._closing:
            closing.cancel()
        for channel in self._channels.values():
            await channel.close()

    def _retire(self) -> None:
        """Use the connections no more; calls that are under way on them go on."""
        for channel in self._channels.values():
            closing = asyncio.create_task(channel.close(_GRACE_SECONDS))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        self._channels = {}


def _channel(address: str, shown: grpc.ChannelCredentials | None) -> grpc.aio.Channel:
    if shown is None:
        return grpc.aio.insecure_channel(address, peer_options())
    return grpc.aio.secure_channel(address, shown, peer_options())


def _credentials(certificate: Path, key: Path, authorities: Path) -> grpc.ChannelCredentials:
    """Return what is shown to other servers and believed of them; raises OSError, or ValueError saying why not."""
    shown = read_shown(certificate, key, authorities)
    return grpc.ssl_channel_credentials(shown.authorities, shown.key, shown.certificate)
