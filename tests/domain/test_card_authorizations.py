"""Authorisations that name a card: whose account is held, which card is refused, and whose limits count."""

from typing import Any

import pytest

from domain.authorization import AuthorizationAdvised, AuthorizationApproved, AuthorizationDeclined, State
from domain.authorize import Advise, Authorize
from domain.card import (
    CardBlocked,
    CardBound,
    CardClosed,
    CardReportedLost,
    CardUnblocked,
    CardUnbound,
    Loss,
    UnboundBy,
)
from domain.customer import CustomerErased, CustomerIdentified, Tier
from domain.event import Context, Event
from domain.fiscal import FISCAL_RECEIPT
from domain.limits import Spending
from domain.pan import ends_at
from domain.published import RULES_ID, RulesPublished
from domain.refusals import Reason, Refusal
from domain.resolve import Capture, Increment
from domain.rules import Holds, Limit, Measure, Operation, Period, Subject
from tests.domain.spec import ANA, NOBODY, SETTLEMENT, SHOP, Spec, uid
from tests.domain.test_cards import BOUND, CARD, EXPIRES, HOLDER, ISSUED, LOST, MASKED, PERSON

FIRST, SECOND, THIRD = uid(0x501), uid(0x502), uid(0x503)
RECEIPT: dict[str, Any] = {"till_id": "KKM-1", "fiscal_receipt_number": "77"}
SIX_HOURS = 6 * 3_600


def world(*card: Event, person: tuple[Event, ...] = PERSON, limits: tuple[Limit, ...] = ()) -> Spec:
    """Return books with 10 som on a card's account, and the card's customer."""
    spec = Spec().given(*((CARD, event) for event in card)).given(*((HOLDER, event) for event in person))
    if limits:
        spec.given((RULES_ID, RulesPublished(effective_from=0, holds=Holds(86_400), limits=limits)))
    return spec.funds(ANA, 1_000)


def pay(amount: int = 400, **fields: Any) -> Authorize:
    return Authorize(**{"card_id": CARD, "credit_account_id": SHOP, "amount_tyiyn": amount, **fields})


def advise(**fields: Any) -> Advise:
    return Advise(**{"card_id": CARD, "credit_account_id": SHOP, "amount_tyiyn": 400, **fields})


def per_day(subject: Subject, maximum: int, *tiers: Tier) -> Limit:
    return Limit(f"{subject.value}-day", subject, Period.DAY, Measure.SUM, maximum, (Operation.POS_PAYMENT,), tiers)


def test_the_account_follows_from_the_card() -> None:
    """The event names both, with the number as people may see it, and what counts against limits."""
    spec = world(*BOUND).when(pay(), FIRST)
    approved = spec.event()
    assert isinstance(approved, AuthorizationApproved)
    assert (approved.account, approved.card, approved.masked_number) == (ANA, CARD, MASKED)
    assert approved.spending == Spending(Operation.POS_PAYMENT, 400, HOLDER, CARD, None, "default-1")
    spec.then_figures(ANA, posted=1_000, held=400)


@pytest.mark.parametrize("both", [{"account_id": ANA}, {"card_id": None}])
def test_exactly_one_of_account_and_card_is_named(both: dict[str, Any]) -> None:
    """Neither both nor none."""
    for make in (pay, advise):
        with pytest.raises(ValueError, match="neither an account nor a card, or both"):
            make(**both)


def test_naming_an_account_says_what_it_always_said() -> None:
    """What tells one request from another is as it was before cards could be named, and limits do not count."""
    old = Authorize(account_id=ANA, credit_account_id=SHOP, amount_tyiyn=400)
    assert old.fingerprint() == "711c496840bbbcffacba4170"
    approved = world(*BOUND).when(old).event()
    assert isinstance(approved, AuthorizationApproved)
    assert (approved.card, approved.masked_number, approved.spending) == (None, "", None)


@pytest.mark.parametrize(
    ("card", "expired", "reason"),
    [
        ((), True, Reason.CARD_NOT_FOUND),
        ((*BOUND, CardBlocked()), True, Reason.CARD_BLOCKED),
        (LOST, True, Reason.CARD_LOST),
        ((ISSUED, CardReportedLost(how=Loss.STOLEN)), True, Reason.CARD_LOST),
        ((ISSUED, CardClosed()), True, Reason.CARD_CLOSED),
        (BOUND, True, Reason.CARD_EXPIRED),
        (BOUND, False, Reason.ACCOUNT_NOT_FOUND),
    ],
)
def test_the_card_comes_first(card: tuple[Event, ...], expired: bool, reason: Reason) -> None:  # noqa: FBT001
    """Known, its status, its expiry; then as for any authorisation."""
    spec = world(*card)
    if expired:
        spec.after(ends_at(EXPIRES, SIX_HOURS) - spec.now)
    spec.when(pay(credit_account_id=NOBODY)).then_refused(reason)
    spec.then_figures(ANA, posted=1_000)


def test_a_blocked_cards_decline_is_kept_with_the_card() -> None:
    """An unblocked card pays again."""
    spec = world(*BOUND, CardBlocked())
    command = pay(**RECEIPT)
    spec.when(command)
    assert isinstance(spec.decided, Refusal)
    (change,) = command.declined(spec.books, spec.decided, Context(FIRST.bytes, spec.now, spec.policy))
    declined = change.event
    assert isinstance(declined, AuthorizationDeclined)
    assert (declined.reason, declined.account, declined.card) == ("CARD_BLOCKED", ANA, CARD)
    assert (declined.masked_number, declined.till_id, declined.fiscal_receipt_number) == (MASKED, "KKM-1", "77")
    spec.given((CARD, CardUnblocked())).when(command)
    assert isinstance(spec.decided, list)


def test_a_cards_own_account_cannot_be_paid_from_it() -> None:
    """The field at fault is named: the request alone does not show it."""
    for command in (pay(credit_account_id=ANA), advise(credit_account_id=ANA)):
        spec = world(*BOUND).when(command)
        assert isinstance(spec.decided, Refusal)
        assert [(wrong.field, wrong.rule) for wrong in spec.decided.violations] == [
            ("credit_account_id", "SAME_ACCOUNT")
        ]


@pytest.mark.parametrize("card", [(*BOUND, CardBlocked()), LOST, (ISSUED, CardClosed())])
def test_an_advice_and_a_capture_ignore_how_the_card_stands(card: tuple[Event, ...]) -> None:
    """The money was given away elsewhere; no limit counts."""
    spec = world(*card, limits=(per_day(Subject.CARD, 1),)).when(advise(), FIRST)
    advised = spec.event()
    assert isinstance(advised, AuthorizationAdvised)
    assert (advised.account, advised.card, advised.masked_number) == (ANA, CARD, MASKED)
    spec.when(Capture(authorization_id=FIRST, amount_tyiyn=400, final=True, clearing_reference="c"))
    assert spec.life(FIRST).state is State.CAPTURED


def test_a_card_that_was_blocked_after_it_paid_is_captured() -> None:
    """A capture of what was approved always posts."""
    spec = world(*BOUND).given_done().when(pay(), FIRST).given((CARD, CardBlocked()))
    spec.when(Capture(authorization_id=FIRST, amount_tyiyn=400, final=True, clearing_reference="c"))
    spec.then_figures(ANA, posted=600)


def test_an_advice_of_an_unknown_card_is_refused() -> None:
    """Nobody knows whose account it would hold."""
    world().when(advise()).then_refused(Reason.CARD_NOT_FOUND)


def test_a_bound_card_counts_against_its_customers_limits() -> None:
    """Those of the customer's present tier, over all that the customer does."""
    limits = (per_day(Subject.CUSTOMER, 500, Tier.REMOTE), per_day(Subject.CUSTOMER, 600, Tier.IN_PERSON))
    spec = world(*BOUND, limits=limits).given_done(pay(500)).when(pay(1)).then_refused(Reason.LIMIT_EXCEEDED)
    spec.given((HOLDER, CustomerIdentified(tier=Tier.IN_PERSON))).given_done(pay(100))
    spec.when(pay(1)).then_refused(Reason.LIMIT_EXCEEDED)


@pytest.mark.parametrize("nobodys", [(ISSUED,), (*BOUND, CardUnbound(customer=HOLDER, by=UnboundBy.BANK))])
def test_a_card_that_is_nobodys_counts_against_its_own_limits_alone(nobodys: tuple[Event, ...]) -> None:
    """Of those only the ones for every tier: nobody has one. Nobody's are spent but the card's."""
    limits = (per_day(Subject.CUSTOMER, 1), per_day(Subject.CARD, 2, Tier.REMOTE), per_day(Subject.CARD, 500))
    spec = world(*nobodys, limits=limits).when(pay(500), FIRST)
    approved = spec.event()
    assert isinstance(approved, AuthorizationApproved)
    assert approved.spending is not None
    assert (approved.spending.customer, approved.spending.card) == (None, CARD)
    spec.when(pay(1)).then_refused(Reason.LIMIT_EXCEEDED)
    spec.when(Increment(authorization_id=FIRST, amount_tyiyn=1)).then_refused(Reason.LIMIT_EXCEEDED)
    used = spec.books.usage.used
    assert used(Period.DAY, CARD.bytes, Operation, spec.now) == (1, 500)
    assert used(Period.DAY, HOLDER.bytes, Operation, spec.now) == (0, 0)


def test_the_card_of_somebody_who_was_erased_pays_as_nobodys() -> None:
    """The bank's card goes on until the bank says otherwise."""
    spec = world(*BOUND, person=(*PERSON, CustomerErased())).when(pay())
    approved = spec.event()
    assert isinstance(approved, AuthorizationApproved)
    assert approved.spending is not None
    assert approved.spending.customer is None


def test_a_bound_customer_who_is_not_identified_pays_nothing() -> None:
    """As everywhere: without identification nothing is allowed."""
    spec = world(ISSUED, CardBound(customer=HOLDER), person=PERSON[:2])
    spec.when(pay()).then_refused(Reason.LIMIT_EXCEEDED, limit="unidentified")


def test_limits_come_before_funds() -> None:
    """Whoever asks for too much learns nothing of the balance."""
    spec = world(*BOUND, limits=(per_day(Subject.CARD, 500),))
    spec.when(pay(1_001)).then_refused(Reason.LIMIT_EXCEEDED)


@pytest.mark.parametrize("make", [pay, advise])
def test_a_tills_receipt_is_presented_once(make: Any) -> None:
    """By whichever card or account, approved here or elsewhere; what is declined takes no receipt (row S37)."""
    spec = world(*BOUND).when(pay(2_000, **RECEIPT)).then_refused(Reason.INSUFFICIENT_FUNDS)
    spec.when(make(**RECEIPT), FIRST).then_claimed((FISCAL_RECEIPT, "1:45:KKM-12:77"))
    assert spec.books.claim(FISCAL_RECEIPT, "1:45:KKM-12:77").holder == FIRST.bytes  # type: ignore[union-attr]
    again = Authorize(account_id=ANA, credit_account_id=SHOP, amount_tyiyn=1, **RECEIPT)
    spec.when(again, SECOND).then_refused(Reason.FISCAL_RECEIPT_SEEN, till_id="KKM-1", receipt="77")
    spec.when(advise(**RECEIPT), SECOND).then_refused(Reason.FISCAL_RECEIPT_SEEN)
    spec.when(make(**RECEIPT, credit_account_id=SETTLEMENT), THIRD)
    spec.then_claimed((FISCAL_RECEIPT, "1:55:KKM-12:77"))
    spec.when(pay(1, **{**RECEIPT, "till_id": "KKM-2"}), SECOND).then_claimed((FISCAL_RECEIPT, "1:45:KKM-22:77"))


@pytest.mark.parametrize("half", RECEIPT)
def test_a_till_without_its_receipt_says_nothing(half: str) -> None:
    """Both or neither."""
    with pytest.raises(ValueError, match="without the other"):
        pay(1, **{half: "1"})
