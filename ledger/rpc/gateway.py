"""The way from the event loop to the engine's threads and back.

The engine answers a ticket on a thread of its own. Answers are put into a queue that the event loop empties, and
the loop is woken only when it is not about to look anyway: one wake-up brings a whole batch of answers. A call
that was cancelled meanwhile changes nothing: its command is decided all the same, and its answer dropped.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, Protocol, Self, TypeVar

from domain.aggregate import evolve
from domain.bulk import PostBulk
from domain.command import Command
from domain.plain import debited
from domain.ports import Left
from domain.refusals import Reason, Refused, refuse
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
from ledger.log.errors import LogError, ReadOutOfTime
from ledger.rpc import calls
from ledger.rpc.outcomes import Done, Outcomes, granted, recorded
from ledger.rpc.replays import BatchResult, settle, settle_lines

T = TypeVar("T")


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

    def __init__(self, engine: LedgerEngine, threads: Threads) -> None:
        self.engine = engine
        self.outcomes = Outcomes(engine.log, engine.partition)
        self._threads = threads
        self._loop = asyncio.get_running_loop()
        self._arrived: deque[tuple[asyncio.Future[Any], Ticket]] = deque()
        self._woken = False

    async def execute(
        self, command: Command | CreateTransfer, request_id: bytes, *, validate_only: bool, weight: int = 1
    ) -> Done:
        """Return what a command did, or did when it was first sent; raises Refused. Queued with ``weight``."""
        caller = calls.current().caller
        ticket = CommandTicket(command, request_id, caller, validate_only=validate_only, weight=weight)
        match await self._submit(ticket):
            case Accepted() as accepted:
                return granted(await self._first(accepted, request_id, caller))
            case Declined() as declined:
                raise Refused(recorded(declined.refusal, self.engine.partition, declined.position, replayed=False))
            case Repeated() as repeated:
                return await self.in_thread(self.outcomes.repeat, command, request_id, caller, repeated)
            case other:
                raise TypeError(f"the engine answered a command with {type(other).__name__}")

    async def current(self, aggregate_id: bytes) -> object:
        """Return whatever stands in the log under an id, as it is now."""
        return await self.in_thread(self.outcomes.aggregate, aggregate_id)

    async def begun(self, aggregate_id: bytes) -> object:
        """Return whatever stands in the log under an id, as it was when it began."""
        return await self.in_thread(partial(self.outcomes.aggregate, aggregate_id, upto_version=1))

    async def recorded(self, request_id: bytes) -> bool:
        """Tell whether the log holds an outcome of this request: then no secret is tried again."""
        return bool(await self.in_thread(self.engine.log.find, self.engine.partition, [request_id]))

    async def execute_atomic(self, ticket: BatchTicket) -> Done:
        """Return what an atomic batch did, or did when it was first sent; raises Refused."""
        self._check_payers(ticket)
        match await self._submit(ticket):
            case Accepted() as accepted:
                return await self._first(accepted, ticket.request_id, ticket.caller)
            case Declined() as declined:
                raise Refused(recorded(declined.refusal, self.engine.partition, declined.position, replayed=False))
            case Repeated() as repeated:
                return await self.in_thread(self.outcomes.repeat_batch, ticket, repeated)
            case other:
                raise TypeError(f"the engine answered an atomic batch with {type(other).__name__}")

    async def execute_bulk(self, command: PostBulk, request_id: bytes, *, validate_only: bool) -> Done:
        """Return what a bulk did, or did when it was first sent; raises Refused. Each of its legs counts as one."""
        payer = calls.current().payer
        if payer is not None:
            self._check_payer(payer, command.payers())
        weight = len(command.legs.amounts)
        return await self.execute(command, request_id, validate_only=validate_only, weight=weight)

    async def execute_batch(self, ticket: BatchTicket) -> BatchResult:
        """Return what became of each transfer of a batch; raises Refused when the batch was not taken at all."""
        self._check_payers(ticket)
        match await self._submit(ticket):
            case BatchOutcome() as outcome if outcome.repeated:
                return await self.in_thread(settle, self.outcomes, ticket, outcome)
            case BatchOutcome() as outcome:
                return settle(self.outcomes, ticket, outcome)
            case Declined() as declined:
                raise Refused(declined.refusal)
            case other:
                raise TypeError(f"the engine answered a batch with {type(other).__name__}")

    async def execute_credits(self, ticket: CreditTicket) -> BatchResult:
        """Return what became of each line of a credit file; raises Refused when none was looked at."""
        match await self._submit(ticket):
            case BatchOutcome() as outcome:
                return await self.in_thread(settle_lines, self.outcomes, ticket, outcome)
            case Declined() as declined:
                raise Refused(declined.refusal)
            case other:
                raise TypeError(f"the engine answered credit lines with {type(other).__name__}")

    def _check_payers(self, ticket: BatchTicket) -> None:
        """Raise Refused unless the caller may debit every account that a batch debits.

        The one permission that is not decided in front of the handler: here the batch stands in columns already.
        """
        payer = calls.current().payer
        if payer is not None:
            self._check_payer(payer, debited(ticket.transfers))

    def _check_payer(self, payer: str, accounts: Collection[int]) -> None:
        if self.engine.kept_by(payer, accounts):
            return
        raise Refused(refuse(Reason.PERMISSION_DENIED if self.engine.serving else Reason.NOT_THE_OWNER))

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
        try:
            return await self._loop.run_in_executor(threads, work)
        except ReadOutOfTime:
            raise Refused(refuse(Reason.DEADLINE_EXCEEDED)) from None
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

    async def _first(self, accepted: Accepted, request_id: bytes, caller: str) -> Done:
        change, recorded_at, subject = accepted.change, accepted.recorded_at, accepted.subject
        if subject is None:
            if change.version == 1:
                subject = evolve(None, change, recorded_at)
            else:
                subject = await self.in_thread(self.outcomes.subject, change, recorded_at)
        return Done(
            partition=self.engine.partition,
            position=accepted.position,
            recorded_at=recorded_at,
            request_id=request_id,
            caller=caller,
            replayed=False,
            change=change,
            subject=subject,
        )

    async def _submit(self, ticket: Ticket) -> Any:
        future: asyncio.Future[Any] = self._loop.create_future()
        ticket.deliver = partial(self._deliver, future)
        self.engine.submit(ticket)
        return await future

    def _deliver(self, future: "asyncio.Future[Any]", ticket: Ticket) -> None:
        """Take an answer from an engine thread."""
        self._arrived.append((future, ticket))
        if not self._woken:
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self._hand_out)
            except RuntimeError:
                if not self._loop.is_closed():
                    raise
                # The loop has ended, and with it every call that could have waited for this.

    def _hand_out(self) -> None:
        self._woken = False  # First, so that whatever arrives from here on wakes the loop again.
        arrived = self._arrived
        while arrived:
            future, ticket = arrived.popleft()
            if not future.done():
                future.set_result(ticket.outcome)
