"""Carrying out a command for which the vault keeps a number: of a card, or of a token.

The number was reserved before. It is settled once the log knows whose it is, and given up at once where nothing came
of the request, so that the next one may have it; whatever is interrupted in between is swept.
"""

from typing import Final

from domain.command import Command
from domain.ports import Clock
from domain.refusals import Kind, Refused
from ledger.rpc.customers import Customers
from ledger.rpc.outcomes import Done
from ledger.vault.numbers import Numbers

_DECIDED: Final = frozenset({Kind.INVALID, Kind.NOT_FOUND, Kind.STATE, Kind.DENIED, Kind.CONFLICT})


def came_to_nothing(refused: Refused) -> bool:
    """Tell whether a refusal says that nothing has come of a request, and never will."""
    return refused.refusal.reason.value.kind in _DECIDED


async def execute_with_number(
    customers: Customers, numbers: Numbers, clock: Clock, command: Command, request_id: bytes, *, validate_only: bool
) -> Done:
    """Carry out the command that makes a number's owner; raises Refused."""
    if validate_only:
        return await customers.execute(command, request_id, validate_only=True)
    try:
        done = await customers.execute(command, request_id, validate_only=False)
    except Refused as refused:
        if came_to_nothing(refused):
            await customers.in_vault(numbers.forget, request_id, clock.now())
        raise
    await customers.in_vault_afterwards(numbers.settle, request_id, clock.now())
    return done
