"""What never changes about an account: who keeps it and in which currency.

The engine knows it of every account it has followed; what it does not know is read once, then remembered.

Events of movements name accounts, not banks and currencies; answers name both.
"""

from typing import Final, NamedTuple

from domain import ids
from domain.account import Account
from ledger.rpc.gateway import Gateway

MAX_REMEMBERED: Final = 200_000


class Facts(NamedTuple):
    """The unchanging facts of one account."""

    participant_id: str
    currency_code: str


class AccountFacts:
    """The facts of accounts by their ids."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._known: dict[int, Facts] = {}

    async def of(self, account: int) -> Facts:
        """Return the facts of an account that exists."""
        found = await self.find(account)
        if found is None:
            raise TypeError(f"the log names account {account} but does not hold its opening")
        return found

    async def find(self, account: int) -> Facts | None:
        """Return the facts of an account, None when there is none with this id."""
        at_hand = self._gateway.engine_of(ids.account_partition(account)).account_facts(account)
        if at_hand is not None:
            return Facts(*at_hand)
        known = self._known.get(account)
        if known is None:
            known = await self._gateway.in_thread(self._read, account)
            if known is None:
                return None
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            self._known[account] = known
        return known

    def _read(self, account: int) -> Facts | None:
        outcomes = self._gateway.outcomes_of.get(ids.account_partition(account))
        if outcomes is None or not 0 < account <= ids.MAX_ACCOUNT:
            return None
        opened = outcomes.aggregate(ids.account_originator(account), upto_version=1)
        return Facts(opened.participant, opened.currency) if isinstance(opened, Account) else None
