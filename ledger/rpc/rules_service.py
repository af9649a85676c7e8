"""RulesService: publishing fees and limits, and asking how much of a limit is used."""
# ruff: noqa: N802 - the names of the methods are the contract's

from domain.command import Command
from domain.customer import Customer
from domain.limits import Usage, standings
from domain.proposal import Proposal
from domain.published import RULES_ID, PublishedRules
from domain.publishing import RulesProposed
from domain.refusals import Reason, Refused, invalid, refuse
from domain.rules import Period, Rules, Subject
from ledger.rpc import calls, errors
from ledger.rpc.calls import Context
from ledger.rpc.customers import unknown
from ledger.rpc.gateway import Gateway
from ledger.rpc.intake import Intake
from ledger.rpc.outcomes import Done
from ledger.rpc.proposals import ProposalReads
from ledger.rpc.reads import LogReads, Reads, positions_message
from ledger.rpc.tellers import expect, proposed_rules
from ledger.rpc.translate import rules as translate
from ledger.rpc.translate.common import receipt
from ledger.rpc.translate.rules_answers import proposal_message, rules_message, usage_message
from protos.esep.v1 import rules_pb2
from protos.esep.v1 import rules_service_pb2 as pb
from protos.esep.v1.rules_service_pb2_grpc import RulesServiceServicer

SUBJECTS = {"customer_id": Subject.CUSTOMER, "card_id": Subject.CARD, "token_id": Subject.TOKEN}


class RulesService(RulesServiceServicer):
    """Answers esep.v1.RulesService."""

    def __init__(
        self, gateway: Gateway, log_reads: LogReads, reads: Reads, proposals: ProposalReads, utc_offset_seconds: int
    ) -> None:
        self._gateway = gateway
        self._log = log_reads
        self._reads = reads
        self._proposals = proposals
        self._utc_offset_seconds = utc_offset_seconds

    async def ProposeRules(self, request: pb.ProposeRulesRequest, context: Context) -> pb.ProposeRulesResponse:
        """Propose a document."""
        command, request_id = translate.propose_rules(request, calls.current().caller)
        done = await self._execute(command, request_id, validate_only=request.validate_only)
        return pb.ProposeRulesResponse(proposal=proposed_rules(done), receipt=receipt(done))

    async def ApproveRules(self, request: pb.ApproveRulesRequest, context: Context) -> pb.ApproveRulesResponse:
        """Approve a document: it is published."""
        command, request_id = translate.approve_rules(request, calls.current().caller)
        done = await self._execute(command, request_id, validate_only=request.validate_only)
        published = expect(done.subject, PublishedRules)
        return pb.ApproveRulesResponse(rules=rules_message(published.versions[-1], published), receipt=receipt(done))

    async def RejectRules(self, request: pb.RejectRulesRequest, context: Context) -> pb.RejectRulesResponse:
        """Reject a document."""
        command, request_id = translate.reject_rules(request, calls.current().caller)
        done = await self._execute(command, request_id, validate_only=request.validate_only)
        return pb.RejectRulesResponse(proposal=proposed_rules(done), receipt=receipt(done))

    async def GetRulesProposal(
        self, request: pb.GetRulesProposalRequest, context: Context
    ) -> pb.GetRulesProposalResponse:
        """Read one proposal."""
        position = await self._log.position(request)
        found = await self._proposals.one(request.proposal_id, "proposal_id", RulesProposed, position)
        return pb.GetRulesProposalResponse(proposal=self._told(found), position=self._log.message(position))

    async def ListRulesProposals(
        self, request: pb.ListRulesProposalsRequest, context: Context
    ) -> pb.ListRulesProposalsResponse:
        """List proposals, the newest first."""
        page = await self._proposals.page(request, RulesProposed)
        return pb.ListRulesProposalsResponse(
            proposals=[self._told(each) for each in page.items],
            next_page_token=page.next_page_token,
            positions=page.positions,
        )

    async def GetRules(self, request: pb.GetRulesRequest, context: Context) -> pb.GetRulesResponse:
        """Read one version."""
        position = await self._log.position(request)
        published = await self._published(position)
        rules: Rules | None
        match request.WhichOneof("rules"):
            case "version":
                rules = published.numbered(request.version)
            case "effective_at":
                intake = Intake()
                effective_at = intake.time(request.effective_at, "effective_at")
                intake.check()
                rules = published.at(effective_at)
            case _:
                rules = published.at(self._proposals.now())
        if rules is None:
            raise Refused(refuse(Reason.RULES_NOT_FOUND, version=request.version))
        return pb.GetRulesResponse(rules=rules_message(rules, published), position=self._log.message(position))

    async def ListRules(self, request: pb.ListRulesRequest, context: Context) -> pb.ListRulesResponse:
        """List the published versions, the newest first."""
        page = self._reads.pager.page(request, int)
        position = await self._log.position(request)
        published = await self._published(position)
        before = len(published.versions) if page.cursor is None else page.cursor - 1
        found = published.versions[max(0, before - page.size) : before][::-1]
        cursor = found[-1].number if found and found[-1].number > 1 else None
        return pb.ListRulesResponse(
            rules=[rules_message(each, published) for each in found],
            next_page_token=self._reads.pager.token(request, cursor),
            position=self._log.message(position),
        )

    async def GetUsage(self, request: pb.GetUsageRequest, context: Context) -> pb.GetUsageResponse:
        """Tell how a customer, a card or a token stands with each limit."""
        field = request.WhichOneof("subject")
        if field is None:
            raise Refused(invalid("subject", "MISSING", "is required: a customer, a card or a token"))
        intake = Intake()
        subject = intake.known_id(getattr(request, field), field)
        intake.check()
        now, usage = self._proposals.now(), Usage(self._utc_offset_seconds)
        periods = [usage.bounds(period, now) for period in (Period.DAY, Period.MONTH)]
        partition, reader = self._gateway.engine.partition, self._reads.reader
        found = await self._reads.ask(request, lambda: reader.used(partition, subject, periods))
        position = found.positions[partition]
        limits = (await self._published(position)).at(now)
        counted = limits.limits
        if field == "customer_id":
            customer = await self._log.aggregate(subject, position)
            if not isinstance(customer, Customer):
                raise unknown(subject)
            counted = tuple(limit for limit in counted if not limit.tiers or customer.tier in limit.tiers)
        usage.put(now, subject, *found.result)
        return pb.GetUsageResponse(
            usage=[usage_message(each) for each in standings(usage, counted, (SUBJECTS[field], subject), now)],
            rule_version=limits.version,
            positions=positions_message(found.positions),
        )

    async def _published(self, position: int) -> PublishedRules:
        found = await self._log.aggregate(RULES_ID, position)
        return found if isinstance(found, PublishedRules) else PublishedRules()

    def _told(self, proposal: Proposal) -> rules_pb2.RulesProposal:
        return proposal_message(proposal, expect(proposal.content, RulesProposed), self._proposals.now())

    async def _execute(self, command: Command, request_id: bytes, *, validate_only: bool) -> Done:
        with errors.in_terms_of(paths=translate.PATHS):
            return await self._gateway.execute(command, request_id, validate_only=validate_only)
