"""Proposals: nothing happens before a second operator approves, and then exactly what was proposed."""

from typing import Any

import pytest
from pydantic import ValidationError

from domain.adjustment import AdjustmentProposed, ApproveAdjustment, ProposeAdjustment, RejectAdjustment, transfer_of
from domain.ids import derived_id
from domain.proposal import ProposalApproved, ProposalRejected, ProposalState
from domain.publishing import ApproveRules, ProposeRules, RejectRules, RulesModel
from domain.refusals import Reason, Refusal
from domain.rules import Fee, Operation
from domain.transfer_reversal import ReverseTransfer
from tests.domain.spec import ANA, BEK, CASH, DAY, DOLLARS, NOBODY, NOW, SECOND, Spec, uid

ONE, OTHER = uid(1), uid(2)
HOLDS = {"ttl_seconds": 60}
WRITE_OFF = ProposeAdjustment(
    debit_account_id=ANA, credit_account_id=BEK, amount_tyiyn=40, explanation="posted twice", operator="maker"
)
RULES = ProposeRules(
    rules=RulesModel(holds=HOLDS, fees=({"operation": "top_up", "fixed_tyiyn": 7},)),
    operator="maker",
)
PROPOSALS = [
    (WRITE_OFF, ApproveAdjustment, RejectAdjustment),
    (RULES, ApproveRules, RejectRules),
]


def proposed(command: Any) -> Spec:
    return Spec().funds(ANA, 100).when(command, ONE)


def test_an_adjustment_moves_money_when_it_is_approved() -> None:
    """The proposal moves nothing; the approval and a transfer of the kind adjustment are appended together."""
    spec = proposed(WRITE_OFF)
    expires_at = spec.now + 3 * DAY
    fields: dict[str, Any] = {"debit_account": ANA, "credit_account": BEK, "amount": 40, "explanation": "posted twice"}
    content = AdjustmentProposed(**fields, maker="maker", expires_at=expires_at)
    spec.then(content).then_figures(ANA, posted=100)
    spec.when(ApproveAdjustment(proposal_id=ONE, operator="checker"))
    transfer = transfer_of(ONE.bytes, content)
    spec.then(ProposalApproved(checker="checker", result=uid_of(transfer.request_id)), transfer.posted())
    spec.then_figures(ANA, posted=60).then_figures(BEK, posted=40)
    assert (transfer.kind, transfer.request_id) == ("adjustment", derived_id(ONE.bytes, "adjustment"))
    life = spec.life(ONE)
    assert (life.state(spec.now + 9 * DAY), life.checker, life.version) == (ProposalState.APPROVED, "checker", 2)


def test_an_adjustment_is_taken_back_by_another_one_only() -> None:
    """One operator alone reverses no adjustment; a transfer that merely bears the name of one is like any other."""
    spec = proposed(WRITE_OFF).given_done(ApproveAdjustment(proposal_id=ONE, operator="checker"))
    posted = uid_of(derived_id(ONE.bytes, "adjustment"))
    spec.when(ReverseTransfer(transfer_id=posted)).then_refused(Reason.ADJUSTMENT_NOT_REVERSIBLE)
    so_called = spec.transfer(ANA, BEK, 1, kind="adjustment")
    spec.given_done(so_called, ReverseTransfer(transfer_id=uid_of(so_called.request_id)))


def uid_of(value: bytes) -> Any:
    return type(ONE)(bytes=value)


def test_published_rules_are_those_that_were_proposed() -> None:
    """The approval publishes the whole document, with both operators, and it is in force at once."""
    spec = proposed(RULES).when(ApproveRules(proposal_id=ONE, operator="checker"))
    rules = spec.books.rules.at(spec.now)
    assert (rules.version, rules.maker, rules.checker, rules.effective_from) == (
        "rules-1",
        "maker",
        "checker",
        spec.now,
    )
    assert rules.fees == (Fee(Operation.TOP_UP, fixed=7),)
    assert spec.event().proposal == ONE
    assert spec.life(ONE).decided is ProposalState.APPROVED


@pytest.mark.parametrize(("command", "approve", "reject"), PROPOSALS)
def test_nobody_approves_what_is_their_own(command: Any, approve: Any, reject: Any) -> None:
    """The maker may withdraw, but not approve."""
    spec = proposed(command).when(approve(proposal_id=ONE, operator="maker")).then_refused(Reason.SAME_OPERATOR)
    spec.when(reject(proposal_id=ONE, operator="maker", explanation="a slip"))
    spec.then(ProposalRejected(checker="maker", explanation="a slip"))
    assert spec.life(ONE).rejection == "a slip"


@pytest.mark.parametrize(("command", "approve", "reject"), PROPOSALS)
def test_a_proposal_is_decided_once(command: Any, approve: Any, reject: Any) -> None:
    """After an approval or a rejection both are refused, with how it ended."""
    for first, ended in ((approve, "approved"), (reject, "rejected")):
        spec = proposed(command).given_done(first(proposal_id=ONE, operator="checker"))
        for again in (approve, reject):
            spec.when(again(proposal_id=ONE, operator="third")).then_refused(Reason.PROPOSAL_RESOLVED, ended=ended)


@pytest.mark.parametrize(("command", "approve", "reject"), PROPOSALS)
@pytest.mark.parametrize(("late", "alive"), [(-2, True), (-1, False)])
def test_a_proposal_waits_for_three_days(command: Any, approve: Any, reject: Any, late: int, *, alive: bool) -> None:
    """At the very instant its time is over it can neither be approved nor rejected."""
    for decide in (approve, reject):
        spec = proposed(command).after(3 * DAY + late).when(decide(proposal_id=ONE, operator="checker"))
        if alive:
            assert isinstance(spec.decided, list)
        else:
            spec.then_refused(Reason.PROPOSAL_EXPIRED)
            assert spec.life(ONE).state(spec.now) is ProposalState.EXPIRED


def test_a_proposal_of_another_kind_is_none() -> None:
    """Rules are not approved as an adjustment, nor is what does not exist."""
    proposed(RULES).when(ApproveAdjustment(proposal_id=ONE, operator="c")).then_refused(Reason.PROPOSAL_NOT_FOUND)
    proposed(WRITE_OFF).when(ApproveRules(proposal_id=ONE, operator="c")).then_refused(Reason.PROPOSAL_NOT_FOUND)
    Spec().when(RejectAdjustment(proposal_id=ONE, operator="c")).then_refused(Reason.PROPOSAL_NOT_FOUND)


def test_an_adjustment_is_guarded_as_a_transfer_when_proposed_and_when_approved() -> None:
    """What cannot be posted is not proposed; what can no longer be posted is not approved, and stays open."""
    for change, reason in (
        ({"credit_account_id": NOBODY}, Reason.ACCOUNT_NOT_FOUND),
        ({"credit_account_id": DOLLARS}, Reason.CURRENCY_MISMATCH),
        ({"amount_tyiyn": 101}, Reason.INSUFFICIENT_FUNDS),
    ):
        proposed(WRITE_OFF.model_copy(update=change)).then_refused(reason)
    spec = proposed(WRITE_OFF)
    spec.given_done(spec.transfer(ANA, CASH, 61))
    spec.when(ApproveAdjustment(proposal_id=ONE, operator="checker")).then_refused(Reason.INSUFFICIENT_FUNDS)
    spec.funds(ANA, 1).given_done(ApproveAdjustment(proposal_id=ONE, operator="checker"))
    spec.then_figures(ANA, posted=0)


@pytest.mark.parametrize(
    "change",
    [{"credit_account_id": ANA}, {"amount_tyiyn": 0}, {"explanation": ""}, {"operator": ""}, {"explanation": "a\nb"}],
)
def test_an_adjustment_names_two_accounts_an_amount_and_a_reason(change: dict[str, Any]) -> None:
    """Without any of them there is nothing to approve."""
    with pytest.raises(ValidationError):
        ProposeAdjustment(**{**WRITE_OFF.model_dump(), **change})


def test_rules_are_approved_on_top_of_the_version_they_were_written_for() -> None:
    """Of two proposals made side by side only one is published: the other would undo it."""
    spec = proposed(RULES).when(RULES, OTHER).given_done(ApproveRules(proposal_id=OTHER, operator="checker"))
    spec.when(ApproveRules(proposal_id=ONE, operator="checker")).then_refused(Reason.PROPOSAL_OUTDATED, newest="1")


@pytest.mark.parametrize(
    ("after", "waited", "takes_effect_after"),
    [(-300 * SECOND, 0, 1), (DAY, 0, DAY), (DAY, 2 * DAY, 2 * DAY + 1), (None, DAY, DAY + 1)],
)
def test_rules_take_effect_when_they_say_but_not_before_they_are_published(
    after: int | None, waited: int, takes_effect_after: int
) -> None:
    """A time that has passed when the second operator comes is the time of the approval."""
    effective_from = None if after is None else NOW + 2 + after
    spec = proposed(RULES.model_copy(update={"effective_from": effective_from}))
    assert spec.now == NOW + 2
    spec.after(waited).when(ApproveRules(proposal_id=ONE, operator="checker"))
    assert spec.event().effective_from == NOW + 2 + takes_effect_after


def test_rules_do_not_begin_in_the_past() -> None:
    """Five minutes are forgiven, for clocks that differ; one microsecond more is not."""
    spec = proposed(RULES.model_copy(update={"effective_from": NOW + 2 - 300 * SECOND - 1}))
    assert isinstance(spec.decided, Refusal)
    assert [(wrong.field, wrong.rule) for wrong in spec.decided.violations] == [("effective_from", "PAST")]


FEE = {"operation": "top_up"}
LIMIT = {"name": "a", "subject": "card", "period": "day", "measure": "sum", "maximum": 1}


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({}, ("holds",)),
        ({"holds": {"ttl_seconds": 0}}, ("holds", "ttl_seconds")),
        ({"holds": {"ttl_seconds": 366 * 86_400 + 1}}, ("holds", "ttl_seconds")),
        ({"holds": {**HOLDS, "rules": [{"ttl_seconds": 1, "kind": "Fuel"}]}}, ("holds", "rules", 0, "kind")),
        ({"fees": [{"operation": "tea"}]}, ("fees", 0, "operation")),
        ({"fees": [FEE, {**FEE, "basis_points": 10_001}]}, ("fees", 1, "basis_points")),
        ({"fees": [{**FEE, "fixed_tyiyn": -1}]}, ("fees", 0, "fixed_tyiyn")),
        ({"fees": [{**FEE, "fixed_tyiyn": 1.0}]}, ("fees", 0, "fixed_tyiyn")),
        ({"fees": [{**FEE, "minimum_tyiyn": 2, "maximum_tyiyn": 1}]}, ("fees", 0)),
        ({"fees": [{**FEE, "participant_id": "Bank"}]}, ("fees", 0, "participant_id")),
        ({"fees": [FEE] * 501}, ("fees",)),
        ({"limits": [{**LIMIT, "name": "A"}]}, ("limits", 0, "name")),
        ({"limits": [{**LIMIT, "maximum": -1}]}, ("limits", 0, "maximum")),
        ({"limits": [{**LIMIT, "period": "operation"}]}, ("limits", 0)),
        ({"limits": [{**LIMIT, "measure": "amount"}]}, ("limits", 0)),
        ({"limits": [{**LIMIT, "tiers": ["unidentified"]}]}, ("limits", 0, "tiers")),
        ({"limits": [{**LIMIT, "tiers": ["remote", "remote"]}]}, ("limits", 0, "tiers")),
        ({"limits": [{**LIMIT, "operations": ["top_up", "top_up"]}]}, ("limits", 0, "operations")),
        ({"limits": [LIMIT, LIMIT]}, ("limits",)),
    ],
)
def test_what_is_wrong_with_a_document_is_named_by_its_path(document: dict[str, Any], path: tuple[Any, ...]) -> None:
    """Each field has its rule, and a wrong one its place."""
    complete = document if not document or "holds" in document else {"holds": HOLDS, **document}
    with pytest.raises(ValidationError) as found:
        RulesModel.model_validate(complete)
    assert [error["loc"] for error in found.value.errors()] == [path]
