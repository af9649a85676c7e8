"""Clearing without an authorisation: force posts, refunds, and notices of what is already posted."""

from typing import TYPE_CHECKING, ClassVar, Self
from uuid import UUID

from pydantic import model_validator

from domain.authorization import (
    Authorization,
    ForcePosted,
    RefundAuthorized,
    RefundPosted,
    State,
)
from domain.claim import Claim, SettlementNoticed
from domain.cleared import Cleared, ClearingReference
from domain.command import (
    AccountId,
    Amount,
    Command,
    CurrencyCode,
    EffectiveTime,
    MerchantCategoryCode,
    MerchantName,
    Reference,
    Tags,
    effective_refusal,
)
from domain.event import Change, Context
from domain.refusals import Reason, Refusal, invalid, refuse
from domain.resolve import CaptureParts, capture_legs, owner_refusal

if TYPE_CHECKING:
    from domain.books import Books


class ForcePost(Cleared):
    """Post a clearing line that has no authorisation, whatever the balance."""

    NAME: ClassVar[str] = "force_post"

    account_id: AccountId
    credit_account_id: AccountId
    amount_tyiyn: Amount
    currency_code: CurrencyCode = ""
    clearing_reference: ClearingReference
    parts: CaptureParts = ()
    merchant_name: MerchantName = ""
    merchant_category_code: MerchantCategoryCode = ""
    reference: Reference = ""
    tags: Tags = {}
    effective_time: EffectiveTime | None = None

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: effective time, clearing reference unseen, accounts, bounds, currency."""
        refusal = effective_refusal(self.effective_time, context) or self.cleared_refusal(books)
        if refusal is not None:
            return refusal
        legs = capture_legs(
            books,
            self.parts,
            kind="force_post",
            debit=self.account_id,
            credit=self.credit_account_id,
            amount=self.amount_tyiyn,
        )
        if isinstance(legs, Refusal):
            return legs
        if not books.in_currency(self.account_id, self.currency_code):
            return refuse(Reason.CURRENCY_MISMATCH)
        event = ForcePosted(
            account=self.account_id,
            amount=self.amount_tyiyn,
            legs=legs,
            clearing_reference=self.clearing_reference,
            merchant_name=self.merchant_name,
            merchant_category_code=self.merchant_category_code,
            reference=self.reference,
            tags=self.tags,
            effective_time=self.effective_time,
            fingerprint=self.fingerprint(),
        )
        return [
            Change(context.request_id, 1, event),
            self.clearing_claimed(context.request_id, self.amount_tyiyn),
        ]


class AuthorizeRefund(Command):
    """Announce a refund. Nothing moves."""

    NAME: ClassVar[str] = "authorize_refund"

    account_id: AccountId
    amount_tyiyn: Amount
    currency_code: CurrencyCode = ""
    authorization_id: UUID | None = None
    merchant_name: MerchantName = ""
    reference: Reference = ""

    def target(self) -> UUID | None:
        """Return the authorisation's id, None when there is none."""
        return self.authorization_id

    def needs(self) -> tuple[bytes, ...]:
        """Return the aggregates that must be at hand for the decision."""
        return () if self.authorization_id is None else (self.authorization_id.bytes,)

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: account, authorisation."""
        index = books.accounts.find(self.account_id)
        if index < 0:
            return refuse(Reason.ACCOUNT_NOT_FOUND, account_id=self.account_id)
        if self.authorization_id is not None:
            original = books.aggregate(self.authorization_id.bytes)
            if not isinstance(original, Authorization) or original.account != self.account_id:
                return refuse(Reason.AUTHORIZATION_NOT_FOUND, authorization_id=self.authorization_id)
            refusal = owner_refusal(original)
            if refusal is not None:
                return refusal
        if not books.in_currency(self.account_id, self.currency_code):
            return refuse(Reason.CURRENCY_MISMATCH)
        if books.accounts.is_closed(index):
            return refuse(Reason.ACCOUNT_CLOSED, account_id=self.account_id)
        refusal = books.accounts.reserved_refusal(index)
        if refusal is not None:
            return refusal
        event = RefundAuthorized(
            account=self.account_id,
            amount=self.amount_tyiyn,
            authorization=self.authorization_id,
            merchant_name=self.merchant_name,
            reference=self.reference,
            fingerprint=self.fingerprint(),
        )
        return [Change(context.request_id, 1, event)]


class PostRefund(Cleared):
    """Give money back: linked to an authorisation, up to what was captured, or unlinked as a merchant credit."""

    NAME: ClassVar[str] = "post_refund"

    authorization_id: UUID | None = None
    account_id: AccountId | None = None
    merchant_account_id: AccountId | None = None
    amount_tyiyn: Amount
    currency_code: CurrencyCode = ""
    clearing_reference: ClearingReference
    merchant_name: MerchantName = ""
    reference: Reference = ""
    tags: Tags = {}
    effective_time: EffectiveTime | None = None

    def target(self) -> UUID | None:
        """Return the authorisation's id, None when there is none."""
        return self.authorization_id

    def needs(self) -> tuple[bytes, ...]:
        """Return the aggregates that must be at hand for the decision."""
        return () if self.authorization_id is None else (self.authorization_id.bytes,)

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if self.authorization_id is not None and (self.account_id or self.merchant_account_id):
            raise ValueError("names an authorisation and accounts: the authorisation says which they are")
        return self

    def touched_accounts(self, books: "Books") -> tuple[int, ...]:
        """Return the account that gives the money back, where it must have it."""
        return () if self.merchant_account_id is None else (self.merchant_account_id,)

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: effective time, original, clearing reference unseen, amount, accounts, funds."""
        refusal = effective_refusal(self.effective_time, context)
        if refusal is not None:
            return refusal
        original: Authorization | None = None
        if self.authorization_id is not None:
            found = books.aggregate(self.authorization_id.bytes)
            if not isinstance(found, Authorization):
                return refuse(Reason.AUTHORIZATION_NOT_FOUND, authorization_id=self.authorization_id)
            refusal = owner_refusal(found)
            if refusal is not None:
                return refusal
            if found.state is State.DECLINED:
                return refuse(Reason.AUTHORIZATION_DECLINED, authorization_id=self.authorization_id)
            original = found
        refusal = self.cleared_refusal(books)
        if refusal is not None:
            return refusal
        if original is not None and self.amount_tyiyn > original.captured - original.refunded:
            return refuse(Reason.OVER_REFUND, refundable_tyiyn=original.captured - original.refunded)
        credit = original.account if original is not None else self.account_id
        debit = original.details.credit_account if original is not None else self.merchant_account_id
        if credit is None:
            return invalid("account_id", "MISSING", "name the account, or the authorisation that is refunded")
        if debit is None:
            return invalid("merchant_account_id", "MISSING", "name the account that gives the money back")
        legs = capture_legs(books, (), kind="refund", debit=debit, credit=credit, amount=self.amount_tyiyn)
        if isinstance(legs, Refusal):
            return legs
        if not books.in_currency(credit, self.currency_code):
            return refuse(Reason.CURRENCY_MISMATCH)
        refusal = None if original is not None else self._unfunded(books, debit)
        if refusal is not None:
            return refusal
        event = RefundPosted(
            account=credit,
            amount=self.amount_tyiyn,
            legs=legs,
            clearing_reference=self.clearing_reference,
            merchant_name=self.merchant_name,
            reference=self.reference,
            tags=self.tags,
            effective_time=self.effective_time,
            fingerprint=self.fingerprint(),
            spending_returned=None if original is None else original.returned_by_refund(self.amount_tyiyn),
        )
        if original is None:
            change = Change(context.request_id, 1, event)
        else:
            change = Change(original.authorization_id, original.version + 1, event)
        return [change, self.clearing_claimed(change.originator_id, self.amount_tyiyn)]

    def _unfunded(self, books: "Books", debit: int) -> Refusal | None:
        """Return why a customer's account cannot give a merchant credit; a merchant's always can."""
        accounts, index = books.accounts, books.accounts.find(debit)
        if not accounts.is_customer(index):
            return None
        refusal = accounts.debit_refusal(index)
        if refusal is None and self.amount_tyiyn > accounts.spendable(index):
            refusal = refuse(Reason.INSUFFICIENT_FUNDS, account_id=debit)
        return refusal


class RecordSettlementNotice(Cleared):
    """Record a clearing line that names a movement already posted. Nothing moves."""

    NAME: ClassVar[str] = "record_settlement_notice"

    clearing_reference: ClearingReference
    amount_tyiyn: Amount

    def target(self) -> UUID:
        """Return the id of the claim on the clearing reference."""
        return UUID(bytes=self.clearing_id())

    def needs(self) -> tuple[bytes, ...]:
        """Return the aggregates that must be at hand for the decision."""
        return (self.clearing_id(),)

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guard only that the reference is known."""
        seen = books.aggregate(self.clearing_id())
        if not isinstance(seen, Claim):
            return refuse(Reason.CLEARING_REFERENCE_NOT_FOUND, clearing_reference=self.clearing_reference)
        event = SettlementNoticed(
            clearing_reference=self.clearing_reference,
            amount=self.amount_tyiyn,
            fingerprint=self.fingerprint(),
            acquirer=self.acquirer_id,
        )
        return [Change(self.clearing_id(), seen.version + 1, event)]
