"""Batches of transfers: thousands of items to commands, about a microsecond each.

Items are converted a chunk at a time, column by column, because a loop over whole columns costs a fraction of a
loop over items. A chunk that holds anything but plain items in order (legs, tags, an effective time, any error)
is converted item by item by the model's own rules, which also name what is wrong. Between chunks the event loop
gets its turn. Both ways yield the same commands: a property test holds them together.
"""

import asyncio
from collections.abc import Sequence
from hashlib import blake2b
from itertools import repeat
from operator import eq
from typing import Final

import msgspec
import numpy as np

from domain.command import FINGERPRINT_BYTES
from domain.money import MAX_AMOUNT
from domain.plain import PlainTransfers
from domain.refusals import Refused, Violation, invalid
from domain.transfer import MAX_BATCH, CreateTransfer, TransferPosted
from ledger.rpc import errors
from ledger.rpc.intake import Intake
from ledger.rpc.translate.transfer import KIND, MAX_ACCOUNT, MAX_REFERENCE, new_transfer
from protos.esep.v1.transfer_pb2 import NewTransfer
from protos.esep.v1.transfer_service_pb2 import CreateTransfersRequest

CHUNK: Final = 1_024
_NAME_BASED: Final = frozenset(range(0x50, 0x60))
"""What the seventh byte of a UUID of version 5 may be."""
_UUID_LENGTH: Final = 36
_DASHES: Final = np.array([8, 13, 18, 23])
_DIGITS: Final = np.array([index for index in range(_UUID_LENGTH) if index not in (8, 13, 18, 23)])

_encode = msgspec.json.Encoder().encode


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
    columns = PlainTransfers([], [])
    commands: list[CreateTransfer] = []
    wrong: list[Violation] = []
    for start in range(0, len(request.transfers), CHUNK):
        items = request.transfers[start : start + CHUNK]
        found = plain(items)
        if found is not None and len(columns) == start:
            columns.request_ids += found.request_ids
            columns.posted += found.posted
        else:
            commands = commands or list(columns)
            commands += found or one_by_one(items, start, wrong)
        if len(wrong) >= errors.MAX_VIOLATIONS:
            break
        await asyncio.sleep(0)
    if wrong:
        raise errors.invalid_fields(wrong)
    return commands or columns


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


def plain(items: list[NewTransfer]) -> PlainTransfers | None:
    """Return the columns of items of which each is plain and valid, None when any is not."""
    for item in items:
        if item.legs or item.tags or item.HasField("effective_time"):
            return None
    debits = [item.debit_account_id for item in items]
    credits_ = [item.credit_account_id for item in items]
    amounts = [item.amount_tyiyn for item in items]
    if not (
        _within(amounts, MAX_AMOUNT)
        and _within(debits, MAX_ACCOUNT)
        and _within(credits_, MAX_ACCOUNT)
        and not any(map(eq, debits, credits_))
    ):
        return None
    kinds = [item.kind for item in items]
    references = [item.reference for item in items]
    if not (
        not any(item.currency_code for item in items)
        and all(map(KIND.fullmatch, {*kinds} - {""}))
        and max(map(len, references)) <= MAX_REFERENCE
        and "".join(references).isprintable()
    ):
        return None
    request_ids = uuids([item.request_id for item in items])
    if request_ids is None:
        return None
    if "" in kinds:
        kinds = [kind or "transfer" for kind in kinds]
    posted = map(TransferPosted, debits, credits_, amounts, repeat(""), kinds, references)
    return PlainTransfers(request_ids, list(posted))


def _within(numbers: list[int], largest: int) -> bool:
    return min(numbers) > 0 and max(numbers) <= largest


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
    return [packed[start : start + 16] for start in range(0, len(packed), 16)]


async def fingerprint(transfers: Sequence[CreateTransfer]) -> str:
    """Return what tells an atomic batch's content from any other's: a digest of its transfers as events."""
    digest = blake2b(b"create_transfers:", digest_size=FINGERPRINT_BYTES)
    for start in range(0, len(transfers), CHUNK):
        for transfer in transfers[start : start + CHUNK]:
            digest.update(transfer.request_id)
            digest.update(_encode(transfer.posted()))
        await asyncio.sleep(0)
    return digest.hexdigest()


def no_repeat_inside(transfers: Sequence[CreateTransfer]) -> None:
    """Refuse an atomic batch in which a request id occurs twice: each of its transfers is made once."""
    first: dict[bytes, int] = {}
    for index, transfer in enumerate(transfers):
        before = first.setdefault(transfer.request_id, index)
        if before != index:
            raise Refused(
                invalid(f"transfers[{index}].request_id", "DUPLICATE", f"is also that of transfers[{before}]")
            )
