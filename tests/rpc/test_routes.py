"""Finding the owner of a partition: by its last sign of life, looked at a few times a second."""

import asyncio
import gc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from domain.refusals import Reason, Refused, refuse
from ledger.engine.owner import this_owner
from ledger.log.factory import open_log
from ledger.rpc.routes import KNOWN_SECONDS, Route, Routes

FIRST, SECOND = "10.0.0.1:50051", "10.0.0.2:50051"
GONE = "/".join((*this_owner().split("/")[:2], "4194305", "1", "ab"))  # No machine has a process of this number.


class Looks:
    """Runs what is asked of the database, counts it, and can fail."""

    def __init__(self) -> None:
        self.count = 0
        self.failing = False

    async def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        self.count += 1
        await asyncio.sleep(0)
        if self.failing:
            raise Refused(refuse(Reason.LEDGER_UNAVAILABLE))
        return function(*arguments)


def test_the_owner_is_whoever_gave_the_last_sign_of_life(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has none, nor one that says no address, or is dead; a new one is found within a moment."""

    async def walk() -> None:
        log, looks = open_log(store_url), Looks()
        routes = Routes(log, looks, alive_seconds=5.0)
        with monkeypatch.context() as slowly:
            slowly.setattr("ledger.rpc.routes.KNOWN_SECONDS", 3_600.0)  # However long the sign of life takes.
            assert await routes.to(1) is None
            log.beat(1, "first", FIRST)
            assert await routes.to(1) is None  # As it was a moment ago.
        routes.forget(1)
        assert await routes.to(1) == Route(1, "first", FIRST)
        log.beat(1, "second", SECOND)
        await asyncio.sleep(2 * KNOWN_SECONDS)
        assert await routes.to(1) == Route(1, "second", SECOND)
        for owner, address in (("third", ""), (GONE, FIRST)):
            log.beat(1, owner, address)
            routes.forget(1)
            assert await routes.to(1) is None
        log.beat(1, this_owner(), SECOND)
        assert await Routes(log, looks, alive_seconds=1e-9).to(1) is None
        log.close()

    asyncio.run(walk())


def test_many_ask_once(sqlite_url: str) -> None:
    """All who want to know at the same moment wait for one answer, or hear of one failure."""

    async def walk() -> None:
        log, looks = open_log(sqlite_url), Looks()
        log.beat(1, "first", FIRST)
        routes = Routes(log, looks, alive_seconds=5.0)
        found = await asyncio.gather(*(routes.to(1) for _ in range(100)))
        assert set(found) == {Route(1, "first", FIRST)}
        assert looks.count == 1
        looks.failing = True
        routes.forget(1)
        failed = await asyncio.gather(*(routes.to(1) for _ in range(100)), return_exceptions=True)
        assert {type(each) for each in failed} == {Refused}
        assert looks.count == 2
        looks.failing = False
        assert await routes.to(1) == Route(1, "first", FIRST)
        log.close()

    asyncio.run(walk())


def test_who_no_longer_waits_stops_nobody_else(sqlite_url: str) -> None:
    """A call that is given up takes the answer from no other, and leaves no failure that nobody hears."""

    async def walk() -> list[dict[str, Any]]:
        unheard: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: unheard.append(context))
        log, looks = open_log(sqlite_url), Looks()
        log.beat(1, "first", FIRST)
        routes = Routes(log, looks, alive_seconds=5.0)
        for looks.failing in (False, True):
            routes.forget(1)
            one, other = (asyncio.create_task(routes.to(1)) for _ in range(2))
            await asyncio.sleep(0)
            one.cancel()
            if looks.failing:
                other.cancel()
            with suppress(asyncio.CancelledError):
                assert await other == Route(1, "first", FIRST)
            await asyncio.sleep(0.01)
        log.close()
        return unheard

    unheard = asyncio.run(walk())
    gc.collect()  # What was not heard is told when it is collected.
    assert unheard == []


@pytest.mark.parametrize("partition", [0, 7])
def test_partitions_are_apart(sqlite_url: str, partition: int) -> None:
    """The owner of one says nothing of another."""

    async def walk() -> Route | None:
        log = open_log(sqlite_url)
        log.beat(1, "first", FIRST)
        try:
            return await Routes(log, Looks(), alive_seconds=5.0).to(partition)
        finally:
            log.close()

    assert asyncio.run(walk()) is None
