"""Transfers in batches of 100 from eight callers, beside the driver's fastest write."""

from collections.abc import Iterator

from bench import reference
from bench.report import Result, result
from bench.session import BATCH, Session, Workload
from bench.windows import Window, alternate, compare

_NAME = "transfers_batch_100_x8"
_SIZE = 100
_CALLERS = 8


def measure(session: Session) -> Iterator[Result]:
    """Compare accepted transfers with rows."""
    ledger, rows = session.ledger, session.reference
    transfers = max(1, session.scale.batches // 3) * BATCH
    requests = ledger.requests()

    def small_batches() -> Window:
        return ledger.batches(requests.batches(transfers // _SIZE, _SIZE), _CALLERS)

    pairs = alternate(session.scale.rounds, small_batches, lambda: rows.write(transfers))
    yield result(_NAME, session.store.name, "transfers/s", reference.NAME, compare(pairs))


WORKLOAD = Workload((_NAME,), measure)
