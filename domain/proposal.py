"""Proposals: what one operator asks for and another one grants or rejects.

A proposal's id is the request id of whoever made it, the maker. Until its time is over another operator, the
checker, may approve it: what was proposed then happens in the same append. Anybody who may approve may reject it,
and so may the maker. That its time is over is no event: it follows from the instant that the proposal names.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

import msgspec

from domain.command import Command, Explanation, Operator
from domain.event import Change, Context, Event
from domain.refusals import Reason, Refusal, refuse
from domain.times import SECOND

if TYPE_CHECKING:
    from domain.books import Books


class ProposalState(StrEnum):
    """How a proposal stands."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


class Proposed(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What every proposal says: who made it, why, and until when it can be approved."""

    maker: str
    expires_at: int
    explanation: str = ""
    fingerprint: str = ""


class ProposalApproved(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A second operator approved a proposal: what it asks for is recorded with this."""

    TOPIC: ClassVar[str] = "proposal.approved.v1"

    checker: str
    result: UUID | None = None
    fingerprint: str = ""


class ProposalRejected(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A proposal was rejected, or withdrawn by its maker: nothing comes of it."""

    TOPIC: ClassVar[str] = "proposal.rejected.v1"

    checker: str
    explanation: str = ""
    fingerprint: str = ""


class Proposal(msgspec.Struct, frozen=True):
    """A proposal as its events tell it. ``result`` is what its approval made."""

    proposal_id: bytes
    content: Proposed
    created_at: int
    updated_at: int
    version: int = 1
    decided: ProposalState = ProposalState.OPEN
    checker: str = ""
    rejection: str = ""
    result: bytes | None = None

    def state(self, now: int) -> ProposalState:
        """Return how it stands at ``now``."""
        if self.decided is ProposalState.OPEN and now >= self.content.expires_at:
            return ProposalState.EXPIRED
        return self.decided


def evolve(state: Proposal | None, change: Change, recorded_at: int) -> Proposal:
    """Return the proposal after one more of its events."""
    event = change.event
    if isinstance(event, Proposed):
        return Proposal(change.originator_id, event, created_at=recorded_at, updated_at=recorded_at)
    if state is None:
        raise ValueError(f"{event.TOPIC} before a proposal")
    changed: dict[str, object]
    match event:
        case ProposalApproved():
            result = None if event.result is None else event.result.bytes
            changed = {"decided": ProposalState.APPROVED, "result": result}
        case ProposalRejected():
            changed = {"decided": ProposalState.REJECTED, "rejection": event.explanation}
        case _:
            raise ValueError(f"{event.TOPIC} is not an event of a proposal")
    return msgspec.structs.replace(
        state, version=change.version, updated_at=recorded_at, checker=event.checker, **changed
    )


def expiry(context: Context) -> int:
    """Return until when what is proposed now can be approved."""
    return context.now + context.policy.proposal_ttl_seconds * SECOND


class OnProposal(Command):
    """A command on one existing proposal, by an operator."""

    KIND: ClassVar[type[Proposed]]

    proposal_id: UUID
    operator: Operator

    def target(self) -> UUID:
        return self.proposal_id

    def needs(self) -> tuple[bytes, ...]:
        return (self.proposal_id.bytes,)

    def open_proposal(self, books: "Books", now: int) -> Proposal | Refusal:
        """Return the proposal if it can still be decided; guards in order: known, not decided, in time."""
        found = books.aggregate(self.proposal_id.bytes)
        if not isinstance(found, Proposal) or not isinstance(found.content, self.KIND):
            return refuse(Reason.PROPOSAL_NOT_FOUND, proposal_id=self.proposal_id)
        match found.state(now):
            case ProposalState.OPEN:
                return found
            case ProposalState.EXPIRED:
                return refuse(Reason.PROPOSAL_EXPIRED, proposal_id=self.proposal_id)
            case decided:
                return refuse(Reason.PROPOSAL_RESOLVED, proposal_id=self.proposal_id, ended=decided.value)

    def approvable(self, books: "Books", now: int) -> Proposal | Refusal:
        """Return the proposal if this operator may approve it."""
        found = self.open_proposal(books, now)
        if isinstance(found, Proposal) and found.content.maker == self.operator:
            return refuse(Reason.SAME_OPERATOR, proposal_id=self.proposal_id)
        return found

    def approval(self, proposal: Proposal, result: bytes | None = None) -> Change:
        """Return the change that approves a proposal."""
        made = None if result is None else UUID(bytes=result)
        event = ProposalApproved(checker=self.operator, result=made, fingerprint=self.fingerprint())
        return Change(proposal.proposal_id, proposal.version + 1, event)


class RejectProposal(OnProposal):
    """Reject a proposal; its maker may too."""

    explanation: Explanation = ""

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        found = self.open_proposal(books, context.now)
        if isinstance(found, Refusal):
            return found
        event = ProposalRejected(checker=self.operator, explanation=self.explanation, fingerprint=self.fingerprint())
        return [Change(found.proposal_id, found.version + 1, event)]
