"""What an engine does, for Prometheus. The names are API, as those of ``metrics`` are.

Commits are counted by the one thread that writes, in plain numbers. Everything else is asked of the engine when
somebody looks, so that it costs nothing while nobody does.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

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


class Commits:
    """The commits of one engine; hand it to the engine as its observer."""

    def __init__(self) -> None:
        self.seconds = Distribution(SECONDS)
        self.events = Distribution(EVENTS)

    def committed(self, events: int, seconds: float) -> None:
        """Count one commit."""
        self.seconds.observe(seconds)
        self.events.observe(events)


class EngineMetrics(Collector):
    """What the engines of a server do; in a ledger of several partitions, each with its partition as a label."""

    def __init__(self, partitions: Sequence[int] = (0,), *, several: bool = False) -> None:
        """Take the partitions whose engines are here, and whether the ledger has several."""
        self.commits = {partition: Commits() for partition in partitions}
        self._labels = ("partition",) if several else ()
        self._engines: Mapping[int, Watched] = {}

    def watch(self, engines: Mapping[int, Watched], registry: CollectorRegistry) -> None:
        """Show the engines' states beside the counts, in this registry."""
        self._engines = engines
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Return the families without their values."""
        labels = self._labels
        yield HistogramMetricFamily(
            "esep_engine_commit_seconds", "Time the log took to make a commit durable.", labels=labels
        )
        yield HistogramMetricFamily("esep_engine_commit_events", "Events that became durable together.", labels=labels)
        yield GaugeMetricFamily("esep_engine_queued_requests", "Requests that wait for their outcome.", labels=labels)
        yield GaugeMetricFamily(
            "esep_engine_epoch", "The epoch of the partition as this engine has followed it.", labels=labels
        )
        yield GaugeMetricFamily("esep_engine_position", "The last position known to be durable.", labels=labels)
        yield GaugeMetricFamily("esep_engine_mode", "1 for what the engine is doing, else 0.", labels=(*labels, "mode"))

    def collect(self) -> Iterator[Metric]:
        """Return the families with their values now."""
        families: Any = list(self.describe())
        seconds, events, queued, epoch, position, mode = families
        for partition, commits in self.commits.items():
            labels = (str(partition),) if self._labels else ()
            seconds.add_metric(labels, commits.seconds.cumulative(), commits.seconds.sum)
            events.add_metric(labels, commits.events.cumulative(), commits.events.sum)
            engine = self._engines.get(partition)
            if engine is None:
                continue
            queued.add_metric(labels, engine.queued)
            epoch.add_metric(labels, engine.epoch)
            position.add_metric(labels, engine.durable)
            current = engine.mode
            for each in Mode:
                mode.add_metric((*labels, each.name.lower()), float(each is current))
        yield from families
