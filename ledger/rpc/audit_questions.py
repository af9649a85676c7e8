"""Questions of auditors about one thing: an aggregate's life, a figure, a card at an instant, a decision."""

import asyncio
from functools import cache
from typing import Any, Final

import msgspec

from domain import ids
from domain.aggregate import Aggregate, fold
from domain.authorization import Authorization, State
from domain.card import Card
from domain.customer import Customer
from domain.event import Policy
from domain.leaf import leaf_hash
from domain.limits import Usage
from domain.ports import Row
from domain.refusals import Reason, Refused, invalid, refuse
from domain.rules import Operation, Period
from domain.token import Token
from ledger.audit.figures.explain import Explainer, Figure, Running, Step
from ledger.audit.history import Step as LifeStep
from ledger.audit.history import steps
from ledger.audit.replay.past import TooFarError
from ledger.audit.replay.replayer import NoDecisionError, Replayed, Replayer, Verdict
from ledger.engine.lookup import history
from ledger.engine.snapshot import TrustedSnapshots
from ledger.log.api import Log
from ledger.rpc.audit_reads import AuditReads
from ledger.rpc.gateway import Gateway
from ledger.rpc.reads import LogReads, Reads
from projections.answers import AtPosition, Balance, Figures, PositionInFutureError
from projections.store import ProjectionsNotReadyError
from protos.esep.v1 import audit_service_pb2 as pb
from protos.esep.v1.common_pb2 import AsOf, LogPosition

_BOTH: Final = (Period.DAY, Period.MONTH)


class CardMoment(msgspec.Struct, frozen=True):
    """A card and what belongs to it at one position; ``limits`` by operation, for the day and for the month."""

    card: Card
    balance: Balance
    open: list[Authorization]
    limits: dict[Operation, list[tuple[int, int]]]
    tokens: list[Token]
    time: int


class Replaying:
    """Decides again, for all partitions: one request at a time, so that the books of one partition alone are held."""

    def __init__(self, log: Log, policy: Policy) -> None:
        self.lock = asyncio.Lock()
        """Held by whoever has a decision made again."""
        self._log = log
        self._policy = policy
        self._of: tuple[int, Replayer] | None = None

    def of(self, partition: int) -> Replayer:
        """Return what decides again what a partition has decided; what was at hand of another one is let go."""
        held = self._of
        if held is None or held[0] != partition:
            snapshots = TrustedSnapshots(self._log, partition)
            held = self._of = partition, Replayer(self._log, partition, self._policy, snapshots)
        return held[1]


class AuditQuestions:
    """Answers them for one partition, from its log; figures to compare with come from the projections."""

    def __init__(
        self,
        gateway: Gateway,
        audit: AuditReads,
        log_reads: LogReads,
        reads: Reads,
        replaying: "Replaying",
        utc_offset_seconds: int,
    ) -> None:
        """Take what reads the log of the partition that they are about."""
        self._gateway = gateway
        self._audit = audit
        self._log_reads = log_reads
        self._reads = reads
        self._log = gateway.engine.log
        self._replaying = replaying
        self._explainer = Explainer(self._log, audit.partition)
        self._usage = Usage(utc_offset_seconds)

    async def position(self, request: Any) -> int:
        """Return the position that a question is about; raises Refused."""
        head = await self._log_reads.position(request)
        asked: AsOf = request.as_of
        match asked.WhichOneof("point"):
            case "position":
                if asked.position.partition != self._audit.partition:
                    message = f"is not the partition that is asked about ({self._audit.partition})"
                    raise Refused(invalid("as_of.position.partition", "UNKNOWN", message))
                if asked.position.position < 0:
                    raise Refused(invalid("as_of.position", "NEGATIVE", "is negative"))
                if asked.position.position > head:
                    raise Refused(invalid("as_of", "POSITION_IN_FUTURE", f"is later than the newest, {head}"))
                return asked.position.position
            case "record_time":
                return await self._audit.position_before(asked.record_time.ToMicroseconds() + 1)
            case "effective_time":
                raise Refused(invalid("as_of.effective_time", "AXIS", "is told as of a position or a record_time only"))
            case _:
                return head

    async def life(self, aggregate_id: bytes, upto: int) -> list[LifeStep]:
        """Return an aggregate's life up to a position; raises Refused."""

        def read() -> list[LifeStep]:
            return list(steps(self._rows(aggregate_id, upto), cache(self._erased)))

        found = await self._gateway.question(read)
        if not found:
            raise Refused(refuse(Reason.AGGREGATE_NOT_FOUND, aggregate_id=ids.format_uuid(aggregate_id)))
        return found

    def _erased(self, customer_id: bytes) -> bool:
        found = self._gateway.outcomes.aggregate(customer_id)
        return isinstance(found, Customer) and found.erased

    async def balance(self, request: Any, account: int, upto: int) -> tuple[Balance, int]:
        """Return an account's balance right after a position, and what of its holds had lapsed; raises Refused."""
        moment = AtPosition(self._audit.partition, upto)
        now, reader, about = self._reads.clock.now(), self._reads.reader, [moment.partition]
        found = await self._reads.ask_as_of(
            request, moment, about, lambda: reader.balance(account, now=now, as_of=moment)
        )
        if found.result is None:
            raise Refused(refuse(Reason.ACCOUNT_NOT_FOUND, account_id=account))
        lapsed = await self._reads.ask_as_of(request, moment, about, lambda: reader.lapsed(account, moment))
        return found.result, lapsed.result

    async def figures(self, upto: int, after: int, limit: int) -> list[Figures]:
        """Return what accounts had right after a position, from the one after ``after`` on; raises Refused."""
        partition, reader = self._audit.partition, self._reads.reader
        question = pb.ListAccountFiguresRequest(min_position=LogPosition(partition=partition, position=upto))
        found = await self._reads.ask(question, lambda: reader.figures(partition, upto, after=after, limit=limit))
        return found.result

    async def explain(
        self, account: int, figure: Figure, running: Running, upto: int, limit: int
    ) -> tuple[list[Step], Running]:
        """Return the next steps of an explanation; raises Refused."""
        return await self._gateway.question(self._explainer.piece, account, figure, running, upto, limit)

    async def card(self, request: Any, card_id: bytes, upto: int) -> CardMoment:
        """Return a card as it was right after a position; raises Refused."""
        card = await self._gateway.question(self._aggregate, card_id, upto)
        if not isinstance(card, Card):
            raise Refused(refuse(Reason.CARD_NOT_FOUND, card_id=ids.format_uuid(card_id)))
        balance, _ = await self.balance(request, card.account, upto)

        def read() -> CardMoment:
            (last,) = self._log.read(self._audit.partition, upto - 1, 1)
            time = last.recorded_at
            used = {period: self._used(card_id, period, last) for period in _BOTH}
            named = sorted({operation for each in used.values() for operation in each})
            tokens = [self._aggregate(token, upto) for token in card.tokens]
            return CardMoment(
                card=card,
                balance=balance,
                open=[each for each in self._held(card_id, upto) if each.expires_at > time],
                limits={each: [used[period].get(each, (0, 0)) for period in _BOTH] for each in named},
                tokens=[token for token in tokens if isinstance(token, Token)],
                time=time,
            )

        return await self._gateway.question(read)

    async def replay(self, request_id: bytes | None, position: int) -> tuple[int, Replayed]:
        """Return a decision made again, compared with the tree as well, and where it stands; raises Refused."""
        at, replayed = await self._replayed(request_id, position)
        leaves = await self._gateway.question(self._leaves, [row.position for row in replayed.recorded])
        replayed.leaves_checked = bool(leaves)
        changed = [row for row, leaf in zip(replayed.recorded, leaves, strict=False) if leaf_hash(row) != leaf]
        replayed.differences += [
            f"position {row.position}: the tree holds the leaf of another event" for row in changed
        ]
        if changed:
            replayed.verdict = Verdict.DIFFERENT
        return at, replayed

    def _leaves(self, positions: list[int]) -> list[bytes]:
        """Return what the tree holds of events, nothing while it does not reach them yet."""
        try:
            answer = self._reads.reader.over_tiles(
                self._audit.partition, positions[-1], lambda tree: [tree.perfect(0, each - 1) for each in positions]
            )
        except (PositionInFutureError, ProjectionsNotReadyError):
            return []
        return answer.result

    async def _replayed(self, request_id: bytes | None, position: int) -> tuple[int, Replayed]:

        def replay() -> tuple[int, Replayed]:
            replayer = self._replaying.of(self._audit.partition)
            at = position if request_id is None else replayer.position_of(request_id)
            return at, replayer.replay(at)

        try:
            async with (
                self._replaying.lock
            ):  # Whoever waits here holds none of the threads that others' questions need.
                return await self._gateway.question(replay)
        except NoDecisionError:
            named = {"position": position} if request_id is None else {"request_id": ids.format_uuid(request_id)}
            raise Refused(refuse(Reason.OUTCOME_NOT_FOUND, **named)) from None
        except TooFarError as far:
            raise Refused(refuse(Reason.REPLAY_TOO_FAR, events=far.events)) from None

    def _rows(self, aggregate_id: bytes, upto: int) -> list[Row]:
        rows = self._log.aggregate(self._audit.partition, aggregate_id)
        return [row for row in rows if row.position <= upto]

    def _aggregate(self, aggregate_id: bytes, upto: int) -> Aggregate | None:
        return fold(history(self._rows(aggregate_id, upto)))

    def _held(self, card_id: bytes, upto: int) -> list[Authorization]:
        """Return the open authorisations that were made with a card, in the order in which they were made."""
        found = []
        for authorization_id in self._made_with(card_id, upto):
            each = self._aggregate(authorization_id, upto)
            if isinstance(each, Authorization) and each.state is State.OPEN:
                found.append(each)
        return found

    def _made_with(self, card_id: bytes, upto: int) -> list[bytes]:
        now, reader = self._reads.clock.now(), self._reads.reader
        listed = reader.list_authorizations(card=card_id, now=now, limit=10_000).result
        return [each.authorization.authorization_id for each in reversed(listed) if each.position <= upto]

    def _used(self, card_id: bytes, period: Period, last: Row) -> dict[Operation, tuple[int, int]]:
        start, _ = self._usage.bounds(period, last.recorded_at)
        spell = (start, last.recorded_at + 1)
        (found,) = self._reads.reader.used(last.partition, card_id, [spell], upto=last.position).result
        return {operation: (used.operations, used.amount) for operation, used in found.items()}
