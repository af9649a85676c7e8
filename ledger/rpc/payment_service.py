"""PaymentService: paying for services, topping up phones, paying merchants by QR code, and giving money back."""
# ruff: noqa: N802 - the names of the methods are the contract's

from domain.payment import Payment
from domain.ports import Clock
from domain.refusals import Reason, Refused, refuse
from ledger.rpc.calls import Context
from ledger.rpc.intake import Intake
from ledger.rpc.payments import Payments
from ledger.rpc.reads import LogReads, Reads
from ledger.rpc.translate import payment as translate
from ledger.rpc.translate.common import receipt
from projections.answers import RecordCursor
from projections.resources import PAYMENT, customer_owner, participant_owner, payee_owner
from protos.esep.v1 import payment_service_pb2 as pb
from protos.esep.v1.payment_service_pb2_grpc import PaymentServiceServicer


class PaymentService(PaymentServiceServicer):
    """Answers esep.v1.PaymentService."""

    def __init__(self, payments: Payments, log_reads: LogReads, reads: Reads, clock: Clock) -> None:
        self._payments = payments
        self._log = log_reads
        self._reads = reads
        self._clock = clock

    async def PrepareServicePayment(
        self, request: pb.PrepareServicePaymentRequest, context: Context
    ) -> pb.PrepareServicePaymentResponse:
        """Prepare the payment for a service."""
        done = await self._payments.prepare_service(request)
        return pb.PrepareServicePaymentResponse(payment=await self._payments.outcome(done), receipt=receipt(done))

    async def PrepareQrPayment(
        self, request: pb.PrepareQrPaymentRequest, context: Context
    ) -> pb.PrepareQrPaymentResponse:
        """Prepare the payment of a merchant's QR code."""
        done = await self._payments.prepare_qr(request)
        return pb.PrepareQrPaymentResponse(payment=await self._payments.outcome(done), receipt=receipt(done))

    async def ConfirmPayment(self, request: pb.ConfirmPaymentRequest, context: Context) -> pb.ConfirmPaymentResponse:
        """Confirm a payment, and answer it as it stands when the provider was heard, or not for long."""
        command, request_id = translate.confirm_payment(request)
        done = await self._payments.confirm(command, request_id, validate_only=request.validate_only)
        tell = self._payments.outcome if request.validate_only else self._payments.standing
        return pb.ConfirmPaymentResponse(payment=await tell(done), receipt=receipt(done))

    async def AnswerPayment(self, request: pb.AnswerPaymentRequest, context: Context) -> pb.AnswerPaymentResponse:
        """Take in a provider's answer."""
        command, request_id = translate.answer_payment(request)
        done = await self._payments.execute(command, request_id, validate_only=request.validate_only)
        return pb.AnswerPaymentResponse(payment=await self._payments.outcome(done), receipt=receipt(done))

    async def DecidePayment(self, request: pb.DecidePaymentRequest, context: Context) -> pb.DecidePaymentResponse:
        """Take in an operator's decision."""
        command, request_id = translate.decide_payment(request)
        done = await self._payments.execute(command, request_id, validate_only=request.validate_only)
        return pb.DecidePaymentResponse(payment=await self._payments.outcome(done), receipt=receipt(done))

    async def RefundPayment(self, request: pb.RefundPaymentRequest, context: Context) -> pb.RefundPaymentResponse:
        """Give a payment back, whole or in part."""
        command, request_id = translate.refund_payment(request)
        done = await self._payments.execute(command, request_id, validate_only=request.validate_only)
        return pb.RefundPaymentResponse(payment=await self._payments.outcome(done), receipt=receipt(done))

    async def GetPayment(self, request: pb.GetPaymentRequest, context: Context) -> pb.GetPaymentResponse:
        """Read one payment."""
        intake = Intake()
        payment_id = intake.known_id(request.payment_id, "payment_id")
        intake.check()
        position = await self._log.position(request)
        payment = await self._log.aggregate(payment_id, position)
        if not isinstance(payment, Payment):
            raise Refused(refuse(Reason.PAYMENT_NOT_FOUND, payment_id=request.payment_id))
        return pb.GetPaymentResponse(
            payment=await self._payments.message(payment), position=self._log.message(position)
        )

    async def ListPayments(self, request: pb.ListPaymentsRequest, context: Context) -> pb.ListPaymentsResponse:
        """List payments of a payer, a payee or a bank, the newest first."""
        owner, states = _wanted(request)
        reader, now = self._reads.reader, self._clock.now()
        page = await self._reads.page(
            request,
            RecordCursor,
            lambda after, limit: reader.list_resources(
                PAYMENT, owner, states=states, now=now, after=after, limit=limit
            ),
            lambda found: found.cursor,
        )
        return pb.ListPaymentsResponse(
            payments=[await self._payments.message(found.resource) for found in page.items],
            next_page_token=page.next_page_token,
            positions=page.positions,
        )


def _wanted(request: pb.ListPaymentsRequest) -> tuple[str, list[str]]:
    """Return whose payments are asked for, and in which states."""
    intake, owner = Intake(), ""
    match request.WhichOneof("owner"):
        case "customer_id":
            owner = customer_owner(intake.known_id(request.customer_id, "customer_id"))
        case "payee_id":
            owner = payee_owner(intake.known_id(request.payee_id, "payee_id"))
        case "participant_id":
            owner = participant_owner(intake.participant_id(request.participant_id, "participant_id"))
        case None:
            intake.wrong("owner", "MISSING", "is required: a customer_id, a payee_id or a participant_id")
    states = [
        intake.choice(number, translate.STATES, f"states[{index}]") for index, number in enumerate(request.states)
    ]
    intake.check()
    return owner, states
