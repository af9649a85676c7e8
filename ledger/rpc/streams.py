"""The streams that are open: how many there may be, and ending them when the server stops.

A stream runs under a timeout that is its caller's deadline. Ending it early is moving that timeout to now: whatever
it waits for, its own news or a reader that takes none, is given up, and the caller is told why.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import isinf
from typing import Any

from domain.refusals import Reason, Refused, refuse
from ledger.rpc.metrics import Metrics


class OpenStreams:
    """The open streams of one server."""

    def __init__(self, metrics: Metrics, most: int) -> None:
        self._metrics = metrics
        self._most = most
        self._open: set[asyncio.Timeout] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._ending = asyncio.Event()

    @asynccontextmanager
    async def open(self, method: str, deadline: float) -> AsyncIterator[None]:
        """Count a stream while it lasts; raises Refused when there are too many, it is too late, or all are ended."""
        if self._ending.is_set():
            raise Refused(refuse(Reason.SHUTTING_DOWN))
        if len(self._open) >= self._most:
            raise Refused(refuse(Reason.TOO_MANY_STREAMS, max_streams=self._most))
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a stream is opened outside of any task")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        timeout = asyncio.timeout_at(None if isinf(deadline) else deadline)
        self._metrics.stream_opened(method)
        try:
            async with timeout:
                self._open.add(timeout)
                yield
        except TimeoutError:
            if not timeout.expired():
                raise
            raise Refused(refuse(Reason.SHUTTING_DOWN if self._ending.is_set() else Reason.DEADLINE_EXCEEDED)) from None
        finally:
            self._open.discard(timeout)
            self._metrics.stream_closed(method)

    def end_all(self) -> None:
        """Have every stream end with SHUTTING_DOWN, now."""
        self._ending.set()
        now = asyncio.get_running_loop().time()
        for timeout in self._open:
            if not timeout.expired():
                timeout.reschedule(now)

    def cut_off(self) -> None:
        """Give up streams whose reader takes nothing, not even the end."""
        for task in self._tasks:
            task.cancel()
