"""Transfers in batches of 8,000 beside a PL/pgSQL function with row locks on the same PostgreSQL server."""

from collections.abc import Iterator

from bench import row_locks
from bench.report import Result, result
from bench.row_locks import open_row_locks
from bench.session import BATCH, CALLERS, SEED, Session, Workload
from bench.stores import POSTGRESQL
from bench.windows import Window, alternate, compare

_NAME = "transfers_batch_8000_vs_row_locks"
_FEWER = 8
"""The function makes so many times fewer transfers in a window, so that both windows take about as long."""


def measure(session: Session) -> Iterator[Result]:
    """Compare accepted transfers with calls of the function."""
    ledger, count = session.ledger, max(1, session.scale.batches * 2 // 3)
    requests = ledger.requests()

    def transfers() -> Window:
        return ledger.batches(requests.batches(count, BATCH), CALLERS)

    with open_row_locks(session.store.new("row_locks"), session.scale.accounts, SEED) as locks:
        pairs = alternate(session.scale.rounds, transfers, lambda: locks.transfer(count * BATCH // _FEWER))
    yield result(_NAME, session.store.name, "transfers/s", row_locks.NAME, compare(pairs))


WORKLOAD = Workload((_NAME,), measure, stores=(POSTGRESQL,))
