"""What an engine does, for Prometheus. The names are API, as those of ``metrics`` are.

Commits are counted by the one thread that writes, in plain numbers. Everything else is asked of the engine when
somebody looks, so that it costs nothing while nobody does.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from ledger.engine.modes import Mode
from ledger.rpc.metrics import SECONDS, Distribution

EVENTS: Final = (1.0, 2.0, 5.0, 10.0, 50.0, 100.0, 500.0, 1_000.0, 2_000.0, 4_000.0, 8_192.0, 16_384.0)


class Watched(Protocol):
    """What is asked of an engine when somebody looks."""

    @property
    def mode(self) -> Mode: ...
    @property
    def epoch(self) -> int: ...
    @property
    def queued(self) -> int: ...
    @property
    def durable(self) -> int: ...


class EngineMetrics(Collector):
    """The counts of one engine; hand it to the engine as its observer, then ``watch`` the engine."""

    def __init__(self) -> None:
        self._seconds = Distribution(SECONDS)
        self._events = Distribution(EVENTS)
        self._engine: Watched | None = None

    def watch(self, engine: Watched, registry: CollectorRegistry) -> None:
        """Show the engine's state beside the counts, in this registry."""
        self._engine = engine
        registry.register(self)

    def committed(self, events: int, seconds: float) -> None:
        """Count one commit."""
        self._seconds.observe(seconds)
        self._events.observe(events)

    def describe(self) -> Iterable[Metric]:
        """Return the families without their values."""
        yield HistogramMetricFamily("esep_engine_commit_seconds", "Time the log took to make a commit durable.")
        yield HistogramMetricFamily("esep_engine_commit_events", "Events that became durable together.")
        yield GaugeMetricFamily("esep_engine_queued_requests", "Requests that wait for their outcome.")
        yield GaugeMetricFamily("esep_engine_epoch", "The epoch of the partition as this engine has followed it.")
        yield GaugeMetricFamily("esep_engine_position", "The last position known to be durable.")
        yield GaugeMetricFamily("esep_engine_mode", "1 for what the engine is doing, else 0.", labels=("mode",))

    def collect(self) -> Iterator[Metric]:
        """Return the families with their values now."""
        seconds, events, queued, epoch, position, mode = self.describe()
        seconds.add_metric((), self._seconds.cumulative(), self._seconds.sum)  # type: ignore[attr-defined]
        events.add_metric((), self._events.cumulative(), self._events.sum)  # type: ignore[attr-defined]
        engine = self._engine
        if engine is not None:
            queued.add_metric((), engine.queued)  # type: ignore[attr-defined]
            epoch.add_metric((), engine.epoch)  # type: ignore[attr-defined]
            position.add_metric((), engine.durable)  # type: ignore[attr-defined]
            current = engine.mode
            for each in Mode:
                mode.add_metric((each.name.lower(),), float(each is current))  # type: ignore[attr-defined]
        yield from (seconds, events, queued, epoch, position, mode)
