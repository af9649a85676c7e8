"""Transfers in batches of 8,000 from four callers, beside the driver's fastest write.

From the same windows: the rate until the answers, and the rate until every projection has caught up as well.
"""

from collections.abc import Iterator

from bench import reference
from bench.report import Result, result
from bench.session import BATCH, CALLERS, Session, Workload
from bench.windows import Window, alternate, compare

_ACCEPTED = "transfers_batch_8000"
_PROJECTED = "transfers_batch_8000_projected"


def measure(session: Session) -> Iterator[Result]:
    """Compare accepted and projected transfers with rows."""
    ledger, rows, count = session.ledger, session.reference, session.scale.batches
    requests = ledger.requests()

    def transfers() -> Window:
        return ledger.batches(requests.batches(count, BATCH), CALLERS)

    pairs = alternate(session.scale.rounds, transfers, lambda: rows.write(count * BATCH))
    store = session.store.name
    yield result(_ACCEPTED, store, "transfers/s", reference.NAME, compare(pairs))
    projected = compare(pairs, lambda window: window.caught_up_rate, lambda window: window.rate)
    yield result(_PROJECTED, store, "transfers/s", reference.NAME, projected._replace(p50_ms=None, p99_ms=None))


WORKLOAD = Workload((_ACCEPTED, _PROJECTED), measure)
