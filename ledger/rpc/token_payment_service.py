"""TokenPaymentService: taps of phones at terminals."""
# ruff: noqa: N802 - the names of the methods are the contract's

from domain.authorization import Authorization
from ledger.rpc import errors
from ledger.rpc.calls import Context
from ledger.rpc.tellers import Teller, expect
from ledger.rpc.tokens import Tokens
from ledger.rpc.translate import token as translate
from ledger.rpc.translate.common import receipt
from protos.esep.v1 import token_payment_service_pb2 as pb
from protos.esep.v1.token_payment_service_pb2_grpc import TokenPaymentServiceServicer


class TokenPaymentService(TokenPaymentServiceServicer):
    """Answers esep.v1.TokenPaymentService."""

    def __init__(self, tokens: Tokens, teller: Teller) -> None:
        self._tokens = tokens
        self._teller = teller

    async def AuthorizeTokenPayment(
        self, request: pb.AuthorizeTokenPaymentRequest, context: Context
    ) -> pb.AuthorizeTokenPaymentResponse:
        """Hold an amount, if the tap is the phone's."""
        payment, request_id = translate.payment(request, self._tokens.prefix)
        with errors.in_terms_of(paths=translate.PAYMENT_PATHS):
            done = await self._tokens.pay(payment, request_id, validate_only=request.validate_only)
        authorization = await self._teller.authorization(expect(done.subject, Authorization), done.recorded_at)
        return pb.AuthorizeTokenPaymentResponse(authorization=authorization, receipt=receipt(done))
