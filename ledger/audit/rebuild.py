"""Rebuilding a request from what its events keep of it, to be decided again.

Events keep what happened, not what was asked; mostly the one follows from the other. Where several requests would have
left the same event (a currency that was named, or not), all of them are tried, and the fingerprint that the event keeps
of its request tells which it was: so what is decided again is certainly what was asked. What a vault or a port said is
taken from the outcome, and where it does not follow from that, the request is not rebuilt.
"""

from uuid import UUID

import msgspec
from pydantic import ValidationError

from domain import authorization, credit, transfer
from domain.command import Command
from domain.engine import CommandDeclined
from domain.event import Event
from domain.refusals import Reason, Refusal
from ledger.audit.kept import Commanded, Credited, Decidable, Expired, Kept, NotKept, Transferred
from ledger.audit.rebuild_declined import declined, unkept
from ledger.audit.rebuild_table import BUILDERS


def rebuild(kept: Kept) -> Decidable | NotKept | None:
    """Return the request whose first event this is; None where no request, and nothing of the ledger's own, made it."""
    direct = _direct(kept)
    if direct is not None:
        return direct
    event = kept.event
    if isinstance(event, CommandDeclined):
        return declined(kept, event)
    partly = unkept(event)
    if partly is not None:
        return partly
    builder = BUILDERS.get(type(event))
    if builder is None:
        return None
    named = ""
    for kind, fields in builder(kept):
        named = named or kind.NAME
        try:
            command = kind(**fields)
        except ValidationError:
            continue
        if _matches(command, event):
            return Commanded(command)
    if not getattr(event, "fingerprint", ""):
        return None  # It followed from another event of the same append.
    return NotKept(named, (), "no request that would leave this event has the fingerprint that the event keeps")


def _matches(command: Command, event: Event) -> bool:
    known = getattr(event, "fingerprint", None)
    return known is None or known == command.fingerprint()


# What is no command, or keeps its whole content.


def _direct(kept: Kept) -> Decidable | None:
    event, row = kept.event, kept.row
    match event:
        case transfer.TransferPosted(credit_file=UUID() as file_id):
            file = kept.find(file_id.bytes)
            paid = event.legs[-1].credit_account if event.legs else event.credit_account
            line = credit.CreditLine(row.originator_id, event.credit_line, "", paid, event.amount, event.reference)
            return Credited(file, line) if isinstance(file, credit.CreditFile) else None
        case transfer.TransferPosted(quote=None):
            return Transferred(_transfer(event, row.originator_id))
        case transfer.TransferDeclined():
            return Transferred(_transfer(event, row.originator_id))
        case credit.CreditLineRefused():
            return _refused_line(kept, event)
        case authorization.AuthorizationExpired():
            held = kept.before
            return Expired(held) if isinstance(held, authorization.Authorization) else None
        case _:
            return None


def _transfer(event: transfer.TransferPosted | transfer.TransferDeclined, request_id: bytes) -> transfer.CreateTransfer:
    content = {name: getattr(event, name) for name in transfer.CreateTransfer.__struct_fields__ if name != "request_id"}
    return transfer.CreateTransfer(request_id, **content)


def _refused_line(kept: Kept, event: credit.CreditLineRefused) -> Decidable | None:
    file = kept.find(event.file.bytes)
    line = credit.CreditLine(
        kept.row.originator_id, event.line, event.target, event.account, event.amount, event.reference
    )
    if not event.account:  # Whom it names was looked up before it was decided, and found to be nobody.
        unknown = Refusal(Reason[event.reason], event.detail)
        line = msgspec.structs.replace(line, unknown=unknown)
    return Credited(file, line) if isinstance(file, credit.CreditFile) else None
