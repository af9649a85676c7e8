"""Waiting for a position: one look for everybody who waits, not one each."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from math import isinf
from typing import Final

from domain.refusals import Reason, Refused, refuse
from ledger.rpc import calls

_MARGIN: Final = 0.1
"""The part of a call's time that is kept for answering, once the position is reached or given up."""
_LEAST_MARGIN: Final = 0.02


class Positions:
    """Tells when a growing position has been reached. ``look`` says where it is now."""

    def __init__(self, look: Callable[[], Awaitable[int]], poll_seconds: float) -> None:
        self._look = look
        self._poll_seconds = poll_seconds
        self._known = 0
        self._waiting: dict[asyncio.Future[None], int] = {}
        self._watch: asyncio.Task[None] | None = None

    async def reached(self, position: int) -> None:
        """Wait until the position is reached; raises Refused(POSITION_NOT_REACHED) shortly before the deadline."""
        if position <= self._known:
            return
        arrived = self._wait_for(position)
        remaining = calls.current().remaining()
        patience = None if isinf(remaining) else remaining - max(remaining * _MARGIN, _LEAST_MARGIN)
        try:
            await asyncio.wait_for(arrived, patience)
        except TimeoutError:
            raise Refused(refuse(Reason.POSITION_NOT_REACHED, asked=position, reached=self._known)) from None
        finally:
            self._waiting.pop(arrived, None)

    async def news(self, position: int, seconds: float) -> bool:
        """Wait for a position, so many seconds at most; tell whether it was reached."""
        if position <= self._known:
            return True
        arrived = self._wait_for(position)
        try:
            await asyncio.wait_for(arrived, seconds)
        except TimeoutError:
            return False
        finally:
            self._waiting.pop(arrived, None)
        return True

    def fell_back(self, position: int) -> None:
        """Hear that it is only here now: what had grown was made anew."""
        self._known = min(self._known, position)

    async def close(self) -> None:
        """Look no more."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)

    def _wait_for(self, position: int) -> "asyncio.Future[None]":
        arrived: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[arrived] = position
        if self._watch is None or self._watch.done():
            # In a context of its own: whoever waits first lends the others neither its deadline nor its name.
            self._watch = asyncio.create_task(self._poll(), context=Context())
        return arrived

    async def _poll(self) -> None:
        while self._waiting:
            try:
                self._known = await self._look()
            except Exception as error:  # noqa: BLE001 - whoever waits gets to hear it
                for arrived in self._waiting:
                    if not arrived.done():
                        arrived.set_exception(error)
                return
            for arrived, position in self._waiting.items():
                if position <= self._known and not arrived.done():
                    arrived.set_result(None)
            await asyncio.sleep(self._poll_seconds)
