"""Putting the edge together, and taking it down in order: health, streams, calls; the caller drains the engine."""

import asyncio
from collections.abc import Sequence
from typing import Final

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import REGISTRY, CollectorRegistry

from domain.event import Policy
from domain.ports import Clock
from domain.services.catalogue import Catalogue
from ledger.audit.access import AccessLog
from ledger.audit.signing.checkpoints import Checkpoints
from ledger.rpc.bench_methods import bench_handler
from ledger.rpc.client import SERVICES, method_names
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
from ledger.rpc.services import add_services
from ledger.rpc.settings import RpcSettings
from ledger.rpc.subjects import Subjects
from ledger.rpc.vault_port import VaultPort
from projections.queries import Reader

_SPARE_CALLS: Final = 256
"""The library's own limit, which refuses without a reason, is met only by a flood that the gate cannot answer."""
HEALTH_SERVICE: Final = "grpc.health.v1.Health"


class Edge:
    """A gRPC server before an engine and its projections. Made and used inside a running event loop."""

    def __init__(self, server: grpc.aio.Server, gate: Gate, health: Health, parts: Parts) -> None:
        self.server = server
        self._gate = gate
        self._health = health
        self.parts = parts
        self._upkeep: list[asyncio.Task[None]] = []

    def bind(self) -> int:
        """Take the port that the settings name, before anything is served; return it. Raises OSError."""
        try:
            return listen(self.server, self.parts.settings)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {self.parts.settings.listen}: {error}") from error

    async def start(self) -> None:
        """Serve on the port. Health says NOT_SERVING until the engine takes requests."""
        await self._health.start()
        await self.server.start()
        kept = (self.parts.customers, self.parts.tokens, self.parts.payments)
        self._upkeep = [asyncio.create_task(each.keep()) for each in kept]

    async def stop(self, grace: float) -> None:
        """Say NOT_SERVING, take no new calls, give those under way ``grace`` seconds; then stop the engine."""
        await self._health.drain()
        await self._gate.drain(grace)
        await self.server.stop(grace)
        for task in self._upkeep:
            task.cancel()
        await self.parts.notifications.close()
        await self.parts.audit.close()
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
    checkpoints: Checkpoints,
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

    ``page_key`` keeps page tokens from being forged, and is the same on every server of a ledger; without one, a
    token is good until this server stops. ``identity`` is by default what the settings imply. ``others`` are the
    engines of the partitions other than 0.
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
    gate = Gate(
        identity or identity_of(settings, clock),
        Guard(Subjects(parts.gateway, parts.facts, parts.customers, parts.cards)),
        parts.accesses.note,
        parts.metrics,
        Rates(settings),
        max_deadline_seconds=settings.max_deadline_seconds,
        max_request_bytes=settings.max_request_bytes,
        max_streams=settings.max_streams,
        max_calls=settings.max_concurrent_calls,
        permission_seconds=settings.stream_permission_seconds,
    )
    server = _server(gate, settings)
    add_services(server, parts)
    agrees = lambda: checkpoints.audited().finding is None  # noqa: E731 - a question, asked again and again
    health = Health((engine, *others), SERVICES, settings.health_poll_seconds, agrees)
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
    if settings.bench_methods:
        server.add_generic_rpc_handlers((bench_handler(),))
    if settings.reflection:
        reflection.enable_server_reflection((*SERVICES, HEALTH_SERVICE, reflection.SERVICE_NAME), server)
    return Edge(server, gate, health, parts)


def _server(gate: Gate, settings: RpcSettings) -> grpc.aio.Server:
    options = server_options(settings.max_request_bytes)
    if settings.channelz:
        options.append(("grpc.enable_channelz", 1))
    return grpc.aio.server(
        interceptors=[gate], options=options, maximum_concurrent_rpcs=2 * settings.max_concurrent_calls + _SPARE_CALLS
    )
