"""Books with limits, whatever may happen to authorisations in them, and a recount that believes no figure of theirs."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from domain.authorization import (
    AuthorizationAmountReplaced,
    AuthorizationApproved,
    AuthorizationCaptured,
    AuthorizationExpired,
    AuthorizationIncremented,
    AuthorizationPartlyReversed,
    AuthorizationReversed,
    RefundPosted,
)
from domain.authorize import Authorize, Spender
from domain.clearing import PostRefund
from domain.customer import CustomerConfirmed, CustomerIdentified, CustomerRegistered, Tier
from domain.limits import Spending
from domain.published import RULES_ID, RulesPublished
from domain.resolve import Capture, Increment, Replace, Reverse, ReversePart
from domain.rules import Holds, Limit, Measure, Operation, Period, Subject
from tests.domain.spec import ANA, DAY, SECOND, SHOP, Spec, uid

BISHKEK = ZoneInfo("Asia/Bishkek")
AIDA, ZERE, CARD, TOKEN = uid(1), uid(2), uid(3), uid(4)
HOUR = 3_600 * SECOND
MIDNIGHT = int(datetime(2026, 11, 1, tzinfo=BISHKEK).timestamp()) * SECOND
"""The first of November begins, in Bishkek: six hours before it does in UTC."""


def spender(operation: Operation = Operation.POS_PAYMENT, customer: UUID = AIDA, **ids: UUID) -> Spender:
    return Spender(operation=operation, customer_id=customer, **ids)


def limit(name: str, period: Period, measure: Measure, maximum: int, **fields: Any) -> Limit:
    return Limit(name, fields.pop("subject", Subject.CUSTOMER), period, measure, maximum, **fields)


def world(*limits: Limit, tier: Tier = Tier.REMOTE, now: int = MIDNIGHT - 2 * HOUR) -> Spec:
    """Return books with money, two customers and these limits; holds last a day."""
    spec = Spec()
    spec.now = now
    for who in (AIDA, ZERE):
        registered = CustomerRegistered(participant="bank-a", login=b"\xff", phone=b"\xff", confirm_by=2**60)
        spec.given((who, registered), (who, CustomerConfirmed()))
        if tier is not Tier.UNIDENTIFIED:
            spec.given((who, CustomerIdentified(tier=tier)))
    spec.given((RULES_ID, RulesPublished(effective_from=0, holds=Holds(86_400), limits=limits)))
    return spec.funds(ANA, 10**9)


def pay(amount: int, who: Spender | None = None, **fields: Any) -> Authorize:
    return Authorize(account_id=ANA, credit_account_id=SHOP, amount_tyiyn=amount, spender=who or spender(), **fields)


def capture(amount: int, reference: str = "c", *, final: bool = False) -> Capture:
    return Capture(authorization_id=uid(70), amount_tyiyn=amount, final=final, clearing_reference=reference)


def refund(amount: int, reference: str = "r") -> PostRefund:
    return PostRefund(authorization_id=uid(70), amount_tyiyn=amount, clearing_reference=reference)


# Whatever may happen.

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["pay", "grow", "part", "total", "reverse", "capture", "late", "refund", "lapse"]),
        st.integers(0, 3),
        st.sampled_from([Operation.POS_PAYMENT, Operation.TOP_UP]),
        st.integers(1, 400),
        st.sampled_from([1, HOUR, 7 * HOUR, DAY, 9 * DAY]),
    ),
    max_size=25,
)
WHO = (
    spender(),
    spender(card_id=CARD),
    spender(customer=ZERE, card_id=CARD, token_id=TOKEN),
    spender(customer=ZERE, token_id=TOKEN),
)
Step = tuple[str, int, Operation, int, int]


def play(spec: Spec, step: Step) -> None:
    what, who, operation, amount, gap = step
    spec.after(gap)
    held = list(spec.books.open) if what not in {"late", "refund"} else made(spec)
    target = UUID(bytes=held[amount % len(held)]) if held else uid(500)
    match what:
        case "pay":
            spec.when(pay(amount, WHO[who].model_copy(update={"operation": operation})))
        case "grow":
            spec.when(Increment(authorization_id=target, amount_tyiyn=amount))
        case "part":
            spec.when(ReversePart(authorization_id=target, amount_tyiyn=amount))
        case "total":
            spec.when(Replace(authorization_id=target, total_tyiyn=amount))
        case "reverse":
            spec.when(Reverse(authorization_id=target))
        case "refund":
            spec.when(
                PostRefund(authorization_id=target, amount_tyiyn=amount, clearing_reference=str(len(spec.history)))
            )
        case "capture" | "late":
            spec.when(
                Capture(
                    authorization_id=target,
                    amount_tyiyn=amount,
                    final=amount % 2 == 0,
                    clearing_reference=str(len(spec.history)),
                )
            )
        case _:
            spec.lapse()


# A recount.


def made(spec: Spec) -> list[bytes]:
    """Return every authorisation that was approved."""
    return [change.originator_id for change, _ in spec.history if isinstance(change.event, AuthorizationApproved)]


class Recount:
    """What is held, posted and refunded of one authorisation, and since when each part of that counts."""

    def __init__(self, spending: Spending) -> None:
        self.spending = spending
        self.held = 0
        self.counted = 0
        self.parts: list[tuple[int, int]] = []

    def evolve(self, event: Any, now: int) -> None:
        match event:
            case AuthorizationApproved() | AuthorizationIncremented():
                self.counts(self.counted + event.amount, now)
            case AuthorizationAmountReplaced():
                self.counts(self.counted - self.held + event.total, now)
            case AuthorizationPartlyReversed() | RefundPosted():
                self.counts(self.counted - event.amount, now)
            case AuthorizationReversed() | AuthorizationExpired():
                self.counts(self.counted - event.released, now)
            case AuthorizationCaptured():
                self.counts(self.counted - event.released + event.amount, now)
            case _:
                pass
        self.held = _held(event, self.held)

    def counts(self, amount: int, now: int) -> None:
        """Take what is more now, and give back what is less, the newest part first."""
        if amount > self.counted:
            self.parts.append((now, amount - self.counted))
        less = self.counted - amount
        while less > 0:
            taken_at, part = self.parts.pop()
            if part > less:
                self.parts.append((taken_at, part - less))
            less -= part
        self.counted = amount


def _held(event: Any, held: int) -> int:
    match event:
        case AuthorizationApproved() | AuthorizationIncremented():
            return held + int(event.amount)
        case AuthorizationAmountReplaced():
            return int(event.total)
        case AuthorizationPartlyReversed():
            return held - int(event.amount)
        case AuthorizationReversed() | AuthorizationExpired() | AuthorizationCaptured():
            return held - int(event.released)
        case _:
            return held


Counted = dict[tuple[str, UUID, Operation], tuple[int, int]]


def recount(spec: Spec, form: str) -> Counted:
    """Count over all history what each subject spent on each operation in each day or month of Bishkek.

    Nothing is read of what the events say about limits but whose they are.
    """
    found: dict[bytes, Recount] = {}
    for change, recorded_at in spec.history:
        if isinstance(change.event, AuthorizationApproved) and change.event.spending is not None:
            found[change.originator_id] = Recount(change.event.spending)
        if change.originator_id in found:
            found[change.originator_id].evolve(change.event, recorded_at)
    counted: Counted = {}
    for one in found.values():
        for number, (taken_at, amount) in enumerate(one.parts):
            for subject in {one.spending.customer, one.spending.card, one.spending.token} - {None}:
                assert subject is not None
                key = (period_of(taken_at, form), subject, one.spending.operation)
                operations, before = counted.get(key, (0, 0))
                counted[key] = (operations + (number == 0), before + amount)
    return counted


def period_of(time: int, form: str) -> str:
    """Return the day or month of Bishkek in which a time lies."""
    return datetime.fromtimestamp(time // SECOND, UTC).astimezone(BISHKEK).strftime(form)
