"""Authorisations and what belongs to them, as they are told."""

from typing import Final

from domain import ids
from domain.authorization import (
    Authorization,
    AuthorizationDeclined,
    ForcePosted,
    RefundAuthorized,
    RefundPosted,
    State,
)
from domain.claim import Claim, EarlyReversalRecorded, SettlementNoticed
from ledger.rpc.facts import Facts
from ledger.rpc.intake import given, set_timestamp, timestamp
from ledger.rpc.outcomes import Done
from ledger.rpc.translate.authorization import ENTRY_MODES, INITIATORS, KINDS
from protos.esep.v1 import authorization_pb2 as pb

STATES: Final = {
    State.OPEN: pb.AUTHORIZATION_STATE_OPEN,
    State.CAPTURED: pb.AUTHORIZATION_STATE_CAPTURED,
    State.REVERSED: pb.AUTHORIZATION_STATE_REVERSED,
    State.EXPIRED: pb.AUTHORIZATION_STATE_EXPIRED,
    State.DECLINED: pb.AUTHORIZATION_STATE_DECLINED,
}
_KIND_NUMBERS: Final = {name: pb.AuthorizationKind.ValueType(number) for number, name in KINDS.items()}
_ENTRY_MODE_NUMBERS: Final = {name: pb.EntryMode.ValueType(number) for number, name in ENTRY_MODES.items()}
_INITIATOR_NUMBERS: Final = {name: pb.ReversalInitiator.ValueType(number) for number, name in INITIATORS.items()}
_FORCE_POST: Final = "force_post"
"""The kind of a force post's only movement, where its request named no parts."""


def authorization_message(authorization: Authorization, facts: Facts, now: int) -> pb.Authorization:
    """Return the authorisation as it is told at ``now``: a hold that has lapsed holds nothing."""
    details = authorization.details
    asked: int | None = getattr(details, "asked", None)
    effective_time = authorization.created_at if details.effective_time is None else details.effective_time
    message = pb.Authorization(
        authorization_id=ids.format_uuid(authorization.authorization_id),
        participant_id=facts.participant_id,
        account_id=details.account,
        credit_account_id=details.credit_account,
        amount_tyiyn=details.amount if asked is None else asked,
        requested_amount_tyiyn=details.requested,
        currency_code=details.currency,
        kind=_KIND_NUMBERS.get(details.kind, pb.AUTHORIZATION_KIND_UNSPECIFIED),
        state=STATES[authorization.state],
        version=authorization.version,
        **given(
            merchant_category_code=details.merchant_category_code,
            entry_mode=_ENTRY_MODE_NUMBERS.get(details.entry_mode),
            acquirer_id=details.acquirer_id,
            acquirer_reference=details.acquirer_reference,
            merchant_name=details.merchant_name,
            reference=details.reference,
            tags=details.tags,
            parts=[pb.AmountPart(kind=part.kind, amount_tyiyn=part.amount) for part in details.parts],
            card_id=details.card and str(details.card),
            authorized_tyiyn=authorization.authorized + authorization.incremented,
            remaining_tyiyn=authorization.remaining if now < authorization.expires_at else 0,
            captured_tyiyn=authorization.captured,
            reversed_tyiyn=authorization.reversed,
            refunded_tyiyn=authorization.refunded,
            advised=authorization.advised,
            reversed_by=_INITIATOR_NUMBERS.get(authorization.reversed_by),
            token_id=details.token and str(details.token),
            till_id=details.till_id,
            fiscal_receipt_number=details.fiscal_receipt_number,
            masked_number=details.masked_number,
        ),
    )
    set_timestamp(message.effective_time, effective_time)
    set_timestamp(message.create_time, authorization.created_at)
    set_timestamp(message.update_time, authorization.updated_at)
    if isinstance(details, AuthorizationDeclined):
        message.decline_reason = details.reason
    else:
        set_timestamp(message.expire_time, authorization.expires_at)
    return message


def kept_reversal_message(done: Done, event: EarlyReversalRecorded) -> pb.KeptReversal:
    """Return a reversal that waits for its original."""
    return pb.KeptReversal(
        reversal_id=ids.format_uuid(done.request_id),
        original=pb.AcquirerReference(acquirer_id=event.acquirer_id, acquirer_reference=event.acquirer_reference),
        reversed_by=_INITIATOR_NUMBERS.get(event.by, pb.REVERSAL_INITIATOR_UNSPECIFIED),
        expire_time=timestamp(event.expires_at),
    )


def force_posting_message(done: Done, event: ForcePosted, facts: Facts) -> pb.ForcePosting:
    """Return a force post."""
    alone = len(event.legs) == 1 and event.legs[0].kind == _FORCE_POST
    return pb.ForcePosting(
        force_posting_id=ids.format_uuid(done.request_id),
        account_id=event.account,
        credit_account_id=event.legs[0].credit_account if alone else 0,
        amount_tyiyn=event.amount,
        currency_code=facts.currency_code,
        clearing_reference=event.clearing_reference,
        parts=[
            pb.CapturePart(kind=leg.kind, amount_tyiyn=leg.amount, credit_account_id=leg.credit_account)
            for leg in (() if alone else event.legs)
        ],
        merchant_name=event.merchant_name,
        reference=event.reference,
        tags=event.tags,
        effective_time=timestamp(done.recorded_at if event.effective_time is None else event.effective_time),
        record_time=timestamp(done.recorded_at),
    )


def refund_authorization_message(done: Done, event: RefundAuthorized, facts: Facts) -> pb.RefundAuthorization:
    """Return a refund that was announced."""
    return pb.RefundAuthorization(
        refund_authorization_id=ids.format_uuid(done.request_id),
        account_id=event.account,
        authorization_id="" if event.authorization is None else str(event.authorization),
        amount_tyiyn=event.amount,
        currency_code=facts.currency_code,
        merchant_name=event.merchant_name,
        reference=event.reference,
        record_time=timestamp(done.recorded_at),
    )


def refund_message(done: Done, event: RefundPosted, facts: Facts) -> pb.Refund:
    """Return a refund that was posted."""
    linked = done.subject
    return pb.Refund(
        refund_id=ids.format_uuid(done.request_id),
        authorization_id=ids.format_uuid(linked.authorization_id) if isinstance(linked, Authorization) else "",
        account_id=event.account,
        merchant_account_id=event.legs[0].debit_account,
        amount_tyiyn=event.amount,
        currency_code=facts.currency_code,
        clearing_reference=event.clearing_reference,
        merchant_name=event.merchant_name,
        reference=event.reference,
        tags=event.tags,
        effective_time=timestamp(done.recorded_at if event.effective_time is None else event.effective_time),
        record_time=timestamp(done.recorded_at),
    )


def settlement_notice_message(done: Done, event: SettlementNoticed, claim: Claim) -> pb.SettlementNotice:
    """Return the notice of a settlement."""
    return pb.SettlementNotice(
        notice_id=ids.format_uuid(done.request_id),
        clearing_reference=event.clearing_reference,
        amount_tyiyn=event.amount,
        posted_tyiyn=claim.amount,
        record_time=timestamp(done.recorded_at),
    )
