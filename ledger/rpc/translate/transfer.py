"""Transfers: requests to commands, and the transfer as it is told. Batches have their own way in ``batch``."""

from typing import Final

from domain import ids
from domain.crossing import Way
from domain.event import Leg
from domain.forms import CURRENCY, MOVEMENT_KIND
from domain.ids import MAX_ACCOUNT
from domain.money import MAX_AMOUNT
from domain.transfer import CreateTransfer, Transfer, TransferModel, TransferReversed, is_reserved_kind
from domain.transfer_reversal import ReverseTransfer
from ledger.rpc.intake import Intake, given, set_timestamp, tags, timestamp
from ledger.rpc.outcomes import Done
from protos.esep.v1 import transfer_pb2, transfer_service_pb2

MAX_REFERENCE: Final = 64
MAIN_REVERSAL: Final = "reversal"
"""The kind of the movement that takes a transfer's main amount back."""
_WAYS: Final = {
    Way.IN_TRANSIT: transfer_pb2.TRANSFER_WAY_IN_TRANSIT,
    Way.COMPLETED: transfer_pb2.TRANSFER_WAY_COMPLETED,
    Way.RETURNED: transfer_pb2.TRANSFER_WAY_RETURNED,
}


def create_transfer(request: transfer_service_pb2.CreateTransferRequest) -> tuple[CreateTransfer, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    if not request.HasField("transfer"):
        intake.wrong("transfer", "MISSING", "is required")
        intake.check()
    given = request.transfer.request_id
    if given and given.lower() != request.request_id.lower():
        intake.wrong("transfer.request_id", "MISMATCH", "is not the request's own request_id")
    inner = Intake("transfer")
    inner.violations = intake.violations
    return new_transfer(request.transfer, inner, request_id), request_id


def new_transfer(item: transfer_pb2.NewTransfer, intake: Intake, request_id: bytes) -> CreateTransfer:
    """Return the command of any item; raises Refused with every field at fault."""
    command = plain_transfer(item, request_id)
    if command is None:
        return checked_transfer(item, intake, request_id)
    intake.check()
    return command


def plain_transfer(item: transfer_pb2.NewTransfer, request_id: bytes) -> CreateTransfer | None:
    """Return the command of an item that is plain and valid, None for any other: the model's rules, by hand."""
    if item.legs or item.tags or item.HasField("effective_time"):
        return None
    debit, credit, amount = item.debit_account_id, item.credit_account_id, item.amount_tyiyn
    if not (0 < amount <= MAX_AMOUNT and 0 < debit <= MAX_ACCOUNT and 0 < credit <= MAX_ACCOUNT and debit != credit):
        return None
    currency, kind, reference = item.currency_code, item.kind, item.reference
    if not (
        (not currency or CURRENCY.fullmatch(currency))
        and (not kind or (MOVEMENT_KIND.fullmatch(kind) and not is_reserved_kind(kind)))
        and len(reference) <= MAX_REFERENCE
        and reference.isprintable()
    ):
        return None
    return CreateTransfer(request_id, debit, credit, amount, currency, kind or "transfer", reference)


def checked_transfer(item: transfer_pb2.NewTransfer, intake: Intake, request_id: bytes) -> CreateTransfer:
    """Return the command of any item by the model's own rules; raises Refused with every field at fault."""
    values: dict[str, object] = {
        "debit_account_id": item.debit_account_id,
        "credit_account_id": item.credit_account_id,
        "amount_tyiyn": item.amount_tyiyn,
        "currency_code": item.currency_code,
        "reference": item.reference,
    }
    if item.kind:
        values["kind"] = item.kind
    if item.tags:
        values["tags"] = tags(item.tags)
    if item.legs:
        values["legs"] = [
            {
                **({"kind": leg.kind} if leg.kind else {}),
                "debit_account_id": leg.debit_account_id,
                "credit_account_id": leg.credit_account_id,
                "amount_tyiyn": leg.amount_tyiyn,
            }
            for leg in item.legs
        ]
    if item.HasField("effective_time"):
        values["effective_time"] = intake.time(item.effective_time, "effective_time")
    return intake.build(TransferModel, values).to_command(request_id)


def reverse_transfer(request: transfer_service_pb2.ReverseTransferRequest) -> tuple[ReverseTransfer, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {
        "transfer_id": intake.uuid(request.transfer_id, "transfer_id"),
        "amount_tyiyn": request.amount_tyiyn if request.HasField("amount_tyiyn") else None,
        "explanation": request.explanation,
    }
    return intake.build(ReverseTransfer, values), request_id


def transfer_message(transfer: Transfer, currency_code: str) -> transfer_pb2.Transfer:
    """Return the transfer as it is told; the accounts' currency is theirs to know."""
    crossing = transfer.crossing
    message = transfer_pb2.Transfer(
        transfer_id=ids.format_uuid(transfer.transfer_id),
        debit_account_id=transfer.debit_account,
        credit_account_id=transfer.credit_account,
        amount_tyiyn=transfer.amount,
        currency_code=transfer.currency or currency_code,
        kind=transfer.kind,
        **given(
            reference=transfer.reference,
            tags=transfer.tags,
            legs=[_leg(leg) for leg in transfer.legs],
            reversed_tyiyn=transfer.reversed_amount,
            legs_reversed=transfer.legs and transfer.reversed_whole,
            credit_file_id=transfer.credit and ids.format_uuid(transfer.credit[0]),
            credit_line_number=transfer.credit and transfer.credit[1],
            quote_id=transfer.quote and ids.format_uuid(transfer.quote),
            way=crossing and _WAYS[crossing.way],
            return_reason=crossing and crossing.reason,
        ),
    )
    set_timestamp(message.effective_time, transfer.effective_time)
    set_timestamp(message.record_time, transfer.created_at)
    return message


def reversal_message(done: Done, event: TransferReversed, transfer: Transfer) -> transfer_pb2.TransferReversal:
    """Return the reversal as it is told."""
    return transfer_pb2.TransferReversal(
        reversal_id=ids.format_uuid(done.request_id),
        transfer_id=ids.format_uuid(transfer.transfer_id),
        amount_tyiyn=sum(leg.amount for leg in event.legs if leg.kind == MAIN_REVERSAL),
        legs=[_leg(leg) for leg in event.legs if leg.kind != MAIN_REVERSAL],
        explanation=event.explanation,
        record_time=timestamp(done.recorded_at) if done.position else None,
    )


def _leg(leg: Leg) -> transfer_pb2.TransferLeg:
    return transfer_pb2.TransferLeg(
        kind=leg.kind,
        debit_account_id=leg.debit_account,
        credit_account_id=leg.credit_account,
        amount_tyiyn=leg.amount,
    )
