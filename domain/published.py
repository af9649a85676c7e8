"""Published rules: every version there was, and which one is in force.

Versions are numbered 1, 2, 3 … by the order in which they were published. In force is the newest one whose time
has come, so a version supersedes, from its own time on, all that were published before it, those too that have not
taken effect yet: to withdraw a version that is still to come, publish another one that begins no later. Before the
first one the document of ``domain.default_rules`` is in force, and a decision says so by its name.
"""

from typing import TYPE_CHECKING, ClassVar, Final
from uuid import UUID

import msgspec

from domain.default_rules import DEFAULT
from domain.event import Change, Context, Event
from domain.ids import claim_id
from domain.rules import Fee, Holds, Limit, Rules

if TYPE_CHECKING:
    from domain.books import Books

RULES_ID: Final = claim_id("rules", "published")
"""The aggregate of all published versions: its versions are theirs."""


class RulesPublished(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Rules were published, a whole document, in force from ``effective_from`` on."""

    TOPIC: ClassVar[str] = "rules.published.v1"

    effective_from: int
    holds: Holds
    fees: tuple[Fee, ...] = ()
    limits: tuple[Limit, ...] = ()
    maker: str = ""
    checker: str = ""
    explanation: str = ""
    proposal: UUID | None = None
    fingerprint: str = ""


class PublishedRules(msgspec.Struct, frozen=True):
    """All versions in the order of their publication; what decisions ask for the rules."""

    versions: tuple[Rules, ...] = ()

    def at(self, now: int) -> Rules:
        """Return the rules in force at ``now``."""
        effective = (rules for rules in reversed(self.versions) if rules.effective_from <= now)
        return next(effective, DEFAULT)

    def numbered(self, number: int) -> Rules | None:
        """Return a version by its number, 0 for the one before anything was published."""
        if number == 0:
            return DEFAULT
        return self.versions[number - 1] if 0 < number <= len(self.versions) else None

    def superseded(self, rules: Rules) -> bool:
        """Tell whether a version never was, or never will be, in force: a later one took effect no later."""
        return any(later.effective_from <= rules.effective_from for later in self.versions[rules.number :])


def evolve(state: PublishedRules | None, change: Change, recorded_at: int) -> PublishedRules:
    """Return the published rules after one more version."""
    event, before = change.event, () if state is None else state.versions
    if not isinstance(event, RulesPublished) or change.version != len(before) + 1:
        raise ValueError(f"{event.TOPIC} {change.version} is not the next event of the rules")
    rules = Rules(
        version=f"rules-{change.version}",
        fees=event.fees,
        limits=event.limits,
        holds=event.holds,
        number=change.version,
        effective_from=event.effective_from,
        published_at=recorded_at,
        maker=event.maker,
        checker=event.checker,
        explanation=event.explanation,
    )
    return PublishedRules((*before, rules))


def hold_rule(books: "Books", context: Context, kind: str, category: str, entry_mode: str) -> tuple[int, str]:
    """Return how many seconds a hold of this sort lasts, and the version of the rules that says so."""
    rules = books.rules.at(context.now)
    if rules.holds is None:
        return context.policy.hold_ttl(kind, category, entry_mode), context.policy.version
    return rules.holds.ttl(kind, category, entry_mode), rules.version
