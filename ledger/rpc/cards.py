"""Between requests about cards and two stores: the vault, which knows the numbers, and the log.

As with customers the vault is written first. A number whose issue was refused is given up at once, so that the next
request may have it; whatever is interrupted before that is swept.
"""

from functools import partial
from typing import Final

from domain.pan import NUMBER_FAULTS, look_at
from domain.ports import Clock
from domain.refusals import Kind, Reason, Refused, refuse
from ledger.rpc.customers import Customers
from ledger.rpc.gateway import Gateway
from ledger.rpc.outcomes import Done
from ledger.rpc.translate.card import NO_PAR, Issue
from ledger.vault.cards import Reserved
from ledger.vault.vault import Vault

_DECIDED: Final = frozenset({Kind.INVALID, Kind.NOT_FOUND, Kind.STATE, Kind.DENIED})
"""Kinds of refusal after which a card is certainly not issued under the request's id."""


class Cards:
    """Carries out what is asked about cards' numbers."""

    def __init__(self, gateway: Gateway, customers: Customers, vault: Vault, clock: Clock) -> None:
        self._gateway = gateway
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
        try:
            done = await self._gateway.execute(command, request_id, validate_only=validate_only)
        except Refused as refused:
            if not validate_only and refused.refusal.reason.value.kind in _DECIDED:
                await self._customers.in_vault(self._vault.forget, request_id, self._clock.now())
            raise
        if not validate_only:
            await self._customers.in_vault_afterwards(self._vault.settle, request_id, self._clock.now())
        return done

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
