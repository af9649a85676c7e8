"""Payments by QR code from 32 applications, prepared and confirmed, beside the method that does nothing.

Every call counts, so a payment is two; the confirmation holds, captures and ends the payment in one append of four
rows. The empty method takes the message of a transfer.
"""

from collections.abc import Iterator

from bench.ledger import Ledger
from bench.payers import QrPayers
from bench.report import Result, result
from bench.server import serve
from bench.session import SEED, Session, Workload
from bench.windows import alternate, compare

_NAME = "qr_payment_x32"
_CALLERS = 32
_SETTINGS = {"ESEP_BINDING_CARDS_PER_DAY": "100", "ESEP_BOUND_CARDS": "100"}


def measure(session: Session) -> Iterator[Result]:
    """Compare calls of both methods with empty calls."""
    directory = session.store.directory / "payments"
    directory.mkdir()
    count = max(_CALLERS, session.scale.calls // 2)
    with (
        serve(session.store.new("payments"), directory, **_SETTINGS) as server,
        Ledger(server.address, SEED) as ledger,
        QrPayers(server.address, directory / "confirmation-codes") as payers,
    ):
        ledger.prepare(_CALLERS)
        payers.open(ledger.accounts, ledger.merchant)
        requests = ledger.requests()
        pairs = alternate(
            session.scale.rounds,
            lambda: payers.scan(count),
            lambda: ledger.empty(requests.single(2 * count), _CALLERS),
        )
    yield result(_NAME, session.store.name, "calls/s", "empty_method", compare(pairs))


WORKLOAD = Workload((_NAME,), measure)
