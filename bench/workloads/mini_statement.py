"""What an ATM asks, from 32 callers: the last ten movements, the holds and the balance of one account among all.

Every account has movements: one batch after another has gone over them. It stands beside the method that does nothing.
"""

from collections.abc import Iterator
from random import Random

from bench.report import Result, result
from bench.session import BATCH, CALLERS, SEED, Session, Workload
from bench.windows import Window, alternate, compare

_NAME = "mini_statement_x32"
_CALLERS = 32


def measure(session: Session) -> Iterator[Result]:
    """Compare mini-statements with empty calls."""
    ledger, calls = session.ledger, session.scale.calls
    requests = ledger.requests()
    ledger.batches(requests.batches(session.scale.batches, BATCH), CALLERS)
    random = Random(SEED)

    def asked() -> Window:
        return ledger.mini_statements(random.choices(ledger.accounts, k=calls), _CALLERS)

    pairs = alternate(session.scale.rounds, asked, lambda: ledger.empty(requests.single(calls), _CALLERS))
    yield result(_NAME, session.store.name, "calls/s", "empty_method", compare(pairs))


WORKLOAD = Workload((_NAME,), measure)
