"""Authorisations: what an authorisation is, and what has happened to it.

An authorisation holds an amount of an account for a merchant until it is captured, reversed or expires.
``remaining = authorised + increments - reversals - released by captures``, never below 0, is what it holds.
Its rules are those of the card schemes: several captures are normal; a capture of an approved authorisation
always posts, above the amount, late or after the end, and is flagged; a resolved hold resolves once.

The commands stand in ``domain.authorize`` (making one) and ``domain.resolve`` (what comes after).
"""

from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

import msgspec

from domain.event import Change, Event, Leg
from domain.limits import Spending, SpendingReturned
from domain.takings import Takings, amount_of, give_back_newest, with_taken, without_returned
from domain.tap import Tap

ACQUIRER_CLAIM = "acquirer_reference"


class State(StrEnum):
    """How an authorisation stands."""

    OPEN = "open"
    CAPTURED = "captured"
    REVERSED = "reversed"
    EXPIRED = "expired"
    DECLINED = "declined"


class AmountPart(msgspec.Struct, frozen=True, gc=False):
    """What an amount is made of (a withdrawal and its fees), for people and reports; it moves nothing."""

    kind: str
    amount: int


class Details(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What is known of an authorisation when it is made. Amounts are in tyiyn."""

    account: int
    credit_account: int
    amount: int
    currency: str
    kind: str
    requested: int | None = None
    merchant_category_code: str = ""
    entry_mode: str = ""
    acquirer_id: str = ""
    acquirer_reference: str = ""
    merchant_name: str = ""
    reference: str = ""
    tags: dict[str, str] = {}
    parts: tuple[AmountPart, ...] = ()
    effective_time: int | None = None
    card: UUID | None = None
    fingerprint: str = ""
    token: UUID | None = None
    till_id: str = ""
    fiscal_receipt_number: str = ""
    masked_number: str = ""
    """The card's number as people may see it, where it was made with a card."""
    tap: Tap | None = None
    """What was decided on beside the amount, where it was made with a token."""


class AuthorizationApproved(Details, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """``amount`` is held until ``expires_at``; in a partial approval it is less than ``asked``.

    What holds a payment's total names it: nothing but the payment changes or captures it.
    """

    TOPIC: ClassVar[str] = "authorization.approved.v1"

    expires_at: int
    rule_version: str
    asked: int | None = None
    spending: Spending | None = None
    payment: UUID | None = None


class AuthorizationAdvised(Details, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """``amount`` is held because it was approved elsewhere (stand-in), whatever the balance."""

    TOPIC: ClassVar[str] = "authorization.advised.v1"

    expires_at: int
    rule_version: str


class AuthorizationDeclined(Details, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An authorisation was refused for good; nothing is held."""

    TOPIC: ClassVar[str] = "authorization.declined.v1"

    reason: str
    rule_version: str
    detail: dict[str, str] = {}


class AuthorizationIncremented(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """``amount`` more is held."""

    TOPIC: ClassVar[str] = "authorization.incremented.v1"

    account: int
    amount: int
    fingerprint: str = ""
    spending: Spending | None = None


class AuthorizationAmountReplaced(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What is held became ``total``; ``spending`` is what more of it limits have not counted yet."""

    TOPIC: ClassVar[str] = "authorization.amount_replaced.v1"

    account: int
    total: int
    fingerprint: str = ""
    spending_returned: SpendingReturned | None = None
    spending: Spending | None = None


class AuthorizationPartlyReversed(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """``amount`` of what is held was released."""

    TOPIC: ClassVar[str] = "authorization.partly_reversed.v1"

    account: int
    amount: int
    fingerprint: str = ""
    spending_returned: SpendingReturned | None = None


class AuthorizationReversed(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """All that was held (``released``) was let go, and the authorisation closed."""

    TOPIC: ClassVar[str] = "authorization.reversed.v1"

    account: int
    released: int
    by: str
    explanation: str = ""
    fingerprint: str = ""
    spending_returned: SpendingReturned | None = None


class AuthorizationCaptured(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """``amount`` was posted by ``legs``, and ``released`` of the hold let go.

    ``over``: with it the captures exceed what was approved; ``late``: after the expiry; ``after_close``: after a
    reversal or the final capture. Such captures post all the same; ``spending`` is what limits have not counted yet.
    """

    TOPIC: ClassVar[str] = "authorization.captured.v1"

    account: int
    amount: int
    released: int
    legs: tuple[Leg, ...]
    clearing_reference: str
    final: bool = False
    over: bool = False
    late: bool = False
    after_close: bool = False
    effective_time: int | None = None
    fingerprint: str = ""
    spending_returned: SpendingReturned | None = None
    spending: Spending | None = None


class AuthorizationExpired(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The hold ended at ``expires_at``; what was left of it (``released``) was let go."""

    TOPIC: ClassVar[str] = "authorization.expired.v1"

    account: int
    released: int
    expires_at: int
    spending_returned: SpendingReturned | None = None


class ForcePosted(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A clearing line without an authorisation was posted."""

    TOPIC: ClassVar[str] = "force_post.posted.v1"

    account: int
    amount: int
    legs: tuple[Leg, ...]
    clearing_reference: str
    merchant_name: str = ""
    merchant_category_code: str = ""
    reference: str = ""
    tags: dict[str, str] = {}
    effective_time: int | None = None
    fingerprint: str = ""


class RefundAuthorized(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A refund was announced. Nothing moves until it is posted."""

    TOPIC: ClassVar[str] = "refund.authorized.v1"

    account: int
    amount: int
    authorization: UUID | None = None
    merchant_name: str = ""
    reference: str = ""
    fingerprint: str = ""


class RefundPosted(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Money came back: in the life of its authorisation when linked, on its own as a merchant credit."""

    TOPIC: ClassVar[str] = "refund.posted.v1"

    account: int
    amount: int
    legs: tuple[Leg, ...]
    clearing_reference: str
    merchant_name: str = ""
    reference: str = ""
    tags: dict[str, str] = {}
    effective_time: int | None = None
    fingerprint: str = ""
    spending_returned: SpendingReturned | None = None


class Authorization(msgspec.Struct, frozen=True, gc=False):
    """An authorisation as its events tell it. Amounts are in tyiyn, times in microseconds."""

    authorization_id: bytes
    details: AuthorizationApproved | AuthorizationAdvised | AuthorizationDeclined
    state: State
    authorized: int
    remaining: int
    expires_at: int
    created_at: int
    updated_at: int
    version: int = 1
    incremented: int = 0
    reversed: int = 0
    captured: int = 0
    refunded: int = 0
    reversed_by: str = ""
    takings: Takings = ()
    """What it still takes of limits, by when it was taken."""
    limits_refunded: int = 0
    """What refunds gave back to limits, so that it is not taken once more."""

    @property
    def account(self) -> int:
        """The account on which the amount is held."""
        return self.details.account

    @property
    def advised(self) -> bool:
        """Whether it was approved elsewhere."""
        return isinstance(self.details, AuthorizationAdvised)

    @property
    def approved(self) -> int:
        """All that was approved and not reversed, captured or not, in tyiyn."""
        return self.authorized + self.incremented - self.reversed

    @property
    def spending(self) -> Spending | None:
        """What it took of limits when it was made, None when it took nothing."""
        return self.details.spending if isinstance(self.details, AuthorizationApproved) else None

    @property
    def payment(self) -> UUID | None:
        """The payment whose total it holds, None where it stands for itself."""
        return self.details.payment if isinstance(self.details, AuthorizationApproved) else None

    @property
    def spent(self) -> int:
        """What it still takes of limits, in tyiyn."""
        return amount_of(self.takings)

    def returned(self, *, released: int, captured: int = 0) -> SpendingReturned | None:
        """Return what goes back to limits when ``released`` of the hold is let go and ``captured`` is posted."""
        kept = self._counted(released, captured)
        return None if kept >= self.spent else self._newest(self.spent - kept)

    def returned_by_refund(self, amount: int) -> SpendingReturned | None:
        """Return what goes back to limits when ``amount`` of what they counted is refunded."""
        back = min(amount, self.spent)
        return self._newest(back) if back else None

    def taken(self, *, released: int, captured: int = 0) -> Spending | None:
        """Return what more it takes of limits when it comes to hold, or to post, more than it has taken so far."""
        kept = self._counted(released, captured)
        return None if kept <= self.spent else self.more(kept - self.spent)

    def more(self, amount: int) -> Spending | None:
        """Return what ``amount`` more takes of limits; once all was given back it counts as an operation anew."""
        if self.spending is None:
            return None
        return msgspec.structs.replace(self.spending, amount=amount, count=0 if self.spent else 1)

    def _counted(self, released: int, captured: int) -> int:
        """Return how much counts when this much is let go and posted: no fee, and not what was refunded."""
        if self.spending is None:
            return 0
        uncounted = self.details.amount - self.spending.amount + self.limits_refunded
        return max(0, self.captured + captured + self.remaining - released - uncounted)

    def _newest(self, amount: int) -> SpendingReturned | None:
        return None if self.spending is None else give_back_newest(self.takings, self.spending, amount)

    @property
    def open(self) -> bool:
        """Whether it can still be changed."""
        return self.state is State.OPEN


def evolve(authorization: Authorization | None, change: Change, recorded_at: int) -> Authorization:
    """Return the authorisation after one more of its events."""
    event = change.event
    if isinstance(event, Details):
        return _begin(change.originator_id, event, recorded_at)
    if authorization is None:
        raise ValueError(f"{event.TOPIC} is not the first event of an authorisation")
    changed: dict[str, Any]
    match event:
        case AuthorizationIncremented():
            changed = {
                "remaining": authorization.remaining + event.amount,
                "incremented": authorization.incremented + event.amount,
            }
        case AuthorizationAmountReplaced():
            changed = {"remaining": event.total, "authorized": event.total + authorization.captured}
            changed |= {"incremented": 0, "reversed": 0}
        case AuthorizationPartlyReversed():
            changed = {
                "remaining": authorization.remaining - event.amount,
                "reversed": authorization.reversed + event.amount,
            }
        case AuthorizationReversed():
            changed = {
                "remaining": 0,
                "reversed": authorization.reversed + event.released,
                "state": State.REVERSED,
                "reversed_by": event.by,
            }
        case AuthorizationCaptured():
            changed = {
                "remaining": authorization.remaining - event.released,
                "captured": authorization.captured + event.amount,
                "state": State.CAPTURED if event.final and authorization.open else authorization.state,
            }
        case AuthorizationExpired():
            changed = {"remaining": 0, "state": State.EXPIRED}
        case RefundPosted():
            changed = {"refunded": authorization.refunded + event.amount}
            if event.spending_returned is not None:
                changed["limits_refunded"] = authorization.limits_refunded + event.spending_returned.total
        case _:
            raise ValueError(f"{event.TOPIC} is not an event of an authorisation")
    changed["takings"] = _takings(authorization.takings, event, recorded_at)
    return msgspec.structs.replace(authorization, version=change.version, updated_at=recorded_at, **changed)


def _takings(before: Takings, event: Event, recorded_at: int) -> Takings:
    """Return what is taken of limits after what an event takes and gives back."""
    taken: Spending | None = getattr(event, "spending", None)
    returned: SpendingReturned | None = getattr(event, "spending_returned", None)
    if taken is not None:
        before = with_taken(before, taken, recorded_at)
    return before if returned is None else without_returned(before, returned)


def _begin(authorization_id: bytes, event: Details, recorded_at: int) -> Authorization:
    if isinstance(event, AuthorizationApproved | AuthorizationAdvised):
        return Authorization(
            authorization_id=authorization_id,
            details=event,
            state=State.OPEN,
            authorized=event.amount,
            remaining=event.amount,
            expires_at=event.expires_at,
            created_at=recorded_at,
            updated_at=recorded_at,
            takings=_takings((), event, recorded_at),
        )
    if isinstance(event, AuthorizationDeclined):
        return Authorization(
            authorization_id=authorization_id,
            details=event,
            state=State.DECLINED,
            authorized=0,
            remaining=0,
            expires_at=0,
            created_at=recorded_at,
            updated_at=recorded_at,
        )
    raise ValueError(f"{event.TOPIC} does not begin an authorisation")
