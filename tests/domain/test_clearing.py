"""Captures, force posts, refunds and notices: what clearing brings."""

from collections.abc import Callable
from typing import Any

import pytest

from domain.account import AccountClosed, AccountFrozen
from domain.authorization import AuthorizationCaptured, ForcePosted, RefundAuthorized, RefundPosted, State
from domain.authorize import Advise
from domain.claim import SettlementNoticed
from domain.clearing import AuthorizeRefund, ForcePost, PostRefund, RecordSettlementNotice
from domain.command import Command
from domain.event import Leg
from domain.ids import claim_id
from domain.money import MAX_BALANCE
from domain.refusals import Reason
from domain.resolve import Capture, CapturePart
from tests.domain.spec import ANA, BEK, CASH, DOLLARS, NOBODY, SETTLEMENT, SHOP, Spec, uid
from tests.domain.test_authorizations import HELD, held, resolve


def capture(amount: int, reference: str = "c", **fields: Any) -> Capture:
    return Capture(authorization_id=HELD, amount_tyiyn=amount, clearing_reference=reference, **fields)


def force(account: int = ANA, credit: int = SHOP, **fields: Any) -> ForcePost:
    content = {"account_id": account, "credit_account_id": credit, "amount_tyiyn": 5, "clearing_reference": "f"}
    return ForcePost.model_validate(content | fields)


def refund(amount: int, reference: str = "d", **fields: Any) -> PostRefund:
    return PostRefund(amount_tyiyn=amount, clearing_reference=reference, **fields)


@pytest.mark.parametrize(
    ("amount", "final", "released", "over", "left"),
    [(20, False, 20, False, 40), (20, True, 60, False, 0), (60, False, 60, False, 0), (75, False, 60, True, 0)],
)
def test_a_capture_posts_and_releases(amount: int, final: bool, released: int, over: bool, left: int) -> None:  # noqa: FBT001
    """What is captured is posted, the hold shrinks by as much, and a final capture lets the rest go."""
    spec = held().when(capture(amount, final=final))
    leg = Leg("capture", ANA, SHOP, amount)
    spec.then(
        AuthorizationCaptured(
            account=ANA, amount=amount, released=released, legs=(leg,), clearing_reference="c", final=final, over=over
        )
    )
    spec.then_claimed(("clearing_reference", "c")).then_figures(ANA, posted=100 - amount, held=left)
    assert spec.life(HELD).state is (State.CAPTURED if final else State.OPEN)


@pytest.mark.parametrize(
    ("ended", "late", "after_close"), [("expired", True, False), ("reversed", False, True), ("captured", False, True)]
)
def test_a_capture_after_the_end_posts_and_is_flagged(ended: str, late: bool, after_close: bool) -> None:  # noqa: FBT001
    """An approved authorisation's capture always posts, above the balance and on a closed account too."""
    spec = resolve(held(), ended).given((ANA, AccountFrozen(debits=True, credits=True)), (ANA, AccountClosed()))
    posted = spec.books.accounts.posted[ANA]
    event = spec.when(capture(500)).event()
    assert (event.late, event.after_close, event.over, event.released) == (late, after_close, True, 0)
    spec.then_figures(ANA, posted=posted - 500)
    assert spec.life(HELD).state.value == ended


def test_several_captures_are_normal() -> None:
    """Each capture posts under its own clearing reference, and a reference counts once."""
    spec = held().given_done(capture(10, "c1"), capture(20, "c2")).then_figures(ANA, posted=70, held=30)
    spec.when(capture(10, "c2")).then_refused(Reason.CLEARING_REFERENCE_SEEN, clearing_reference="c2")
    spec.when(force(clearing_reference="c1")).then_refused(Reason.CLEARING_REFERENCE_SEEN)
    spec.when(refund(1, "c1", authorization_id=HELD)).then_refused(Reason.CLEARING_REFERENCE_SEEN)
    assert spec.life(HELD).captured == 30


@pytest.mark.parametrize(
    "make",
    [
        lambda **fields: capture(1, "c", **fields),
        lambda **fields: force(clearing_reference="c", **fields),
        lambda **fields: refund(1, "c", authorization_id=HELD, **fields),
    ],
    ids=["capture", "force post", "refund"],
)
def test_an_acquirers_references_are_its_own(make: Callable[..., Command]) -> None:
    """Another's record, or one of nobody's, that carries the same reference is another record; a notice follows it."""
    spec = held().given_done(capture(10, "c"))
    spec.when(RecordSettlementNotice(clearing_reference="c", amount_tyiyn=1, acquirer_id="a-1"))
    spec.then_refused(Reason.CLEARING_REFERENCE_NOT_FOUND)
    for acquirer, key in (("a-1", "3:a-11:c"), ("a-2", "3:a-21:c")):
        spec.when(make(acquirer_id=acquirer)).then_claimed(("acquirer_clearing_reference", key))
        spec.when(make(acquirer_id=acquirer)).then_refused(Reason.CLEARING_REFERENCE_SEEN, clearing_reference="c")
        notice = RecordSettlementNotice(clearing_reference="c", amount_tyiyn=1, acquirer_id=acquirer)
        spec.when(notice).then(SettlementNoticed(clearing_reference="c", amount=1, acquirer=acquirer))
    spec.when(make()).then_refused(Reason.CLEARING_REFERENCE_SEEN)


def test_a_record_that_names_no_acquirer_is_what_it_always_was() -> None:
    """Neither its claim nor its fingerprint says anything of one."""
    assert capture(1).fingerprint() == capture(1, acquirer_id="").fingerprint()
    assert capture(1).fingerprint() != capture(1, acquirer_id="a-1").fingerprint()
    assert capture(1).claims() == (claim_id("clearing_reference", "c"),)


def test_parts_go_where_they_say_and_add_up() -> None:
    """A capture's parts are its movements; a sum that differs is refused."""
    parts = (
        CapturePart(credit_account_id=SHOP, amount_tyiyn=45),
        CapturePart(kind="fee", credit_account_id=SETTLEMENT, amount_tyiyn=5),
    )
    held().when(capture(51, parts=parts)).then_refused(Reason.INVALID_ARGUMENT)
    spec = held().given_done(capture(50, parts=parts))
    spec.then_figures(ANA, posted=50, held=10).then_figures(SHOP, posted=45).then_figures(SETTLEMENT, posted=5)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"authorization_id": uid(9), "expected_version": 9}, Reason.AUTHORIZATION_NOT_FOUND),
        ({"expected_version": 9, "effective_time": 1}, Reason.EXPECTED_VERSION_MISMATCH),
        ({"effective_time": 1, "clearing_reference": "seen"}, Reason.EFFECTIVE_TIME_OUT_OF_BOUNDS),
        ({"clearing_reference": "seen", "currency_code": "USD"}, Reason.CLEARING_REFERENCE_SEEN),
        ({"currency_code": "USD", "parts": ((NOBODY, 5),)}, Reason.CURRENCY_MISMATCH),
        ({"parts": ((NOBODY, 5),)}, Reason.ACCOUNT_NOT_FOUND),
        ({"parts": ((ANA, 5),)}, Reason.INVALID_ARGUMENT),
        ({"parts": ((DOLLARS, 5),)}, Reason.CURRENCY_MISMATCH),
        ({"parts": ((CASH, 5),)}, Reason.BALANCE_LIMIT),
    ],
)
def test_guards_of_a_capture_stand_in_order(fields: dict[str, Any], reason: Reason) -> None:
    """Approved, time, reference, currency, parts, bounds."""
    spec = held().given_done(force(clearing_reference="seen"))
    spec.books.accounts.posted[CASH] = MAX_BALANCE - 4
    parts = tuple(CapturePart(credit_account_id=to, amount_tyiyn=amount) for to, amount in fields.get("parts", ()))
    content = {"authorization_id": HELD, "amount_tyiyn": 5, "clearing_reference": "c"} | fields | {"parts": parts}
    spec.when(Capture(**content)).then_refused(reason)


def test_a_force_post_needs_no_funds() -> None:
    """A clearing line without an authorisation posts, whatever the balance and the state."""
    spec = Spec().given((ANA, AccountFrozen(debits=True))).when(force(merchant_name="Дүкөн"))
    leg = Leg("force_post", ANA, SHOP, 5)
    spec.then(ForcePosted(account=ANA, amount=5, legs=(leg,), clearing_reference="f", merchant_name="Дүкөн"))
    spec.then_claimed(("clearing_reference", "f")).then_figures(ANA, posted=-5).then_figures(SHOP, posted=5)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (force(NOBODY, effective_time=1), Reason.EFFECTIVE_TIME_OUT_OF_BOUNDS),
        (force(NOBODY), Reason.ACCOUNT_NOT_FOUND),
        (force(ANA, NOBODY), Reason.ACCOUNT_NOT_FOUND),
        (force(ANA, ANA), Reason.INVALID_ARGUMENT),
        (force(ANA, DOLLARS), Reason.CURRENCY_MISMATCH),
        (force(ANA, SHOP, currency_code="USD"), Reason.CURRENCY_MISMATCH),
        (force(ANA, SHOP, clearing_reference="seen"), Reason.CLEARING_REFERENCE_SEEN),
    ],
)
def test_guards_of_a_force_post_stand_in_order(command: Command, reason: Reason) -> None:
    """Time, accounts, currency, reference."""
    Spec().given_done(force(clearing_reference="seen")).when(command).then_refused(reason)


def test_a_linked_refund_gives_back_what_was_captured() -> None:
    """Refunds of an authorisation add up to its captures at most, and live in its life."""
    spec = held().given_done(capture(50, final=True))
    spec.when(refund(30, authorization_id=HELD))
    spec.then(
        RefundPosted(account=ANA, amount=30, legs=(Leg("refund", SHOP, ANA, 30),), clearing_reference="d")
    ).then_figures(ANA, posted=80)
    spec.when(refund(21, "d2", authorization_id=HELD)).then_refused(Reason.OVER_REFUND, refundable_tyiyn="20")
    spec.given_done(refund(20, "d2", authorization_id=HELD))
    assert spec.life(HELD).refunded == 50


def test_an_unlinked_refund_is_a_merchants_credit() -> None:
    """Without an authorisation the accounts are named, and the credit stands by itself."""
    spec = Spec().when(refund(30, account_id=ANA, merchant_account_id=SHOP), uid(7))
    spec.then_figures(ANA, posted=30).then_figures(SHOP, posted=-30)
    assert isinstance(spec.life(uid(7)), RefundPosted)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"effective_time": 1, "authorization_id": uid(9)}, Reason.EFFECTIVE_TIME_OUT_OF_BOUNDS),
        ({"authorization_id": uid(9), "clearing_reference": "seen"}, Reason.AUTHORIZATION_NOT_FOUND),
        ({"authorization_id": HELD, "clearing_reference": "seen", "amount_tyiyn": 99}, Reason.CLEARING_REFERENCE_SEEN),
        ({"authorization_id": HELD, "amount_tyiyn": 99, "currency_code": "USD"}, Reason.OVER_REFUND),
        ({"clearing_reference": "seen"}, Reason.CLEARING_REFERENCE_SEEN),
        ({}, Reason.INVALID_ARGUMENT),
        ({"account_id": ANA}, Reason.INVALID_ARGUMENT),
        ({"account_id": ANA, "merchant_account_id": NOBODY}, Reason.ACCOUNT_NOT_FOUND),
        ({"account_id": ANA, "merchant_account_id": SHOP, "currency_code": "USD"}, Reason.CURRENCY_MISMATCH),
    ],
)
def test_guards_of_a_refund_stand_in_order(fields: dict[str, Any], reason: Reason) -> None:
    """Time, original, reference, amount, accounts, currency."""
    spec = held().given_done(force(clearing_reference="seen"))
    content = {"amount_tyiyn": 1, "clearing_reference": "d"} | fields
    spec.when(PostRefund(**content)).then_refused(reason)


def test_a_merchants_credit_takes_no_customers_money() -> None:
    """A customer's account goes below its available balance through captures, advices and force posts alone."""
    Spec().when(refund(30, account_id=ANA, merchant_account_id=BEK)).then_refused(Reason.INSUFFICIENT_FUNDS)


def test_an_announced_refund_moves_nothing() -> None:
    """The announcement is recorded, with or without an authorisation; unknown and closed are refused."""
    spec = held().when(AuthorizeRefund(account_id=ANA, amount_tyiyn=5, authorization_id=HELD))
    spec.then(RefundAuthorized(account=ANA, amount=5, authorization=HELD)).then_figures(ANA, posted=100, held=60)
    spec.when(AuthorizeRefund(account_id=BEK, amount_tyiyn=5, authorization_id=HELD))
    spec.then_refused(Reason.AUTHORIZATION_NOT_FOUND)
    spec.when(AuthorizeRefund(account_id=NOBODY, amount_tyiyn=5)).then_refused(Reason.ACCOUNT_NOT_FOUND)
    spec.when(AuthorizeRefund(account_id=ANA, amount_tyiyn=5, currency_code="USD"))
    spec.then_refused(Reason.CURRENCY_MISMATCH)
    spec.given((BEK, AccountClosed())).when(AuthorizeRefund(account_id=BEK, amount_tyiyn=5))
    spec.then_refused(Reason.ACCOUNT_CLOSED)


def test_a_notice_of_what_is_posted_moves_nothing() -> None:
    """A clearing line with a known reference is noted as often as it comes; an unknown one is refused."""
    notice = RecordSettlementNotice(clearing_reference="f", amount_tyiyn=5)
    spec = Spec().when(notice).then_refused(Reason.CLEARING_REFERENCE_NOT_FOUND)
    spec.given_done(force()).given_done(notice).when(notice)
    spec.then(SettlementNoticed(clearing_reference="f", amount=5)).then_figures(ANA, posted=-5)


def test_an_advice_above_everything_is_captured_below_zero() -> None:
    """Captures of what was approved elsewhere post below zero."""
    advice = Advise(account_id=ANA, credit_account_id=SHOP, amount_tyiyn=500)
    Spec().when(advice, HELD).given_done(capture(500, final=True)).then_figures(ANA, posted=-500)
