"""Bulks of 8,000 legs from four callers, beside batches of 8,000 transfers from four callers.

The two take turns on the same accounts, with the same amounts. A transfer of a batch has an id of its own and is
idempotent by itself; a bulk is so as a whole. From the same windows: the rate until the answers, and the rate until
every projection has caught up as well.
"""

from collections.abc import Iterator

from bench.report import Result, result
from bench.session import BATCH, CALLERS, Session, Workload
from bench.windows import Window, alternate, compare

_ACCEPTED = "bulk_8000"
_PROJECTED = "bulk_8000_projected"
_BATCHES = "transfers_batch_8000"
_LONGER = 2
"""Bulks in a window for each batch in its neighbour: they are over sooner."""


def measure(session: Session) -> Iterator[Result]:
    """Compare bulks with batches; until the answers, and until all is projected."""
    ledger, count = session.ledger, session.scale.batches
    requests = ledger.requests()

    def bulks() -> Window:
        ledger.bulks(requests.bulks(1, BATCH), CALLERS)
        return ledger.bulks(requests.bulks(_LONGER * count, BATCH), CALLERS)

    def batches() -> Window:
        ledger.batches(requests.batches(1, BATCH), CALLERS)
        return ledger.batches(requests.batches(count, BATCH), CALLERS)

    pairs = alternate(session.scale.rounds, bulks, batches)
    store = session.store.name
    yield result(_ACCEPTED, store, "transfers/s", _BATCHES, compare(pairs))
    projected = compare(pairs, lambda window: window.caught_up_rate)
    beside = f"{_BATCHES}_projected"
    yield result(_PROJECTED, store, "transfers/s", beside, projected._replace(p50_ms=None, p99_ms=None))


WORKLOAD = Workload((_ACCEPTED, _PROJECTED), measure)
