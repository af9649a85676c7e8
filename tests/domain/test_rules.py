"""Rules: what a fee comes to, which version is in force, and what the shipped document says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.authorize import Authorize
from domain.columns import undo
from domain.customer import Tier
from domain.default_rules import DEFAULT
from domain.event import Event, HoldRule, Policy
from domain.money import MAX_AMOUNT
from domain.published import RULES_ID, RulesPublished
from domain.rules import Fee, Holds, Limit, Measure, Operation, Period, Rules, Subject
from tests.domain.spec import ANA, DAY, NOW, SECOND, SHOP, Spec

HOUR = 3_600
WEEK = Holds(7 * 86_400)


def published(effective_from: int, **fields: object) -> tuple[bytes, Event]:
    return RULES_ID, RulesPublished(**{"effective_from": effective_from, "holds": WEEK, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fee", "amount", "charged"),
    [
        (Fee(Operation.TOP_UP), 10_000, 0),
        (Fee(Operation.TOP_UP, fixed=300), 1, 300),
        (Fee(Operation.TOP_UP, basis_points=50), 10_000, 50),
        (Fee(Operation.TOP_UP, basis_points=1), 4_999, 0),
        (Fee(Operation.TOP_UP, basis_points=1), 5_000, 1),
        (Fee(Operation.TOP_UP, basis_points=1), 14_999, 1),
        (Fee(Operation.TOP_UP, basis_points=1), 15_000, 2),
        (Fee(Operation.TOP_UP, basis_points=50, fixed=100), 300, 102),
        (Fee(Operation.TOP_UP, basis_points=50, minimum=500), 10_000, 500),
        (Fee(Operation.TOP_UP, basis_points=50, minimum=500), 1_000_000, 5_000),
        (Fee(Operation.TOP_UP, basis_points=50, maximum=400), 1_000_000, 400),
        (Fee(Operation.TOP_UP, fixed=500, maximum=0), 1_000, 0),
        (Fee(Operation.TOP_UP, basis_points=10_000), MAX_AMOUNT, MAX_AMOUNT),
    ],
)
def test_a_fee_is_its_fixed_part_and_its_share_within_bounds(fee: Fee, amount: int, charged: int) -> None:
    """The share is rounded half up to the tyiyn; minimum and maximum hold for both parts together."""
    assert fee.charge(amount) == charged


@given(st.integers(1, MAX_AMOUNT), st.integers(0, 10_000))
def test_a_share_is_the_nearest_tyiyn(amount: int, basis_points: int) -> None:
    """It is off by half a tyiyn at most, upwards when it is exactly that."""
    off = 10_000 * Fee(Operation.TOP_UP, basis_points=basis_points).charge(amount) - amount * basis_points
    assert -5_000 < off <= 5_000


def test_the_first_fee_that_applies_is_charged() -> None:
    """A participant's own fee and one between banks stand before the general one; without any, nothing is charged."""
    card = Operation.TRANSFER_TO_CARD
    fees = (
        Fee(card, fixed=1, participant="bank-a", interbank=True),
        Fee(card, fixed=2, interbank=True),
        Fee(card, fixed=3, participant="bank-a"),
        Fee(card, fixed=4),
    )
    rules = Rules("v", fees=fees)
    assert rules.fee(card, 100, participant="bank-a", interbank=True) == 1
    assert rules.fee(card, 100, participant="bank-b", interbank=True) == 2
    assert rules.fee(card, 100, participant="bank-a") == 3
    assert rules.fee(card, 100) == 4
    assert rules.fee(Operation.TOP_UP, 100) == 0


@pytest.mark.parametrize("interbank", [False, True])
def test_a_transfer_to_a_bank_account_costs_nothing_by_default(interbank: bool) -> None:  # noqa: FBT001
    """The shipped document states the fee of leaflet row S26 and that it is 0; card to card costs a little."""
    stated = [fee for fee in DEFAULT.fees if fee.operation is Operation.TRANSFER_TO_ACCOUNT]
    assert stated == [Fee(Operation.TRANSFER_TO_ACCOUNT)]
    assert DEFAULT.fee(Operation.TRANSFER_TO_ACCOUNT, MAX_AMOUNT, interbank=interbank) == 0
    assert 0 < DEFAULT.fee(Operation.TRANSFER_TO_CARD, 1_000_000, interbank=interbank) <= 20_000
    assert DEFAULT.fee(Operation.TRANSFER_TO_CARD, 1_000_000, interbank=True) == 3_000


def test_the_default_document_bounds_everybody_and_charges_every_operation() -> None:
    """Each operation has a stated fee, each tier that may spend a limit of each period, and names are unique."""
    assert {fee.operation for fee in DEFAULT.fees} == set(Operation)
    for tier in (Tier.REMOTE, Tier.IN_PERSON):
        assert {limit.period for limit in DEFAULT.limits if limit.applies(Operation.TOP_UP, tier)} == set(Period)
    names = [limit.name for limit in DEFAULT.limits]
    assert len(names) == len(set(names))


def test_the_newest_version_whose_time_has_come_is_in_force() -> None:
    """Before any version the default document is; then each one from its own time on."""
    rules = Spec().given(published(NOW + 10), published(NOW + 20)).books.rules
    assert [rules.at(NOW + after).version for after in (9, 10, 19, 20)] == [
        "default-1",
        "rules-1",
        "rules-1",
        "rules-2",
    ]
    assert rules.at(0) is DEFAULT


def test_a_later_version_supersedes_what_has_not_taken_effect() -> None:
    """A version published later that begins no later takes the place of an earlier one for good."""
    rules = Spec().given(published(NOW + 20), published(NOW + 10), published(NOW + 30)).books.rules
    assert [rules.at(NOW + after).version for after in (9, 10, 20, 30)] == [
        "default-1",
        "rules-2",
        "rules-2",
        "rules-3",
    ]
    assert [rules.superseded(version) for version in rules.versions] == [True, False, False]
    assert rules.numbered(2) == rules.versions[1]
    assert rules.numbered(0) is DEFAULT
    assert rules.numbered(4) is None


def test_published_rules_say_how_long_a_hold_lasts() -> None:
    """Once in force they take the place of the server's settings, and the event names their version."""
    holds = Holds(HOUR, (HoldRule(60, kind="fuel"),))
    policy = Policy(version="settings-1", hold_rules=(HoldRule(5, kind="fuel"),))
    spec = Spec(policy).funds(ANA, 1_000).given(published(NOW + DAY, holds=holds))
    fuel = Authorize(account_id=ANA, credit_account_id=SHOP, amount_tyiyn=1, kind="fuel")
    event = spec.when(fuel).event()
    assert (event.expires_at - spec.now, event.rule_version) == (5 * SECOND, "settings-1")
    event = spec.after(DAY).when(fuel).event()
    assert (event.expires_at - spec.now, event.rule_version) == (60 * SECOND, "rules-1")
    event = spec.when(Authorize(account_id=ANA, credit_account_id=SHOP, amount_tyiyn=1)).event()
    assert event.expires_at - spec.now == HOUR * SECOND


def test_undoing_a_publication_brings_back_the_rules_before_it() -> None:
    """A version that never became durable is not in force."""
    spec = Spec().given(published(NOW))
    mark, before = len(spec.books.journal), spec.books.rules
    spec.given(published(NOW))
    assert spec.books.rules.at(NOW).version == "rules-2"
    undo(spec.books.journal, mark)
    assert spec.books.rules == before
    assert spec.books.aggregate(RULES_ID) is spec.books.rules


def test_versions_follow_each_other_without_a_gap() -> None:
    """A version out of turn is no event of the rules."""
    limit = Limit("l", Subject.CARD, Period.DAY, Measure.SUM, 1)
    spec = Spec().given(published(NOW, limits=(limit,)))
    assert spec.books.rules.at(NOW).limits == (limit,)
    with pytest.raises(ValueError, match="not the next event"):
        spec.books.evolve(spec.history[-1][0], NOW, 99)
