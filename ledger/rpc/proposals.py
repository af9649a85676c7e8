"""Proposals of both kinds, as the services of adjustments and of rules read them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from domain import ids
from domain.ports import Clock
from domain.proposal import Proposal, Proposed
from domain.refusals import Reason, Refused, refuse
from ledger.rpc.intake import Intake
from ledger.rpc.reads import LogReads, Reads
from ledger.rpc.translate.adjustment import wanted_states
from projections.answers import RecordCursor


class ProposalPage(NamedTuple):
    """A page of a list of proposals."""

    proposals: list[Proposal]
    next_page_token: str
    positions: Mapping[int, int]


class ProposalReads:
    """Reads proposals of a kind, given by the class of its first event."""

    def __init__(self, log_reads: LogReads, reads: Reads, clock: Clock) -> None:
        self._log = log_reads
        self._reads = reads
        self._clock = clock

    def now(self) -> int:
        """Return the time at which proposals are told."""
        return self._clock.now()

    async def one(self, text: str, field: str, kind: type[Proposed], position: int) -> Proposal:
        """Return a proposal by its id; raises Refused."""
        intake = Intake()
        proposal_id = intake.known_id(text, field)
        intake.check()
        found = await self._log.aggregate(proposal_id, position)
        if not isinstance(found, Proposal) or not isinstance(found.content, kind):
            raise Refused(refuse(Reason.PROPOSAL_NOT_FOUND, proposal_id=ids.format_uuid(proposal_id)))
        return found

    async def page(self, request: Any, kind: type[Proposed]) -> ProposalPage:
        """Return a page of proposals, the newest first; raises Refused."""
        page = self._reads.pager.page(request)
        states, now, reader = wanted_states(request.states), self.now(), self._reads.reader
        after = None if page.cursor is None else RecordCursor(*page.cursor)
        found = await self._reads.ask(
            request,
            lambda: reader.list_proposals(kind.TOPIC, states=states, now=now, after=after, limit=page.size),
        )
        proposals = []
        for each in found.result:
            proposal = await self._log.aggregate(each.proposal_id, found.positions[each.partition])
            if isinstance(proposal, Proposal):
                proposals.append(proposal)
        last = found.result[-1] if len(found.result) == page.size else None
        cursor = None if last is None else (last.recorded_at, last.partition, last.position)
        return ProposalPage(proposals, self._reads.pager.token(request, cursor, 0), found.positions)
