"""AuditService: the history, read, decided again and proven. Each call is noted before it is answered."""
# ruff: noqa: N802 - the names of the methods are the contract's

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

import msgspec

from domain import ids
from domain.refusals import Reason, Refused, invalid, refuse
from ledger.audit.figures.explain import Figure, Running
from ledger.rpc.accesses import Accesses
from ledger.rpc.audit_reads import messages
from ledger.rpc.audits import Audits
from ledger.rpc.calls import Context
from ledger.rpc.intake import Intake
from ledger.rpc.paging import Pager
from ledger.rpc.reads import unknown_account
from ledger.rpc.tellers import Teller
from ledger.rpc.translate import audit as translate
from ledger.rpc.translate.card import card_message
from ledger.rpc.translate.checkpoint import checkpoint_message
from ledger.rpc.translate.statement import balance_message
from protos.esep.v1 import audit_pb2 as pb_audit
from protos.esep.v1 import audit_service_pb2 as pb
from protos.esep.v1.audit_service_pb2_grpc import AuditServiceServicer

MAX_POSITION: Final = 2**63 - 1


class EventCursor(msgspec.Struct, frozen=True, array_like=True):
    """Behind which position a page of events begins, where the last one ends, and what all of them reflect."""

    after: int
    upto: int
    head: int


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """How much was told, or up to which account, and up to where there is something to tell: the same on every page."""

    told: int
    upto: int


class BalanceCursor(msgspec.Struct, frozen=True, array_like=True):
    """Where an explanation stands, and where it ends."""

    running: Running
    upto: int


class AuditService(AuditServiceServicer):
    """Answers esep.v1.AuditService."""

    def __init__(
        self,
        audits: Audits,
        accesses: Accesses,
        pager: Pager,
        teller: Teller,
    ) -> None:
        self._audits = audits
        self._teller = teller
        self._accesses = accesses
        self._pager = pager

    async def ReadEvents(self, request: pb.ReadEventsRequest, context: Context) -> pb.ReadEventsResponse:
        """Read events in order, a page at a time."""
        audit = self._audits.of(request.partition)
        page = self._pager.page(request, EventCursor)
        head = page.cursor.head if page.cursor else await audit.log.position(request)
        intake = Intake()
        first = translate.known_position(intake, request.first_position, "first_position", head)
        last = translate.known_position(intake, request.last_position, "last_position", head)
        if last and last < first:
            intake.wrong("last_position", "ORDER", "is before first_position")
        start = intake.time(request.start_time, "start_time") if request.HasField("start_time") else None
        end = intake.time(request.end_time, "end_time") if request.HasField("end_time") else None
        if start is not None and end is not None and end <= start:
            intake.wrong("end_time", "ORDER", "is not later than start_time")
        wanted = translate.selection(intake, request.filter, request.partition)
        intake.check()
        if page.cursor is None:
            after, upto = max(first - 1, 0), last or head
            if start is not None:
                after = max(after, await audit.reads.position_before(start))
            if end is not None:
                upto = min(upto, await audit.reads.position_before(end))
        else:
            after, upto = page.cursor.after, page.cursor.upto
        piece = await audit.reads.page(wanted, after, upto, page.size)
        cursor = EventCursor(piece.reached, upto, head) if piece.reached < upto else None
        return pb.ReadEventsResponse(
            events=[translate.event_message(row) for row in piece.rows],
            next_page_token=self._pager.token(request, cursor),
            position=audit.log.message(head),
        )

    async def SubscribeEvents(
        self, request: pb.SubscribeEventsRequest, context: Context
    ) -> AsyncGenerator[pb.SubscribeEventsResponse, None]:
        """Send every event behind a position, and those to come."""
        audit = self._audits.of(request.after.partition, "after.partition")
        intake, after = Intake(), 0
        if request.HasField("after"):
            head = await audit.log.head()
            after = translate.known_position(intake, request.after.position, "after.position", head)
        wanted = translate.selection(intake, request.filter, audit.log.partition)
        intake.check()
        async with aclosing(audit.reads.follow(wanted, after)) as pieces:
            async for piece in pieces:
                for part in messages(piece.events.states):
                    response = pb.SubscribeEventsResponse()
                    translate.fill_columns(response.events, piece.events, part)
                    yield response
                place = audit.log.message(piece.reached)
                if not piece.news:
                    yield pb.SubscribeEventsResponse(heartbeat=pb.EventHeartbeat(position=place))
                elif piece.caught_up:
                    yield pb.SubscribeEventsResponse(caught_up=pb.EventCaughtUp(position=place))
                elif not piece.events.positions or piece.events.positions[-1] < piece.reached:
                    yield pb.SubscribeEventsResponse(checkpoint=pb.EventCheckpoint(position=place))

    async def GetAggregateHistory(
        self, request: pb.GetAggregateHistoryRequest, context: Context
    ) -> pb.GetAggregateHistoryResponse:
        """Read the life of one aggregate."""
        page = self._pager.page(request, Cursor)
        intake, audit = Intake(), None
        match request.WhichOneof("aggregate"):
            case "account_id":
                intake.account_id(request.account_id, "account_id")
                intake.check()
                aggregate = ids.account_originator(request.account_id)
                audit = self._audits.of_account(request.account_id, request.partition)
            case _:
                aggregate = intake.known_id(request.aggregate_id, "aggregate_id")
                intake.check()
                audit = self._audits.of(request.partition)
        if audit is None:
            raise Refused(refuse(Reason.AGGREGATE_NOT_FOUND, aggregate_id=ids.format_uuid(aggregate)))
        head = page.cursor.upto if page.cursor else await audit.log.position(request)
        start = page.cursor.told if page.cursor else 0
        life = await audit.questions.life(aggregate, head)
        told = life[start : start + page.size]
        cursor = Cursor(start + page.size, head) if start + page.size < len(life) else None
        return pb.GetAggregateHistoryResponse(
            steps=[translate.step_message(step) for step in told],
            next_page_token=self._pager.token(request, cursor),
            position=audit.log.message(head),
        )

    async def ExplainBalance(self, request: pb.ExplainBalanceRequest, context: Context) -> pb.ExplainBalanceResponse:
        """List the events that make a figure, with the running sum."""
        page = self._pager.page(request, BalanceCursor)
        intake = Intake()
        intake.account_id(request.account_id, "account_id")
        figure = intake.choice(request.figure, translate.FIGURES, "figure")
        intake.check()
        audit = self._audits.of_account(request.account_id)
        if audit is None:
            raise unknown_account(request.account_id)
        questions = audit.questions
        upto = page.cursor.upto if page.cursor else await questions.position(request)
        running = page.cursor.running if page.cursor else Running()
        balance, lapsed = await questions.balance(request, request.account_id, upto)
        figures = {Figure.POSTED: balance.posted, Figure.HELD: balance.held, Figure.AVAILABLE: balance.available}
        steps, running = await questions.explain(request.account_id, figure, running, upto, page.size)
        cursor = BalanceCursor(running, upto) if running.after < upto else None
        return pb.ExplainBalanceResponse(
            steps=[translate.balance_step_message(step) for step in steps],
            figure_tyiyn=figures[figure] or 0,
            sum_tyiyn=running.sum,
            lapsed_tyiyn=0 if figure is Figure.POSTED else lapsed,
            next_page_token=self._pager.token(request, cursor),
            position=audit.log.message(upto),
        )

    async def ListAccountFigures(
        self, request: pb.ListAccountFiguresRequest, context: Context
    ) -> pb.ListAccountFiguresResponse:
        """List what every account had."""
        audit = self._audits.of(request.partition)
        page = self._pager.page(request, Cursor)
        upto = page.cursor.upto if page.cursor else await audit.questions.position(request)
        found = await audit.questions.figures(upto, page.cursor.told if page.cursor else 0, page.size)
        cursor = Cursor(found[-1].account_id, upto) if len(found) == page.size else None
        return pb.ListAccountFiguresResponse(
            accounts=[translate.figures_message(each) for each in found],
            next_page_token=self._pager.token(request, cursor),
            position=audit.log.message(upto),
        )

    async def ReplayDecision(self, request: pb.ReplayDecisionRequest, context: Context) -> pb.ReplayDecisionResponse:
        """Decide a recorded request again."""
        intake, request_id = Intake(), None
        position = 0
        if request.WhichOneof("decision") == "position":
            audit = self._audits.of(request.position.partition, "position.partition")
            if request.partition not in (0, audit.log.partition):
                intake.wrong("partition", "MISMATCH", f"is not the position's partition ({audit.log.partition})")
            head = await audit.log.head()
            position = translate.known_position(intake, request.position.position, "position.position", head)
        else:
            audit = self._audits.of(request.partition)
            request_id = intake.known_id(request.request_id, "request_id")
        intake.check()
        at, replayed = await audit.questions.replay(request_id, position)
        return pb.ReplayDecisionResponse(replay=translate.replay_message(at, replayed), position=audit.log.message(at))

    async def GetCardAsOf(self, request: pb.GetCardAsOfRequest, context: Context) -> pb.GetCardAsOfResponse:
        """Read a card and what belongs to it as they were at one instant."""
        intake = Intake()
        card_id = intake.known_id(request.card_id, "card_id")
        intake.check()
        audit = self._audits.of(0)  # Where cards live.
        upto = await audit.questions.position(request)
        found = await audit.questions.card(request, card_id, upto)
        moment = pb_audit.CardMoment(
            card=card_message(found.card),
            balance=balance_message(found.balance),
            open_authorizations=[await self._teller.authorization(each, found.time) for each in found.open],
            limits=translate.limit_messages(found.limits),
            tokens=[await self._teller.token(token, found.time) for token in found.tokens],
        )
        return pb.GetCardAsOfResponse(moment=moment, position=audit.log.message(upto))

    async def ListAccess(self, request: pb.ListAccessRequest, context: Context) -> pb.ListAccessResponse:
        """List the privileged reads, oldest first."""
        page = self._pager.page(request, Cursor)
        intake = Intake()
        start = intake.time(request.start_time, "start_time") if request.HasField("start_time") else None
        end = intake.time(request.end_time, "end_time") if request.HasField("end_time") else None
        intake.check()
        if start is not None and end is not None and end <= start:
            raise Refused(invalid("end_time", "ORDER", "is not later than start_time"))
        upto = page.cursor.upto if page.cursor else await self._accesses.head()
        found = await self._accesses.read(
            page.cursor.told if page.cursor else 0, upto, page.size, caller=request.caller, start=start, end=end
        )
        cursor = Cursor(found[-1].number, upto) if len(found) == page.size else None
        return pb.ListAccessResponse(
            accesses=[translate.access_message(access) for access in found],
            next_page_token=self._pager.token(request, cursor),
        )

    async def GetCheckpoint(self, request: pb.GetCheckpointRequest, context: Context) -> pb.GetCheckpointResponse:
        """Sign a checkpoint, or find one."""
        return await self._audits.of(request.partition).proofs.checkpoint(request)

    async def ListCheckpoints(self, request: pb.ListCheckpointsRequest, context: Context) -> pb.ListCheckpointsResponse:
        """List the checkpoints that are kept, the newest first."""
        audit = self._audits.of(request.partition)
        page = self._pager.page(request, Cursor)
        found = await audit.proofs.checkpoints(request, page.cursor.upto if page.cursor else MAX_POSITION, page.size)
        cursor = Cursor(0, found[-1].checkpoint.size) if len(found) == page.size else None
        return pb.ListCheckpointsResponse(
            checkpoints=[checkpoint_message(issued, request.partition) for issued in found],
            next_page_token=self._pager.token(request, cursor),
        )

    async def CosignCheckpoint(
        self, request: pb.CosignCheckpointRequest, context: Context
    ) -> pb.CosignCheckpointResponse:
        """Keep a witness's signature."""
        return await self._audits.of(request.partition).proofs.cosign(request)

    async def ProveInclusion(self, request: pb.ProveInclusionRequest, context: Context) -> pb.ProveInclusionResponse:
        """Prove that an event is in a tree."""
        return await self._audits.of(request.event.partition, "event.partition").proofs.inclusion(request)

    async def ProveConsistency(
        self, request: pb.ProveConsistencyRequest, context: Context
    ) -> pb.ProveConsistencyResponse:
        """Prove that a tree is the beginning of another."""
        return await self._audits.of(request.partition).proofs.consistency(request)

    async def ReadTiles(self, request: pb.ReadTilesRequest, context: Context) -> pb.ReadTilesResponse:
        """Read hashes of the tree."""
        return await self._audits.of(request.partition).proofs.tiles(request)
