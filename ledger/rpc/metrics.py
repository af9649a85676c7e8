"""What the edge counts. The names are API: dashboards and alerts depend on them.

Calls are counted in plain numbers, by the one thread that answers them, and made into Prometheus families when
somebody looks: the client library's own counters take a lock and cost several times as much.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

import grpc
from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from domain.refusals import Reason

SECONDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
TRANSFERS: Final = (1.0, 10.0, 100.0, 500.0, 1_000.0, 2_000.0, 4_000.0, 8_190.0)


def serve_metrics(address: str) -> None:
    """Show everything that is counted at an address, host:port; nowhere for an empty one. Raises OSError."""
    if address:
        host, _, port = address.rpartition(":")
        start_http_server(int(port), host)


BATCH_TRANSFERS: Final = "Transfers in a CreateTransfers, legs in a PostBulk."
FORWARDED_CALLS: Final = "Calls forwarded to the server that owns a partition."
TAKEN_IN_CALLS: Final = "Calls that another server forwarded to this one."


class Distribution:
    """How often a value fell into each of some buckets, and the sum of all."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.sum += value

    def cumulative(self) -> list[tuple[str, float]]:
        """Return, for each upper bound, how many values were at most that."""
        total = 0
        found: list[tuple[str, float]] = []
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            total += count
            found.append((bound, total))
        return found


class Metrics(Collector):
    """The counts of one server."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls: Counter[tuple[str, grpc.StatusCode]] = Counter()
        self._refusals: Counter[Reason] = Counter()
        self._seconds: dict[str, Distribution] = {}
        self._batches = Distribution(TRANSFERS)
        self._open_streams: Counter[str] = Counter()
        self._streamed: Counter[str] = Counter()
        self._forwarded: Counter[tuple[int, grpc.StatusCode]] = Counter()
        self._taken_in: Counter[str] = Counter()
        registry.register(self)

    def answered(self, method: str, code: grpc.StatusCode, reason: Reason | None, seconds: float) -> None:
        """Count one call."""
        self._count(method, code, reason)
        distribution = self._seconds.get(method)
        if distribution is None:
            distribution = self._seconds[method] = Distribution(SECONDS)
        distribution.observe(seconds)

    def stream_opened(self, method: str) -> None:
        """Count one more open stream."""
        self._open_streams[method] += 1

    def stream_closed(self, method: str) -> None:
        """Count one open stream less."""
        self._open_streams[method] -= 1

    def streamed(self, method: str, code: grpc.StatusCode, reason: Reason | None, messages: int) -> None:
        """Count one stream that has ended. How long it lasted says nothing about the ledger."""
        self._count(method, code, reason)
        self._streamed[method] += messages

    def forwarded(self, partition: int, code: grpc.StatusCode) -> None:
        """Count one call that was forwarded to the owner of a partition, and how that went."""
        self._forwarded[partition, code] += 1

    def taken_in(self, sender: str) -> None:
        """Count one call that another server forwarded to this one."""
        self._taken_in[sender] += 1

    def _count(self, method: str, code: grpc.StatusCode, reason: Reason | None) -> None:
        self._calls[method, code] += 1
        if reason is not None:
            self._refusals[reason] += 1

    def batch(self, transfers: int) -> None:
        """Count one CreateTransfers."""
        self._batches.observe(transfers)

    def describe(self) -> Iterable[Metric]:
        """Return the families without their values."""
        yield CounterMetricFamily("esep_rpc_calls", "Calls answered.", labels=("method", "code"))
        yield CounterMetricFamily("esep_rpc_refusals", "Calls refused.", labels=("reason",))
        yield HistogramMetricFamily("esep_rpc_call_seconds", "Time to answer.", labels=("method",))
        yield HistogramMetricFamily("esep_rpc_batch_transfers", BATCH_TRANSFERS)
        yield GaugeMetricFamily("esep_rpc_open_streams", "Streams that are open.", labels=("method",))
        yield CounterMetricFamily("esep_rpc_streamed_messages", "Messages of ended streams.", labels=("method",))
        yield CounterMetricFamily("esep_rpc_forwarded_calls", FORWARDED_CALLS, labels=("partition", "code"))
        yield CounterMetricFamily("esep_rpc_taken_in_calls", TAKEN_IN_CALLS, labels=("sender",))

    def collect(self) -> Iterator[Metric]:
        """Return the families with their values now."""
        calls = CounterMetricFamily("esep_rpc_calls", "Calls answered.", labels=("method", "code"))
        for (method, code), count in self._calls.copy().items():
            calls.add_metric((method, code.name), count)
        refusals = CounterMetricFamily("esep_rpc_refusals", "Calls refused.", labels=("reason",))
        for reason, count in self._refusals.copy().items():
            refusals.add_metric((reason.name,), count)
        seconds = HistogramMetricFamily("esep_rpc_call_seconds", "Time to answer.", labels=("method",))
        for method, distribution in self._seconds.copy().items():
            seconds.add_metric((method,), distribution.cumulative(), distribution.sum)
        batches = HistogramMetricFamily("esep_rpc_batch_transfers", BATCH_TRANSFERS)
        batches.add_metric((), self._batches.cumulative(), self._batches.sum)
        open_streams = GaugeMetricFamily("esep_rpc_open_streams", "Streams that are open.", labels=("method",))
        for method, count in self._open_streams.copy().items():
            open_streams.add_metric((method,), count)
        streamed = CounterMetricFamily("esep_rpc_streamed_messages", "Messages of ended streams.", labels=("method",))
        for method, count in self._streamed.copy().items():
            streamed.add_metric((method,), count)
        forwarded = CounterMetricFamily("esep_rpc_forwarded_calls", FORWARDED_CALLS, labels=("partition", "code"))
        for (partition, code), count in self._forwarded.copy().items():
            forwarded.add_metric((str(partition), code.name), count)
        taken_in = CounterMetricFamily("esep_rpc_taken_in_calls", TAKEN_IN_CALLS, labels=("sender",))
        for sender, count in self._taken_in.copy().items():
            taken_in.add_metric((sender,), count)
        yield from (calls, refusals, seconds, batches, open_streams, streamed, forwarded, taken_in)
