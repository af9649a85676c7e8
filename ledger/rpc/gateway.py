"""The way from the event loop to the engine's threads and back.

The engine answers a ticket on a thread of its own. A call that was cancelled meanwhile changes nothing: its command is
decided all the same, and its answer dropped.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, Protocol, Self, TypeVar

import structlog

from domain.aggregate import evolve
from domain.bulk import PostBulk
from domain.command import Command
from domain.ids import account_partition
from domain.plain import debited
from domain.ports import Left
from domain.refusals import Reason, Refused, invalid, refuse
from domain.transfer import CreateTransfer
from ledger.engine.tickets import (
    Accepted,
    BatchOutcome,
    BatchTicket,
    CommandTicket,
    CreditTicket,
    Declined,
    Repeated,
    Ticket,
)
from ledger.log.api import Log
from ledger.log.codec import UnknownTopicError
from ledger.log.errors import LogError, ReadOutOfTime, SegmentUnreadable
from ledger.rpc import calls, whereabouts
from ledger.rpc.arrivals import Arrivals
from ledger.rpc.outcomes import Done, Outcomes, granted, recorded
from ledger.rpc.replays import BatchResult, settle, settle_lines
from ledger.rpc.whereabouts import ANYTHING, Topics, Which

T = TypeVar("T")

_log = structlog.get_logger("esep.archive")


class LedgerEngine(Protocol):
    """What the edge needs of an engine."""

    @property
    def partition(self) -> int: ...
    @property
    def log(self) -> Log: ...
    @property
    def durable(self) -> int: ...
    @property
    def serving(self) -> bool: ...
    @property
    def queued(self) -> int: ...
    def account_facts(self, account: int) -> tuple[str, str] | None: ...
    def kept_by(self, participant: str, accounts: Collection[int]) -> bool: ...
    def submit(self, ticket: Ticket) -> None: ...


class Threads(NamedTuple):
    """Threads that wait for databases, apart by what waits for them: a long question holds up no answer of a write."""

    answers: Executor
    questions: Executor
    looks: Executor

    @classmethod
    def start(cls, size: int) -> Self:
        """Return pools of so many threads for answers and for questions, and one for looks at positions."""
        return cls(
            ThreadPoolExecutor(size, "esep-answer"),
            ThreadPoolExecutor(size, "esep-read"),
            ThreadPoolExecutor(1, "esep-look"),
        )

    def stop(self) -> None:
        """Begin nothing more."""
        for pool in self:
            pool.shutdown(wait=False, cancel_futures=True)


class Gateway:
    """Hands commands to the engine and turns its answers into outcomes, first or repeated."""

    def __init__(self, engine: LedgerEngine, threads: Threads, others: Sequence[LedgerEngine] = ()) -> None:
        """Take the engine of partition 0, which decides all but what is another partition's, and those of the others.

        Accounts live in every partition, and with them the transfers and bulks they pay; all else lives in partition 0.
        """
        self.engine = engine
        self.engines = {each.partition: each for each in (engine, *others)}
        self.outcomes = Outcomes(engine.log, engine.partition)
        self.outcomes_of = {number: Outcomes(engine.log, number) for number in self.engines}
        self._threads = threads
        self._loop = asyncio.get_running_loop()
        self._arrivals = Arrivals(self._loop)

    async def execute(
        self,
        command: Command | CreateTransfer,
        request_id: bytes,
        *,
        validate_only: bool,
        weight: int = 1,
        home: int | None = None,
    ) -> Done:
        """Return what a command did, or did when it was first sent; raises Refused. Queued with ``weight``.

        ``home`` is the partition that decides it, where the command itself does not say.
        """
        caller = calls.current().caller
        ticket = CommandTicket(command, request_id, caller, validate_only=validate_only, weight=weight)
        engine = self.engine_of(command.decided_in() if home is None else home)
        match await self._submit(ticket, engine):
            case Accepted() as accepted:
                return granted(await self._first(accepted, request_id, caller, engine.partition))
            case Declined() as declined:
                raise Refused(recorded(declined.refusal, engine.partition, declined.position, replayed=False))
            case Repeated() as repeated:
                outcomes = self.outcomes_of[engine.partition]
                return await self.in_thread(outcomes.repeat, command, request_id, caller, repeated)
            case other:
                raise TypeError(f"the engine answered a command with {type(other).__name__}")

    def engine_of(self, partition: int) -> LedgerEngine:
        """Return the engine of a partition; partition 0's for one that there is not: it knows of no account there."""
        return self.engines.get(partition, self.engine)

    async def home_of(self, made_id: bytes, which: Which, topics: Topics = ANYTHING) -> int:
        """Return the partition that was named, else the one in which something was made under an id, else 0.

        ``topics`` are those of its first event. Raises Refused for a partition that the ledger does not have, and
        where the caller made several such things.
        """
        if which.partition is not None:
            whereabouts.check_partition(which.partition, self.engines)
            return which.partition
        if len(self.engines) == 1:
            return self.engine.partition
        caller = calls.current().caller
        find = partial(whereabouts.find_home, self.outcomes_of, made_id, topics, caller, which.request_id)
        home = await self.in_thread(find)
        return self.engine.partition if home is None else home

    async def find(self, request_id: bytes, caller: str, customer: bytes | None, home: int) -> Done:
        """Return what is recorded in a partition under a request id of this caller; raises Refused."""
        return await self.in_thread(self.outcomes_of[home].find, request_id, caller, customer)

    async def current(self, aggregate_id: bytes, partition: int = 0) -> object:
        """Return whatever stands in the log of a partition under an id, as it is now."""
        return await self.in_thread(self.outcomes_of[partition].aggregate, aggregate_id)

    async def begun(self, aggregate_id: bytes) -> object:
        """Return whatever stands in the log under an id, as it was when it began."""
        return await self.in_thread(partial(self.outcomes.aggregate, aggregate_id, upto_version=1))

    async def recorded(self, request_id: bytes) -> bool:
        """Tell whether the log holds an outcome of this request: then no secret is tried again."""
        return bool(await self.in_thread(self.engine.log.find, self.engine.partition, [request_id]))

    async def execute_atomic(self, ticket: BatchTicket) -> Done:
        """Return what an atomic batch did, or did when it was first sent; raises Refused."""
        engine = self._payers_engine(partial(debited, ticket.transfers), "transfers")
        match await self._submit(ticket, engine):
            case Accepted() as accepted:
                return await self._first(accepted, ticket.request_id, ticket.caller, engine.partition)
            case Declined() as declined:
                raise Refused(recorded(declined.refusal, engine.partition, declined.position, replayed=False))
            case Repeated() as repeated:
                return await self.in_thread(self.outcomes_of[engine.partition].repeat_batch, ticket, repeated)
            case other:
                raise TypeError(f"the engine answered an atomic batch with {type(other).__name__}")

    async def execute_bulk(self, command: PostBulk, request_id: bytes, *, validate_only: bool) -> Done:
        """Return what a bulk did, or did when it was first sent; raises Refused. Each of its legs counts as one."""
        home = self._payers_engine(lambda: command.legs.payers, "debit_account_ids").partition
        weight = len(command.legs.amounts)
        return await self.execute(command, request_id, validate_only=validate_only, weight=weight, home=home)

    async def execute_batch(self, ticket: BatchTicket) -> BatchResult:
        """Return what became of each transfer of a batch; raises Refused when the batch was not taken at all."""
        engine = self._payers_engine(partial(debited, ticket.transfers), "transfers")
        outcomes = self.outcomes_of[engine.partition]
        match await self._submit(ticket, engine):
            case BatchOutcome() as outcome if outcome.repeated:
                return await self.in_thread(settle, outcomes, ticket, outcome)
            case BatchOutcome() as outcome:
                return settle(outcomes, ticket, outcome)
            case Declined() as declined:
                raise Refused(declined.refusal)
            case other:
                raise TypeError(f"the engine answered a batch with {type(other).__name__}")

    async def execute_credits(self, ticket: CreditTicket) -> BatchResult:
        """Return what became of each line of a credit file; raises Refused when none was looked at."""
        match await self._submit(ticket, self.engine):
            case BatchOutcome() as outcome:
                return await self.in_thread(settle_lines, self.outcomes, ticket, outcome)
            case Declined() as declined:
                raise Refused(declined.refusal)
            case other:
                raise TypeError(f"the engine answered credit lines with {type(other).__name__}")

    def _payers_engine(self, payers: Callable[[], Collection[int]], field: str) -> LedgerEngine:
        """Return the engine of those whom a field debits; raise Refused unless the caller may debit every one of them.

        The one permission that is not decided in front of the handler: here the batch stands in columns already.
        """
        payer = calls.current().payer
        if payer is None and len(self.engines) == 1:
            return self.engine
        accounts = payers()
        homes = set(map(account_partition, accounts)) & self.engines.keys() or {self.engine.partition}
        if len(homes) > 1:
            partitions = ", ".join(map(str, sorted(homes)))
            several = f"debits accounts of partitions {partitions}: send a request for each, with an id of its own"
            raise Refused(invalid(field, "PARTITIONS", several))
        engine = self.engines[homes.pop()]
        if payer is not None:
            self._check_payer(engine, payer, accounts)
        return engine

    @staticmethod
    def _check_payer(engine: LedgerEngine, payer: str, accounts: Collection[int]) -> None:
        if engine.kept_by(payer, accounts):
            return
        raise Refused(refuse(Reason.PERMISSION_DENIED if engine.serving else Reason.NOT_THE_OWNER))

    async def in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run a short function that the answer of a write needs, and that waits for the database."""
        return await self._run(self._threads.answers, calls.time_left(), function, *arguments)

    async def question(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run a function that reads for as long as its call has time; it holds up other questions only."""
        return await self._run(self._threads.questions, calls.time_left(), function, *arguments)

    async def look(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run a function that looks how far something has come, for everybody who waits for it: no call bounds it."""
        return await self._run(self._threads.looks, None, function, *arguments)

    async def _run(self, threads: Executor, left: Left | None, function: Callable[..., T], *arguments: Any) -> T:
        work = partial(function, *arguments) if left is None else partial(self._within, left, function, *arguments)
        found: asyncio.Future[T] = self._loop.create_future()
        threads.submit(self._arrivals.work, found, work)
        try:
            return await found
        except ReadOutOfTime:
            raise Refused(refuse(Reason.DEADLINE_EXCEEDED)) from None
        except SegmentUnreadable as lost:
            _log.error("archive.unreadable", segment=lost.segment, error=str(lost))
            raise Refused(refuse(Reason.ARCHIVE_UNREADABLE, segment=lost.segment)) from None
        except LogError:
            raise Refused(refuse(Reason.LEDGER_UNAVAILABLE)) from None
        except UnknownTopicError:
            raise Refused(refuse(Reason.UNKNOWN_EVENT)) from None

    def _within(self, left: Left, function: Callable[..., T], *arguments: Any) -> T:
        """Run a function in a thread, its reads of the log bounded by what its call has left."""
        if left() <= 0:
            raise ReadOutOfTime("its turn came too late")
        with self.engine.log.within(left):
            return function(*arguments)

    async def _first(self, accepted: Accepted, request_id: bytes, caller: str, partition: int) -> Done:
        change, recorded_at, subject = accepted.change, accepted.recorded_at, accepted.subject
        if subject is None:
            if change.version == 1:
                subject = evolve(None, change, recorded_at)
            else:
                subject = await self.in_thread(self.outcomes_of[partition].subject, change, recorded_at)
        return Done(
            partition=partition,
            position=accepted.position,
            recorded_at=recorded_at,
            request_id=request_id,
            caller=caller,
            replayed=False,
            change=change,
            subject=subject,
        )

    async def _submit(self, ticket: Ticket, engine: LedgerEngine) -> Any:
        future: asyncio.Future[Any] = self._loop.create_future()
        ticket.deliver = partial(self._deliver, future)
        engine.submit(ticket)
        return await future

    def _deliver(self, future: "asyncio.Future[Any]", ticket: Ticket) -> None:
        """Take an answer from an engine thread."""
        self._arrivals.put(future, ticket.outcome)
