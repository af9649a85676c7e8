"""Payments and payees: requests to what is to be done, codes to what they ask for, and all of it as it is told."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from domain import ids
from domain.pay import ConfirmPayment
from domain.payee import Payee, PayeeKind, RegisterPayee, UpdatePayee
from domain.payment import Decider, Payment, PaymentState
from domain.qr import QrCode, QrProblem, TipKind
from domain.qr import read as read_qr
from domain.rules import Operation
from domain.settle import Answer, AnswerPayment, RefundPayment
from ledger.rpc.intake import Intake, timestamp
from projections.resources import LAPSED
from protos.esep.v1 import payee_pb2, payment_pb2
from protos.esep.v1 import payee_service_pb2 as payees
from protos.esep.v1 import payment_service_pb2 as pb

PAYEE_KINDS: Final[dict[int, PayeeKind]] = {
    payee_pb2.PAYEE_KIND_PROVIDER: PayeeKind.PROVIDER,
    payee_pb2.PAYEE_KIND_MERCHANT: PayeeKind.MERCHANT,
}
PAYEE_KIND_NUMBERS: Final = {kind: payee_pb2.PayeeKind.ValueType(number) for number, kind in PAYEE_KINDS.items()}
KINDS: Final = {
    Operation.SERVICE_PAYMENT: payment_pb2.PAYMENT_KIND_SERVICE,
    Operation.TOP_UP: payment_pb2.PAYMENT_KIND_TOP_UP,
    Operation.QR_PAYMENT: payment_pb2.PAYMENT_KIND_QR,
}
STATE_NUMBERS: Final = {
    PaymentState.PREPARED: payment_pb2.PAYMENT_STATE_PREPARED,
    PaymentState.PROCESSING: payment_pb2.PAYMENT_STATE_PROCESSING,
    PaymentState.UNRESOLVED: payment_pb2.PAYMENT_STATE_UNRESOLVED,
    PaymentState.SUCCEEDED: payment_pb2.PAYMENT_STATE_SUCCEEDED,
    PaymentState.FAILED: payment_pb2.PAYMENT_STATE_FAILED,
}
STATES: Final[dict[int, str]] = {
    payment_pb2.PAYMENT_STATE_LAPSED: LAPSED,
    **{number: state.value for state, number in STATE_NUMBERS.items()},
}
DECIDERS: Final = {
    None: payment_pb2.PAYMENT_DECIDER_UNSPECIFIED,
    Decider.LEDGER: payment_pb2.PAYMENT_DECIDER_LEDGER,
    Decider.PROVIDER: payment_pb2.PAYMENT_DECIDER_PROVIDER,
    Decider.OPERATOR: payment_pb2.PAYMENT_DECIDER_OPERATOR,
}
ANSWERS: Final[dict[int, Answer]] = {
    pb.PAYMENT_ANSWER_DELIVERED: Answer.DELIVERED,
    pb.PAYMENT_ANSWER_REFUSED: Answer.REFUSED,
}

TRANSFERS: Final = "p2p."
"""How the ids of those begin whose codes ask for a transfer between people, not for a payment."""

_WHOLE: Final = 10_000
"""Hundredths of a per cent in a whole."""

# Codes.


def read_code(intake: Intake, text: str) -> QrCode:
    """Return what a scanned code says; raises Refused for one that cannot be read, or asks for no payment."""
    if not text:
        intake.wrong("qr_text", "MISSING", "is required")
    intake.check()
    code = read_qr(text)
    if isinstance(code, QrProblem):
        intake.wrong("qr_text", code.reason.name, f"is no code that can be paid: {code.reason.value.meaning}")
    elif code.provider_id.startswith(TRANSFERS) and not code.merchant_id:
        intake.wrong("qr_text", "QR_NOT_A_PAYMENT", "asks for a transfer to a person: quote a transfer")
    intake.check()
    if isinstance(code, QrProblem):
        raise TypeError("a code with a problem was let through")
    return code


def merchant_code(code: QrCode) -> str:
    """Return the payee's code that a QR code names.

    ELQR: the merchant's id (33.00), else provider, service and recipient (32.00, 32.01, 32.10). EMVCo: what stands in
    the first account, the network's name and the merchant's id within it (such as ``qr.kg/osh-bazar``), or its tag and
    value where it is no template; but as in ELQR where tag 32 names service or recipient.
    """
    if code.merchant_id:
        return code.merchant_id
    if code.emv is not None and code.emv.accounts and not (code.service_code or code.recipient_id):
        account = code.emv.accounts[0]
        return "/".join(item.value for item in account.items) or f"{account.tag}/{account.value}"
    return "/".join(part for part in (code.provider_id, code.service_code, code.recipient_id) if part)


def transaction_key(code: QrCode, text: str) -> str:
    """Return what makes a dynamic code one of its payee's, empty for a static one.

    That is its transaction id, which its provider gave, else its whole text.
    """
    if not code.dynamic:
        return ""
    if code.transaction_id:
        return ids.key_of("transaction", code.provider_id, code.transaction_id)
    return ids.key_of("text", sha256(text.encode()).hexdigest())


def qr_amount(intake: Intake, code: QrCode, given: int | None) -> int:
    """Return what is to be paid, tips that the code fixes included; notes an amount that it forbids or lacks."""
    if not code.amount_tyiyn:
        if given is None:
            intake.wrong("amount_tyiyn", "MISSING", "is required: the code says none")
        amount = given or 0
    elif given is not None and given != code.amount_tyiyn and not code.amount_editable:
        intake.wrong("amount_tyiyn", "QR_AMOUNT_FIXED", f"is not the {code.amount_tyiyn} that the code fixes")
        amount = given
    else:
        amount = code.amount_tyiyn if given is None else given
    return amount + _tip(code, amount)


def _tip(code: QrCode, amount: int) -> int:
    tip = None if code.emv is None else code.emv.tip
    if tip is None:
        return 0
    match tip.kind:
        case TipKind.FIXED:
            return tip.fixed_tyiyn
        case TipKind.PERCENTAGE:
            return (amount * tip.percentage_hundredths + _WHOLE // 2) // _WHOLE
        case TipKind.PROMPT:
            return 0


# Commands.


def confirm_payment(request: pb.ConfirmPaymentRequest) -> tuple[ConfirmPayment, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {
        "payment_id": intake.uuid(request.payment_id, "payment_id"),
        "customer_id": intake.uuid(request.customer_id, "customer_id"),
    }
    return intake.build(ConfirmPayment, values), request_id


def answer_payment(request: pb.AnswerPaymentRequest) -> tuple[AnswerPayment, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {
        "payment_id": intake.uuid(request.payment_id, "payment_id"),
        "answer": intake.choice(request.answer, ANSWERS, "answer"),
        "provider_reference": request.provider_reference,
        "explanation": request.explanation,
    }
    return intake.build(AnswerPayment, values), request_id


def decide_payment(request: pb.DecidePaymentRequest) -> tuple[AnswerPayment, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    if not request.explanation.strip():
        intake.wrong("explanation", "MISSING", "is required: an operator says why")
    values = {
        "payment_id": intake.uuid(request.payment_id, "payment_id"),
        "answer": intake.choice(request.answer, ANSWERS, "answer"),
        "by": Decider.OPERATOR,
        "explanation": request.explanation,
    }
    return intake.build(AnswerPayment, values), request_id


def refund_payment(request: pb.RefundPaymentRequest) -> tuple[RefundPayment, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {
        "payment_id": intake.uuid(request.payment_id, "payment_id"),
        "amount_tyiyn": request.amount_tyiyn,
        "fee_tyiyn": request.fee_tyiyn,
        "explanation": request.explanation,
    }
    return intake.build(RefundPayment, values), request_id


def register_payee(request: payees.RegisterPayeeRequest) -> tuple[RegisterPayee, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {
        "kind": intake.choice(request.kind, PAYEE_KINDS, "kind"),
        "code": request.code,
        "participant_id": request.participant_id,
        "account_id": request.account_id,
        "name": request.name,
        "merchant_category_code": request.merchant_category_code,
        "reference": request.reference,
    }
    return intake.build(RegisterPayee, values), request_id


def update_payee(request: payees.UpdatePayeeRequest) -> tuple[UpdatePayee, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {
        "payee_id": intake.uuid(request.payee_id, "payee_id"),
        "account_id": request.account_id,
        "name": request.name,
        "active": request.active,
        "expected_version": request.expected_version if request.HasField("expected_version") else None,
    }
    return intake.build(UpdatePayee, values), request_id


# Answers.


def payment_message(payment: Payment, fields: Mapping[str, str], beneficiary: str, now: int) -> payment_pb2.Payment:
    """Return a payment as it is told at a moment."""
    details = payment.details
    lapsed = payment.lapsed(now)
    confirmed = payment.state is not PaymentState.PREPARED
    return payment_pb2.Payment(
        payment_id=ids.format_uuid(payment.payment_id),
        state=payment_pb2.PAYMENT_STATE_LAPSED if lapsed else STATE_NUMBERS[payment.state],
        kind=KINDS[details.operation],
        customer_id=str(details.customer),
        card_id=str(details.card),
        account_id=details.account,
        participant_id=details.participant,
        payee_id=str(details.payee),
        payee_kind=PAYEE_KIND_NUMBERS[details.payee_kind],
        payee_name=details.payee_name,
        beneficiary=beneficiary,
        service_id=details.service,
        fields=fields,
        merchant_category_code=details.merchant_category_code,
        amount_tyiyn=details.amount,
        fee_tyiyn=details.fee,
        total_tyiyn=payment.total,
        currency_code=details.currency,
        rules_version=payment.rules,
        expire_time=timestamp(payment.expires_at),
        authorization_id=ids.format_uuid(payment.authorization_id) if confirmed else "",
        decided_by=DECIDERS[payment.decided_by],
        provider_reference=payment.provider_reference,
        explanation=payment.explanation,
        refunded_tyiyn=payment.refunded,
        refunded_fee_tyiyn=payment.fee_refunded,
        version=payment.version,
        create_time=timestamp(payment.created_at),
        update_time=timestamp(payment.updated_at),
    )


def payee_message(payee: Payee) -> payee_pb2.Payee:
    """Return a payee as it is told."""
    return payee_pb2.Payee(
        payee_id=ids.format_uuid(payee.payee_id),
        kind=PAYEE_KIND_NUMBERS[payee.kind],
        code=payee.code,
        participant_id=payee.participant,
        account_id=payee.account,
        name=payee.name,
        merchant_category_code=payee.merchant_category_code,
        reference=payee.reference,
        active=payee.active,
        version=payee.version,
        create_time=timestamp(payee.created_at),
        update_time=timestamp(payee.updated_at),
    )
