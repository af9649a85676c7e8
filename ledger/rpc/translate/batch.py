"""Batches of transfers: thousands of items to commands, about a microsecond each.

Items are converted a chunk at a time, column by column, because a loop over whole columns costs a fraction of a
loop over items. Columns show only the fields that they are made of; that there is nothing else (legs, tags, an
effective time) shows in the length of the request, which is then what those fields alone take. A chunk that holds
anything but plain items in order, or any error, is converted item by item by the model's own rules, which also name
what is wrong. Between chunks the event loop gets its turn. Both ways yield the same commands: a property test holds
them together.
"""

import asyncio
from collections.abc import Sequence
from itertools import repeat
from typing import Any, Final

import numpy as np

from domain.forms import MOVEMENT_KIND
from domain.ids import MAX_ACCOUNT
from domain.money import MAX_AMOUNT
from domain.plain import PlainTransfers
from domain.refusals import Refused, Violation, invalid
from domain.transfer import MAX_BATCH, CreateTransfer, TransferPosted, is_reserved_kind
from ledger.log.fingerprint import BatchFingerprint
from ledger.rpc import errors
from ledger.rpc.intake import Intake
from ledger.rpc.translate.transfer import MAX_REFERENCE, new_transfer
from protos.esep.v1.transfer_pb2 import NewTransfer
from protos.esep.v1.transfer_service_pb2 import CreateTransfersRequest

CHUNK: Final = 1_024
_NAME_BASED: Final = frozenset(range(0x50, 0x60))
"""What the seventh byte of a UUID of version 5 may be."""
_UUID_LENGTH: Final = 36
_ID: Final = np.dtype("V16")
_UUID_FIELD: Final = 2 + _UUID_LENGTH
_VARINT_BOUNDS: Final = np.array([1 << 7 * size for size in range(1, 9)])
"""From each of these on, a number takes one byte more."""
_LARGEST: Final = np.array([MAX_ACCOUNT, MAX_ACCOUNT, MAX_AMOUNT])
_DASHES: Final = np.array([8, 13, 18, 23])
_DIGITS: Final = np.array([index for index in range(_UUID_LENGTH) if index not in (8, 13, 18, 23)])


def batch_id(request: CreateTransfersRequest) -> bytes:
    """Return the batch's own request id: required in atomic mode, absent otherwise."""
    intake = Intake()
    found = b""
    if request.atomic:
        found = intake.request_id(request.request_id)
    elif request.request_id:
        intake.wrong("request_id", "UNEXPECTED", "is the key of an atomic batch; here each transfer has its own")
    if not 1 <= len(request.transfers) <= MAX_BATCH:
        intake.wrong("transfers", "LENGTH", f"holds {len(request.transfers)} transfers, not 1 to {MAX_BATCH}")
    intake.check()
    return found


async def new_transfers(request: CreateTransfersRequest) -> Sequence[CreateTransfer]:
    """Return the commands of a batch in request order; raises Refused with the fields at fault."""
    columns, length = PlainTransfers([], []), _length_without_transfers(request)
    for start in range(0, len(request.transfers), CHUNK):
        found = plain(request.transfers[start : start + CHUNK])
        if found is None:
            return await _any_transfers(request)
        transfers, taken = found
        columns.request_ids += transfers.request_ids
        columns.posted += transfers.posted
        length += taken
        await asyncio.sleep(0)
    return columns if length == request.ByteSize() else await _any_transfers(request)


async def _any_transfers(request: CreateTransfersRequest) -> list[CreateTransfer]:
    """Return the commands of a batch of which some are not plain; raises Refused with the fields at fault."""
    commands: list[CreateTransfer] = []
    wrong: list[Violation] = []
    for start in range(0, len(request.transfers), CHUNK):
        items = request.transfers[start : start + CHUNK]
        found = plain(items)
        if found is not None and found[1] == CreateTransfersRequest(transfers=items).ByteSize():
            commands += found[0]
        else:
            commands += one_by_one(items, start, wrong)
        if len(wrong) >= errors.MAX_VIOLATIONS:
            break
        await asyncio.sleep(0)
    if wrong:
        raise errors.invalid_fields(wrong)
    return commands


def _length_without_transfers(request: CreateTransfersRequest) -> int:
    rest = CreateTransfersRequest(
        request_id=request.request_id, validate_only=request.validate_only, atomic=request.atomic
    )
    return rest.ByteSize()


def one_by_one(items: list[NewTransfer], start: int, wrong: list[Violation]) -> list[CreateTransfer]:
    """Return the commands of any items, and note what is wrong with them; the first has the index ``start``."""
    commands = []
    for index, item in enumerate(items, start):
        intake = Intake(f"transfers[{index}]")
        request_id = intake.request_id(item.request_id)
        try:
            commands.append(new_transfer(item, intake, request_id))
        except Refused as refused:
            wrong += refused.refusal.violations
            if len(wrong) >= errors.MAX_VIOLATIONS:
                break
    return commands


def plain(items: list[NewTransfer]) -> tuple[PlainTransfers, int] | None:
    """Return the columns of items, None when a value in them is wrong.

    The number is the bytes that the items take in a request when they hold nothing beside these columns.
    """
    debits = [item.debit_account_id for item in items]
    credits_ = [item.credit_account_id for item in items]
    amounts = [item.amount_tyiyn for item in items]
    kinds = [item.kind for item in items]
    references = [item.reference for item in items]
    numbers = np.array((debits, credits_, amounts), np.int64)
    if not (
        numbers.min() > 0
        and (numbers.max(axis=1) <= _LARGEST).all()
        and (numbers[0] != numbers[1]).all()
        and all(MOVEMENT_KIND.fullmatch(kind) and not is_reserved_kind(kind) for kind in {*kinds} - {""})
        and max(map(len, references)) <= MAX_REFERENCE
        and "".join(references).isprintable()
    ):
        return None
    request_ids = uuids([item.request_id for item in items])
    if request_ids is None:
        return None
    lengths = _UUID_FIELD + _varint_lengths(numbers).sum(axis=0) + len(numbers)
    for texts in (kinds, references):
        if any(texts):
            lengths += _text_lengths(texts)
    if "" in kinds:
        kinds = [kind or "transfer" for kind in kinds]
    posted = map(TransferPosted, debits, credits_, amounts, repeat(""), kinds, references)
    return PlainTransfers(request_ids, list(posted)), int((1 + _varint_lengths(lengths) + lengths).sum())


def _varint_lengths(numbers: "np.ndarray[Any, np.dtype[np.int64]]") -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Return how many bytes each number, none of them negative, takes in the protobuf encoding."""
    return 1 + np.searchsorted(_VARINT_BOUNDS, numbers, side="right")


def _text_lengths(texts: list[str]) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Return how many bytes each field takes; an empty one is left out."""
    lengths = np.fromiter(map(len, map(str.encode, texts)), np.int64, len(texts))
    return np.where(lengths > 0, 1 + _varint_lengths(lengths) + lengths, 0)


def uuids(texts: list[str]) -> list[bytes] | None:
    """Return the 16 bytes of each canonical UUID, None when any is not one."""
    joined = "".join(texts)
    if not joined.isascii() or set(map(len, texts)) != {_UUID_LENGTH}:
        return None
    table = np.frombuffer(joined.encode(), np.uint8).reshape(len(texts), _UUID_LENGTH)
    digits = table[:, _DIGITS].tobytes()
    if not digits.isalnum() or not (table[:, _DASHES] == ord("-")).all():
        return None
    try:
        packed = bytes.fromhex(digits.decode())
    except ValueError:
        return None
    if bytes(8) in packed or not _NAME_BASED.isdisjoint(packed[6::16]):
        return None  # Some may be reserved (``ids.is_reserved``): the slow way looks closely.
    cut: list[bytes] = np.frombuffer(packed, _ID).tolist()
    return cut


async def fingerprint(transfers: Sequence[CreateTransfer]) -> str:
    """Return what tells an atomic batch's content from any other's, without holding up other calls."""
    found = BatchFingerprint()
    for start in range(0, len(transfers), CHUNK):
        found.add(transfers[start : start + CHUNK])
        await asyncio.sleep(0)
    return found.text()


def no_repeat_inside(transfers: Sequence[CreateTransfer]) -> None:
    """Refuse an atomic batch in which a request id occurs twice: each of its transfers is made once."""
    first: dict[bytes, int] = {}
    for index, transfer in enumerate(transfers):
        before = first.setdefault(transfer.request_id, index)
        if before != index:
            raise Refused(
                invalid(f"transfers[{index}].request_id", "DUPLICATE", f"is also that of transfers[{before}]")
            )
