"""Watching balances: told as they are, and again whenever they have changed.

No stream has a thread or a connection of its own, and none remembers what happened: whatever news there is, it reads
the balances it watches as they are now, and sends those that differ from what it sent last. So a slow reader holds one
message, and is told less rather than later.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Final, NamedTuple

from ledger.rpc.reads import Reads, unknown_account
from ledger.rpc.settings import RpcSettings
from projections.answers import Answer, AsOf, AtPosition, Balance

MOST: Final = 100
"""Accounts that one stream watches."""


class Seen(NamedTuple):
    """Balances that differ from those told before, if any, and the position that all of them are of."""

    changed: list[Balance]
    position: int


class BalanceWatch:
    """Watches accounts, those of one partition together."""

    def __init__(self, reads: Reads, partitions: Iterable[int], settings: RpcSettings) -> None:
        self._reads = reads
        self._heartbeat_seconds = settings.heartbeat_seconds
        self._news = {each: reads.positions(settings.notification_poll_seconds, each) for each in partitions}

    async def follow(
        self, accounts: Sequence[int], after: int | None, partition: int = 0
    ) -> AsyncGenerator[Seen, None]:
        """Yield the balances that differ from those at ``after``, all without it; then whatever changes, without end.

        The first one may hold no balances. Later ones do, but for those that say after long that nothing has changed.
        Raises Refused.
        """
        clock, news = asyncio.get_running_loop().time, self._news[partition]
        known: dict[int, Balance] = {}
        if after is not None:
            then = await self._balances(accounts, after, partition, AtPosition(partition, after))
            known = {balance.account_id: balance for balance in then.result if balance is not None}
        told: int | None = None
        told_at = clock()
        while True:
            answer = await self._balances(accounts, after or 0, partition)
            position = answer.positions.get(partition, 0)
            if told is None or position >= told:  # Tables that are made anew begin at their beginning.
                changed = _changed(accounts, answer, known)
                if changed or told is None:
                    yield Seen(changed, position)
                    told_at = clock()
                told = position
            news.fell_back(position)
            quiet = self._heartbeat_seconds - (clock() - told_at)
            if quiet <= 0 or not await news.news(told + 1, quiet):
                yield Seen([], told)
                told_at = clock()

    async def _balances(
        self, accounts: Sequence[int], asked: int, partition: int, as_of: AsOf | None = None
    ) -> Answer[list[Balance | None]]:
        reads = self._reads

        def question() -> Answer[list[Balance | None]]:
            return reads.reader.balances(accounts, now=reads.clock.now(), as_of=as_of)

        return await reads.ask_at(asked, question, partition)

    async def close(self) -> None:
        """Look for news no more."""
        for news in self._news.values():
            await news.close()


def _changed(accounts: Sequence[int], answer: Answer[list[Balance | None]], known: dict[int, Balance]) -> list[Balance]:
    """Return the balances that differ from the known ones, which they become; raises Refused for an unknown account."""
    changed = []
    for account, balance in zip(accounts, answer.result, strict=True):
        if balance is None:
            raise unknown_account(account)
        if balance != known.get(account):
            changed.append(balance)
            known[account] = balance
    return changed
