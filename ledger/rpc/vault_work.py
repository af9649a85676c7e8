"""The vault's work for requests: in turn under an id, and on threads of its own.

It waits for a database or, with Argon2, computes for a tenth of a second on purpose: neither the event loop nor other
questions wait for it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import structlog

from domain.refusals import Reason, Refused, refuse
from ledger.rpc.turns import Turns
from ledger.vault.errors import VaultFull, VaultUnavailable

T = TypeVar("T")

_log = structlog.get_logger("esep.vault")


class VaultWork:
    """Runs what is asked of the vault. ``most`` requests may be under way."""

    def __init__(self, most: int) -> None:
        self._turns = Turns(most)
        self._threads = ThreadPoolExecutor(2, "esep-vault")

    async def in_turn(self, request_id: bytes, work: Callable[[], Awaitable[T]]) -> T:
        """Do some work when nobody else does any under the id, to its end; raises Refused."""
        return await self._turns.take(request_id, work)

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run a function of the vault; raises Refused."""
        return await self._run(Reason.STORAGE_FULL, function, *arguments)

    async def run_afterwards(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run a function of the vault for what the log holds already: nobody is told that nothing was recorded."""
        return await self._run(Reason.LEDGER_UNAVAILABLE, function, *arguments)

    async def _run(self, when_full: Reason, function: Callable[..., T], *arguments: Any) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)
        except VaultFull:
            _log.error("vault.storage_full")
            raise Refused(refuse(when_full)) from None
        except VaultUnavailable as error:
            _log.warning("vault.unavailable", error=str(error))
            raise Refused(refuse(Reason.LEDGER_UNAVAILABLE)) from None

    def close(self) -> None:
        """Give up the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
