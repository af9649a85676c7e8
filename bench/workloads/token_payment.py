"""Taps of 32 phones at 32 terminals, signed before the clock starts, beside the method that does nothing.

A tap is found by its number's keyed hash, its cryptogram tried, and the payment decided with the token's own event:
two rows in the log. The empty method takes the message of a transfer.
"""

from collections.abc import Iterator

from bench.report import Result, result
from bench.requests import Ids
from bench.session import Session, Workload
from bench.windows import Window, alternate, compare

_NAME = "token_payment_x32"
_AMOUNT = 100


def measure(session: Session) -> Iterator[Result]:
    """Compare taps with empty calls."""
    ledger, payers = session.ledger, session.people.payers
    authorize, requests, ids = ledger.client.token_payments.AuthorizeTokenPayment, ledger.requests(), Ids()
    each = max(1, session.scale.calls // len(payers))

    def taps() -> Window:
        terminals = [
            [(authorize, payer.phone.pay(tap, _AMOUNT, ledger.merchant)) for tap in ids.texts(each)] for payer in payers
        ]
        return ledger.send(terminals, len(payers))

    pairs = alternate(
        session.scale.rounds,
        taps,
        lambda: ledger.empty(requests.single(each * len(payers)), len(payers)),
    )
    yield result(_NAME, session.store.name, "calls/s", "empty_method", compare(pairs))


WORKLOAD = Workload((_NAME,), measure)
