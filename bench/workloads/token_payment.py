"""Taps of 32 phones at 32 terminals, beside the method that does nothing.

A tap is found by its number's keyed hash, its cryptogram tried, and the payment decided with the token's own event:
two rows in the log. The empty method takes the message of a transfer.
"""

from collections.abc import Iterator

from bench.ledger import Ledger
from bench.phones import Payers
from bench.report import Result, result
from bench.server import serve
from bench.session import SEED, Session, Workload
from bench.windows import alternate, compare

_NAME = "token_payment_x32"
_CALLERS = 32
_SETTINGS = {
    "ESEP_BINDING_CARDS_PER_DAY": "100",
    "ESEP_BOUND_CARDS": "100",
    "ESEP_TOKEN_KEY_USES": "1000000",
    "ESEP_TOKEN_KEY_AMOUNT_TYIYN": "1000000000000",
}


def measure(session: Session) -> Iterator[Result]:
    """Compare taps with empty calls."""
    directory = session.store.directory / "tokens"
    directory.mkdir()
    count = max(_CALLERS, session.scale.calls)
    with (
        serve(session.store.new("tokens"), directory, **_SETTINGS) as server,
        Ledger(server.address, SEED) as ledger,
        Payers(server.address, directory / "confirmation-codes") as payers,
    ):
        ledger.prepare(_CALLERS)
        payers.prepare(ledger.accounts)
        requests = ledger.requests()
        pairs = alternate(
            session.scale.rounds,
            lambda: payers.pay(count, ledger.merchant),
            lambda: ledger.empty(requests.single(count), _CALLERS),
        )
    yield result(_NAME, session.store.name, "calls/s", "empty_method", compare(pairs))


WORKLOAD = Workload((_NAME,), measure)
