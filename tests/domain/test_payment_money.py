"""Whatever payers, providers and operators do: no tyiyn is made or lost, and what was delivered is paid once."""

from collections import defaultdict
from typing import NamedTuple
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.payment import Decider, PaymentState, authorization_of
from domain.rules import Fee, Operation
from domain.settle import Answer
from tests.domain.payment_world import CAFE, FUNDS, MARKET, MOBILE, WATER, PaymentSpec
from tests.domain.spec import DAY, uid
from tests.domain.transfer_world import ADILS

PAYEES = {"cafe": CAFE, "market": MARKET, "water": WATER, "mobile": MOBILE}


class Said(NamedTuple):
    """Somebody's word on a payment, and how many days pass before it."""

    answer: Answer
    by: Decider
    days: int


SAID = st.builds(
    Said,
    st.sampled_from(Answer),
    st.sampled_from([Decider.PROVIDER, Decider.PROVIDER, Decider.OPERATOR]),
    st.sampled_from([0, 0, 1, 8]),
)


class Story(NamedTuple):
    """One payment and all that happens to it."""

    code: str
    amount: int
    confirms: int
    said: list[Said]
    refunds: list[tuple[int, int]]


STORY = st.builds(
    Story,
    st.sampled_from(sorted(PAYEES)),
    st.integers(1, FUNDS // 2),
    st.integers(0, 2),
    st.lists(SAID, max_size=4),
    st.lists(st.tuples(st.integers(1, FUNDS), st.integers(0, 2_000)), max_size=3),
)


def delivered(said: list[Said]) -> bool:
    """Tell whether a payment is to be paid: the first word that is one counts, but a yes overrules an operator's no."""
    given_up = False
    for word in said:
        if word.answer is Answer.UNKNOWN:
            continue
        if not given_up:
            if word.answer is Answer.DELIVERED or word.by is Decider.PROVIDER:
                return word.answer is Answer.DELIVERED
            given_up = True
        elif word == (Answer.DELIVERED, Decider.PROVIDER, word.days):
            return True
    return False


@settings(max_examples=150, deadline=None)
@given(stories=st.lists(STORY, min_size=1, max_size=5), fixed=st.integers(0, 2_000), points=st.integers(0, 500))
def test_no_tyiyn_is_made_or_lost_and_a_delivery_is_paid_once(stories: list[Story], fixed: int, points: int) -> None:
    """The books sum to zero after every step, and each payee has what was delivered, less what it gave back."""
    spec = PaymentSpec(fees=tuple(Fee(operation, fixed=fixed, basis_points=points) for operation in Operation))
    expected: dict[int, int] = defaultdict(int)
    spent = 0
    for number, story in enumerate(stories):
        payment = uid(500 + number)
        spec.prepared(story.code, story.amount, payment)
        for _ in range(story.confirms):
            spec.confirm(payment)
            assert spec.total() == 0
        for word in story.said:
            spec.after(word.days * DAY).lapse().answer(word.answer, word.by, payment)
            assert spec.total() == 0
        for amount, fee in story.refunds:
            spec.refund(amount, fee, payment)
            assert spec.total() == 0
        told = spec.life(payment)
        confirmed = told.state is not PaymentState.PREPARED
        paid = confirmed and (story.code in {"cafe", "market"} or delivered(story.said))
        assert (told.state is PaymentState.SUCCEEDED) == paid
        if paid:
            expected[PAYEES[story.code]] += story.amount - told.refunded
            spent += told.total - told.refunded - told.fee_refunded
        if confirmed:
            hold = spec.life(UUID(bytes=authorization_of(payment.bytes)))
            assert hold.captured == (told.total if paid else 0)
            assert hold.refunded == told.refunded + told.fee_refunded
            assert hold.remaining in {0, 0 if told.decided_by else told.total}
    balances = spec.balances()
    assert {account: balances.get(account, 0) for account in PAYEES.values()} == {
        account: expected[account] for account in PAYEES.values()
    }
    assert balances.get(ADILS, 0) == FUNDS - spent
