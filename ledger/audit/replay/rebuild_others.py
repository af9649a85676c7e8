"""Requests about cards, customers, payments, tokens and rules, from what their events keep of them."""

from typing import Any
from uuid import UUID

import msgspec

from domain import (
    adjustment,
    alias,
    authorization,
    bind,
    binding,
    card,
    card_commands,
    confirm,
    credit,
    customer,
    device,
    payee,
    payment,
    proposal,
    publishing,
    retaining,
    settle,
    token,
    tokenise,
    transfer_qr,
)
from domain.command import Command
from domain.ids import parts_of
from domain.pay import ConfirmPayment, PreparePayment
from ledger.audit.replay.kept import Kept
from ledger.audit.replay.rebuild_money import Builder, Candidates, Fields, own_id


def lift_retention(kept: Kept) -> Candidates:
    """Return what may have been asked where a retention was lifted: on whose behalf, the customer's state tells."""
    event: Any = kept.event
    placed = kept.before.retentions if isinstance(kept.before, customer.Customer) else ()
    for authority in {each.authority for each in placed if each.retention_id == event.retention.bytes}:
        yield (
            retaining.LiftRetention,
            {"customer_id": own_id(kept), "retention_id": event.retention, "authority": authority},
        )


def unbind(kept: Kept) -> Candidates:
    """Return what may have been asked where a card was unbound."""
    event: Any = kept.event
    for named in (None, event.customer):
        yield card_commands.UnbindCard, {"card_id": own_id(kept), "customer_id": named}


def _of_binding(kept: Kept) -> binding.Binding | None:
    found = kept.before
    return found if isinstance(found, binding.Binding) else None


def request_binding(kept: Kept) -> Candidates:
    """Return what was asked where a card was to be bound: everything was right, and the amount is that of the hold."""
    event: Any = kept.event
    bound_card = kept.find(event.card.bytes)
    hold = next((each for _, each in kept.following[:1] if isinstance(each, authorization.AuthorizationApproved)), None)
    if not isinstance(bound_card, card.Card) or hold is None:
        return
    others = range(binding.LEAST_AMOUNT, binding.LEAST_AMOUNT + card.REMEMBERED_HOLDS + 1)
    fields: Fields = {
        "customer_id": event.customer,
        "card_id": event.card,
        "masked_number": event.masked,
        "expires": bound_card.expires,
        "details": bind.Details.RIGHT,
        "name": event.name,
        "name_mark": event.name_mark,
        "hold_id": event.hold,
        "candidates": tuple(dict.fromkeys((hold.amount, *others))),
    }
    yield bind.RequestCardBinding, fields


def confirm_binding(kept: Kept) -> Candidates:
    """Return what was asked where an amount was named: the right one is the hold's, wrong ones are alike."""
    found = _of_binding(kept)
    held = None if found is None else kept.find(found.hold)
    if found is None or not isinstance(held, authorization.Authorization):
        return
    right = held.details.amount
    wrong = right - 1 if right > binding.LEAST_AMOUNT else right + 1
    missed = isinstance(kept.event, binding.CardBindingMissed)
    fields = {"binding_id": own_id(kept), "customer_id": UUID(bytes=found.customer)}
    yield confirm.ConfirmCardBinding, {**fields, "amount_tyiyn": wrong if missed else right}


def unknown_binding(kept: Kept) -> Candidates:
    """Return what may have been asked where an unknown binding was tried."""
    event: Any = kept.event
    yield (
        confirm.ConfirmCardBinding,
        {"binding_id": event.binding, "customer_id": event.customer, "amount_tyiyn": binding.LEAST_AMOUNT},
    )


def cancel_binding(kept: Kept) -> Candidates:
    """Return what may have been asked where a binding was cancelled."""
    found = _of_binding(kept)
    if found is not None:
        yield confirm.CancelCardBinding, {"binding_id": own_id(kept), "customer_id": UUID(bytes=found.customer)}


def disclose(kept: Kept) -> Candidates:
    """Return what may have been asked where a held amount was disclosed."""
    event: Any = kept.event
    found = _of_binding(kept)
    for named in (None, own_id(kept)):
        if found is not None:
            fields = {"card_id": UUID(bytes=found.card), "binding_id": named}
            yield confirm.DiscloseHeldAmount, {**fields, "operator": event.operator, "explanation": event.explanation}


def of_participant(kind: type[Command]) -> Builder:
    """Return what may have been asked where a participant was registered or updated."""

    def build(kept: Kept) -> Candidates:
        event: Any = kept.event
        yield (
            kind,
            {
                "participant_id": event.participant,
                "names": msgspec.structs.asdict(event.names),
                "settlement_account_id": event.settlement_account,
                "fee_account_id": event.fee_account,
            },
        )

    return build


def decided_proposal(kept: Kept) -> Candidates:
    """Return what may have been asked where a proposal was decided."""
    event: Any = kept.event
    found = kept.before
    content = found.content if isinstance(found, proposal.Proposal) else None
    fields: Fields = {"proposal_id": own_id(kept), "operator": event.checker}
    if isinstance(event, proposal.ProposalApproved):
        yield adjustment.ApproveAdjustment, fields
        return
    of_rules = isinstance(content, publishing.RulesProposed)
    kind = publishing.RejectRules if of_rules else adjustment.RejectAdjustment
    yield kind, {**fields, "explanation": event.explanation}


def propose_rules(kept: Kept) -> Candidates:
    """Return what may have been asked where rules were proposed."""
    event: Any = kept.event
    rules = {
        "fees": [_fee(msgspec.structs.asdict(fee)) for fee in event.fees],
        "limits": [msgspec.structs.asdict(limit) for limit in event.limits],
        "holds": {
            "ttl_seconds": event.holds.ttl_seconds,
            "rules": [msgspec.structs.asdict(rule) for rule in event.holds.rules],
        },
    }
    fields = {"effective_from": event.effective_from, "explanation": event.explanation, "operator": event.maker}
    yield publishing.ProposeRules, {**fields, "rules": rules}


def _fee(kept: Fields) -> Fields:
    named = {
        "fixed": "fixed_tyiyn",
        "minimum": "minimum_tyiyn",
        "maximum": "maximum_tyiyn",
        "participant": "participant_id",
    }
    return {named.get(name, name): value for name, value in kept.items()}


def approve_rules(kept: Kept) -> Candidates:
    """Return what may have been asked where rules were published."""
    event: Any = kept.event
    yield publishing.ApproveRules, {"proposal_id": event.proposal, "operator": event.checker}


def prepare_payment(kept: Kept) -> Candidates:
    """Return what may have been asked where a payment was prepared."""
    details = kept.event.details  # type: ignore[attr-defined]
    whom = kept.find(details.payee.bytes)
    if not isinstance(whom, payee.Payee):
        return
    fields: Fields = {
        "customer_id": details.customer,
        "card_id": details.card,
        "operation": details.operation,
        "payee_kind": details.payee_kind,
        "payee_code": whom.code,
        "service_id": details.service,
        "amount_tyiyn": details.amount,
        "currency_code": details.currency,
        "fields": details.fields,
        "code_key": parts_of(details.code_key)[2] if details.code_key else "",
    }
    for category in dict.fromkeys((details.merchant_category_code, "")):
        yield PreparePayment, {**fields, "merchant_category_code": category}


def _of_payment(kept: Kept) -> payment.Payment | None:
    found = kept.before
    return found if isinstance(found, payment.Payment) else None


def confirm_payment(kept: Kept) -> Candidates:
    """Return what may have been asked where a payment was confirmed."""
    found = _of_payment(kept)
    if found is not None:
        yield ConfirmPayment, {"payment_id": own_id(kept), "customer_id": found.details.customer}


def answer_payment(answer: settle.Answer) -> Builder:
    """Return what may have been asked where a provider answered."""

    def build(kept: Kept) -> Candidates:
        event: Any = kept.event
        said: Fields = {
            name: getattr(event, name) for name in ("by", "provider_reference", "explanation") if hasattr(event, name)
        }
        yield settle.AnswerPayment, {"payment_id": own_id(kept), "answer": answer, **said}

    return build


def request_token(kept: Kept) -> Candidates:
    """Return what may have been asked where a token was requested."""
    event: Any = kept.event
    seen = (each for row, each in kept.following[:4] if row.originator_id == event.device.bytes)
    known = next(seen, None) or kept.find(event.device.bytes)
    if not isinstance(known, device.Device | device.DeviceRegistered):
        return
    names = ("device_id", "model", "android_version", "nfc")
    yield (
        tokenise.RequestToken,
        {
            "card_id": event.card,
            "customer_id": event.customer,
            "device": {name: getattr(known, name) for name in names},
            "masked_number": event.masked,
        },
    )


def end_token(kept: Kept) -> Candidates:
    """Return what may have been asked where a token was ended."""
    event: Any = kept.event
    if event.cause is token.Cause.INACTIVITY:
        yield tokenise.RecordInactivity, {"token_id": own_id(kept)}
    elif event.cause.value in set(tokenise.Ender):
        by = tokenise.Ender(event.cause.value)
        yield tokenise.DeactivateToken, {"token_id": own_id(kept), "by": by, "explanation": event.explanation}


def of_device(kind: type[Command]) -> Builder:
    """Return what may have been asked where a device was blocked or unblocked."""

    def build(kept: Kept) -> Candidates:
        event: Any = kept.event
        found = kept.before
        if isinstance(found, device.Device):
            fields = {"customer_id": UUID(bytes=found.customer), "device_id": found.device_id}
            yield kind, {**fields, "explanation": event.explanation}

    return build


def link_phone(kept: Kept) -> Candidates:
    """Return what may have been asked where a phone number was linked."""
    event: Any = kept.event
    fields = {"alias_id": own_id(kept), "customer_id": event.customer, "card_id": event.card, "phone": event.phone}
    yield alias.LinkPhone, {**fields, "own": True, "verdict": event.verdict}


def unlink_phone(kept: Kept) -> Candidates:
    """Return what may have been asked where a phone number was unlinked."""
    found = kept.before
    if isinstance(found, alias.Alias):
        yield alias.UnlinkPhone, {"alias_id": own_id(kept), "customer_id": UUID(bytes=found.customer)}


def issue_qr(kept: Kept) -> Candidates:
    """Return what may have been asked where a code was issued."""
    event: Any = kept.event
    fields = {
        "customer_id": event.customer,
        "card_id": event.card,
        "provider": event.provider,
        "dynamic": event.dynamic,
        "amount_tyiyn": event.amount or None,
    }
    for editable in (event.amount_editable, True):
        yield transfer_qr.IssueTransferQr, {**fields, "amount_editable": editable}


def close_file(kept: Kept) -> Candidates:
    """Return what may have been asked where a credit file was closed."""
    file = kept.before
    if isinstance(file, credit.CreditFile):
        for count in dict.fromkeys((file.received, file.lines)):
            yield (
                credit.CloseCreditFile,
                {"file_id": own_id(kept), "line_count": count, "sum_tyiyn": file.received_total},
            )
