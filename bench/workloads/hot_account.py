"""Batches in which every transfer credits the same account, beside batches over uniform accounts."""

from collections.abc import Iterator

from bench.report import Result, result
from bench.session import BATCH, CALLERS, Session, Workload
from bench.windows import Window, alternate, compare

_ACCEPTED = "hot_account"
_PROJECTED = "hot_account_projected"
_AGAINST = "uniform_accounts"


def measure(session: Session) -> Iterator[Result]:
    """Compare one credited account with many, until the answers and until the projections have caught up."""
    ledger, count = session.ledger, session.scale.batches
    requests = ledger.requests()

    def hot() -> Window:
        return ledger.batches(requests.batches(count, BATCH, credit=ledger.merchant), CALLERS)

    def uniform() -> Window:
        return ledger.batches(requests.batches(count, BATCH), CALLERS)

    pairs = alternate(session.scale.rounds, hot, uniform)
    store = session.store.name
    yield result(_ACCEPTED, store, "transfers/s", _AGAINST, compare(pairs))
    projected = compare(pairs, lambda window: window.caught_up_rate)
    yield result(_PROJECTED, store, "transfers/s", _AGAINST, projected._replace(p50_ms=None, p99_ms=None))


WORKLOAD = Workload((_ACCEPTED, _PROJECTED), measure)
