"""A payee and a payment of a bank, and a request about them for every method of PayeeService and PaymentService."""

from collections.abc import Callable
from typing import Any, ClassVar, Final
from uuid import UUID

from google.protobuf.message import Message

from domain.books import Books
from domain.command import Command
from domain.event import Change, Context
from domain.payee import PayeeKind
from domain.payment import Details, PaymentPrepared
from domain.refusals import Refusal
from domain.rules import Operation
from protos.esep.v1 import payee_pb2
from protos.esep.v1 import payee_service_pb2 as payees
from protos.esep.v1 import payment_service_pb2 as payments
from tests.domain.qr.sealed import elqr
from tests.rpc.world import new_id

SHOP_CODE: Final = elqr("00020101021133130009kent-cafe5303417")
_HOUR: Final = 3_600_000_000


class Pay(Command):
    """Prepares a payment as it is, without looking at the payer."""

    NAME: ClassVar[str] = "pay_for_a_test"

    details: Any

    def decide(self, books: Books, context: Context) -> list[Change] | Refusal:
        expires_at = context.now + _HOUR
        return [Change(context.request_id, 1, PaymentPrepared(details=self.details, rules="1", expires_at=expires_at))]


def payment_of(participant: str, account: int, merchant: int, **ids: str) -> Pay:
    """Return the command for a payment of a customer's card to a payee."""
    details = Details(
        customer=UUID(ids["customer"]),
        card=UUID(ids["card"]),
        account=account,
        participant=participant,
        operation=Operation.QR_PAYMENT,
        payee=UUID(ids["payee"]),
        payee_kind=PayeeKind.MERCHANT,
        payee_name="Дүкөн",
        credit_account=merchant,
        amount=100,
        currency="KGS",
    )
    return Pay(details=details)


def payee_request(participant: str, account: int, *, validate_only: bool) -> payees.RegisterPayeeRequest:
    """Return the request to register a payee with a code of its own."""
    return payees.RegisterPayeeRequest(
        request_id=new_id(),
        kind=payee_pb2.PAYEE_KIND_MERCHANT,
        code=new_id(),
        participant_id=participant,
        account_id=account,
        name="Дүкөн",
        validate_only=validate_only,
    )


PAYMENT_REQUESTS: Final[dict[str, Callable[[Any], Message]]] = {
    "/esep.v1.PayeeService/RegisterPayee": lambda of: payee_request(of.participant, of.merchant, validate_only=True),
    "/esep.v1.PayeeService/UpdatePayee": lambda of: payees.UpdatePayeeRequest(
        request_id=new_id(),
        payee_id=of.payee,
        account_id=of.merchant,
        name="Дүкөн",
        active=True,
        validate_only=True,
    ),
    "/esep.v1.PayeeService/GetPayee": lambda of: payees.GetPayeeRequest(payee_id=of.payee),
    "/esep.v1.PayeeService/ListPayees": lambda of: payees.ListPayeesRequest(participant_id=of.participant),
    "/esep.v1.PaymentService/PrepareServicePayment": lambda of: payments.PrepareServicePaymentRequest(
        request_id=new_id(), customer_id=of.customer, card_id=of.card, service_id="x"
    ),
    "/esep.v1.PaymentService/PrepareQrPayment": lambda of: payments.PrepareQrPaymentRequest(
        request_id=new_id(), customer_id=of.customer, card_id=of.card, qr_text=SHOP_CODE, amount_tyiyn=1
    ),
    "/esep.v1.PaymentService/ConfirmPayment": lambda of: payments.ConfirmPaymentRequest(
        request_id=new_id(), payment_id=of.payment, customer_id=of.customer, validate_only=True
    ),
    "/esep.v1.PaymentService/AnswerPayment": lambda of: payments.AnswerPaymentRequest(
        request_id=new_id(), payment_id=of.payment, answer=payments.PAYMENT_ANSWER_DELIVERED, validate_only=True
    ),
    "/esep.v1.PaymentService/DecidePayment": lambda of: payments.DecidePaymentRequest(
        request_id=new_id(),
        payment_id=of.payment,
        answer=payments.PAYMENT_ANSWER_DELIVERED,
        explanation="by phone",
        validate_only=True,
    ),
    "/esep.v1.PaymentService/RefundPayment": lambda of: payments.RefundPaymentRequest(
        request_id=new_id(), payment_id=of.payment, amount_tyiyn=1, validate_only=True
    ),
    "/esep.v1.PaymentService/GetPayment": lambda of: payments.GetPaymentRequest(payment_id=of.payment),
    "/esep.v1.PaymentService/ListPayments": lambda of: payments.ListPaymentsRequest(participant_id=of.participant),
}
"""Requests about a scene, by the methods' full names. Writes try only, where they can."""
