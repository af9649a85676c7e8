"""AuthorizationService: holding money, and what becomes of the hold."""
# ruff: noqa: N802 - the names of the methods are the contract's

from typing import NamedTuple

from domain import ids
from domain.authorization import ACQUIRER_CLAIM, Authorization, AuthorizationCaptured
from domain.claim import Claim
from domain.ports import Clock
from domain.refusals import Reason, Refused, invalid, refuse
from ledger.rpc import errors
from ledger.rpc.calls import Context
from ledger.rpc.gateway import Gateway
from ledger.rpc.intake import Intake
from ledger.rpc.outcomes import Done
from ledger.rpc.reads import LogReads
from ledger.rpc.tellers import Teller, expect
from ledger.rpc.translate import authorization as translate
from ledger.rpc.translate.common import receipt
from protos.esep.v1 import authorization_pb2
from protos.esep.v1 import authorization_service_pb2 as pb
from protos.esep.v1.authorization_service_pb2_grpc import AuthorizationServiceServicer
from protos.esep.v1.common_pb2 import Receipt


class _Held(NamedTuple):
    """What an outcome about one authorisation is told by."""

    authorization: authorization_pb2.Authorization
    receipt: Receipt | None


class AuthorizationService(AuthorizationServiceServicer):
    """Answers esep.v1.AuthorizationService."""

    def __init__(self, gateway: Gateway, log_reads: LogReads, teller: Teller, clock: Clock) -> None:
        self._gateway = gateway
        self._log = log_reads
        self._teller = teller
        self._clock = clock

    async def CreateAuthorization(
        self, request: pb.CreateAuthorizationRequest, context: Context
    ) -> pb.CreateAuthorizationResponse:
        """Hold an amount, if it is available."""
        command, request_id = translate.create_authorization(request)
        done = await self._gateway.execute(command, request_id, validate_only=request.validate_only)
        held = await self._held(done)
        return pb.CreateAuthorizationResponse(authorization=held.authorization, receipt=held.receipt)

    async def AdviseAuthorization(
        self, request: pb.AdviseAuthorizationRequest, context: Context
    ) -> pb.AdviseAuthorizationResponse:
        """Record an authorisation that was approved elsewhere."""
        command, request_id = translate.advise_authorization(request)
        done = await self._gateway.execute(command, request_id, validate_only=request.validate_only)
        held = await self._held(done)
        return pb.AdviseAuthorizationResponse(authorization=held.authorization, receipt=held.receipt)

    async def IncrementAuthorization(
        self, request: pb.IncrementAuthorizationRequest, context: Context
    ) -> pb.IncrementAuthorizationResponse:
        """Hold more."""
        command, request_id = translate.increment_authorization(request)
        done = await self._gateway.execute(command, request_id, validate_only=request.validate_only)
        held = await self._held(done)
        return pb.IncrementAuthorizationResponse(authorization=held.authorization, receipt=held.receipt)

    async def ReplaceAuthorizationAmount(
        self, request: pb.ReplaceAuthorizationAmountRequest, context: Context
    ) -> pb.ReplaceAuthorizationAmountResponse:
        """Hold another total."""
        command, request_id = translate.replace_authorization_amount(request)
        held = await self._held(await self._gateway.execute(command, request_id, validate_only=request.validate_only))
        return pb.ReplaceAuthorizationAmountResponse(authorization=held.authorization, receipt=held.receipt)

    async def ReverseAuthorizationPart(
        self, request: pb.ReverseAuthorizationPartRequest, context: Context
    ) -> pb.ReverseAuthorizationPartResponse:
        """Release part of what is held."""
        command, request_id = translate.reverse_authorization_part(request)
        done = await self._gateway.execute(command, request_id, validate_only=request.validate_only)
        held = await self._held(done)
        return pb.ReverseAuthorizationPartResponse(authorization=held.authorization, receipt=held.receipt)

    async def ReverseAuthorization(
        self, request: pb.ReverseAuthorizationRequest, context: Context
    ) -> pb.ReverseAuthorizationResponse:
        """Release all that is held, or keep the reversal for an original that has not arrived."""
        command, request_id = translate.reverse_authorization(request)
        with errors.in_terms_of(paths=translate.REVERSE_PATHS):
            done = await self._gateway.execute(command, request_id, validate_only=request.validate_only)
        if isinstance(done.subject, Claim):
            return pb.ReverseAuthorizationResponse(
                kept_reversal=self._teller.kept_reversal(done), receipt=receipt(done)
            )
        held = await self._held(done)
        return pb.ReverseAuthorizationResponse(authorization=held.authorization, receipt=held.receipt)

    async def CaptureAuthorization(
        self, request: pb.CaptureAuthorizationRequest, context: Context
    ) -> pb.CaptureAuthorizationResponse:
        """Post money against an authorisation."""
        command, request_id = translate.capture_authorization(request)
        done = await self._gateway.execute(command, request_id, validate_only=request.validate_only)
        held = await self._held(done)
        captured = expect(done.event, AuthorizationCaptured)
        return pb.CaptureAuthorizationResponse(
            authorization=held.authorization,
            receipt=held.receipt,
            released_tyiyn=captured.released,
            over=captured.over,
            late=captured.late,
            after_close=captured.after_close,
        )

    async def ForcePost(self, request: pb.ForcePostRequest, context: Context) -> pb.ForcePostResponse:
        """Post money without an authorisation."""
        done = await self._gateway.execute(*translate.force_post(request), validate_only=request.validate_only)
        return pb.ForcePostResponse(force_posting=await self._teller.force_posting(done), receipt=receipt(done))

    async def AuthorizeRefund(self, request: pb.AuthorizeRefundRequest, context: Context) -> pb.AuthorizeRefundResponse:
        """Record that a refund was announced."""
        done = await self._gateway.execute(*translate.authorize_refund(request), validate_only=request.validate_only)
        return pb.AuthorizeRefundResponse(
            refund_authorization=await self._teller.refund_authorization(done), receipt=receipt(done)
        )

    async def PostRefund(self, request: pb.PostRefundRequest, context: Context) -> pb.PostRefundResponse:
        """Post money back."""
        command, request_id = translate.post_refund(request)
        with errors.in_terms_of(paths=translate.REFUND_PATHS):
            done = await self._gateway.execute(command, request_id, validate_only=request.validate_only)
        linked = isinstance(done.subject, Authorization)
        return pb.PostRefundResponse(
            refund=await self._teller.refund(done),
            receipt=receipt(done),
            authorization=(await self._held(done)).authorization if linked else None,
        )

    async def RecordSettlementNotice(
        self, request: pb.RecordSettlementNoticeRequest, context: Context
    ) -> pb.RecordSettlementNoticeResponse:
        """Record that a movement posted earlier was settled."""
        command, request_id = translate.record_settlement_notice(request)
        done = await self._gateway.execute(command, request_id, validate_only=request.validate_only)
        return pb.RecordSettlementNoticeResponse(
            settlement_notice=self._teller.settlement_notice(done), receipt=receipt(done)
        )

    async def GetAuthorization(
        self, request: pb.GetAuthorizationRequest, context: Context
    ) -> pb.GetAuthorizationResponse:
        """Read one authorisation from the log."""
        position = await self._log.position(request)
        match request.WhichOneof("authorization"):
            case "authorization_id":
                found = await self._by_id(request.authorization_id, position)
            case "acquirer_reference":
                found = await self._by_reference(request.acquirer_reference, position)
            case _:
                raise Refused(invalid("authorization", "MISSING", "is required: an id or an acquirer_reference"))
        return pb.GetAuthorizationResponse(
            authorization=await self._teller.authorization(found, self._clock.now()),
            position=self._log.message(position),
        )

    async def _by_id(self, text: str, position: int) -> Authorization:
        intake = Intake()
        authorization_id = intake.known_id(text, "authorization_id")
        intake.check()
        found = await self._log.aggregate(authorization_id, position)
        if not isinstance(found, Authorization):
            raise Refused(refuse(Reason.AUTHORIZATION_NOT_FOUND, authorization_id=text))
        return found

    async def _by_reference(self, reference: authorization_pb2.AcquirerReference, position: int) -> Authorization:
        intake = Intake()
        translate.acquirer_reference(intake, reference)
        intake.check()
        key = f"{reference.acquirer_id}/{reference.acquirer_reference}"
        claimed = await self._log.aggregate(ids.claim_id(ACQUIRER_CLAIM, key), position)
        if not isinstance(claimed, Claim) or claimed.holder is None:
            raise Refused(refuse(Reason.AUTHORIZATION_NOT_FOUND, acquirer_reference=key))
        return expect(await self._log.aggregate(claimed.holder, position), Authorization)

    async def _held(self, done: Done) -> _Held:
        authorization = expect(done.subject, Authorization)
        return _Held(await self._teller.authorization(authorization, done.recorded_at), receipt(done))
