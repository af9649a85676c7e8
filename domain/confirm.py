"""What comes after a binding was begun: naming the amount, giving up, and the bank's own question for the amount."""

from collections.abc import Mapping
from hmac import compare_digest
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final
from uuid import UUID

from pydantic import Field

from domain import wallet
from domain.authorization import Authorization, AuthorizationReversed
from domain.binding import (
    LEAST_AMOUNT,
    MOST_AMOUNT,
    Binding,
    BindingState,
    CardBindingCancelled,
    CardBindingConfirmed,
    CardBindingMissed,
    HeldAmountDisclosed,
    UnknownBinding,
    UnknownBindingTried,
    unknown_id,
)
from domain.card import Card, CardBound, bound_to, find, status_refusal
from domain.command import Command, Explanation, Reference
from domain.customer import Customer
from domain.event import Change, Context, Event
from domain.refusals import Reason, Refusal, refuse

if TYPE_CHECKING:
    from domain.books import Books

ENDED: Final = {
    BindingState.BOUND: Reason.CARD_ALREADY_BOUND,
    BindingState.LOCKED: Reason.BINDING_LOCKED,
    BindingState.CANCELLED: Reason.BINDING_CANCELLED,
    BindingState.EXPIRED: Reason.BINDING_EXPIRED,
}
"""Why a binding that has ended takes no command any more."""

_AMOUNT_BYTES: Final = 8


def ended(binding: Binding, now: int) -> Refusal | None:
    """Return how a binding has ended, None while it is open."""
    reason = ENDED.get(binding.state(now))
    return None if reason is None else refuse(reason)


def released(books: "Books", binding: Binding, by: str) -> Change:
    """Return the change that lets the binding's hold go."""
    hold = held(books, binding)
    event = AuthorizationReversed(account=hold.account, released=hold.remaining, by=by)
    return Change(hold.authorization_id, hold.version + 1, event)


def held(books: "Books", binding: Binding) -> Authorization:
    """Return the binding's hold, which was made together with it."""
    hold = books.aggregate(binding.hold)
    if not isinstance(hold, Authorization):
        raise TypeError(f"the hold of binding {binding.binding_id.hex()} is missing")
    return hold


class _BindingCommand(Command):
    """A command on one binding. Its target is left open: a try at an unknown one is recorded elsewhere."""

    binding_id: UUID

    def needs(self) -> tuple[bytes, ...]:
        return (self.binding_id.bytes,)

    def _next(self, binding: Binding, event: Event) -> Change:
        return Change(binding.binding_id, binding.version + 1, event)


class ConfirmCardBinding(_BindingCommand):
    """Name the amount that is held, and so bind the card."""

    NAME: ClassVar[str] = "confirm_card_binding"
    SECRETS: ClassVar[frozenset[str]] = frozenset({"amount_tyiyn"})
    UNKEPT: ClassVar[Mapping[str, Any]] = {"amount_tyiyn": LEAST_AMOUNT}

    customer_id: UUID
    amount_tyiyn: Annotated[int, Field(strict=True, ge=LEAST_AMOUNT, le=MOST_AMOUNT)]

    def needs(self) -> tuple[bytes, ...]:
        return (self.binding_id.bytes, self.customer_id.bytes, wallet.wallet_id(self.customer_id.bytes))

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: the customer's own binding, open; the card, free; the customer; last the amount."""
        binding = books.aggregate(self.binding_id.bytes)
        if not isinstance(binding, Binding) or binding.customer != self.customer_id.bytes:
            return self._unknown(books, context)
        refusal = ended(binding, context.now)
        if refusal is not None:
            return refusal
        card = find(books, binding.card)
        if isinstance(card, Refusal):
            return card
        refusal = status_refusal(books, card, context.now) or self._whose(books, card, context)
        if refusal is not None:
            return refusal
        if self._named(held(books, binding).details.amount):
            return self._bound(books, binding, card)
        tries_left = binding.tries_left - 1
        missed = self._next(binding, CardBindingMissed(tries_left=tries_left, fingerprint=self.fingerprint()))
        return [missed] if tries_left else [missed, released(books, binding, by="issuer")]

    def _named(self, amount: int) -> bool:
        tried, right = (value.to_bytes(_AMOUNT_BYTES, "big") for value in (self.amount_tyiyn, amount))
        return compare_digest(tried, right)

    def _whose(self, books: "Books", card: Card, context: Context) -> Refusal | None:
        customer = books.aggregate(self.customer_id.bytes)
        if not isinstance(customer, Customer) or customer.erased:
            return refuse(Reason.CUSTOMER_ERASED, customer_id=self.customer_id)
        holder = bound_to(books, card)
        if holder is not None:
            own = holder == self.customer_id.bytes
            return refuse(Reason.CARD_ALREADY_BOUND if own else Reason.CARD_BOUND_ELSEWHERE)
        if len(wallet.find(books, self.customer_id.bytes).cards) >= context.policy.bound_cards:
            return refuse(Reason.BINDING_LIMIT, limit="bound_cards")
        return None

    def _bound(self, books: "Books", binding: Binding, card: Card) -> list[Change]:
        purse = wallet.find(books, self.customer_id.bytes)
        card_id = UUID(bytes=card.card_id)
        bound = CardBound(customer=self.customer_id, binding=self.binding_id)
        return [
            self._next(binding, CardBindingConfirmed(fingerprint=self.fingerprint())),
            released(books, binding, by="cardholder"),
            Change(card.card_id, card.version + 1, bound),
            *wallet.following(purse, wallet.WalletCardAdded(customer=self.customer_id, card=card_id)),
        ]

    def _unknown(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Count a try at a binding that is not the customer's as if it were: each of them has its own few."""
        key = unknown_id(self.binding_id.bytes, self.customer_id.bytes)
        before = books.aggregate(key)
        if not isinstance(before, UnknownBinding):
            before = UnknownBinding(0, context.policy.binding_tries)
        if before.tries_left == 0:
            return refuse(Reason.BINDING_LOCKED)
        tried = UnknownBindingTried(
            binding=self.binding_id,
            customer=self.customer_id,
            tries_left=before.tries_left - 1,
            fingerprint=self.fingerprint(),
        )
        return [Change(key, before.version + 1, tried)]


class CancelCardBinding(_BindingCommand):
    """Give a binding up, and let its hold go."""

    NAME: ClassVar[str] = "cancel_card_binding"

    customer_id: UUID

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: the customer's own binding, open."""
        binding = books.aggregate(self.binding_id.bytes)
        if not isinstance(binding, Binding) or binding.customer != self.customer_id.bytes:
            return refuse(Reason.BINDING_NOT_FOUND, binding_id=self.binding_id)
        refusal = ended(binding, context.now)
        if refusal is not None:
            return refusal
        cancelled = self._next(binding, CardBindingCancelled(fingerprint=self.fingerprint()))
        return [cancelled, released(books, binding, by="cardholder")]


class DiscloseHeldAmount(Command):
    """Tell an operator the amount of a card's open binding: the one named, else the newest."""

    NAME: ClassVar[str] = "disclose_held_amount"

    card_id: UUID
    binding_id: UUID | None = None
    operator: Annotated[Reference, Field(min_length=1)]
    explanation: Explanation = ""

    def needs(self) -> tuple[bytes, ...]:
        """Return the card."""
        return (self.card_id.bytes,)

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: the card, a binding of it, open."""
        card = find(books, self.card_id.bytes)
        if isinstance(card, Refusal):
            return card
        binding = self._binding(books, card, context.now)
        if isinstance(binding, Refusal):
            return binding
        disclosed = HeldAmountDisclosed(
            operator=self.operator, explanation=self.explanation, fingerprint=self.fingerprint()
        )
        return [Change(binding.binding_id, binding.version + 1, disclosed)]

    def _binding(self, books: "Books", card: Card, now: int) -> Binding | Refusal:
        if self.binding_id is not None:
            named = books.aggregate(self.binding_id.bytes)
            if not isinstance(named, Binding) or named.card != card.card_id:
                return refuse(Reason.BINDING_NOT_FOUND, binding_id=self.binding_id)
            return ended(named, now) or named
        for session in reversed(card.sessions):
            found = books.aggregate(session.binding)
            if isinstance(found, Binding) and ended(found, now) is None:
                return found
        return refuse(Reason.BINDING_NOT_OPEN, card_id=self.card_id)
