"""What threads hand over to the event loop: results, errors of any kind, and nothing to whoever has gone."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from ledger.rpc.arrivals import Arrivals

PATIENCE = 5


class Interrupted(BaseException):
    """What no handler of ordinary errors catches."""


def handed_over(function: Callable[[], Any]) -> Any:
    """Return what a thread's work came to, or what it raised."""

    async def wait() -> Any:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        with ThreadPoolExecutor(1) as threads:
            threads.submit(Arrivals(loop).work, future, function)
            await asyncio.wait([future], timeout=PATIENCE)
        return future.exception() or future.result()

    return asyncio.run(wait())


@pytest.mark.parametrize("raised", [ValueError("no"), Interrupted("now")])
def test_whoever_waits_hears_of_what_was_raised(raised: BaseException) -> None:
    """Of the very error, whatever it is."""

    def fail() -> None:
        raise raised

    assert handed_over(fail) is raised


def test_an_end_of_iteration_is_told_as_an_error() -> None:
    """No future takes one, and who waits would do so for ever."""
    nothing: list[int] = []
    told = handed_over(lambda: next(iter(nothing)))
    assert isinstance(told, RuntimeError)
    assert "StopIteration" in str(told)


def test_one_that_was_given_up_holds_no_other_up() -> None:
    """It gets nothing, its work is not begun if it has not been, and the others get theirs."""
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        return number

    async def wait() -> list[int]:
        loop = asyncio.get_running_loop()
        arrivals, futures = Arrivals(loop), [loop.create_future() for _ in range(4)]
        futures[1].cancel()
        with ThreadPoolExecutor(1) as threads:
            for number, future in enumerate(futures):
                threads.submit(arrivals.work, future, partial(work, number)).result()
        futures[2].cancel()  # It has arrived, and was not handed out yet.
        return list(await asyncio.wait_for(asyncio.gather(futures[0], futures[3]), PATIENCE))

    assert asyncio.run(wait()) == [0, 3]
    assert begun == [0, 2, 3]


def test_what_arrives_later_wakes_the_loop_again() -> None:
    """After each pause, however many came at once before."""

    async def wait() -> None:
        loop = asyncio.get_running_loop()
        arrivals = Arrivals(loop)
        with ThreadPoolExecutor(4) as threads:
            for _ in range(50):
                futures = [loop.create_future() for _ in range(20)]
                for number, future in enumerate(futures):
                    threads.submit(arrivals.put, future, number)
                assert list(await asyncio.wait_for(asyncio.gather(*futures), PATIENCE)) == list(range(20))

    asyncio.run(wait())


def test_a_loop_that_has_ended_takes_nothing() -> None:
    """With it ended every call that could have waited: the thread goes on."""
    loop = asyncio.new_event_loop()
    future = loop.create_future()
    arrivals = Arrivals(loop)
    loop.close()
    arrivals.put(future, 1)
    assert not future.done()
