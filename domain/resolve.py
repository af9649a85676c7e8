"""What comes after an authorisation: more, less, none of it, or the capture.

Until it is resolved an authorisation can be incremented, replaced and reversed; a capture of one that was
approved always posts.
"""

from typing import TYPE_CHECKING, Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from domain.authorization import (
    ACQUIRER_CLAIM,
    Authorization,
    AuthorizationAmountReplaced,
    AuthorizationCaptured,
    AuthorizationExpired,
    AuthorizationIncremented,
    AuthorizationPartlyReversed,
    AuthorizationReversed,
    State,
)
from domain.authorize import MAX_PARTS
from domain.binding import HOLD_KIND
from domain.claim import Claim, EarlyReversalRecorded
from domain.cleared import Cleared, ClearingReference
from domain.command import (
    AccountId,
    AcquirerId,
    Amount,
    Command,
    CurrencyCode,
    EffectiveTime,
    Explanation,
    MovementKind,
    Reference,
    effective_refusal,
)
from domain.event import Change, Context, Event, Leg
from domain.ids import claim_id
from domain.limits import customer_limit_refusal
from domain.money import MAX_BALANCE
from domain.refusals import Reason, Refusal, invalid, refuse
from domain.times import SECOND

if TYPE_CHECKING:
    from domain.books import Books


class _OnAuthorization(Command):
    """A command on one existing authorisation."""

    authorization_id: UUID
    expected_version: Annotated[int, Field(ge=1)] | None = None

    def target(self) -> UUID:
        """Return the authorisation's id."""
        return self.authorization_id

    def needs(self) -> tuple[bytes, ...]:
        """Return the aggregates that must be at hand for the decision."""
        return (self.authorization_id.bytes,)

    def touched_accounts(self, books: "Books") -> tuple[int, ...]:
        """Return the account of the authorisation, while it is open."""
        authorization = books.open.get(self.authorization_id.bytes)
        return () if authorization is None else (authorization.account,)


def find(books: "Books", authorization_id: UUID, expected_version: int | None) -> Authorization | Refusal:
    """Return an authorisation that was approved, whatever its state; never one that belongs to something else."""
    authorization = books.aggregate(authorization_id.bytes)
    if not isinstance(authorization, Authorization):
        return refuse(Reason.AUTHORIZATION_NOT_FOUND, authorization_id=authorization_id)
    if expected_version is not None and expected_version != authorization.version:
        return refuse(Reason.EXPECTED_VERSION_MISMATCH, expected=expected_version, actual=authorization.version)
    refusal = owner_refusal(authorization)
    if refusal is not None:
        return refusal
    if authorization.state is State.DECLINED:
        return refuse(Reason.AUTHORIZATION_DECLINED, authorization_id=authorization_id)
    return authorization


def owner_refusal(authorization: Authorization) -> Refusal | None:
    """Return the refusal to touch a hold that belongs to a binding or a payment, None for one that does not."""
    authorization_id = UUID(bytes=authorization.authorization_id)
    if authorization.details.kind == HOLD_KIND:
        return refuse(Reason.VERIFICATION_HOLD, authorization_id=authorization_id)
    if authorization.payment is not None:
        return refuse(Reason.PAYMENT_HOLD, authorization_id=authorization_id, payment_id=authorization.payment)
    return None


def find_open(books: "Books", authorization_id: UUID, expected_version: int | None) -> Authorization | Refusal:
    """Return an authorisation that can still be changed."""
    authorization = find(books, authorization_id, expected_version)
    if isinstance(authorization, Authorization) and not authorization.open:
        return resolved(authorization)
    return authorization


def resolved(authorization: Authorization) -> Refusal:
    """Return the refusal of a second resolution, with how the first one ended."""
    return refuse(Reason.ALREADY_RESOLVED, ended=authorization.state.value, version=authorization.version)


def _next(authorization: Authorization, event: Event) -> Change:
    return Change(authorization.authorization_id, authorization.version + 1, event)


class Increment(_OnAuthorization):
    """Hold more."""

    NAME: ClassVar[str] = "increment"

    amount_tyiyn: Amount

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: open, the account's state, limits, funds, bounds."""
        authorization = find_open(books, self.authorization_id, self.expected_version)
        if isinstance(authorization, Refusal):
            return authorization
        accounts, index = books.accounts, books.accounts.find(authorization.account)
        refusal = accounts.debit_refusal(index)
        if refusal is not None:
            return refusal
        spending = authorization.more(self.amount_tyiyn)
        if spending is not None:
            refusal = customer_limit_refusal(books, spending, context.now, already=authorization.spent)
            if refusal is not None:
                return refusal
        if self.amount_tyiyn > accounts.spendable(index):
            return refuse(Reason.INSUFFICIENT_FUNDS, account_id=authorization.account)
        grown = authorization.incremented + self.amount_tyiyn
        if accounts.hold_would_pass_limit(index, self.amount_tyiyn) or grown > MAX_BALANCE:
            return refuse(Reason.BALANCE_LIMIT)
        event = AuthorizationIncremented(
            account=authorization.account,
            amount=self.amount_tyiyn,
            fingerprint=self.fingerprint(),
            spending=spending,
        )
        return [_next(authorization, event)]


class Replace(_OnAuthorization):
    """Hold another total (fuel, the completion of a pre-authorisation), whatever the balance."""

    NAME: ClassVar[str] = "replace"

    total_tyiyn: Amount

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: open, bounds."""
        authorization = find_open(books, self.authorization_id, self.expected_version)
        if isinstance(authorization, Refusal):
            return authorization
        added = self.total_tyiyn - authorization.remaining
        if books.accounts.hold_would_pass_limit(books.accounts.find(authorization.account), added):
            return refuse(Reason.BALANCE_LIMIT)
        event = AuthorizationAmountReplaced(
            account=authorization.account,
            total=self.total_tyiyn,
            fingerprint=self.fingerprint(),
            spending_returned=authorization.returned(released=-added),
            spending=authorization.taken(released=-added),
        )
        return [_next(authorization, event)]


class ReversePart(_OnAuthorization):
    """Release a part of what is held."""

    NAME: ClassVar[str] = "reverse_part"

    amount_tyiyn: Amount

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: open, no more than is left."""
        authorization = find_open(books, self.authorization_id, self.expected_version)
        if isinstance(authorization, Refusal):
            return authorization
        if self.amount_tyiyn > authorization.remaining:
            return refuse(Reason.OVER_REVERSAL, remaining_tyiyn=authorization.remaining)
        if authorization.reversed + self.amount_tyiyn > MAX_BALANCE:
            return refuse(Reason.BALANCE_LIMIT)
        event = AuthorizationPartlyReversed(
            account=authorization.account,
            amount=self.amount_tyiyn,
            fingerprint=self.fingerprint(),
            spending_returned=authorization.returned(released=self.amount_tyiyn),
        )
        return [_next(authorization, event)]


class Reverse(Command):
    """Release all that is held, by the authorisation's id or by the acquirer's reference.

    A reversal by reference may arrive before its original: it is kept, and the late original is declined.
    """

    NAME: ClassVar[str] = "reverse"

    authorization_id: UUID | None = None
    acquirer_id: AcquirerId = ""
    acquirer_reference: Reference = ""
    by: MovementKind = "acquirer"
    explanation: Explanation = ""
    expected_version: Annotated[int, Field(ge=1)] | None = None

    def needs(self) -> tuple[bytes, ...]:
        """Return the aggregates that must be at hand for the decision."""
        if self.authorization_id is not None:
            return (self.authorization_id.bytes,)
        return (self._reference_claim(),)

    def touched_accounts(self, books: "Books") -> tuple[int, ...]:
        """Return the account of the authorisation, while it is open."""
        target = None if self.authorization_id is None else self.authorization_id.bytes
        if target is None:
            seen = books.claim(ACQUIRER_CLAIM, f"{self.acquirer_id}/{self.acquirer_reference}")
            target = None if seen is None else seen.holder
        authorization = None if target is None else books.open.get(target)
        return () if authorization is None else (authorization.account,)

    def target(self) -> UUID | None:
        """Return the authorisation's id, None when only the acquirer's reference names it."""
        return self.authorization_id

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: known (else kept, by reference), open."""
        target = self.authorization_id
        if target is None:
            if not self.acquirer_reference:
                return invalid("original", "MISSING", "name the authorisation or the acquirer's reference")
            seen = books.aggregate(self._reference_claim())
            if not isinstance(seen, Claim) or seen.holder is None:
                return [self._kept(seen if isinstance(seen, Claim) else None, context)]
            target = UUID(bytes=seen.holder)
        authorization = find_open(books, target, self.expected_version)
        if isinstance(authorization, Refusal):
            return authorization
        event = AuthorizationReversed(
            account=authorization.account,
            released=authorization.remaining,
            by=self.by,
            explanation=self.explanation,
            fingerprint=self.fingerprint(),
            spending_returned=authorization.returned(released=authorization.remaining),
        )
        return [_next(authorization, event)]

    def _reference_claim(self) -> bytes:
        return claim_id(ACQUIRER_CLAIM, f"{self.acquirer_id}/{self.acquirer_reference}")

    def _kept(self, seen: Claim | None, context: Context) -> Change:
        event = EarlyReversalRecorded(
            acquirer_id=self.acquirer_id,
            acquirer_reference=self.acquirer_reference,
            expires_at=context.now + context.policy.early_reversal_ttl_seconds * SECOND,
            by=self.by,
            explanation=self.explanation,
            fingerprint=self.fingerprint(),
        )
        return Change(self._reference_claim(), 1 if seen is None else seen.version + 1, event)


class CapturePart(BaseModel):
    """The rules of a capture part's fields: an amount and the account it is credited to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: MovementKind = "capture"
    amount_tyiyn: Amount
    credit_account_id: AccountId


CaptureParts = Annotated[tuple[CapturePart, ...], Field(max_length=MAX_PARTS)]


def capture_legs(
    books: "Books", parts: tuple[CapturePart, ...], *, kind: str, debit: int, credit: int, amount: int
) -> tuple[Leg, ...] | Refusal:
    """Return the movements of a capture: all to ``credit``, or as its parts say, which must add up."""
    if not parts:
        legs: tuple[Leg, ...] = (Leg(kind, debit, credit, amount),)
    else:
        legs = tuple(Leg(part.kind, debit, part.credit_account_id, part.amount_tyiyn) for part in parts)
        if sum(leg.amount for leg in legs) != amount:
            return invalid("parts", "SUM", f"the parts do not add up to the amount of {amount} tyiyn")
    accounts = books.accounts
    source = accounts.find(debit)
    if source < 0:
        return refuse(Reason.ACCOUNT_NOT_FOUND, account_id=debit)
    for leg in legs:
        target = accounts.find(leg.credit_account)
        if target < 0:
            return refuse(Reason.ACCOUNT_NOT_FOUND, account_id=leg.credit_account)
        if target == source:
            return invalid("parts", "SAME_ACCOUNT", "debits and credits the same account")
        refusal = accounts.reserved_refusal(source) or accounts.reserved_refusal(target)
        if refusal is not None:
            return refusal
        if accounts.currency[target] != accounts.currency[source]:
            return refuse(Reason.CURRENCY_MISMATCH)
        if accounts.would_pass_limit(target, amount):
            return refuse(Reason.BALANCE_LIMIT)
    if accounts.would_pass_limit(source, -amount):
        return refuse(Reason.BALANCE_LIMIT)
    return legs


class Capture(Cleared, _OnAuthorization):
    """Post an amount of an authorisation that was approved, in whatever state it is now."""

    NAME: ClassVar[str] = "capture"

    amount_tyiyn: Amount
    currency_code: CurrencyCode = ""
    final: bool = False
    clearing_reference: ClearingReference
    parts: CaptureParts = ()
    effective_time: EffectiveTime | None = None

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: approved, effective time, clearing reference unseen, parts."""
        authorization = find(books, self.authorization_id, self.expected_version)
        if isinstance(authorization, Refusal):
            return authorization
        refusal = effective_refusal(self.effective_time, context) or self.cleared_refusal(books)
        if refusal is not None:
            return refusal
        if self.currency_code not in ("", authorization.details.currency):
            return refuse(Reason.CURRENCY_MISMATCH)
        legs = capture_legs(
            books,
            self.parts,
            kind="capture",
            debit=authorization.account,
            credit=authorization.details.credit_account,
            amount=self.amount_tyiyn,
        )
        if isinstance(legs, Refusal):
            return legs
        if authorization.captured + self.amount_tyiyn > MAX_BALANCE:
            return refuse(Reason.BALANCE_LIMIT)
        remaining = authorization.remaining
        released = remaining if self.final else min(self.amount_tyiyn, remaining)
        event = AuthorizationCaptured(
            account=authorization.account,
            amount=self.amount_tyiyn,
            released=released,
            legs=legs,
            clearing_reference=self.clearing_reference,
            final=self.final,
            over=authorization.captured + self.amount_tyiyn > authorization.approved,
            late=authorization.state is State.EXPIRED,
            after_close=authorization.state in (State.REVERSED, State.CAPTURED),
            effective_time=self.effective_time,
            fingerprint=self.fingerprint(),
            spending_returned=authorization.returned(released=released, captured=self.amount_tyiyn),
            spending=authorization.taken(released=released, captured=self.amount_tyiyn),
        )
        taken = self.clearing_claimed(authorization.authorization_id, self.amount_tyiyn)
        return [_next(authorization, event), taken]


def expire(authorization: Authorization) -> Change:
    """Return the change by which a lapsed hold ends, at its exact instant."""
    event = AuthorizationExpired(
        account=authorization.account,
        released=authorization.remaining,
        expires_at=authorization.expires_at,
        spending_returned=authorization.returned(released=authorization.remaining),
    )
    return _next(authorization, event)
