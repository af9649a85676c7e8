"""Requests about accounts, transfers and authorisations, from what their events keep of them."""

from collections.abc import Callable, Iterable
from typing import Any, Final
from uuid import UUID

from domain import account, authorization, authorize, bulk, clearing, quote, resolve, token_payment, transfer, transit
from domain.claim import ClaimMade
from domain.cleared import ACQUIRERS_CLEARING_CLAIM
from domain.command import Command
from domain.event import Leg
from domain.ids import parts_of
from domain.quoting import ConfirmQuote, CreateQuote
from domain.transfer_reversal import ReverseTransfer
from ledger.audit.replay.kept import Kept

Fields = dict[str, Any]
Candidates = Iterable[tuple[type[Command], Fields]]

Builder = Callable[[Kept], Candidates]


def same(kind: type[Command], target: str, *names: str, **renamed: str) -> Builder:
    """Return what builds a command from its target and fields of the event: of the same name, or ``field=event's``."""

    def build(kept: Kept) -> Candidates:
        fields: Fields = {name: getattr(kept.event, name) for name in names}
        fields |= {name: getattr(kept.event, of) for name, of in renamed.items()}
        if target:
            fields[target] = own_id(kept) if target != "account_id" else int.from_bytes(kept.row.originator_id, "big")
        yield kind, fields

    return build


def own_id(kept: Kept) -> UUID:
    """Return the id of the event's aggregate."""
    return UUID(bytes=kept.row.originator_id)


def _currencies(fields: Fields, currency: str = "KGS") -> Iterable[Fields]:
    """Return a request that leaves the currency to its accounts, and one that names it."""
    return [fields | {"currency_code": named} for named in ("", currency)]


def open_account(kept: Kept) -> Candidates:
    """Return what may have been asked where an account was opened."""
    event: Any = kept.event
    if event.kind is account.AccountKind.CLEARING:
        yield transit.OpenClearing, {"currency": event.currency, "reserved": event.reserved}
    fields = {
        "participant_id": event.participant,
        "kind": event.kind,
        "account_number": event.number,
        "overdraft_limit_tyiyn": event.overdraft_limit,
        "minimum_balance_tyiyn": event.minimum_balance,
        "reference": event.reference,
        "tags": event.tags,
        "partition": kept.row.partition,
    }
    for each in _currencies(fields, event.currency):
        yield account.OpenAccount, each


def confirmed_quote(kept: Kept) -> Candidates:
    """Return what may have been asked where a quoted transfer was posted."""
    event: Any = kept.event
    found = kept.find(event.quote.bytes)
    if isinstance(found, quote.Quote):
        yield ConfirmQuote, {"quote_id": event.quote, "customer_id": UUID(bytes=found.customer)}


def created_quote(kept: Kept) -> Candidates:
    """Return what was asked where a quote was made."""
    event: Any = kept.event
    yield CreateQuote, {"customer_id": event.customer, "card_id": event.card, **event.inputs}


def reverse_transfer(kept: Kept) -> Candidates:
    """Return what may have been asked where a transfer was reversed."""
    event: Any = kept.event
    amount = sum(leg.amount for leg in event.legs if leg.kind == transfer.REVERSAL)
    for named in (None, amount):
        yield ReverseTransfer, {"transfer_id": own_id(kept), "amount_tyiyn": named, "explanation": event.explanation}


def received_transfer(kept: Kept) -> Candidates:
    """Return what was asked where another partition's transfer was received, or refused."""
    event: Any = kept.event
    yield (
        transit.ReceiveTransfer,
        {
            "transfer_id": event.transfer,
            "debit_account_id": event.debit_account,
            "credit_account_id": event.credit_account,
            "amount_tyiyn": event.amount,
            **{name: getattr(event, name) for name in _CARRIED},
        },
    )


_CARRIED: Final = ("home", "sent_at", "currency", "kind", "reference", "tags", "effective_time")


def post_bulk(kept: Kept) -> Candidates:
    """Return what may have been asked where a bulk was posted."""
    event: Any = kept.event
    fields: Fields = {name: getattr(event, name) for name in ("kind", "references", "effective_time")}
    fields |= {
        "debit_account_ids": event.debit_accounts,
        "credit_account_ids": event.credit_accounts,
        "amounts_tyiyn": event.amounts,
    }
    return [(bulk.PostBulk, each) for each in _currencies(fields, event.currency)]


def reverse_bulk_leg(kept: Kept) -> Candidates:
    """Return what may have been asked where a leg of a bulk was reversed."""
    event: Any = kept.event
    for named in (None, sum(leg.amount for leg in event.legs)):
        asked = {"bulk_id": own_id(kept), "leg": event.leg, "amount_tyiyn": named, "explanation": event.explanation}
        yield bulk.ReverseBulkLeg, asked


_DETAILS: Final = (
    "till_id", "fiscal_receipt_number", "kind", "merchant_category_code", "entry_mode", "acquirer_id",
    "acquirer_reference", "merchant_name", "reference", "tags",
)  # fmt: skip


def authorized(kept: Kept) -> Candidates:
    """Return what may have been asked where an authorisation was made or declined."""
    event: Any = kept.event
    if event.token is not None:
        yield from _tapped(kept)
        return
    fields: Fields = {name: getattr(event, name) for name in _DETAILS}
    fields |= {
        "credit_account_id": event.credit_account,
        "amount_tyiyn": getattr(event, "asked", None) or event.amount,
        "requested_amount_tyiyn": event.requested,
        "parts": tuple({"kind": part.kind, "amount_tyiyn": part.amount} for part in event.parts),
        **({"account_id": event.account} if event.card is None else {"card_id": event.card}),
    }
    for each in _currencies(fields, event.currency):
        if not isinstance(event, authorization.AuthorizationAdvised):
            for partial in (False, True):
                yield authorize.Authorize, {**each, "accept_partial": partial}
        if not isinstance(event, authorization.AuthorizationApproved):
            yield authorize.Advise, {**each, "effective_time": event.effective_time}


_TAPPED: Final = set(_DETAILS) & set(token_payment.AuthorizeTokenPayment.model_fields)


def _tapped(kept: Kept) -> Candidates:
    """Return what may have been asked where a phone was tapped."""
    event: Any = kept.event
    tap = event.tap
    fields: Fields = {name: getattr(event, name) for name in _TAPPED}
    fields |= {
        "token_id": event.token,
        "credit_account_id": event.credit_account,
        "amount_tyiyn": event.amount,
        "expires": tap.expires,
        "counter": tap.counter,
        "key_sequence": tap.key_sequence,
        "transaction_date": tap.date,
        "tap": tap.over,
        "cardholder_verified": tap.cardholder_verified,
        "verdict": tap.verdict,
    }
    return [(token_payment.AuthorizeTokenPayment, each) for each in _currencies(fields, event.currency)]


def reversed_hold(kept: Kept) -> Candidates:
    """Return what may have been asked where an authorisation was reversed."""
    event: Any = kept.event
    said = {"by": event.by, "explanation": event.explanation}
    yield resolve.Reverse, {**said, "authorization_id": own_id(kept)}
    held = kept.before
    if isinstance(held, authorization.Authorization):
        reference = {
            "acquirer_id": held.details.acquirer_id,
            "acquirer_reference": held.details.acquirer_reference,
        }
        yield resolve.Reverse, {**said, **reference}
        yield resolve.Reverse, {**said, **reference, "authorization_id": own_id(kept)}


def early_reversal(kept: Kept) -> Candidates:
    """Return what may have been asked where a reversal came before its original."""
    event: Any = kept.event
    names = ("acquirer_id", "acquirer_reference", "by", "explanation")
    yield resolve.Reverse, {name: getattr(event, name) for name in names}


def _parts(legs: Iterable[Leg]) -> tuple[Fields, ...]:
    return tuple(
        {"kind": leg.kind, "amount_tyiyn": leg.amount, "credit_account_id": leg.credit_account} for leg in legs
    )


def _acquirer(kept: Kept) -> str:
    """Return whose record of clearing it was: the claim on its reference, in the same append, names them."""
    for _, event in kept.following[:1]:
        if isinstance(event, ClaimMade) and event.kind == ACQUIRERS_CLEARING_CLAIM:
            return parts_of(event.key)[0]
    return ""


def captured(kept: Kept) -> Candidates:
    """Return what may have been asked where an authorisation was captured."""
    event: Any = kept.event
    fields: Fields = {
        "authorization_id": own_id(kept),
        "amount_tyiyn": event.amount,
        "final": event.final,
        "clearing_reference": event.clearing_reference,
        "effective_time": event.effective_time,
        "acquirer_id": _acquirer(kept),
    }
    held = kept.before
    currency = held.details.currency if isinstance(held, authorization.Authorization) else ""
    for each in _currencies(fields, currency):
        for parts in ((), _parts(event.legs)):
            yield resolve.Capture, {**each, "parts": parts}


def force_posted(kept: Kept) -> Candidates:
    """Return what may have been asked where a clearing line was posted."""
    event: Any = kept.event
    names = ("clearing_reference", "merchant_name", "merchant_category_code", "reference", "tags", "effective_time")
    fields: Fields = {name: getattr(event, name) for name in names}
    fields |= {"account_id": event.account, "amount_tyiyn": event.amount, "acquirer_id": _acquirer(kept)}
    for each in _currencies(fields):
        for credited in dict.fromkeys(leg.credit_account for leg in event.legs):
            for parts in ((), _parts(event.legs)):
                yield clearing.ForcePost, {**each, "credit_account_id": credited, "parts": parts}


def refund_authorized(kept: Kept) -> Candidates:
    """Return what may have been asked where a refund was announced."""
    event: Any = kept.event
    fields = {
        "account_id": event.account,
        "amount_tyiyn": event.amount,
        "authorization_id": event.authorization,
        "merchant_name": event.merchant_name,
        "reference": event.reference,
    }
    return [(clearing.AuthorizeRefund, each) for each in _currencies(fields)]


def refund_posted(kept: Kept) -> Candidates:
    """Return what may have been asked where money was given back."""
    event: Any = kept.event
    names = ("clearing_reference", "merchant_name", "reference", "tags", "effective_time")
    fields: Fields = {name: getattr(event, name) for name in names}
    fields |= {"amount_tyiyn": event.amount, "acquirer_id": _acquirer(kept)}
    if kept.row.originator_version > 1:
        fields["authorization_id"] = own_id(kept)
    else:
        fields |= {"account_id": event.account, "merchant_account_id": event.legs[0].debit_account}
    return [(clearing.PostRefund, each) for each in _currencies(fields)]
