"""Health per service: SERVING only while the engine takes requests and the server is not draining.

The ledger's audit of itself has a name of its own: NOT_SERVING while it says that something differs.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio

from ledger.engine.absent import AbsentEngine
from ledger.rpc.gateway import LedgerEngine

WHOLE: Final = ""
"""The name under which the server as a whole is asked about."""
SELF_AUDIT: Final = "esep.SelfAudit"
"""The name under which the ledger's audit of itself is asked about."""

_SERVING: Final = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING: Final = health_pb2.HealthCheckResponse.NOT_SERVING


class Health:
    """Watches the engine and tells grpc.health.v1 what it sees."""

    def __init__(
        self,
        engines: Sequence[LedgerEngine],
        services: tuple[str, ...],
        poll_seconds: float,
        agrees: Callable[[], bool],
    ) -> None:
        """Take what must serve, engines elsewhere left out; ``agrees`` tells what the self-audit says."""
        self.servicer = aio.HealthServicer()
        self._engines = [engine for engine in engines if not isinstance(engine, AbsentEngine)]
        self._names = (WHOLE, *services)
        self._poll_seconds = poll_seconds
        self._told: bool | None = None
        self._agrees = agrees
        self._agreed: bool | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to watch; NOT_SERVING until the engine takes requests."""
        await self._tell()
        self._watch = asyncio.create_task(self._poll())

    async def drain(self) -> None:
        """Say NOT_SERVING for good, and end the watchers' streams."""
        if self._watch is not None:
            self._watch.cancel()
        await self.servicer.enter_graceful_shutdown()

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds)
            await self._tell()

    async def _tell(self) -> None:
        agrees = self._agrees()
        if agrees is not self._agreed:
            self._agreed = agrees
            await self.servicer.set(SELF_AUDIT, _SERVING if agrees else _NOT_SERVING)
        serving = all(engine.serving for engine in self._engines)
        if serving is self._told:
            return
        self._told = serving
        for name in self._names:
            await self.servicer.set(name, _SERVING if serving else _NOT_SERVING)
