"""What a watcher of balances is told while the tables behind it go on, stand still, or are made anew."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

from ledger.rpc.balance_watch import BalanceWatch, Seen
from ledger.rpc.positions import Positions
from ledger.rpc.reads import Reads
from ledger.rpc.settings import RpcSettings
from projections.answers import Answer, AsOf, Balance

POLL_SECONDS = 0.001
ACCOUNT, ANOTHER = 3, 4


class Tables:
    """Tables that are at a position, at each of which an account has as much as the position says."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.falling_to = 0
        """Where they fall back to when they are next asked, if anywhere."""
        self.read = 0
        self.clock = SimpleNamespace(now=lambda: 0)
        self.reader = SimpleNamespace(balances=self._balances)

    def _balances(self, accounts: Sequence[int], *, now: int, as_of: AsOf | None) -> Answer[list[Balance | None]]:
        self.read += 1
        self.position, self.falling_to = self.falling_to or self.position, 0
        posted = getattr(as_of, "position", self.position)
        found = [Balance(each, "KGS", posted, 0, posted, 0, 0) for each in accounts]
        return Answer(cast("list[Balance | None]", found), {0: self.position})

    async def ask_at(self, asked: int, question: Callable[[], Any], _partition: int) -> Any:
        await until(lambda: self.position >= asked)
        return question()

    def positions(self, poll_seconds: float, _partition: int) -> Positions:
        async def look() -> int:
            return self.position

        return Positions(look, poll_seconds)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    for _ in range(20_000):
        if condition():
            return
        await asyncio.sleep(POLL_SECONDS)
    raise AssertionError("it has not come to that")


def watching(tables: Tables, heartbeat_seconds: float = 60.0) -> BalanceWatch:
    settings = RpcSettings(
        development=True, heartbeat_seconds=heartbeat_seconds, notification_poll_seconds=POLL_SECONDS
    )
    return BalanceWatch(cast("Reads", tables), [0], settings)


def played(play: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(play(), 30))


async def told(stream: AsyncGenerator[Seen, None]) -> tuple[list[int], int]:
    """Return the next balances that are told, and their position."""
    seen = await anext(stream)
    return [each.posted for each in seen.changed], seen.position


def test_the_first_is_told_at_once_also_where_nothing_has_changed() -> None:
    """So that whoever watches knows from where on; the next is told when something has."""

    async def play() -> None:
        tables = Tables(5)
        watch = watching(tables)
        stream = watch.follow([ACCOUNT], after=5)
        assert await told(stream) == ([], 5)
        tables.position = 6
        assert await told(stream) == ([6], 6)
        await watch.close()

    played(play)


def test_nothing_is_told_from_before_what_was_seen() -> None:
    """Where the tables are made anew right behind the look at what was seen, the first answer waits for them."""

    async def play() -> None:
        tables = Tables(5)
        watch = watching(tables)
        balances = tables.reader.balances

        def fall_back(*args: Any, **options: Any) -> Any:
            answer = balances(*args, **options)
            if options["as_of"] is not None:
                tables.position = 2
                asyncio.get_running_loop().call_later(0.05, setattr, tables, "position", 7)
            return answer

        tables.reader.balances = fall_back
        assert await told(watch.follow([ACCOUNT], after=5)) == ([7], 7)
        await watch.close()

    played(play)


def test_tables_that_begin_again_tell_nothing_old() -> None:
    """Heartbeats go on, at the position that was told last, until the tables have come past it."""

    async def play() -> None:
        tables = Tables(10)
        watch = watching(tables, heartbeat_seconds=0.02)
        stream = watch.follow([ACCOUNT, ANOTHER], after=None)
        assert await told(stream) == ([10, 10], 10)
        for tables.position in (3, 8):
            for _ in range(3):
                assert await told(stream) == ([], 10)
        tables.position = 11
        while (seen := await told(stream)) == ([], 10):
            pass
        assert seen == ([11, 11], 11)
        await watch.close()

    played(play)


def test_tables_that_begin_again_are_not_asked_again_and_again() -> None:
    """Where they fall back between the news and the look, the stream waits until they are where they were."""

    async def play() -> None:
        tables = Tables(10)
        watch = watching(tables)
        stream = watch.follow([ACCOUNT], after=None)
        assert await told(stream) == ([10], 10)
        tables.falling_to = 3
        tables.position = 12
        waiting = asyncio.ensure_future(told(stream))
        await until(lambda: tables.position == 3)
        await asyncio.sleep(0.1)
        assert tables.read == 2
        tables.position = 30
        assert await waiting == ([30], 30)
        await watch.close()

    played(play)
