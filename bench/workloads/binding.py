"""Bindings of cards from 32 callers, the request and the naming of the amount, beside the method that does nothing.

Every call counts, so a binding is two. A request asks the vault for the card's number and for tries that went wrong,
and has the CVV computed: where it is right, the log's is its only commit. The server allows more cards a
customer than it would otherwise.
"""

from collections.abc import Iterator

from bench.bindings import Binders
from bench.ledger import Ledger
from bench.report import Result, result
from bench.server import serve
from bench.session import SEED, Session, Workload
from bench.windows import alternate, compare

_NAME = "binding_x32"
_CALLERS = 32
_CUSTOMERS = 8
_ACCOUNTS = 64
_MANY = "1000000"


def measure(session: Session) -> Iterator[Result]:
    """Compare calls of both methods with empty calls."""
    directory = session.store.directory / "binding"
    directory.mkdir()
    count = max(_CALLERS, session.scale.calls // 8)
    limits = dict.fromkeys(("ESEP_BINDING_CARDS_PER_DAY", "ESEP_BOUND_CARDS", "ESEP_CARD_DETAILS_TRIES"), _MANY)
    with (
        serve(session.store.new("binding"), directory, **limits) as server,
        Ledger(server.address, SEED) as ledger,
        Binders(server.address, directory / "confirmation-codes") as binders,
    ):
        ledger.prepare(_ACCOUNTS)
        binders.register(_CUSTOMERS)
        requests = ledger.requests()
        pairs = alternate(
            session.scale.rounds,
            lambda: binders.bind(ledger.accounts, count, _CALLERS),
            lambda: ledger.empty(requests.single(2 * count), _CALLERS),
        )
    yield result(_NAME, session.store.name, "calls/s", "empty_method", compare(pairs))


WORKLOAD = Workload((_NAME,), measure)
