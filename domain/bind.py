"""Beginning to bind a card: who asks, what was typed, which card it is, how often it was tried, the funds.

The number, the CVV and the random amounts come from outside: the edge has looked at the number, asked the vault for
its card and the issuer for the CVV, and drawn amounts; none of that is part of what tells one request from another.
A number that no card has and a CVV or an expiry that are not the card's are refused alike. Only whoever has all three
right is told what the card is, and whose.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Self
from uuid import UUID

from pydantic import Field, model_validator

from domain import wallet
from domain.authorization import Authorization, AuthorizationApproved
from domain.binding import HOLD_KIND, LEAST_AMOUNT, MOST_AMOUNT, CardBindingRequested
from domain.card import REMEMBERED_HOLDS, Card, CardBindingOpened, bound_to, status_refusal
from domain.command import Command
from domain.customer import Customer, Tier
from domain.event import Change, Context
from domain.pan import Expiry, Masked, NumberFault, expired, number_refusal
from domain.refusals import Reason, Refusal, refuse
from domain.times import DAY, SECOND

if TYPE_CHECKING:
    from domain.books import Books

MONTH: Final = 30 * DAY

Candidate = Annotated[int, Field(strict=True, ge=LEAST_AMOUNT, le=MOST_AMOUNT)]


class Details(StrEnum):
    """What is known of the number, expiry and CVV that a customer typed."""

    RIGHT = "right"
    WRONG = "wrong"
    """They are no card's, or were not compared."""
    LOCKED = "locked"
    """They were not compared: the customer has typed too many wrong ones."""


class RequestCardBinding(Command):
    """Hold a random amount on a card's account, to be named by whoever holds the card."""

    NAME: ClassVar[str] = "request_card_binding"
    SECRETS: ClassVar[frozenset[str]] = frozenset(
        {"number_fault", "cvv_malformed", "details", "name", "hold_id", "candidates"}
    )
    UNKEPT: ClassVar[Mapping[str, Any]] = {
        "name": b"",
        "hold_id": UUID(int=0),
        "candidates": tuple(range(LEAST_AMOUNT, LEAST_AMOUNT + REMEMBERED_HOLDS + 1)),
    }

    customer_id: UUID
    card_id: UUID | None
    """The card that has the number; None when no card has."""
    masked_number: Masked
    number_fault: NumberFault | None = None
    expires: Expiry | None
    """None when it was no month and year."""
    cvv_malformed: bool = False
    details: Details = Details.WRONG
    name: bytes = b""
    name_mark: str = ""
    """Tells one name from another, by the customer's own key."""
    hold_id: UUID
    candidates: Annotated[tuple[Candidate, ...], Field(min_length=REMEMBERED_HOLDS + 1)]
    """Random amounts, no two alike, so that one of them is none of the card's last."""

    @model_validator(mode="after")
    def _no_two_alike(self) -> Self:
        if len(set(self.candidates)) < len(self.candidates):
            raise ValueError("holds an amount twice")
        return self

    def needs(self) -> tuple[bytes, ...]:
        """Return what the decision reads in any case."""
        card = () if self.card_id is None else (self.card_id.bytes,)
        return (self.customer_id.bytes, wallet.wallet_id(self.customer_id.bytes), *card)

    def touched_accounts(self, books: "Books") -> tuple[int, ...]:
        """Return the card's account, whose available balance the decision reads."""
        card = None if self.card_id is None else books.aggregate(self.card_id.bytes)
        return (card.account,) if isinstance(card, Card) else ()

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: the customer, what was typed, the card, whose it is, how often it was tried, the funds."""
        refusal = self._customer(books) or self._typed(context)
        if refusal is not None:
            return refusal
        card = None if self.card_id is None else books.aggregate(self.card_id.bytes)
        if self.details is Details.LOCKED:
            return refuse(Reason.CARD_DETAILS_LOCKED)
        if not isinstance(card, Card) or self.details is not Details.RIGHT or card.expires != self.expires:
            return refuse(Reason.CARD_DETAILS_WRONG)
        refusal = (
            status_refusal(books, card, context.now)
            or self._whose(books, card)
            or self._limits(books, card, context)
            or self._funds(books, card)
        )
        return refusal or self._begin(books, card, context)

    def _customer(self, books: "Books") -> Refusal | None:
        customer = books.aggregate(self.customer_id.bytes)
        if not isinstance(customer, Customer):
            return refuse(Reason.CUSTOMER_NOT_FOUND, customer_id=self.customer_id)
        if customer.erased:
            return refuse(Reason.CUSTOMER_ERASED, customer_id=self.customer_id)
        if not customer.confirmed:
            return refuse(Reason.CUSTOMER_NOT_CONFIRMED, customer_id=self.customer_id)
        if customer.tier is Tier.UNIDENTIFIED:
            return refuse(Reason.CUSTOMER_NOT_IDENTIFIED, customer_id=self.customer_id)
        return None

    def _typed(self, context: Context) -> Refusal | None:
        policy = context.policy
        reason = number_refusal(self.masked_number, self.number_fault, policy.card_prefix, policy.tokens.bin)
        if reason is None and self.expires is None:
            reason = Reason.CARD_EXPIRY_MALFORMED
        offset = policy.utc_offset_seconds
        if reason is None and self.expires is not None and expired(self.expires, context.now, offset):
            reason = Reason.CARD_EXPIRY_PAST
        if reason is None and self.cvv_malformed:
            reason = Reason.CVV_MALFORMED
        return None if reason is None else refuse(reason)

    def _whose(self, books: "Books", card: Card) -> Refusal | None:
        holder = bound_to(books, card)
        if holder is None:
            return None
        own = holder == self.customer_id.bytes
        return refuse(Reason.CARD_ALREADY_BOUND if own else Reason.CARD_BOUND_ELSEWHERE)

    def _limits(self, books: "Books", card: Card, context: Context) -> Refusal | None:
        policy, now = context.policy, context.now
        today = sum(session.at > now - DAY for session in card.sessions)
        if today >= policy.binding_sessions_per_day:
            return refuse(Reason.BINDING_LIMIT, limit="card_per_day")
        if sum(session.at > now - MONTH for session in card.sessions) >= policy.binding_sessions_per_month:
            return refuse(Reason.BINDING_LIMIT, limit="card_per_month")
        purse = wallet.find(books, self.customer_id.bytes)
        if len(purse.tried_since(now - DAY) | {card.card_id}) > policy.binding_cards_per_day:
            return refuse(Reason.BINDING_LIMIT, limit="cards_per_day")
        if len(purse.cards) >= policy.bound_cards:
            return refuse(Reason.BINDING_LIMIT, limit="bound_cards")
        return None

    def _funds(self, books: "Books", card: Card) -> Refusal | None:
        """Ask for the largest amount whichever is held, so that neither answer tells anything of the one that is.

        What earlier bindings hold counts as the largest amount too: else whoever pays small sums into the account, and
        asks again after each, would learn how much is held by when there is enough for another hold.
        """
        accounts, index = books.accounts, books.accounts.find(card.account)
        refusal = accounts.debit_refusal(index)
        if refusal is not None:
            return refuse(refusal.reason)
        earlier = [books.open[hold] for hold in books.holds.get(card.account, ())]
        secret = sum(MOST_AMOUNT - hold.remaining for hold in earlier if hold.details.kind == HOLD_KIND)
        if accounts.spendable(index) - secret < MOST_AMOUNT:
            return refuse(Reason.INSUFFICIENT_FUNDS)
        if accounts.hold_would_pass_limit(index, MOST_AMOUNT):
            return refuse(Reason.BALANCE_LIMIT)
        return None

    def _begin(self, books: "Books", card: Card, context: Context) -> list[Change]:
        binding = UUID(bytes=context.request_id)
        held = UUID(bytes=card.card_id)
        expires_at = context.now + context.policy.binding_ttl_seconds * SECOND
        requested = CardBindingRequested(
            customer=self.customer_id,
            card=held,
            participant=card.participant,
            masked=card.masked,
            hold=self.hold_id,
            expires_at=expires_at,
            tries=context.policy.binding_tries,
            name=self.name,
            name_mark=self.name_mark,
            sms=card.sms,
            rule_version=context.policy.version,
            fingerprint=self.fingerprint(),
        )
        # It credits the account that it holds: even a capture, which is refused, could move nothing.
        hold = AuthorizationApproved(
            account=card.account,
            credit_account=card.account,
            amount=self._amount(books, card),
            currency=books.currencies[books.accounts.currency[books.accounts.find(card.account)]],
            kind=HOLD_KIND,
            entry_mode="ecommerce",
            card=held,
            masked_number=card.masked,
            expires_at=expires_at,
            rule_version=context.policy.version,
        )
        opened = CardBindingOpened(binding=binding, customer=self.customer_id, hold=self.hold_id)
        purse = wallet.find(books, self.customer_id.bytes)
        return [
            Change(context.request_id, 1, requested),
            Change(self.hold_id.bytes, 1, hold),
            Change(card.card_id, card.version + 1, opened),
            *wallet.following(purse, wallet.WalletCardTried(customer=self.customer_id, card=held)),
        ]

    def _amount(self, books: "Books", card: Card) -> int:
        """Return the first amount that none of the card's last holds had."""
        used = set()
        for hold in card.holds:
            authorization = books.aggregate(hold)
            if isinstance(authorization, Authorization):
                used.add(authorization.details.amount)
        return next(amount for amount in self.candidates if amount not in used)
