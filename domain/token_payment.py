"""Paying with a token at a terminal (rows S30 and S35 to S37): a decision on an authorisation of the card's account.

The cryptogram is tried beforehand, where the keys are; what reaches the decision is the verdict. A right cryptogram
uses up its value of the counter whatever becomes of the payment, so that what a terminal has heard once is worth
nothing later: the record of a decline carries the token's own event with it. A wrong one uses up nothing, or anybody
could stop a phone by guessing.
"""

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final
from uuid import UUID

import msgspec
from pydantic import Field

from domain.authorization import ACQUIRER_CLAIM
from domain.authorize import Authorize, Spender
from domain.card import Card, usable
from domain.command import (
    AccountId,
    AcquirerId,
    Amount,
    CurrencyCode,
    EntryMode,
    MerchantCategoryCode,
    MerchantName,
    Reference,
    Tags,
)
from domain.credentials import Verdict
from domain.device import Device
from domain.event import Change, Context
from domain.fiscal import AtTill
from domain.ids import claim_id
from domain.pan import Expiry, expired
from domain.refusals import Reason, Refusal, invalid, refuse
from domain.rules import Operation
from domain.tap import Tap
from domain.times import date_of, day_of
from domain.token import State, Token, TokenUsed, find, following, state_refusal
from domain.token_counter import MAX_COUNTER, counter_reason

if TYPE_CHECKING:
    from domain.books import Books

MAX_TAP: Final = 999_999_999_999
"""The most one tap can pay, in tyiyn: the amount has twelve digits (EMV, tag 9F02)."""
CONTACTLESS: Final = "contactless"


class AuthorizeTokenPayment(AtTill):
    """Hold an amount of the account of a token's card, if the tap is the phone's and the card may pay it."""

    NAME: ClassVar[str] = "authorize_token_payment"
    SECRETS: ClassVar[frozenset[str]] = frozenset({"verdict"})

    token_id: UUID
    expires: Expiry
    """What the phone says of the token's expiry, ``year * 100 + month``."""
    credit_account_id: AccountId
    amount_tyiyn: Annotated[Amount, Field(le=MAX_TAP)]
    currency_code: CurrencyCode
    entry_mode: EntryMode
    cardholder_verified: Annotated[bool, Field(strict=True)]
    """Whether the phone was unlocked for this tap."""
    counter: Annotated[int, Field(strict=True, ge=0, le=MAX_COUNTER)]
    key_sequence: Annotated[int, Field(strict=True, ge=1, le=65_535)]
    verdict: Verdict
    merchant_category_code: MerchantCategoryCode = ""
    acquirer_id: AcquirerId = ""
    acquirer_reference: Reference = ""
    merchant_name: MerchantName = ""
    reference: Reference = ""
    tags: Tags = {}
    transaction_date: date
    """The terminal's date. The cryptogram is over it."""
    tap: Annotated[str, Field(max_length=32)] = ""
    """What else the cryptogram is over: country and the terminal's unpredictable number."""

    def needs(self) -> tuple[bytes, ...]:
        return (self.token_id.bytes,)

    def claims(self) -> tuple[bytes, ...]:
        acquirer = (claim_id(ACQUIRER_CLAIM, f"{self.acquirer_id}/{self.acquirer_reference}"),)
        return (acquirer if self.acquirer_reference else ()) + self.receipt_claims()

    def touched_accounts(self, books: "Books") -> tuple[int, ...]:
        token = find(books, self.token_id.bytes)
        return () if isinstance(token, Refusal) else (_card(books, token).account,)

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: known, expiry, state, card and customer, entry, phone, cryptogram, counter, key, date.

        Then the receipt, and those of every authorisation: accounts, currency, reference, state, limits, funds.
        """
        token = find(books, self.token_id.bytes)
        if isinstance(token, Refusal):
            return token
        refusal = self._expiry(token, context) or payable(token, context.now)
        if refusal is not None:
            return refusal
        found = usable(books, token.card, token.customer, context.now)
        if isinstance(found, Refusal):
            return found
        card, customer = found
        refusal = self._entry(books, token) or self._tap(token) or self._key(token, context.now) or self._date(context)
        if refusal is not None:
            return refusal
        refusal = self._claimed(books, card)
        if refusal is not None:
            return refusal
        held = self._hold(card, customer.customer_id).decide(books, context)
        if isinstance(held, Refusal):
            return held
        # From here on the amount is held.
        first, *claims = held
        approved = msgspec.structs.replace(first.event, **self._own(books, token))
        return [first._replace(event=approved), self._used(token, context, self.amount_tyiyn), *claims]

    def declined(self, books: "Books", refusal: Refusal, context: Context) -> list[Change]:
        """Return the record of a decline, and with it the counter's value as used up if the cryptogram is right."""
        token = find(books, self.token_id.bytes)
        if isinstance(token, Refusal):
            raise TypeError("nothing is recorded of a token that is not known")
        first, *others = self._hold(_card(books, token), token.customer).declined(books, refusal, context)
        declined = msgspec.structs.replace(first.event, **self._own(books, token))
        used = [self._used(token, context, 0)] if self._tap(token) is None else []
        return [first._replace(event=declined), *others, *used]

    # Guards.

    def _expiry(self, token: Token, context: Context) -> Refusal | None:
        if token.keys is None:
            return None  # Not in any phone yet: the state says so.
        if expired(token.expires, context.now, context.policy.utc_offset_seconds):
            return self._refuse(Reason.TOKEN_EXPIRED)
        return None if token.expires == self.expires else self._refuse(Reason.TOKEN_EXPIRY_WRONG)

    def _entry(self, books: "Books", token: Token) -> Refusal | None:
        if self.entry_mode != CONTACTLESS:
            return self._refuse(Reason.ENTRY_MODE_NOT_ALLOWED, entry_mode=self.entry_mode)
        device = books.aggregate(token.device)
        if isinstance(device, Device) and device.blocked:
            return refuse(Reason.DEVICE_BLOCKED, device_id=device.device_id)
        return None if self.cardholder_verified else self._refuse(Reason.DEVICE_LOCKED)

    def _tap(self, token: Token) -> Refusal | None:
        """Return why a tap uses up no value of the counter."""
        if token.keys is not None and self.key_sequence < token.keys.sequence:
            return self._refuse(Reason.KEY_SUPERSEDED)
        if token.keys is None or self.key_sequence != token.keys.sequence or self.verdict is not Verdict.RIGHT:
            return self._refuse(Reason.CRYPTOGRAM_WRONG)
        reason = counter_reason(token.counter, self.counter)
        return None if reason is None else self._refuse(reason, counter=self.counter)

    def _key(self, token: Token, now: int) -> Refusal | None:
        keys = token.keys
        if keys is None or now >= keys.until:
            return self._refuse(Reason.KEY_USED_UP, limit="age")
        if token.uses >= keys.max_uses:
            return self._refuse(Reason.KEY_USED_UP, limit="uses")
        if token.spent + self.amount_tyiyn > keys.max_amount:
            return self._refuse(Reason.KEY_USED_UP, limit="amount")
        return None

    def _date(self, context: Context) -> Refusal | None:
        """Refuse a tap of another time: right as it is, it was kept back, or its terminal's clock is wrong."""
        today = date_of(day_of(context.now, context.policy.utc_offset_seconds))
        if abs((self.transaction_date - today).days) <= context.policy.tokens.tap_days:
            return None
        return self._refuse(Reason.TAP_DATE_WRONG, transaction_date=self.transaction_date, today=today)

    def _claimed(self, books: "Books", card: Card) -> Refusal | None:
        if self.credit_account_id == card.account:
            return invalid("credit_account_id", "SAME_ACCOUNT", "is the account that pays")
        return self.receipt_refusal(books)

    def _refuse(self, reason: Reason, **figures: object) -> Refusal:
        return refuse(reason, token_id=self.token_id, **figures)

    # What it makes.

    def _hold(self, card: Card, customer_id: bytes) -> Authorize:
        """Return the authorisation in it. Its fields have been validated here."""
        spender = Spender(
            operation=Operation.POS_PAYMENT,
            customer_id=UUID(bytes=customer_id),
            card_id=UUID(bytes=card.card_id),
            token_id=self.token_id,
        )
        shared = {name: getattr(self, name) for name in _SHARED}
        return Authorize.model_construct(account_id=card.account, kind="purchase", spender=spender, **shared)

    def _own(self, books: "Books", token: Token) -> dict[str, Any]:
        return {
            "card": UUID(bytes=token.card),
            "masked_number": _card(books, token).masked,
            "token": self.token_id,
            "fingerprint": self.fingerprint(),
            "tap": Tap(
                expires=self.expires,
                counter=self.counter,
                key_sequence=self.key_sequence,
                date=self.transaction_date,
                over=self.tap,
                cardholder_verified=self.cardholder_verified,
                verdict=self.verdict,
            ),
        }

    def _used(self, token: Token, context: Context, amount: int) -> Change:
        used = TokenUsed(counter=self.counter, authorization=UUID(bytes=context.request_id), amount=amount)
        return following(token, used)


_SHARED: Final = set(AuthorizeTokenPayment.model_fields) & set(Authorize.model_fields)


def payable(token: Token, now: int) -> Refusal | None:
    """Return why a token in its state cannot pay."""
    return None if token.state(now) is State.ACTIVE else state_refusal(token, now)


def _card(books: "Books", token: Token) -> Card:
    card = books.aggregate(token.card)
    if not isinstance(card, Card):
        raise TypeError(f"token {token.token_id.hex()} stands for no card")
    return card
