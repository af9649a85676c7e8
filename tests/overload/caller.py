"""One process of callers that send batches of transfers: as soon as they were answered, or when they are due.

With a rate the load is open-loop: every batch is sent when its time has come, however many are unanswered, as customers
come who know nothing of each other. What was answered is kept as the caller was told it, for the comparison afterwards:
a batch is known by the process, the instant it was made for and its place among those, which its requests' ids say too.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from random import Random
from typing import Any, Final, NamedTuple, cast

import grpc
from google.rpc.error_details_pb2 import RetryInfo
from grpc_status import rpc_status

from protos.esep.v1.transfer_pb2 import NewTransfer
from protos.esep.v1.transfer_service_pb2 import CreateTransfersRequest, CreateTransfersResponse
from scripts.demo_client import answer_of

METHOD: Final = "/esep.v1.TransferService/CreateTransfers"
LARGEST_BATCH: Final = 4_096
"""As many places as an id has room for."""
CALL_SECONDS: Final = 15.0
EXHAUSTED: Final = "RESOURCE_EXHAUSTED"
_CHANNELS: Final = 4
_LARGEST: Final = 5
_STAMP: Final = "ffffffff-ffff"
_OPTIONS: Final = (("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1))

Key = tuple[int, int]
"""A batch: whose it is, and its stamp."""


class Told(NamedTuple):
    """What a process is told when it is started."""

    address: str
    accounts: tuple[int, ...]
    number: int
    """Of the process, in all phases together."""
    seconds: float
    batch: int
    tasks: int
    """Callers that each wait for an answer before they send again; without a rate."""
    rate: float = 0.0
    """Batches a second, sent whether others were answered or not; 0 for none."""


class Heard(NamedTuple):
    """What a process was answered."""

    begun: float
    ended: float
    sent: int
    """Transfers."""
    positions: dict[Key, Sequence[int]]
    """Where the transfers of each batch that was taken stand; 0 for one that was refused."""
    refused: set[Key]
    """Batches of which nothing was taken, by the answer."""
    answered: list[tuple[float, float, int]]
    """For each batch taken: when it was answered, how long that took, and how many transfers were taken."""
    refusals: Counter[str]
    """Transfers that were not taken, by what was said of them."""


def run(told: Told, ready: Barrier, answer: Connection) -> None:
    """Send, and say what was answered. Runs in a process of its own."""
    answer.send(asyncio.run(_run(told, ready)))
    answer.close()


def key_of(request_id: bytes) -> tuple[Key, int]:
    """Return the batch that a request's id names, and its place in it."""
    place, number = (int.from_bytes(request_id[start : start + 2]) & 0xFFF for start in (6, 8))
    return (number, int.from_bytes(request_id[:6])), place


async def _run(told: Told, ready: Barrier) -> Heard:
    channels = [grpc.aio.insecure_channel(told.address, _OPTIONS) for _ in range(_CHANNELS)]
    for channel in channels:
        await channel.channel_ready()
    caller = Caller(told, channels)
    ready.wait()
    heard = await caller.run()
    for channel in channels:
        await channel.close()
    return heard


class Caller:
    """The callers of one process."""

    def __init__(self, told: Told, channels: Sequence[grpc.aio.Channel]) -> None:
        self._told = told
        self._send: list[Any] = [channel.unary_unary(METHOD) for channel in channels]
        self._template = _template(told)
        self._stamp = time.time_ns() // 1_000_000
        self._heard = Heard(time.monotonic(), 0.0, 0, {}, set(), [], Counter())
        self._sent = 0

    async def run(self) -> Heard:
        """Send for as long as it was told."""
        begun = time.monotonic()
        ended = begun + self._told.seconds
        await (self._when_due(begun, ended) if self._told.rate else self._when_answered(ended))
        return self._heard._replace(begun=begun, ended=ended, sent=self._sent)

    async def _when_due(self, begun: float, ended: float) -> None:
        async with asyncio.TaskGroup() as calls:
            made = 0
            while (now := time.monotonic()) < ended:
                for _ in range(int((now - begun) * self._told.rate) + 1 - made):
                    calls.create_task(self._call())
                    made += 1
                await asyncio.sleep(0.002)

    async def _when_answered(self, ended: float) -> None:
        async def sending() -> None:
            while time.monotonic() < ended:
                await self._call()

        await asyncio.gather(*(sending() for _ in range(self._told.tasks)))

    async def _call(self) -> None:
        self._stamp += 1
        key, size = (self._told.number, self._stamp), self._told.batch
        stamp = f"{self._stamp:012x}"
        request = self._template.replace(_STAMP.encode(), f"{stamp[:8]}-{stamp[8:]}".encode())
        self._sent += size
        sent = time.monotonic()
        try:
            data = await self._send[self._stamp % len(self._send)](request, timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            said = _said(error)
            self._heard.refusals[said] += size
            if said.startswith(EXHAUSTED):
                self._heard.refused.add(key)
            return
        answer = CreateTransfersResponse.FromString(data)
        self._heard.positions[key] = list(answer.positions)
        self._heard.refusals.update(refusal.reason for refusal in answer.refusals)
        now = time.monotonic()
        self._heard.answered.append((now, now - sent, size - len(answer.refusals)))


def _said(error: grpc.RpcError) -> str:
    """Return a refusal in words; ``without RetryInfo`` where it does not say when to come back."""
    call = cast("grpc.Call", error)
    status = rpc_status.from_call(call)
    details = [] if status is None else status.details
    retry = any(detail.Is(RetryInfo.DESCRIPTOR) for detail in details)
    return f"{call.code().name} {answer_of(error).reason}{'' if retry else ' without RetryInfo'}"


def _template(told: Told) -> bytes:
    """Return a batch whose ids want a stamp: UUIDs of version 7, so that the index of ids grows at its end."""
    chance = Random(told.number)
    movements = []
    for place in range(told.batch):
        debit, credit = chance.sample(told.accounts, 2)
        request_id = f"{_STAMP}-7{place:03x}-8{told.number:03x}-{chance.getrandbits(48):012x}"
        movements.append(
            NewTransfer(
                request_id=request_id,
                debit_account_id=debit,
                credit_account_id=credit,
                amount_tyiyn=chance.randint(1, _LARGEST),
            )
        )
    return CreateTransfersRequest(transfers=movements).SerializeToString()
