"""Authorizations: requests to commands. How they are told stands in ``authorization_answers``."""

from typing import Final

from domain.authorize import Advise, Authorize
from domain.binding import HOLD_KIND
from domain.clearing import AuthorizeRefund, ForcePost, PostRefund, RecordSettlementNotice
from domain.resolve import Capture, Increment, Replace, Reverse, ReversePart
from domain.rules import Operation
from ledger.rpc.intake import Intake, given, tags
from protos.esep.v1 import authorization_pb2, authorization_service_pb2
from protos.esep.v1.authorization_service_pb2 import CaptureAuthorizationRequest, ForcePostRequest

KINDS: Final[dict[int, str]] = {
    number: name.removeprefix("AUTHORIZATION_KIND_").lower()
    for name, number in authorization_pb2.AuthorizationKind.items()
    if number
}
_OWN_KINDS: Final = (HOLD_KIND, Operation.QR_PAYMENT.value, Operation.TOP_UP.value)
REQUESTED_KINDS: Final = {number: kind for number, kind in KINDS.items() if kind not in _OWN_KINDS}
"""Kinds that a request may name: the holds of bindings and payments are made by those alone."""
ENTRY_MODES: Final[dict[int, str]] = {
    number: name.removeprefix("ENTRY_MODE_").lower() if number else ""
    for name, number in authorization_pb2.EntryMode.items()
}
INITIATORS: Final[dict[int, str]] = {
    number: name.removeprefix("REVERSAL_INITIATOR_").lower()
    for name, number in authorization_pb2.ReversalInitiator.items()
    if number
}
NEW_PATHS: Final = {
    "till_id": "fiscal_receipt.till_id",
    "fiscal_receipt_number": "fiscal_receipt.receipt_number",
}
REQUESTED_INITIATORS: Final = {
    number: name for number, name in INITIATORS.items() if number != authorization_pb2.REVERSAL_INITIATOR_PROVIDER
}
"""Who may be named in a request: a provider is heard by its payment alone."""
REVERSE_PATHS: Final = {
    "by": "reversed_by",
    "acquirer_id": "acquirer_reference.acquirer_id",
    "acquirer_reference": "acquirer_reference.acquirer_reference",
}
REFUND_PATHS: Final = {
    "account_id": "merchant_credit.account_id",
    "merchant_account_id": "merchant_credit.merchant_account_id",
}


def create_authorization(
    request: authorization_service_pb2.CreateAuthorizationRequest,
) -> tuple[Authorize, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {**_new_authorization(intake, request), "accept_partial": request.accept_partial}
    return intake.build(Authorize, values, NEW_PATHS), request_id


def advise_authorization(
    request: authorization_service_pb2.AdviseAuthorizationRequest,
) -> tuple[Advise, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {**_new_authorization(intake, request), **_effective_time(intake, request)}
    return intake.build(Advise, values, NEW_PATHS), request_id


def increment_authorization(
    request: authorization_service_pb2.IncrementAuthorizationRequest,
) -> tuple[Increment, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    target = intake.uuid(request.authorization_id, "authorization_id")
    return intake.build(Increment, {"authorization_id": target, "amount_tyiyn": request.amount_tyiyn}), request_id


def replace_authorization_amount(
    request: authorization_service_pb2.ReplaceAuthorizationAmountRequest,
) -> tuple[Replace, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    target = intake.uuid(request.authorization_id, "authorization_id")
    return intake.build(Replace, {"authorization_id": target, "total_tyiyn": request.total_tyiyn}), request_id


def reverse_authorization_part(
    request: authorization_service_pb2.ReverseAuthorizationPartRequest,
) -> tuple[ReversePart, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    target = intake.uuid(request.authorization_id, "authorization_id")
    return intake.build(ReversePart, {"authorization_id": target, "amount_tyiyn": request.amount_tyiyn}), request_id


def reverse_authorization(
    request: authorization_service_pb2.ReverseAuthorizationRequest,
) -> tuple[Reverse, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values: dict[str, object] = {
        "by": intake.choice(request.reversed_by, REQUESTED_INITIATORS, "reversed_by"),
        "explanation": request.explanation,
    }
    match request.WhichOneof("original"):
        case "authorization_id":
            values["authorization_id"] = intake.uuid(request.authorization_id, "authorization_id")
        case "acquirer_reference":
            values |= acquirer_reference(intake, request.acquirer_reference)
        case None:
            intake.wrong("original", "MISSING", "is required: an authorization_id or an acquirer_reference")
    return intake.build(Reverse, values, REVERSE_PATHS), request_id


def acquirer_reference(intake: Intake, named: authorization_pb2.AcquirerReference) -> dict[str, object]:
    """Return both parts of an acquirer's reference, each required."""
    for field in ("acquirer_id", "acquirer_reference"):
        if not getattr(named, field):
            intake.wrong(f"acquirer_reference.{field}", "MISSING", "is required")
    return {"acquirer_id": named.acquirer_id, "acquirer_reference": named.acquirer_reference}


def capture_authorization(
    request: CaptureAuthorizationRequest,
) -> tuple[Capture, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {
        "authorization_id": intake.uuid(request.authorization_id, "authorization_id"),
        "amount_tyiyn": request.amount_tyiyn,
        "clearing_reference": request.clearing_reference,
        **given(
            currency_code=request.currency_code,
            final=request.final,
            acquirer_id=request.acquirer_id,
            parts=_capture_parts(request),
        ),
        **_effective_time(intake, request),
    }
    return intake.build(Capture, values), request_id


def force_post(request: ForcePostRequest) -> tuple[ForcePost, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    credit_account_id = request.credit_account_id
    if request.parts and credit_account_id == 0:
        credit_account_id = request.parts[0].credit_account_id  # Each part names its own; the command wants one.
    values = {
        "account_id": request.account_id,
        "credit_account_id": credit_account_id,
        "amount_tyiyn": request.amount_tyiyn,
        "currency_code": request.currency_code,
        "clearing_reference": request.clearing_reference,
        "acquirer_id": request.acquirer_id,
        "parts": _capture_parts(request),
        "merchant_name": request.merchant_name,
        "merchant_category_code": request.merchant_category_code,
        "reference": request.reference,
        "tags": tags(request.tags),
        **_effective_time(intake, request),
    }
    return intake.build(ForcePost, values), request_id


def authorize_refund(
    request: authorization_service_pb2.AuthorizeRefundRequest,
) -> tuple[AuthorizeRefund, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    linked = bool(request.authorization_id)
    values = {
        "account_id": request.account_id,
        "amount_tyiyn": request.amount_tyiyn,
        "currency_code": request.currency_code,
        "authorization_id": intake.uuid(request.authorization_id, "authorization_id") if linked else None,
        "merchant_name": request.merchant_name,
        "reference": request.reference,
    }
    return intake.build(AuthorizeRefund, values), request_id


def post_refund(request: authorization_service_pb2.PostRefundRequest) -> tuple[PostRefund, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {
        "amount_tyiyn": request.amount_tyiyn,
        "currency_code": request.currency_code,
        "clearing_reference": request.clearing_reference,
        "acquirer_id": request.acquirer_id,
        "merchant_name": request.merchant_name,
        "reference": request.reference,
        "tags": tags(request.tags),
        **_effective_time(intake, request),
    }
    match request.WhichOneof("origin"):
        case "authorization_id":
            values["authorization_id"] = intake.uuid(request.authorization_id, "authorization_id")
        case "merchant_credit":
            values["account_id"] = request.merchant_credit.account_id
            values["merchant_account_id"] = request.merchant_credit.merchant_account_id
        case None:
            intake.wrong("origin", "MISSING", "is required: an authorization_id or a merchant_credit")
    return intake.build(PostRefund, values, REFUND_PATHS), request_id


def record_settlement_notice(
    request: authorization_service_pb2.RecordSettlementNoticeRequest,
) -> tuple[RecordSettlementNotice, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {
        "clearing_reference": request.clearing_reference,
        "acquirer_id": request.acquirer_id,
        "amount_tyiyn": request.amount_tyiyn,
    }
    return intake.build(RecordSettlementNotice, values), request_id


_New = authorization_service_pb2.CreateAuthorizationRequest | authorization_service_pb2.AdviseAuthorizationRequest


def _new_authorization(intake: Intake, request: _New) -> dict[str, object]:
    if request.acquirer_reference and not request.acquirer_id:
        intake.wrong("acquirer_id", "MISSING", "is required with an acquirer_reference")
    if request.parts:
        if sum(part.amount_tyiyn for part in request.parts) != request.amount_tyiyn:
            intake.wrong("parts", "SUM", "do not add up to amount_tyiyn")
        if len({part.kind for part in request.parts}) < len(request.parts):
            intake.wrong("parts", "DUPLICATE", "hold a kind twice")
    by_card = request.WhichOneof("payer") == "card_id"
    payer = {"card_id": intake.uuid(request.card_id, "card_id")} if by_card else {"account_id": request.account_id}
    values = {
        **payer,
        "credit_account_id": request.credit_account_id,
        "amount_tyiyn": request.amount_tyiyn,
        "kind": intake.choice(request.kind, REQUESTED_KINDS, "kind"),
        **given(
            currency_code=request.currency_code,
            merchant_category_code=request.merchant_category_code,
            entry_mode=intake.choice(request.entry_mode, ENTRY_MODES, "entry_mode"),
            acquirer_id=request.acquirer_id,
            acquirer_reference=request.acquirer_reference,
            merchant_name=request.merchant_name,
            reference=request.reference,
            tags=tags(request.tags),
            parts=[{"kind": part.kind, "amount_tyiyn": part.amount_tyiyn} for part in request.parts],
        ),
    }
    if request.HasField("requested_amount_tyiyn"):
        values["requested_amount_tyiyn"] = request.requested_amount_tyiyn
    if request.HasField("fiscal_receipt"):
        values["till_id"] = request.fiscal_receipt.till_id
        values["fiscal_receipt_number"] = request.fiscal_receipt.receipt_number
    return values


def _capture_parts(request: CaptureAuthorizationRequest | ForcePostRequest) -> list[dict[str, object]]:
    return [
        {
            **({"kind": part.kind} if part.kind else {}),
            "amount_tyiyn": part.amount_tyiyn,
            "credit_account_id": part.credit_account_id,
        }
        for part in request.parts
    ]


_Dated = (
    authorization_service_pb2.AdviseAuthorizationRequest
    | authorization_service_pb2.PostRefundRequest
    | CaptureAuthorizationRequest
    | ForcePostRequest
)


def _effective_time(intake: Intake, request: _Dated) -> dict[str, object]:
    if not request.HasField("effective_time"):
        return {}
    return {"effective_time": intake.time(request.effective_time, "effective_time")}
