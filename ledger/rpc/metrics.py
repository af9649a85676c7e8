"""What the edge counts. The names are API: dashboards and alerts depend on them."""

import grpc
from prometheus_client import CollectorRegistry, Counter, Histogram

from domain.refusals import Reason

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
TRANSFERS = (1, 10, 100, 500, 1_000, 2_000, 4_000, 8_190)


class Metrics:
    """Counters and histograms of one server; the children of hot labels are looked up once."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter("esep_rpc_calls", "Calls answered.", ("method", "code"), registry=registry)
        self._refusals = Counter("esep_rpc_refusals", "Calls refused.", ("reason",), registry=registry)
        self._seconds = Histogram(
            "esep_rpc_call_seconds", "Time to answer.", ("method",), buckets=SECONDS, registry=registry
        )
        self.batch_transfers = Histogram(
            "esep_rpc_batch_transfers", "Transfers in a CreateTransfers.", buckets=TRANSFERS, registry=registry
        )
        self._children: dict[tuple[str, grpc.StatusCode], tuple[Counter, Histogram]] = {}

    def answered(self, method: str, code: grpc.StatusCode, reason: Reason | None, seconds: float) -> None:
        """Count one call."""
        children = self._children.get((method, code))
        if children is None:
            children = self._calls.labels(method, code.name), self._seconds.labels(method)
            self._children[method, code] = children
        children[0].inc()
        children[1].observe(seconds)
        if reason is not None:
            self._refusals.labels(reason.name).inc()
