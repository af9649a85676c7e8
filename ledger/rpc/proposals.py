"""Proposals of both kinds, as the services of adjustments and of rules read them."""

from typing import Any

from domain import ids
from domain.ports import Clock
from domain.proposal import Proposal, Proposed
from domain.refusals import Reason, Refused, refuse
from ledger.rpc.intake import Intake
from ledger.rpc.reads import Listed, LogReads, Reads
from ledger.rpc.translate.adjustment import wanted_states
from projections.answers import RecordCursor


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

    async def page(self, request: Any, kind: type[Proposed]) -> Listed[Proposal]:
        """Return a page of proposals, the newest first; raises Refused."""
        states, now, reader = wanted_states(request.states), self.now(), self._reads.reader
        page = await self._reads.page(
            request,
            RecordCursor,
            lambda after, limit: reader.list_proposals(kind.TOPIC, states=states, now=now, after=after, limit=limit),
            lambda found: found.cursor,
        )
        reflected = {each.partition: each.position for each in page.positions}
        found = [await self._log.aggregate(each.originator_id, reflected[each.partition]) for each in page.items]
        return Listed([each for each in found if isinstance(each, Proposal)], page.next_page_token, page.positions)
