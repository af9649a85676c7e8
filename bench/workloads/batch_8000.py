"""Transfers in batches of 8,000 from four callers, beside the driver's fastest write and to one account alone.

Three windows take turns: batches in which every transfer credits the same account, batches over uniform accounts, and
the driver's writes. Each is compared with its neighbour, so the uniform ones count twice and are sent once. From the
same windows: the rate until the answers, and the rate until every projection has caught up as well.
"""

from collections.abc import Iterator

from bench import reference
from bench.report import Result, result
from bench.session import BATCH, CALLERS, Session, Workload
from bench.windows import Window, alternate, compare

_ACCEPTED = "transfers_batch_8000"
_PROJECTED = "transfers_batch_8000_projected"
_HOT_ACCEPTED = "hot_account"
_HOT_PROJECTED = "hot_account_projected"
_UNIFORM = "uniform_accounts"


def measure(session: Session) -> Iterator[Result]:
    """Compare one credited account with many, and many with rows; until the answers, and until all is projected."""
    ledger, rows, count = session.ledger, session.reference, session.scale.batches
    requests = ledger.requests()

    def hot() -> Window:
        return ledger.batches(requests.batches(count, BATCH, credit=ledger.merchant), CALLERS)

    def uniform() -> Window:
        return ledger.batches(requests.batches(count, BATCH), CALLERS)

    taken = alternate(session.scale.rounds, hot, uniform, lambda: rows.write(count * BATCH))
    store = session.store.name
    beside_rows = [(many, driver) for _, many, driver in taken]
    yield result(_ACCEPTED, store, "transfers/s", reference.NAME, compare(beside_rows))
    projected = compare(beside_rows, _caught_up, _accepted)
    yield result(_PROJECTED, store, "transfers/s", reference.NAME, projected._replace(p50_ms=None, p99_ms=None))
    beside_many = [(one, many) for one, many, _ in taken]
    yield result(_HOT_ACCEPTED, store, "transfers/s", _UNIFORM, compare(beside_many))
    projected = compare(beside_many, _caught_up)
    yield result(_HOT_PROJECTED, store, "transfers/s", _UNIFORM, projected._replace(p50_ms=None, p99_ms=None))


def _accepted(window: Window) -> float:
    return window.rate


def _caught_up(window: Window) -> float:
    return window.caught_up_rate


WORKLOAD = Workload((_ACCEPTED, _PROJECTED, _HOT_ACCEPTED, _HOT_PROJECTED), measure)
