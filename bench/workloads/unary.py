"""One transfer a call from 32 callers, beside the method that does nothing: same message, same interceptors."""

from collections.abc import Iterator

from bench.report import Result, result
from bench.session import Session, Workload
from bench.windows import Window, alternate, compare

_NAME = "transfers_unary_x32"
_CALLERS = 32


def measure(session: Session) -> Iterator[Result]:
    """Compare transfers with empty calls."""
    ledger, calls = session.ledger, session.scale.calls
    requests = ledger.requests()

    def transfers() -> Window:
        return ledger.single(requests.single(calls), _CALLERS)

    pairs = alternate(session.scale.rounds, transfers, lambda: ledger.empty(requests.single(calls), _CALLERS))
    yield result(_NAME, session.store.name, "transfers/s", "empty_method", compare(pairs))


WORKLOAD = Workload((_NAME,), measure)
