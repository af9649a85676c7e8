"""Bindings of cards from 32 callers, the request and the naming of the amount, beside the method that does nothing.

Every call counts, so a binding is two. A request asks the vault for the card's number and for tries that went wrong,
and has the CVV computed: where it is right, the log's is its only commit. The amount that is held is asked for in
between, as an operator of the bank would, and outside of the time that is measured: a person needs longer for that
than any ledger.
"""

from collections.abc import Iterator

from bench.report import Result, result
from bench.session import Session, Workload
from bench.windows import Window, alternate, compare

_NAME = "binding_x32"
_CALLERS = 32


def measure(session: Session) -> Iterator[Result]:
    """Compare calls of both methods with empty calls."""
    ledger, people = session.ledger, session.people
    service, requests = ledger.client.card_bindings, ledger.requests()
    count = max(_CALLERS, session.scale.calls // 8)

    def bindings() -> Window:
        issued = people.issue(count)
        first = ledger.send([[(service.RequestCardBinding, card.request)] for card in issued], _CALLERS)
        named = people.disclose(issued)
        second = ledger.send([[(service.ConfirmCardBinding, request)] for request in named], _CALLERS)
        return Window(
            first.operations + second.operations,
            first.seconds + second.seconds,
            [*first.latencies_ms, *second.latencies_ms],
        )

    pairs = alternate(session.scale.rounds, bindings, lambda: ledger.empty(requests.single(2 * count), _CALLERS))
    yield result(_NAME, session.store.name, "calls/s", "empty_method", compare(pairs))


WORKLOAD = Workload((_NAME,), measure)
