"""Recorded declines: the command is made again of the inputs that its record keeps.

What a record leaves out (secrets, personal data) is stood in for: no recorded refusal depends on it, or it would stand
in the record as the verdict on it.
"""

from typing import Final

from pydantic import ValidationError

from domain import bind, token_payment
from domain.command import Command
from domain.engine import CommandDeclined
from ledger.audit.replay.kept import Commanded, Decidable, NotKept

_WHY: Final = "the record was written before records of declines kept what was asked"
_MADE_HERE: Final = (bind.RequestCardBinding, token_payment.AuthorizeTokenPayment)
"""Commands that nothing else here would load."""


def declined(event: CommandDeclined) -> Decidable | NotKept:
    """Return a declined command, as its record keeps it."""
    kind = commands().get(event.command)
    if kind is None:
        return NotKept(event.command, (), "this server has no command of that name")
    required = {name for name, field in kind.model_fields.items() if field.is_required()}
    missing = sorted(required - set(kind.UNKEPT) - set(event.inputs))
    if missing:
        return NotKept(event.command, tuple(missing), _WHY)
    try:
        command = Commanded(kind(**{**kind.UNKEPT, **event.inputs}))
    except ValidationError as invalid:
        fields = tuple(".".join(map(str, each["loc"])) for each in invalid.errors())
        return NotKept(event.command, fields, "what the record keeps of these fields is not valid for the command")
    if not event.inputs and command.fingerprint() != event.fingerprint:
        return NotKept(event.command, tuple(sorted(set(kind.model_fields) - {"expected_version"})), _WHY)
    return command


def commands() -> dict[str, type[Command]]:
    """Return every command by its name."""
    found: dict[str, type[Command]] = {}
    waiting = [Command]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if "NAME" in vars(kind):
            found[kind.NAME] = kind
    return found
