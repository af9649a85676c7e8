"""The reference ledger's terms as commands, and what the engine answers in the reference's terms."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from domain.account import (
    CloseAccount,
    FreezeAccount,
    OpenAccount,
    SetMinimumBalance,
    SetOverdraftLimit,
    UnfreezeAccount,
)
from domain.authorize import Advise, Authorize
from domain.clearing import ForcePost, PostRefund, RecordSettlementNotice
from domain.command import Command
from domain.event import Event, Leg
from domain.resolve import Capture, CapturePart, Increment, Replace, Reverse, ReversePart
from domain.transfer import BatchDeclined, BatchPosted, CreateTransfer, TransferDeclined, TransferPosted
from domain.transfer_reversal import ReverseTransfer
from ledger.engine.tickets import Accepted, Declined, Outcome
from ledger.log.codec import decode
from tests.ledger.engine.world import Desk

Content = dict[str, Any]


def _uuid(value: bytes | None) -> UUID | None:
    return None if value is None else UUID(bytes=value)


def _hold(content: Content) -> Content:
    return {
        "account_id": content["account"],
        "credit_account_id": content["credit"],
        "amount_tyiyn": content["amount"],
        "currency_code": content["currency"],
        "acquirer_id": "acquirer",
        "acquirer_reference": content["reference"],
    }


def _directions(content: Content) -> Content:
    return {
        "account_id": content["account"],
        "debits": content["debits"],
        "credits": content["credits_"],
        "expected_version": content["version"],
    }


_COMMANDS: dict[str, Callable[[Content], Command]] = {
    "open_account": lambda c: OpenAccount(
        participant_id=c["participant"],
        kind=c["kind"],
        currency_code=c["currency"],
        account_number=c["number"],
        overdraft_limit_tyiyn=c["overdraft"],
        minimum_balance_tyiyn=c["minimum"],
    ),
    "freeze": lambda c: FreezeAccount(**_directions(c)),
    "unfreeze": lambda c: UnfreezeAccount(**_directions(c)),
    "set_overdraft": lambda c: SetOverdraftLimit(
        account_id=c["account"], overdraft_limit_tyiyn=c["limit"], expected_version=c["version"]
    ),
    "set_minimum": lambda c: SetMinimumBalance(
        account_id=c["account"], minimum_balance_tyiyn=c["minimum"], expected_version=c["version"]
    ),
    "close": lambda c: CloseAccount(account_id=c["account"], expected_version=c["version"]),
    "reverse_transfer": lambda c: ReverseTransfer(transfer_id=UUID(bytes=c["transfer"]), amount_tyiyn=c["amount"]),
    "authorize": lambda c: Authorize(**_hold(c), accept_partial=c["partial"]),
    "advise": lambda c: Advise(**_hold(c)),
    "increment": lambda c: Increment(authorization_id=UUID(bytes=c["authorization"]), amount_tyiyn=c["amount"]),
    "replace": lambda c: Replace(authorization_id=UUID(bytes=c["authorization"]), total_tyiyn=c["total"]),
    "reverse_part": lambda c: ReversePart(authorization_id=UUID(bytes=c["authorization"]), amount_tyiyn=c["amount"]),
    "reverse": lambda c: Reverse(
        authorization_id=_uuid(c["authorization"]), acquirer_id="acquirer", acquirer_reference=c["reference"]
    ),
    "capture": lambda c: Capture(
        authorization_id=UUID(bytes=c["authorization"]),
        amount_tyiyn=c["amount"],
        final=c["final"],
        clearing_reference=c["reference"],
        parts=tuple(CapturePart(credit_account_id=credit, amount_tyiyn=amount) for credit, amount in c["parts"]),
    ),
    "force_post": lambda c: ForcePost(
        account_id=c["account"],
        credit_account_id=c["credit"],
        amount_tyiyn=c["amount"],
        clearing_reference=c["reference"],
    ),
    "refund": lambda c: PostRefund(
        authorization_id=_uuid(c["authorization"]),
        account_id=None if c["authorization"] else c["account"],
        merchant_account_id=None if c["authorization"] else c["merchant"],
        amount_tyiyn=c["amount"],
        clearing_reference=c["reference"],
    ),
    "notice": lambda c: RecordSettlementNotice(clearing_reference=c["reference"], amount_tyiyn=c["amount"]),
}


def to_command(name: str, request: bytes, content: Content) -> Command | CreateTransfer:
    """Return the command for the reference's command of this name."""
    if name == "transfer":
        return to_transfer(request, content)
    return _COMMANDS[name](content)


def to_transfer(request: bytes, content: Content) -> CreateTransfer:
    """Return the transfer with this content."""
    return CreateTransfer(
        request,
        content["debit"],
        content["credit"],
        content["amount"],
        content["currency"],
        legs=tuple(Leg("fee", debit, credit, amount) for debit, credit, amount in content["legs"]),
        effective_time=content["when"],
    )


def verdict(desk: Desk, outcome: Outcome, caller: str, command: Command | CreateTransfer | str) -> str:
    """Return "OK" or the name of the reason; a repeat is looked up, as the product does.

    ``command`` is the fingerprint alone for an atomic batch.
    """
    if isinstance(outcome, Accepted):
        return "OK"
    if isinstance(outcome, Declined):
        return outcome.refusal.reason.name
    row = desk.log.read(0, outcome.position - 1, 1)[0]
    event = decode(row.topic, row.state)
    if row.caller != caller or not _same(event, command):
        return "REQUEST_ID_REUSED"
    reason: str = getattr(event, "reason", "OK")
    return reason


def _same(event: Event, command: Command | CreateTransfer | str) -> bool:
    if isinstance(command, CreateTransfer):
        return isinstance(event, TransferPosted | TransferDeclined) and command.same_as(event)
    if isinstance(command, str):
        return isinstance(event, BatchPosted | BatchDeclined) and event.fingerprint == command
    return getattr(event, "fingerprint", "") == command.fingerprint()
