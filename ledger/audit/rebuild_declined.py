"""Requests that are not kept whole: what of them is missing, and recorded declines, of which little is kept.

Of a decline the log keeps the command's name, its target and its fingerprint. Where what else was asked can only have
been one of a few things, all of them are tried, and the fingerprint tells which it was.
"""

from collections.abc import Iterable
from enum import Enum
from itertools import islice, product
from typing import Any, Final
from uuid import UUID

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from domain import authorization, bind, binding, quote, token, token_payment, transfer
from domain.command import Command
from domain.confirm import ConfirmCardBinding
from domain.engine import CommandDeclined
from domain.event import Event
from ledger.audit.kept import Commanded, Decidable, Kept, NotKept

_COMMANDS: dict[str, type[Command]] = {}
_MOST_TRIED: Final = 256
_WHY: Final = "a recorded decline keeps the command's name, its target and its fingerprint, not its content"
_MADE_HERE: Final = (bind.RequestCardBinding, token_payment.AuthorizeTokenPayment)
"""Commands of which no event can be rebuilt, so that nothing else here would load them."""
STAND_INS: Final = {(ConfirmCardBinding.NAME, "amount_tyiyn"): binding.LEAST_AMOUNT}
"""Secrets that are looked at last: a command that was declined was declined whatever they are."""


def declined(kept: Kept, event: CommandDeclined) -> Decidable | NotKept:
    """Return a declined command, if what was asked can be told from what is kept of it."""
    kind = commands().get(event.command)
    if kind is None:
        return NotKept(event.command, (), "this server has no command of that name")
    options: dict[str, list[Any]] = {}
    missing = []
    for name, field in kind.model_fields.items():
        if name == "expected_version":
            continue
        found = _options(kept, event, kind, name, field)
        if found:
            options[name] = found
        else:
            missing.append(name)
    if missing:
        return NotKept(event.command, tuple(missing), _WHY)
    for values in islice(product(*options.values()), _MOST_TRIED):
        try:
            command = kind(**dict(zip(options, values, strict=True)))
        except ValidationError:
            continue
        if command.fingerprint() == event.fingerprint:
            return Commanded(command)
    open_ = [
        name for name, field in kind.model_fields.items() if not field.is_required() and name != "expected_version"
    ]
    return NotKept(event.command, tuple(open_), _WHY)


def _options(kept: Kept, event: CommandDeclined, kind: type[Command], name: str, field: FieldInfo) -> list[Any]:
    """Return what a field can have been; nothing where it can have been anything."""
    if (kind.NAME, name) in STAND_INS:
        return [STAND_INS[kind.NAME, name]]
    if name in kind.SECRETS:
        return []
    if name == _target_field(kind) and event.target is not None:
        return [event.target.int if name == "account_id" else event.target]
    if name == "operator":
        return [kept.row.caller]
    known: list[Any] = []
    if name == "customer_id" and event.target is not None:
        known = list(_customers(kept, event.target))
    elif isinstance(field.annotation, type) and issubclass(field.annotation, Enum):
        known = list(field.annotation)
    elif field.annotation is bool:
        known = [False, True]
    return known if field.is_required() else [field.default, *known]


def _customers(kept: Kept, target: UUID) -> Iterable[UUID]:
    """Return whose a command's target was."""
    found = kept.find(target.bytes)
    whose = getattr(found, "customer", None) or getattr(getattr(found, "details", None), "customer", None)
    if whose is not None:
        yield whose if isinstance(whose, UUID) else UUID(bytes=whose)


def commands() -> dict[str, type[Command]]:
    """Return every command by its name."""
    if not _COMMANDS:
        waiting = [Command]
        while waiting:
            kind = waiting.pop()
            waiting += kind.__subclasses__()
            if "NAME" in vars(kind):
                _COMMANDS[kind.NAME] = kind
    return _COMMANDS


_TARGETS: Final = (
    "authorization_id", "transfer_id", "quote_id", "payment_id", "proposal_id", "file_id", "token_id", "alias_id",
    "binding_id", "card_id", "payee_id", "account_id", "customer_id",
)  # fmt: skip
"""Fields that may name a command's target: the first of them that the command has."""


def _target_field(kind: type[Command]) -> str | None:
    return next((name for name in _TARGETS if name in kind.model_fields), None)


def unkept(event: Event) -> NotKept | None:
    """Return what is missing of a request that its events do not keep, None where they may."""
    match event:
        case transfer.BatchDeclined():
            return NotKept(
                "create_transfers", ("transfers",), "a refused batch keeps the index that refused it, no transfer"
            )
        case authorization.AuthorizationApproved(token=UUID()) | authorization.AuthorizationDeclined(token=UUID()):
            missing = ("expires", "cardholder_verified", "key_sequence", "verdict", "tap")
            return NotKept("authorize_token_payment", missing, "a tap's proofs are looked at and not kept")
        case binding.CardBindingRequested():
            missing = ("expires", "name_mark", "details", "hold_id", "candidates")
            return NotKept(
                "request_card_binding", missing, "the card's details are looked at and not kept; the amount is random"
            )
        case token.TokenProvisioned():
            return NotKept("provision_token", ("sequence", "master_key_id"), "keys stand in the vault alone")
        case token.TokenKeysReplenished():
            return NotKept("replenish_keys", ("sequence", "master_key_id"), "keys stand in the vault alone")
        case quote.QuoteCreated():
            return NotKept("create_quote", ("recipient",), "how the recipient was named is not kept, only who it was")
        case _:
            return None
