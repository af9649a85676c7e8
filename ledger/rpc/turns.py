"""Requests that write to the vault before the log hears of them: one at a time under an id, and each to its end.

A retry may arrive while the first attempt is still under way. If both went on at once, one that is refused could give
up what the other is about to stand on. And a caller who hangs up in between must not leave half of it to the sweep.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar
from weakref import WeakValueDictionary

from domain.refusals import Reason, Refused, refuse

T = TypeVar("T")


class Turns:
    """Lets requests with one id pass one after another. Used inside one running event loop.

    What was begun may go on without its caller, so no more of it is begun than calls may be under way: whoever hangs
    up early again and again gains nothing.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._begun: set[asyncio.Task[object]] = set()
        self._locks: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    async def take(self, request_id: bytes, work: Callable[[], Awaitable[T]]) -> T:
        """Do some work when nobody else does any under the id; once begun, to its end, whoever still waits for it."""
        lock = self._locks.setdefault(request_id, asyncio.Lock())
        await lock.acquire()
        if len(self._begun) >= self._most:
            lock.release()
            raise Refused(refuse(Reason.QUEUE_FULL, max_concurrent_calls=self._most))
        task = asyncio.create_task(self._finish(lock, work))
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        return await asyncio.shield(task)

    @staticmethod
    async def _finish(lock: asyncio.Lock, work: Callable[[], Awaitable[T]]) -> T:
        try:
            return await work()
        finally:
            lock.release()
