"""Payments by QR code from 32 applications, prepared and confirmed, beside the method that does nothing.

Every call counts, so a payment is two; the confirmation holds, captures and ends the payment in one append of four
rows. The empty method takes the message of a transfer.
"""

from collections.abc import Iterator

from bench.ledger import Call
from bench.people import MERCHANT, Payer
from bench.report import Result, result
from bench.requests import Ids
from bench.session import Session, Workload
from bench.windows import Window, alternate, compare
from domain.qr import QrCode, QrFormat, write_elqr
from protos.esep.v1.payment_service_pb2 import ConfirmPaymentRequest, PrepareQrPaymentRequest

_NAME = "qr_payment_x32"
_AMOUNT = 100


def measure(session: Session) -> Iterator[Result]:
    """Compare calls of both methods with empty calls."""
    ledger, payers = session.ledger, session.people.payers
    service, requests, ids = ledger.client.payments, ledger.requests(), Ids()
    text = write_elqr(QrCode(format=QrFormat.ELQR, dynamic=False, amount_editable=True, merchant_id=MERCHANT))
    each = max(1, session.scale.calls // 2 // len(payers))

    def application(payer: Payer) -> list[Call]:
        calls: list[Call] = []
        for payment_id, confirm in zip(ids.texts(each), ids.texts(each), strict=True):
            prepare = PrepareQrPaymentRequest(
                request_id=payment_id,
                customer_id=payer.customer_id,
                card_id=payer.card_id,
                qr_text=text,
                amount_tyiyn=_AMOUNT,
            )
            confirmation = ConfirmPaymentRequest(
                request_id=confirm, payment_id=payment_id, customer_id=payer.customer_id
            )
            calls += [(service.PrepareQrPayment, prepare), (service.ConfirmPayment, confirmation)]
        return calls

    def payments() -> Window:
        return ledger.send([application(payer) for payer in payers], len(payers))

    pairs = alternate(
        session.scale.rounds,
        payments,
        lambda: ledger.empty(requests.single(2 * each * len(payers)), len(payers)),
    )
    yield result(_NAME, session.store.name, "calls/s", "empty_method", compare(pairs))


WORKLOAD = Workload((_NAME,), measure)
