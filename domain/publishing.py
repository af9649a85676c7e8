"""Publishing rules: a whole document is proposed by one operator and published by the approval of another.

A document takes effect no earlier than it is published, because decisions have been made until then: one whose time
has come before it was approved takes effect with the approval. It is approved on top of the version it was written
for, or not at all: otherwise what another operator published meanwhile would be undone without anybody saying so.
"""

from typing import TYPE_CHECKING, Annotated, ClassVar, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from domain import forms
from domain.command import Command, EffectiveTime, EntryMode, Explanation, MerchantCategoryCode, Operator
from domain.command import Limit as Bound
from domain.customer import Tier
from domain.event import Change, Context, HoldRule
from domain.proposal import OnProposal, Proposed, RejectProposal, expiry
from domain.published import RULES_ID, RulesPublished
from domain.refusals import Reason, Refusal, invalid, refuse
from domain.rules import WHOLE, Fee, Holds, Limit, Measure, Operation, Period, Subject
from domain.times import DAY_SECONDS, SECOND

if TYPE_CHECKING:
    from domain.books import Books

MAX_FEES = 500
MAX_LIMITS = 500
MAX_HOLD_RULES = 100
MAX_HOLD_SECONDS = 366 * DAY_SECONDS

HoldSeconds = Annotated[int, Field(strict=True, ge=1, le=MAX_HOLD_SECONDS)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FeeModel(_Part):
    """The rules of a fee's fields."""

    operation: Operation
    fixed_tyiyn: Bound = 0
    basis_points: Annotated[int, Field(strict=True, ge=0, le=WHOLE)] = 0
    minimum_tyiyn: Bound = 0
    maximum_tyiyn: Bound | None = None
    participant_id: Annotated[str, Field(pattern=forms.whole_or_empty(forms.PARTICIPANT))] = ""
    interbank: bool | None = None

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.maximum_tyiyn is not None and self.maximum_tyiyn < self.minimum_tyiyn:
            raise ValueError("has a maximum below its minimum")
        return self

    def struct(self) -> Fee:
        """Return the fee as events hold it."""
        return Fee(
            operation=self.operation,
            fixed=self.fixed_tyiyn,
            basis_points=self.basis_points,
            minimum=self.minimum_tyiyn,
            maximum=self.maximum_tyiyn,
            participant=self.participant_id,
            interbank=self.interbank,
        )


def _once(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) < len(values):
        raise ValueError("names one of them twice")
    return values


def _identified(tiers: tuple[Tier, ...]) -> tuple[Tier, ...]:
    if Tier.UNIDENTIFIED in tiers:
        raise ValueError("names the unidentified, who may spend nothing in any case")
    return tiers


class LimitModel(_Part):
    """The rules of a limit's fields."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
    subject: Subject
    period: Period
    measure: Measure
    maximum: Bound
    operations: Annotated[tuple[Operation, ...], AfterValidator(_once)] = ()
    tiers: Annotated[tuple[Tier, ...], AfterValidator(_once), AfterValidator(_identified)] = ()

    @model_validator(mode="after")
    def _measured(self) -> Self:
        if (self.period is Period.OPERATION) != (self.measure is Measure.AMOUNT):
            raise ValueError("measures an amount over a period, or anything else over a single operation")
        return self

    def struct(self) -> Limit:
        """Return the limit as events hold it."""
        return Limit(self.name, self.subject, self.period, self.measure, self.maximum, self.operations, self.tiers)


class HoldRuleModel(_Part):
    """The rules of a hold rule's fields."""

    ttl_seconds: HoldSeconds
    kind: Annotated[str, Field(pattern=forms.whole_or_empty(forms.MOVEMENT_KIND))] = ""
    merchant_category_code: MerchantCategoryCode = ""
    entry_mode: EntryMode = ""


class HoldsModel(_Part):
    """The rules of the fields that say how long holds last."""

    ttl_seconds: HoldSeconds
    rules: Annotated[tuple[HoldRuleModel, ...], Field(max_length=MAX_HOLD_RULES)] = ()

    def struct(self) -> Holds:
        """Return it as events hold it."""
        return Holds(self.ttl_seconds, tuple(HoldRule(**rule.model_dump()) for rule in self.rules))


def _unique_names(limits: tuple[LimitModel, ...]) -> tuple[LimitModel, ...]:
    if len({limit.name for limit in limits}) < len(limits):
        raise ValueError("has two limits of one name")
    return limits


class RulesModel(_Part):
    """The rules of a document's fields. It is complete: what it leaves out costs nothing and has no limit."""

    fees: Annotated[tuple[FeeModel, ...], Field(max_length=MAX_FEES)] = ()
    limits: Annotated[tuple[LimitModel, ...], Field(max_length=MAX_LIMITS), AfterValidator(_unique_names)] = ()
    holds: HoldsModel


class RulesProposed(Proposed, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An operator proposed rules, on top of version ``after``; without ``effective_from`` they begin when approved."""

    TOPIC: ClassVar[str] = "rules.proposed.v1"

    after: int
    holds: Holds
    fees: tuple[Fee, ...] = ()
    limits: tuple[Limit, ...] = ()
    effective_from: int | None = None


class ProposeRules(Command):
    """Propose a document. Nothing changes yet."""

    NAME: ClassVar[str] = "propose_rules"

    rules: RulesModel
    effective_from: EffectiveTime | None = None
    explanation: Explanation = ""
    operator: Operator

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guard only that it does not begin in the past."""
        earliest = context.now - context.policy.rules_tolerance_seconds * SECOND
        if self.effective_from is not None and self.effective_from < earliest:
            return invalid("effective_from", "PAST", "lies in the past: leave it out to begin with the approval")
        proposed = RulesProposed(
            after=len(books.rules.versions),
            holds=self.rules.holds.struct(),
            fees=tuple(fee.struct() for fee in self.rules.fees),
            limits=tuple(limit.struct() for limit in self.rules.limits),
            effective_from=self.effective_from,
            maker=self.operator,
            explanation=self.explanation,
            expires_at=expiry(context),
            fingerprint=self.fingerprint(),
        )
        return [Change(context.request_id, 1, proposed)]


class ApproveRules(OnProposal):
    """Approve proposed rules: they are published."""

    NAME: ClassVar[str] = "approve_rules"
    KIND: ClassVar[type[Proposed]] = RulesProposed

    def target(self) -> UUID:
        """Return the id of the published rules: their next version is what the request makes."""
        return UUID(bytes=RULES_ID)

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: the proposal, a second operator, no version since it was proposed."""
        found = self.approvable(books, context.now)
        if isinstance(found, Refusal):
            return found
        proposed = found.content
        if not isinstance(proposed, RulesProposed):
            raise TypeError("rules without their content")
        newest = len(books.rules.versions)
        if newest != proposed.after:
            return refuse(Reason.PROPOSAL_OUTDATED, proposal_id=self.proposal_id, newest=newest)
        published = RulesPublished(
            effective_from=max(proposed.effective_from or 0, context.now),
            holds=proposed.holds,
            fees=proposed.fees,
            limits=proposed.limits,
            maker=proposed.maker,
            checker=self.operator,
            explanation=proposed.explanation,
            proposal=self.proposal_id,
            fingerprint=self.fingerprint(),
        )
        return [Change(RULES_ID, newest + 1, published), self.approval(found, RULES_ID)]


class RejectRules(RejectProposal):
    """Reject proposed rules."""

    NAME: ClassVar[str] = "reject_rules"
    KIND: ClassVar[type[Proposed]] = RulesProposed
