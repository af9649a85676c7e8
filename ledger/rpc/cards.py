"""Between requests about cards and two stores: the vault, which knows the numbers, and the log.

As with customers the vault is written first.
"""

from functools import partial

from domain.pan import NUMBER_FAULTS, look_at
from domain.ports import Clock
from domain.refusals import Reason, Refused, refuse
from ledger.rpc.customers import Customers
from ledger.rpc.numbers import execute_with_number
from ledger.rpc.outcomes import Done
from ledger.rpc.translate.card import NO_PAR, Issue
from ledger.vault.cards import Reserved
from ledger.vault.vault import Vault


class Cards:
    """Carries out what is asked about cards' numbers."""

    def __init__(self, customers: Customers, vault: Vault, clock: Clock) -> None:
        self._customers = customers
        self._vault = vault.cards
        self._clock = clock

    async def issue(self, issue: Issue, request_id: bytes, *, validate_only: bool) -> Done:
        """Reserve the number and issue the card; raises Refused."""
        work = partial(self._issue, issue, request_id, validate_only=validate_only)
        return await self._customers.turns.take(request_id, work)

    async def _issue(self, issue: Issue, request_id: bytes, *, validate_only: bool) -> Done:
        reserved = Reserved(request_id, NO_PAR)  # For a repeated request, which is answered without being decided.
        if issue.command.number_fault is None:
            if not await self._customers.in_vault(self._vault.same_number, request_id, issue.number):
                raise Refused(refuse(Reason.REQUEST_ID_REUSED))
            if not await self._customers.recorded(request_id):
                reserved = await self._customers.in_vault(self._reserve, issue.number, request_id, validate_only)
        command = issue.command.model_copy(update={"par": reserved.par, "taken": reserved.card_id != request_id})
        return await execute_with_number(
            self._customers, self._vault, self._clock, command, request_id, validate_only=validate_only
        )

    def _reserve(self, number: str, card_id: bytes, trial: bool) -> Reserved:  # noqa: FBT001 - run on a thread
        if trial:
            return Reserved(self._vault.find(number) or card_id, NO_PAR)
        return self._vault.reserve(card_id, number, self._clock.now())

    async def find(self, number: str) -> bytes:
        """Return the card that holds a number; raises Refused."""
        typed = look_at(number)
        if typed.fault is not None:
            raise Refused(refuse(NUMBER_FAULTS[typed.fault]))
        found = await self._customers.in_vault(self._vault.find, number)
        if found is None:
            raise Refused(refuse(Reason.CARD_NOT_FOUND))
        return found
