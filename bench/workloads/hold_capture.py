"""Card sales from 32 callers, an authorisation and its capture each, beside the method that does nothing.

Every call counts, so a sale is two; the empty method takes the message of a transfer.
"""

from collections.abc import Iterator

from bench.report import Result, result
from bench.session import Session, Workload
from bench.windows import Window, alternate, compare

_NAME = "hold_capture_x32"
_CALLERS = 32


def measure(session: Session) -> Iterator[Result]:
    """Compare calls of both methods with empty calls."""
    ledger, calls = session.ledger, session.scale.calls
    requests = ledger.requests()

    def sales() -> Window:
        return ledger.sales(requests.sales(calls // 2), _CALLERS)

    pairs = alternate(session.scale.rounds, sales, lambda: ledger.empty(requests.single(calls), _CALLERS))
    yield result(_NAME, session.store.name, "calls/s", "empty_method", compare(pairs))


WORKLOAD = Workload((_NAME,), measure)
