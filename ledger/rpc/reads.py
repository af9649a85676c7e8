"""Answering questions: from the log, or from the projections, after the position that the caller asks for.

Projections are behind the log by moments. A caller who has just written names the position of the receipt, and
the answer waits for it within the call's deadline.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Generic, NamedTuple, TypeVar

from domain.aggregate import Aggregate
from domain.ports import Clock, Row
from domain.refusals import Reason, Refused, invalid, refuse
from ledger.rpc import calls
from ledger.rpc.gateway import Gateway
from ledger.rpc.loop_budget import LoopBudget
from ledger.rpc.paging import Pager
from ledger.rpc.positions import Positions
from projections.answers import Answer, AsOf, AtPosition, PositionInFutureError
from projections.queries import Reader
from projections.store import ProjectionsNotReadyError, ProjectionsUnreachableError, QuestionOutOfTimeError
from protos.esep.v1.common_pb2 import LogPosition

_MOST_SECONDS: Final = 0.02
"""After which the event loop gives a question up."""

T = TypeVar("T")
C = TypeVar("C")


class Listed(NamedTuple, Generic[T]):
    """A page of a list, the token of the next one (empty on the last), and what it reflects."""

    items: list[T]
    next_page_token: str
    positions: list[LogPosition]


class LogReads:
    """Questions about one aggregate, answered from the log itself: exact, and never behind."""

    def __init__(self, gateway: Gateway, poll_seconds: float, partition: int = 0) -> None:
        self._gateway = gateway
        self._partition = partition
        self._outcomes = gateway.outcomes_of[partition]
        self._positions = Positions(self.head, poll_seconds)
        self._others = (
            {each: LogReads(gateway, poll_seconds, each) for each in gateway.engines if each} if not partition else {}
        )

    def at(self, partition: int) -> "LogReads":
        """Return the reads of a partition; of partition 0 where there is no such one, for nothing stands there."""
        return self._others.get(partition, self)

    async def position(self, request: Any) -> int:
        """Return a position to answer at, not before the request's min_position."""
        asked = min_position(request, self._partition)
        head = await self.head()
        if asked > head:
            await self._positions.reached(asked)
            head = await self.head()
        return head

    async def head(self) -> int:
        """Return the last durable position."""
        engine = self._gateway.engine_of(self._partition)
        if engine.serving:
            return engine.durable
        return await self._gateway.look(self._outcomes.head)

    async def aggregate(self, originator_id: bytes, position: int) -> Aggregate | None:
        """Return an aggregate as it was at a position, None when there was none."""

        def read() -> Aggregate | None:
            return self._outcomes.aggregate(originator_id, upto_position=position)

        return await self._gateway.question(read)

    async def rows(self, positions: Sequence[int]) -> list[Row]:
        """Return the rows at these positions."""

        def read() -> list[Row]:
            return [row for position in positions for row in self._outcomes.rows(position - 1, 1)]

        return await self._gateway.question(read)

    @property
    def partition(self) -> int:
        """The partition whose log it is."""
        return self._partition

    def message(self, position: int) -> LogPosition:
        """Return a position as answers name it."""
        return LogPosition(partition=self._partition, position=position)


class Reads:
    """Questions that the projections answer."""

    def __init__(self, gateway: Gateway, reader: Reader, pager: Pager, clock: Clock, poll_seconds: float) -> None:
        self._gateway = gateway
        self.reader = reader
        self._prompt = reader.prompt()
        self._budget = LoopBudget()
        self.pager = pager
        self.clock = clock
        self._positions = {each: Positions(partial(self._reached, each), poll_seconds) for each in gateway.engines}

    async def ask(self, request: Any, question: Callable[[], Answer[T]]) -> Answer[T]:
        """Return a question's answer, not before the request's min_position; raises Refused."""
        partition = self._asked_partition(request)
        return await self.ask_at(min_position(request, partition), question, partition)

    async def glance(self, request: Any, question: Callable[[Reader], Answer[T]]) -> Answer[T]:
        """Return the answer to a question of a few look-ups, not before the request's min_position; raises Refused.

        Where the tables are files of this machine the event loop asks itself: handing it to a thread would take longer.
        """
        partition = self._asked_partition(request)
        asked = min_position(request, partition)
        if asked:
            await self._positions[partition].reached(asked)
        answer = self._at_once(question)
        if answer is None or answer.positions.get(partition, asked) < asked:
            answer = await self.ask_at(asked, lambda: question(self.reader), partition)
        return answer

    async def ask_at(self, asked: int, question: Callable[[], Answer[T]], partition: int = 0) -> Answer[T]:
        """Return a question's answer, not before a position of a partition, 0 for any; raises Refused."""
        return await self._ask_after({partition: asked}, question)

    async def ask_as_of(
        self, request: Any, moment: AsOf | None, about: Iterable[int], question: Callable[[], Answer[T]]
    ) -> Answer[T]:
        """Return the answer to a question about partitions as of a moment, None for now; raises Refused.

        Not before the request's min_position, nor before the tables reflect all that may be of the moment. That is
        whatever was recorded until it was asked: told of less, the same moment would be told otherwise afterwards.
        """
        partition = self._asked_partition(request)
        wanted = {partition: min_position(request, partition)}
        known = [] if moment is None else sorted(self._positions.keys() & set(about))
        for each in known:
            head = await self._gateway.look(self._gateway.outcomes_of[each].head)
            last = min(moment.position, head) if isinstance(moment, AtPosition) else head
            wanted[each] = max(last, wanted.get(each, 0))
        return await self._ask_after(wanted, question, known)

    async def _ask_after(
        self, wanted: Mapping[int, int], question: Callable[[], Answer[T]], about: Collection[int] = ()
    ) -> Answer[T]:
        """Return a question's answer, not before these positions of partitions; raises Refused.

        Where an answer does not tell of a partition it is not about that, unless it is one that the question is
        certainly ``about``: then the tables do not reflect that partition yet.
        """
        try:
            while True:
                for partition, position in wanted.items():
                    await self._positions[partition].reached(position)
                answer = await self._answer(question)
                reflected = {each: answer.positions.get(each, 0 if each in about else wanted[each]) for each in wanted}
                if all(reflected[each] >= wanted[each] for each in wanted):
                    return answer
                for partition, position in reflected.items():  # The tables were made anew meanwhile.
                    self._positions[partition].fell_back(position)
        except PositionInFutureError as future:
            raise Refused(
                invalid("as_of", "POSITION_IN_FUTURE", f"is later than the newest, {future.newest}")
            ) from None
        except ProjectionsNotReadyError:
            raise Refused(refuse(Reason.POSITION_NOT_REACHED, asked=max(wanted.values()), reached=0)) from None
        except QuestionOutOfTimeError:
            raise Refused(refuse(Reason.DEADLINE_EXCEEDED)) from None
        except ProjectionsUnreachableError:
            raise Refused(refuse(Reason.LEDGER_UNAVAILABLE)) from None

    @property
    def partitions(self) -> int:
        """How many partitions the ledger has."""
        return len(self._positions)

    def _asked_partition(self, request: Any) -> int:
        """Return the partition of whose position the request speaks, where there is such one."""
        partition: int = request.min_position.partition if request.HasField("min_position") else 0
        return partition if partition in self._positions else self._gateway.engine.partition

    async def page(
        self,
        request: Any,
        kind: type[C],
        question: Callable[[C | None, int], Answer[list[T]]],
        cursor_of: Callable[[T], C],
    ) -> Listed[T]:
        """Return the page of a list that a request asks for; raises Refused.

        The question is handed the cursor, None on the first page, and how many items a page has; its cursors are of
        one kind, and ``cursor_of`` tells that of an item.
        """
        page = self.pager.page(request, kind)
        found = await self.ask(request, lambda: question(page.cursor, page.size))
        items = found.result
        cursor = cursor_of(items[-1]) if len(items) == page.size else None
        return Listed(items, self.pager.token(request, cursor), positions_message(found.positions))

    def positions(self, poll_seconds: float, partition: int = 0) -> Positions:
        """Return what tells how far the tables are, looked at this often while anybody waits."""
        return Positions(partial(self._reached, partition), poll_seconds)

    async def _answer(self, question: Callable[[], Answer[T]]) -> Answer[T]:
        try:
            return await self._ask(question)
        except ProjectionsNotReadyError:
            # The tables are being made: the first event will be in them.
            await self._positions[self._gateway.engine.partition].reached(1)
            return await self._ask(question)

    def _at_once(self, question: Callable[[Reader], Answer[T]]) -> Answer[T] | None:
        """Return what the event loop finds out itself, None for what a thread has to ask, or to refuse.

        A disk may make it wait, whatever the question, and threads ask once it has waited for too long.
        """
        prompt, clock = self._prompt, asyncio.get_running_loop().time
        begun = clock()
        if prompt is None or not self._budget.allows(begun):
            return None
        try:
            with prompt.within(lambda: begun + _MOST_SECONDS - clock()):
                return question(prompt)
        except (ProjectionsNotReadyError, ProjectionsUnreachableError, QuestionOutOfTimeError):
            return None
        finally:
            self._budget.spend(begun, clock())

    async def _ask(self, question: Callable[[], Answer[T]]) -> Answer[T]:
        left = calls.time_left()

        def ask() -> Answer[T]:
            if left is None:
                return question()
            with self.reader.within(left):
                return question()

        return await self._gateway.question(ask)

    async def _reached(self, partition: int) -> int:
        try:
            return await self._gateway.look(self.reader.position, partition)
        except (ProjectionsNotReadyError, ProjectionsUnreachableError):
            return 0  # Their tables are being made, or cannot be asked just now: whoever waits goes on waiting.


def positions_message(positions: Mapping[int, int]) -> list[LogPosition]:
    """Return the positions that an answer reflects as it names them."""
    return [LogPosition(partition=partition, position=position) for partition, position in sorted(positions.items())]


def unknown_account(account: int) -> Refused:
    """Return the refusal of a question about an account that does not exist, to be raised."""
    return Refused(refuse(Reason.ACCOUNT_NOT_FOUND, account_id=account))


def min_position(request: Any, partition: int) -> int:
    """Return the position that the answer must reflect, 0 for any; raises Refused."""
    if not request.HasField("min_position"):
        return 0
    asked: LogPosition = request.min_position
    if asked.partition != partition:
        raise Refused(
            invalid("min_position.partition", "UNKNOWN", f"is not the partition that is asked about ({partition})")
        )
    if asked.position < 0:
        raise Refused(invalid("min_position.position", "NEGATIVE", "is negative"))
    return asked.position
