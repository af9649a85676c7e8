"""Requests, made before the clock starts: seeded accounts and amounts, time-ordered ids."""

import time
from random import Random
from uuid import uuid4

from protos.esep.v1.authorization_pb2 import AUTHORIZATION_KIND_PURCHASE, ENTRY_MODE_CHIP
from protos.esep.v1.authorization_service_pb2 import CaptureAuthorizationRequest, CreateAuthorizationRequest
from protos.esep.v1.bulk_service_pb2 import PostBulkRequest
from protos.esep.v1.transfer_pb2 import NewTransfer
from protos.esep.v1.transfer_service_pb2 import CreateTransferRequest, CreateTransfersRequest

_LARGEST_AMOUNT = 100_00


class Ids:
    """UUIDv7 (RFC 9562, 5.7): the time, then a counter so that one maker's ids are in order, then random bits.

    The random bits are not seeded: a second run on the same database must not meet the ids of the first.
    """

    def __init__(self) -> None:
        self._random = Random()
        self._counter = 0

    def texts(self, count: int) -> list[str]:
        """Return so many ids in canonical text."""
        milliseconds = time.time_ns() // 1_000_000
        head = f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-7"
        first, self._counter = self._counter, (self._counter + count) & 0x3FFFFFF
        bits = self._random.getrandbits
        return [
            f"{head}{number >> 14 & 0xFFF:03x}-{0x8000 | number & 0x3FFF:04x}-{bits(48):012x}"
            for number in range(first, first + count)
        ]

    def values(self, count: int) -> list[bytes]:
        """Return so many ids as their 16 bytes."""
        return [bytes.fromhex(text.replace("-", "")) for text in self.texts(count)]


class Requests:
    """Makes requests that move money between the given accounts."""

    def __init__(self, accounts: list[int], seed: int) -> None:
        self._accounts = accounts
        self._random = Random(seed)
        self._ids = Ids()

    def new_transfers(self, count: int, *, credit: int | None = None, ordered: bool = True) -> list[NewTransfer]:
        """Return transfers between two accounts each, or from one each to ``credit``, time-ordered or random ids."""
        ids = self._ids.texts(count) if ordered else [str(uuid4()) for _ in range(count)]
        debits, credits_ = self._pairs(count)
        if credit is not None:
            credits_ = [credit] * count
        return [
            NewTransfer(request_id=text, debit_account_id=debit, credit_account_id=credited, amount_tyiyn=amount)
            for text, debit, credited, amount in zip(ids, debits, credits_, self._amounts(count), strict=True)
        ]

    def batches(
        self, count: int, size: int, *, credit: int | None = None, ordered: bool = True
    ) -> list[CreateTransfersRequest]:
        """Return so many batches of ``size`` transfers."""
        transfers = self.new_transfers(count * size, credit=credit, ordered=ordered)
        return [
            CreateTransfersRequest(transfers=transfers[start : start + size]) for start in range(0, count * size, size)
        ]

    def bulks(self, count: int, size: int) -> list[PostBulkRequest]:
        """Return so many bulks of ``size`` legs between two accounts each."""
        return [self._bulk(text, size) for text in self._ids.texts(count)]

    def _bulk(self, text: str, size: int) -> PostBulkRequest:
        debits, credits_ = self._pairs(size)
        return PostBulkRequest(
            request_id=text,
            debit_account_ids=debits,
            credit_account_ids=credits_,
            amounts_tyiyn=self._amounts(size),
        )

    def single(self, count: int) -> list[CreateTransferRequest]:
        """Return so many calls of one transfer each."""
        return [
            CreateTransferRequest(request_id=text, transfer=transfer)
            for text, transfer in zip(self._ids.texts(count), self._without_ids(count), strict=True)
        ]

    def sales(self, count: int) -> list[tuple[CreateAuthorizationRequest, CaptureAuthorizationRequest]]:
        """Return so many card sales, each an authorisation and the capture of all of it."""
        debits, credits_ = self._pairs(count)
        amounts, held, captured = self._amounts(count), self._ids.texts(count), self._ids.texts(count)
        return [
            (
                CreateAuthorizationRequest(
                    request_id=held[i],
                    account_id=debits[i],
                    credit_account_id=credits_[i],
                    amount_tyiyn=amounts[i],
                    kind=AUTHORIZATION_KIND_PURCHASE,
                    entry_mode=ENTRY_MODE_CHIP,
                    merchant_category_code="5411",
                ),
                CaptureAuthorizationRequest(
                    request_id=captured[i],
                    authorization_id=held[i],
                    amount_tyiyn=amounts[i],
                    final=True,
                    clearing_reference=captured[i],
                ),
            )
            for i in range(count)
        ]

    def _without_ids(self, count: int) -> list[NewTransfer]:
        debits, credits_ = self._pairs(count)
        return [
            NewTransfer(debit_account_id=debit, credit_account_id=credited, amount_tyiyn=amount)
            for debit, credited, amount in zip(debits, credits_, self._amounts(count), strict=True)
        ]

    def _pairs(self, count: int) -> tuple[list[int], list[int]]:
        """Return accounts drawn uniformly, those at one place never equal."""
        accounts = self._accounts
        debits = [int(self._random.random() * len(accounts)) for _ in range(count)]
        offsets = [1 + int(self._random.random() * (len(accounts) - 1)) for _ in range(count)]
        return (
            [accounts[debit] for debit in debits],
            [accounts[(debit + offset) % len(accounts)] for debit, offset in zip(debits, offsets, strict=True)],
        )

    def _amounts(self, count: int) -> list[int]:
        return [1 + int(self._random.random() * _LARGEST_AMOUNT) for _ in range(count)]
