"""Putting the edge together, and taking it down in order: health, streams, calls; the caller drains the engine."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import grpc
import structlog
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import REGISTRY, CollectorRegistry

from domain.event import Policy
from domain.ports import Clock
from domain.services.catalogue import Catalogue
from ledger.audit.access import AccessLog
from ledger.audit.signing.checkpoints import Checkpoints
from ledger.rpc import bench_methods
from ledger.rpc.client import SERVICES, method_names
from ledger.rpc.forwarding import Forwarding
from ledger.rpc.gateway import LedgerEngine
from ledger.rpc.guard import Guard
from ledger.rpc.health import Health
from ledger.rpc.identities import identity_of
from ledger.rpc.identity import Identity
from ledger.rpc.interceptor import Gate
from ledger.rpc.keepalive import server_options
from ledger.rpc.listening import listen
from ledger.rpc.parts import Parts
from ledger.rpc.permissions import check_complete
from ledger.rpc.rates import Rates
from ledger.rpc.reception import receiving
from ledger.rpc.services import add_services
from ledger.rpc.settings import RpcSettings
from ledger.rpc.subjects import Subjects
from ledger.rpc.vault_port import VaultPort
from projections.queries import Reader

_SPARE_CALLS: Final = 256
"""The library's own limit, which refuses without a reason, is met only by a flood that the gate cannot answer."""
_NEARLY: Final = 0.9
"""The share of the queue that large requests may fill: what is left is for small ones, of which one waits no longer."""
HEALTH_SERVICE: Final = "grpc.health.v1.Health"


_log = structlog.get_logger("esep.rpc")


class Edge:
    """A gRPC server before an engine and its projections. Made and used inside a running event loop."""

    def __init__(
        self, server: grpc.aio.Server, gate: Gate, health: Health, parts: Parts, forwarding: Forwarding | None
    ) -> None:
        self.server = server
        self.address = ""
        """Where the ledger's other servers reach this one, once it is bound; empty where they never call."""
        self._forwarding = forwarding
        self._gate = gate
        self._health = health
        self.parts = parts
        self._upkeep: list[asyncio.Task[None]] = []
        self._serving: asyncio.Task[Any] | None = None
        self._stopping = False

    def bind(self) -> int:
        """Take the port that the settings name, before anything is served; return it. Raises OSError or ValueError."""
        settings = self.parts.settings
        try:
            port = listen(self.server, settings)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {settings.listen}: {error}") from error
        if self._forwarding is not None:
            self._forwarding.own_address = self.address = settings.advertised(port)
            if not self.address:
                raise ValueError(f"listen={settings.listen} names no host to be forwarded to: advertise is needed")
        return port

    async def start(self) -> None:
        """Serve on the port. Health says NOT_SERVING until the engine takes requests."""
        await self._health.start()
        await self.server.start()
        kept = (self.parts.customers, self.parts.tokens, self.parts.payments)
        self._upkeep = [asyncio.create_task(each.keep()) for each in kept]

    def watch(self, give_up: Callable[[BaseException], None]) -> None:
        """Have it told when calls are received no more though nobody stops: this process must not stay the owner."""

        def ended(serving: "asyncio.Task[Any]") -> None:
            error = None if serving.cancelled() else serving.exception()
            if not self._stopping:
                _log.critical("serving.ended", exc_info=error)
                give_up(error or RuntimeError("calls are received no more"))

        self._serving = asyncio.create_task(self.server.wait_for_termination())
        self._serving.add_done_callback(ended)

    async def stop(self, grace: float) -> None:
        """Say NOT_SERVING, take no new calls, give those under way ``grace`` seconds; then end what the edge runs."""
        self._stopping = True
        await self._health.drain()
        await self._gate.drain(grace)
        await self.server.stop(grace)
        if self._forwarding is not None:
            await self._forwarding.close()
        for task in self._upkeep:
            task.cancel()
        await self.parts.notifications.close()
        await self.parts.audits.close()
        await self.parts.balance_watch.close()
        self.parts.accesses.close()
        await self.parts.payments.close()
        self.parts.vault_work.close()
        self.parts.tokens.close()
        self.parts.threads.stop()


def build_server(
    engine: LedgerEngine,
    reader: Reader,
    vault: VaultPort,
    checkpoints: Mapping[int, Checkpoints],
    access_log: AccessLog,
    settings: RpcSettings,
    *,
    policy: Policy,
    clock: Clock,
    catalogue: Catalogue,
    identity: Identity | None = None,
    page_key: bytes | None = None,
    registry: CollectorRegistry = REGISTRY,
    others: Sequence[LedgerEngine] = (),
) -> Edge:
    """Return the edge of an engine, not started. Call it inside the event loop that it will run in.

    ``page_key`` keeps page tokens from being forged, and is the same on every server of a ledger; without one it
    follows from the master keys of the vault. ``identity`` is by default what the settings imply. ``others`` are the
    engines of the partitions other than 0, and ``checkpoints`` those of every partition.
    """
    check_complete(method_names())
    parts = Parts(
        engine,
        reader,
        vault,
        checkpoints,
        access_log,
        settings,
        policy=policy,
        clock=clock,
        catalogue=catalogue,
        page_key=page_key,
        registry=registry,
        others=others,
    )
    forwarding = Forwarding(parts.gateway, settings, parts.metrics) if others and settings.forwards else None
    gate = Gate(
        identity or identity_of(settings, clock),
        Guard(Subjects(parts.gateway, parts.facts, parts.customers, parts.cards)),
        parts.accesses.note,
        parts.metrics,
        Rates(settings),
        lambda: all(each.queued > _NEARLY * settings.max_queued for each in (engine, *others)),
        forwarding,
        max_deadline_seconds=settings.max_deadline_seconds,
        max_request_bytes=settings.max_request_bytes,
        max_streams=settings.max_streams,
        max_calls=settings.max_concurrent_calls,
        permission_seconds=settings.stream_permission_seconds,
    )
    server = _server(gate, settings)
    add_services(server, parts)

    def agrees() -> bool:
        return all(each.audited().finding is None for each in checkpoints.values())

    health = Health((engine, *others), SERVICES, settings.health_poll_seconds, agrees)
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
    if settings.bench_methods:
        server.add_registered_method_handlers(bench_methods.SERVICE, bench_methods.bench_handlers())
    if settings.reflection:
        reflection.enable_server_reflection((*SERVICES, HEALTH_SERVICE, reflection.SERVICE_NAME), server)
    return Edge(server, gate, health, parts, forwarding)


def _server(gate: Gate, settings: RpcSettings) -> grpc.aio.Server:
    options = server_options(settings.max_request_bytes)
    if settings.channelz:
        options.append(("grpc.enable_channelz", 1))
    return receiving([gate], options, 2 * settings.max_concurrent_calls + _SPARE_CALLS)
