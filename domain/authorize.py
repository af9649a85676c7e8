"""Making an authorisation: on the ledger's own answer (authorise) or after somebody else's (advise)."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from domain.authorization import (
    ACQUIRER_CLAIM,
    AmountPart,
    AuthorizationAdvised,
    AuthorizationApproved,
    AuthorizationDeclined,
)
from domain.card import Card, bound_to, find, status_refusal
from domain.claim import Claim, claim
from domain.command import (
    AccountId,
    AcquirerId,
    Amount,
    CurrencyCode,
    EffectiveTime,
    EntryMode,
    MerchantCategoryCode,
    MerchantName,
    MovementKind,
    Reference,
    Tags,
    effective_refusal,
)
from domain.event import Change, Context
from domain.fiscal import AtTill
from domain.ids import claim_id
from domain.limits import Spending, customer_limit_refusal
from domain.published import hold_rule
from domain.refusals import Reason, Refusal, invalid, refuse
from domain.rules import Operation
from domain.times import SECOND

if TYPE_CHECKING:
    from domain.books import Books

MAX_PARTS = 8


class PartModel(BaseModel):
    """The rules of an amount part's fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: MovementKind
    amount_tyiyn: Amount


class Spender(BaseModel):
    """Whose limits an authorisation counts against, and as what. It comes from inside, never from a request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operation: Operation
    customer_id: UUID | None = None
    card_id: UUID | None = None
    token_id: UUID | None = None

    def spending(self, amount: int, rules: str) -> Spending:
        """Return what an amount takes of limits."""
        return Spending(self.operation, amount, self.customer_id, self.card_id, self.token_id, rules)


class _NewAuthorization(AtTill):
    """The content both commands share. It names the account to be held, or a card of it."""

    account_id: AccountId | None = None
    card_id: UUID | None = None
    credit_account_id: AccountId
    amount_tyiyn: Amount
    requested_amount_tyiyn: Amount | None = None
    currency_code: CurrencyCode = ""
    kind: MovementKind = "purchase"
    merchant_category_code: MerchantCategoryCode = ""
    entry_mode: EntryMode = ""
    acquirer_id: AcquirerId = ""
    acquirer_reference: Reference = ""
    merchant_name: MerchantName = ""
    reference: Reference = ""
    tags: Tags = {}
    parts: Annotated[tuple[PartModel, ...], Field(max_length=MAX_PARTS)] = ()

    @model_validator(mode="after")
    def _two_accounts(self) -> Self:
        if (self.account_id is None) == (self.card_id is None):
            raise ValueError("names neither an account nor a card, or both")
        if self.account_id == self.credit_account_id:
            raise ValueError("holds and credits the same account")
        return self

    def needs(self) -> tuple[bytes, ...]:
        """Return the card."""
        return () if self.card_id is None else (self.card_id.bytes,)

    def touched_accounts(self, books: "Books") -> tuple[int, ...]:
        """Return the account whose available balance the decision reads."""
        return (self._account(books),)

    def claims(self) -> tuple[bytes, ...]:
        """Return the claims on the acquirer's reference and on the till's receipt."""
        acquirer = (claim_id(ACQUIRER_CLAIM, self._reference_key()),) if self.acquirer_reference else ()
        return acquirer + self.receipt_claims()

    def _card(self, books: "Books") -> Card | None:
        """Return the card it names, if there is one."""
        card = None if self.card_id is None else books.aggregate(self.card_id.bytes)
        return card if isinstance(card, Card) else None

    def _account(self, books: "Books") -> int:
        """Return the account to be held, the card's where it names one; 0 where there is no such card."""
        if self.account_id is not None:
            return self.account_id
        card = self._card(books)
        return 0 if card is None else card.account

    def _reference_key(self) -> str:
        return f"{self.acquirer_id}/{self.acquirer_reference}"

    def _details(self, books: "Books", amount: int) -> dict[str, Any]:
        account, card = self._account(books), self._card(books)
        index = books.accounts.find(account)
        return {
            "account": account,
            "credit_account": self.credit_account_id,
            "amount": amount,
            "currency": self.currency_code or (books.currencies[books.accounts.currency[index]] if index >= 0 else ""),
            "kind": self.kind,
            "requested": self.requested_amount_tyiyn,
            "merchant_category_code": self.merchant_category_code,
            "entry_mode": self.entry_mode,
            "acquirer_id": self.acquirer_id,
            "acquirer_reference": self.acquirer_reference,
            "merchant_name": self.merchant_name,
            "reference": self.reference,
            "tags": self.tags,
            "parts": tuple(AmountPart(part.kind, part.amount_tyiyn) for part in self.parts),
            "fingerprint": self.fingerprint(),
            "till_id": self.till_id,
            "fiscal_receipt_number": self.fiscal_receipt_number,
            "card": self.card_id,
            "masked_number": "" if card is None else card.masked,
        }

    def _existence(self, books: "Books") -> Refusal | None:
        held = self._account(books)
        if held == self.credit_account_id:
            return invalid("credit_account_id", "SAME_ACCOUNT", "is the account that pays")
        accounts = books.accounts
        held_index, credit_index = accounts.find(held), accounts.find(self.credit_account_id)
        if held_index < 0 or credit_index < 0:
            return refuse(Reason.ACCOUNT_NOT_FOUND, account_id=held if held_index < 0 else self.credit_account_id)
        return accounts.reserved_refusal(held_index) or accounts.reserved_refusal(credit_index)

    def _currency(self, books: "Books") -> Refusal | None:
        accounts = books.accounts
        currency = accounts.currency[accounts.find(self._account(books))]
        named = self.currency_code or books.currencies[currency]
        if accounts.currency[accounts.find(self.credit_account_id)] != currency or named != books.currencies[currency]:
            return refuse(Reason.CURRENCY_MISMATCH)
        return None

    def _earlier(self, books: "Books", context: Context) -> tuple[Claim | None, Refusal | None]:
        """Return the claim on the acquirer's reference, and the refusal that follows from it or the till's receipt."""
        earlier = books.claim(ACQUIRER_CLAIM, self._reference_key()) if self.acquirer_reference else None
        if earlier is None:
            return None, self.receipt_refusal(books)
        if earlier.holder is not None:
            return earlier, refuse(Reason.ACQUIRER_REFERENCE_SEEN)
        if earlier.early_reversal_until is not None and context.now < earlier.early_reversal_until:
            return earlier, refuse(Reason.REVERSED_BEFORE)
        return earlier, self.receipt_refusal(books)

    def _with_claims(self, change: Change, earlier: Claim | None) -> list[Change]:
        changes, holder = [change], change.originator_id
        if self.acquirer_reference:
            changes.append(claim(ACQUIRER_CLAIM, self._reference_key(), holder=holder, after=earlier))
        return changes + self.receipt_claimed(holder, self.amount_tyiyn)

    def _expiry(self, books: "Books", context: Context) -> dict[str, Any]:
        ttl, version = self._hold_rule(books, context)
        return {"expires_at": context.now + ttl * SECOND, "rule_version": version}

    def _hold_rule(self, books: "Books", context: Context) -> tuple[int, str]:
        return hold_rule(books, context, self.kind, self.merchant_category_code, self.entry_mode)

    def declined(self, books: "Books", refusal: Refusal, context: Context) -> list[Change]:
        """Return the change that records the refusal: an authorisation that was declined."""
        event = AuthorizationDeclined(
            reason=refusal.reason.name,
            detail=dict(refusal.metadata),
            rule_version=self._hold_rule(books, context)[1],
            effective_time=self._effective_time(),
            **self._details(books, self.amount_tyiyn),
        )
        return [Change(context.request_id, 1, event)]

    def _effective_time(self) -> int | None:
        return None


class Authorize(_NewAuthorization):
    """Hold an amount if the account covers it. With ``accept_partial`` what is available is held instead."""

    NAME: ClassVar[str] = "authorize"

    accept_partial: bool = False
    spender: Spender | None = None

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: card, accounts, currency, acquirer's reference, receipt, state, limits, funds, bounds."""
        refusal = self._unusable(books, context) or self._existence(books) or self._currency(books)
        if refusal is not None:
            return refusal
        earlier, refusal = self._earlier(books, context)
        if refusal is not None:
            return refusal
        accounts = books.accounts
        account = self._account(books)
        index = accounts.find(account)
        refusal = accounts.debit_refusal(index)
        if refusal is not None:
            return refusal
        spending = self._spending(books, context, self.amount_tyiyn)
        if spending is not None:
            refusal = customer_limit_refusal(books, spending, context.now)
            if refusal is not None:
                return refusal
        amount, asked = self.amount_tyiyn, None
        spendable = accounts.spendable(index)
        if amount > spendable:
            if not self.accept_partial or spendable <= 0:
                return refuse(Reason.INSUFFICIENT_FUNDS, account_id=account)
            amount, asked = spendable, amount
        if accounts.hold_would_pass_limit(index, amount):
            return refuse(Reason.BALANCE_LIMIT)
        event = AuthorizationApproved(
            asked=asked,
            spending=self._spending(books, context, amount),
            **self._expiry(books, context),
            **self._details(books, amount),
        )
        return self._with_claims(Change(context.request_id, 1, event), earlier)

    def _spending(self, books: "Books", context: Context, amount: int) -> Spending | None:
        spender = self.spender or self._card_spender(books)
        return None if spender is None else spender.spending(amount, books.rules.at(context.now).version)

    def _unusable(self, books: "Books", context: Context) -> Refusal | None:
        """Return why the card cannot be used, whoever holds it. In order: known, status, expiry."""
        if self.card_id is None:
            return None
        card = find(books, self.card_id.bytes)
        return card if isinstance(card, Refusal) else status_refusal(books, card, context.now)

    def _card_spender(self, books: "Books") -> Spender | None:
        """Return whose limits a card counts against: its own, and its customer's where it is bound to one."""
        card = self._card(books)
        if card is None:
            return None
        customer = bound_to(books, card)
        whose = None if customer is None else UUID(bytes=customer)
        return Spender(operation=Operation.POS_PAYMENT, customer_id=whose, card_id=self.card_id)


class Advise(_NewAuthorization):
    """Hold an amount that was approved elsewhere: the balance, a freeze and a closure do not matter any more."""

    NAME: ClassVar[str] = "advise"

    effective_time: EffectiveTime | None = None

    def _effective_time(self) -> int | None:
        return self.effective_time

    def _unknown_card(self, books: "Books") -> Refusal | None:
        """Return the refusal of a card that is not known; how it stands does not matter any more."""
        found = None if self.card_id is None else find(books, self.card_id.bytes)
        return found if isinstance(found, Refusal) else None

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: card (known), accounts, currency, effective time, acquirer's reference, receipt, bounds."""
        refusal = self._unknown_card(books) or self._existence(books) or self._currency(books)
        refusal = refusal or effective_refusal(self.effective_time, context)
        if refusal is not None:
            return refusal
        earlier, refusal = self._earlier(books, context)
        if refusal is not None:
            return refusal
        if books.accounts.hold_would_pass_limit(books.accounts.find(self._account(books)), self.amount_tyiyn):
            return refuse(Reason.BALANCE_LIMIT)
        event = AuthorizationAdvised(
            effective_time=self.effective_time,
            **self._expiry(books, context),
            **self._details(books, self.amount_tyiyn),
        )
        return self._with_claims(Change(context.request_id, 1, event), earlier)
