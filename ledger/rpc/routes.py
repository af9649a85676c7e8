"""Which living server owns a partition, and where it is reached: read from the owners' signs of life.

What was read counts for a moment, so that a flood of calls asks the database a few times a second. Whoever learns that
an owner has gone says so, and it is looked at anew.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from ledger.engine.owner import is_free
from ledger.log.api import Beat, Log

KNOWN_SECONDS: Final = 0.25
"""For how long what was read counts."""

Look = Callable[..., Awaitable[Any]]
"""Runs a function in a thread; raises Refused where the database does not answer."""


class Route(NamedTuple):
    """Who owns a partition, and the address at which that server is reached."""

    partition: int
    owner: str
    address: str


class Routes:
    """Finds owners. Used inside one running event loop."""

    def __init__(self, log: Log, look: Look, alive_seconds: float) -> None:
        """Take any log of the ledger; an owner is dead after so long without a sign of life."""
        self._log = log
        self._look = look
        self._alive_seconds = alive_seconds
        self._clock = asyncio.get_running_loop().time
        self._known: dict[int, tuple[float, Route | None]] = {}
        self._asking: dict[int, asyncio.Task[Route | None]] = {}

    async def to(self, partition: int) -> Route | None:
        """Return the way to a partition's living owner, None where there is none; raises Refused."""
        until, route = self._known.get(partition, (0.0, None))
        if self._clock() < until:
            return route
        asking = self._asking.get(partition)
        if asking is None:
            asking = self._asking[partition] = asyncio.create_task(self._ask(partition))
            asking.add_done_callback(_heard)
        return await asyncio.shield(asking)

    def forget(self, partition: int) -> None:
        """Look anew the next time."""
        self._known.pop(partition, None)

    async def _ask(self, partition: int) -> Route | None:
        try:
            beat: Beat | None = await self._look(self._living, partition)
        finally:
            del self._asking[partition]
        route = None if beat is None or not beat.address else Route(partition, beat.owner, beat.address)
        self._known[partition] = (self._clock() + KNOWN_SECONDS, route)
        return route

    def _living(self, partition: int) -> Beat | None:
        beat = self._log.last_beat(partition)
        return None if is_free(beat, self._alive_seconds) else beat


def _heard(asked: asyncio.Task[Route | None]) -> None:
    """Take note of a failure, which nobody else may be there to hear any more."""
    if not asked.cancelled():
        asked.exception()
