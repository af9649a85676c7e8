"""Rebuilding a request from what its events keep of it, to be decided again.

Events keep what happened, not what was asked; mostly the one follows from the other. Where several requests would have
left the same event (a currency that was named, or not), all of them are tried, and the fingerprint that the event keeps
of its request tells which it was: so what is decided again is certainly what was asked. What a vault or a port said is
taken from the outcome where it follows from that, and from what the event keeps of it where it does not.
"""

from uuid import UUID

import msgspec
from pydantic import ValidationError

from domain import authorization, binding, credit, crossing, quote, transfer
from domain.engine import CommandDeclined
from domain.event import Event
from domain.refusals import Reason, Refusal
from domain.refused_batch import Asked
from ledger.audit.replay.kept import Batched, Commanded, Credited, Decidable, Expired, Kept, NotKept, Transferred
from ledger.audit.replay.rebuild_declined import declined
from ledger.audit.replay.rebuild_table import BUILDERS


def rebuild(kept: Kept) -> Decidable | NotKept | None:
    """Return the request whose first event this is; None where no request, and nothing of the ledger's own, made it."""
    direct = _direct(kept)
    if direct is not None:
        return direct
    event = kept.event
    if isinstance(event, CommandDeclined):
        return declined(event)
    partly = unkept(event)
    if partly is not None:
        return partly
    builder = BUILDERS.get(type(event))
    known = getattr(event, "fingerprint", None)
    if builder is None or (known == "" and kept.row.request_id is None):
        return None  # It followed from another event of the same append.
    named, nearest = "", None
    for kind, fields in builder(kept):
        named = named or kind.NAME
        try:
            command = kind(**fields)
        except ValidationError:
            continue
        if known is None or known == command.fingerprint():
            return Commanded(command)
        nearest = nearest or Commanded(command)
    # No request with this fingerprint leaves this event: what comes of the nearest one shows that they do not agree.
    return nearest or NotKept(named, (), "no request leaves this event behind such a state")


def unkept(event: Event) -> NotKept | None:
    """Return what events of before do not keep of their requests, None where they may."""
    match event:
        case transfer.BatchDeclined(transfers=()):
            return NotKept("create_transfers", ("transfers",), "written before refused batches were kept, or too long")
        case (
            authorization.AuthorizationApproved(token=UUID(), tap=None)
            | authorization.AuthorizationDeclined(token=UUID(), tap=None)
        ):
            return NotKept("authorize_token_payment", ("tap",), "written before what was said of taps was kept")
        case binding.CardBindingRequested(name=bytes(name), name_mark="") if name:
            return NotKept("request_card_binding", ("name_mark",), "written before the mark of a name was kept")
        case quote.QuoteCreated(inputs={}) if not event.inputs:
            return NotKept("create_quote", ("recipient",), "written before the way of naming recipients was kept")
        case _:
            return None


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
        case crossing.TransferSent():
            return Transferred(transfer.CreateTransfer(row.originator_id, **crossing.as_asked(event)))
        case transfer.TransferDeclined():
            return Transferred(_transfer(event, row.originator_id))
        case transfer.BatchDeclined(transfers=asked) if asked:
            return Batched([_command(each) for each in asked])
        case credit.CreditLineRefused():
            return _refused_line(kept, event)
        case authorization.AuthorizationExpired():
            held = kept.before
            return Expired(held) if isinstance(held, authorization.Authorization) else None
        case _:
            return None


def _command(asked: Asked) -> transfer.CreateTransfer:
    return transfer.CreateTransfer(**{**msgspec.structs.asdict(asked), "request_id": asked.request_id.bytes})


def _transfer(event: transfer.TransferPosted | transfer.TransferDeclined, request_id: bytes) -> transfer.CreateTransfer:
    content = {name: getattr(event, name) for name in transfer.CreateTransfer.__struct_fields__ if name != "request_id"}
    return transfer.CreateTransfer(request_id, **content)


def _refused_line(kept: Kept, event: credit.CreditLineRefused) -> Decidable | None:
    file = kept.find(event.file.bytes)
    line = credit.CreditLine(
        kept.row.originator_id, event.line, event.target, event.account, event.amount, event.reference
    )
    if not event.account or event.reason == Reason.CARD_CLOSED.name:
        # Whom it names was looked up before it was decided, and found to be nobody, or nobody's any more.
        unknown = Refusal(Reason[event.reason], event.detail)
        line = msgspec.structs.replace(line, unknown=unknown)
    return Credited(file, line) if isinstance(file, credit.CreditFile) else None
