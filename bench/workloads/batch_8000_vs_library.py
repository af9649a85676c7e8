"""Transfers in batches of 8,000 beside the ``eventsourcing`` library's own aggregates in the same kind of database."""

from collections.abc import Iterator

from bench import library
from bench.report import Result, result
from bench.session import BATCH, CALLERS, SEED, Session, Workload
from bench.windows import Window, alternate, compare

_NAME = "transfers_batch_8000_vs_library"
_FEWER = 80
"""The library makes so many times fewer transfers in a window, so that both windows take about as long."""


def measure(session: Session) -> Iterator[Result]:
    """Compare accepted transfers with transfers between two aggregates."""
    ledger, count = session.ledger, session.scale.batches
    requests = ledger.requests()

    def transfers() -> Window:
        return ledger.batches(requests.batches(count, BATCH), CALLERS)

    with library.open_library(session.store.new("library"), session.scale.accounts, SEED) as bank:
        pairs = alternate(session.scale.rounds, transfers, lambda: bank.transfer(count * BATCH // _FEWER))
    yield result(_NAME, session.store.name, "transfers/s", library.NAME, compare(pairs))


WORKLOAD = Workload((_NAME,), measure, compares=True)
