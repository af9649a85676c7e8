"""The ledger as its callers see it: over gRPC, from a process that is not the server's.

Callers take requests from one shared list, made beforehand; sending one and reading its answer, serialisation
included, is within the time that is measured. A refused or repeated transfer ends the measurement: only what
was accepted is counted.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from time import perf_counter
from typing import Any, Self

from bench.requests import Ids, Requests
from bench.windows import Window
from ledger.rpc.client import AsyncLedger, connect_async
from protos.esep.v1.account_pb2 import (
    ACCOUNT_KIND_CUSTOMER,
    ACCOUNT_KIND_MERCHANT,
    ACCOUNT_KIND_SETTLEMENT,
    AccountKind,
)
from protos.esep.v1.account_service_pb2 import OpenAccountRequest
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.statement_service_pb2 import GetBalanceRequest
from protos.esep.v1.transfer_pb2 import NewTransfer
from protos.esep.v1.transfer_service_pb2 import (
    CreateTransferRequest,
    CreateTransferResponse,
    CreateTransfersRequest,
    CreateTransfersResponse,
)

_EMPTY_TRANSFER = "/esep.bench.Empty/CreateTransfer"
_BANK = "bench"
_FUNDS = 10**12
_BATCH = 8_000
_OPENERS = 32
_DEADLINE = 60.0


class NotAcceptedError(Exception):
    """The ledger refused, or had already made, a transfer of the measurement."""


class Ledger:
    """Accounts with money on them, and ways to send requests about them."""

    def __init__(self, address: str, seed: int) -> None:
        self._runner = asyncio.Runner()
        self._ledger = self._runner.run(_connect(address))
        self._empty: Callable[..., Awaitable[CreateTransferResponse]] = self._ledger.channel.unary_unary(
            _EMPTY_TRANSFER,
            request_serializer=CreateTransferRequest.SerializeToString,
            response_deserializer=CreateTransferResponse.FromString,
        )
        self._seed = seed
        self._position = 0
        self.accounts: list[int] = []
        self.merchant = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._runner.run(self._ledger.channel.close())
        finally:
            self._runner.close()

    def prepare(self, accounts: int) -> None:
        """Open accounts and put money on them."""
        self._runner.run(self._prepare(accounts))

    def requests(self) -> Requests:
        """Return a maker of requests, the same accounts and amounts at every call."""
        return Requests(self.accounts, self._seed)

    def batches(self, requests: Sequence[CreateTransfersRequest], callers: int, *, catch_up: bool = True) -> Window:
        """Send batches, then wait for the projections: what is measured next must not share the machine with them."""
        return self._runner.run(self._batches(requests, callers, catch_up=catch_up))

    def single(self, requests: Sequence[CreateTransferRequest], callers: int) -> Window:
        """Send transfers one a call, then wait for the projections."""
        return self._runner.run(self._single(requests, callers))

    def empty(self, requests: Sequence[CreateTransferRequest], callers: int) -> Window:
        """Send the same messages to the method that does nothing."""

        async def call(request: CreateTransferRequest) -> int:
            await self._empty(request, timeout=_DEADLINE)
            return 1

        return self._runner.run(_timed(call, requests, callers))

    def sales(self, requests: Sequence[tuple[Any, Any]], callers: int) -> Window:
        """Authorise and capture, each pair in order; every call counts."""
        return self._runner.run(self._sales(requests, callers))

    async def _batches(
        self, requests: Sequence[CreateTransfersRequest], callers: int, *, catch_up: bool = True
    ) -> Window:
        async def call(request: CreateTransfersRequest) -> int:
            answer: CreateTransfersResponse = await self._ledger.transfers.CreateTransfers(request, timeout=_DEADLINE)
            if answer.refusals or answer.replayed:
                raise NotAcceptedError(f"of a batch: {answer.refusals[:1] or answer.replayed[:1]}")
            self._position = max(self._position, answer.positions[-1])
            return len(answer.positions)

        return await self._timed_to_the_projections(call, requests, callers, catch_up=catch_up)

    async def _single(self, requests: Sequence[CreateTransferRequest], callers: int) -> Window:
        async def call(request: CreateTransferRequest) -> int:
            answer: CreateTransferResponse = await self._ledger.transfers.CreateTransfer(request, timeout=_DEADLINE)
            self._note(answer.receipt.position, replayed=answer.receipt.replayed)
            return 1

        return await self._timed_to_the_projections(call, requests, callers)

    async def _sales(self, requests: Sequence[tuple[Any, Any]], callers: int) -> Window:
        async def call(sale: tuple[Any, Any]) -> int:
            hold, capture = sale
            held = await self._ledger.authorizations.CreateAuthorization(hold, timeout=_DEADLINE)
            self._note(held.receipt.position, replayed=held.receipt.replayed)
            captured = await self._ledger.authorizations.CaptureAuthorization(capture, timeout=_DEADLINE)
            self._note(captured.receipt.position, replayed=captured.receipt.replayed)
            return 2

        return await self._timed_to_the_projections(call, requests, callers)

    def _note(self, position: int, *, replayed: bool) -> None:
        if replayed:
            raise NotAcceptedError(f"position {position} is that of an earlier request")
        self._position = max(self._position, position)

    async def _timed_to_the_projections(
        self,
        call: Callable[[Any], Awaitable[int]],
        requests: Iterable[Any],
        callers: int,
        *,
        catch_up: bool = True,
    ) -> Window:
        started = perf_counter()
        window = await _timed(call, requests, callers)
        if not catch_up:
            return window
        await self._catch_up()
        return window._replace(caught_up_seconds=perf_counter() - started)

    async def _catch_up(self) -> None:
        """Wait until reads reflect the last position. The projections share one: any read waits for all of them."""
        last = LogPosition(partition=0, position=self._position)
        read = GetBalanceRequest(account_id=self.accounts[0], min_position=last)
        await self._ledger.statements.GetBalance(read, timeout=_DEADLINE)

    async def _prepare(self, accounts: int) -> None:
        ids = Ids()
        opened: dict[int, AccountKind.ValueType] = {}

        async def call(request: OpenAccountRequest) -> int:
            account = (await self._ledger.accounts.OpenAccount(request, timeout=_DEADLINE)).account
            opened[account.account_id] = account.kind
            return 1

        kinds = [ACCOUNT_KIND_SETTLEMENT, ACCOUNT_KIND_MERCHANT, *[ACCOUNT_KIND_CUSTOMER] * accounts]
        openings = [
            OpenAccountRequest(request_id=text, participant_id=_BANK, kind=kind)
            for text, kind in zip(ids.texts(len(kinds)), kinds, strict=True)
        ]
        await _timed(call, openings, _OPENERS)
        by_kind = {kind: account for account, kind in opened.items()}
        self.merchant = by_kind[ACCOUNT_KIND_MERCHANT]
        self.accounts = sorted(account for account, kind in opened.items() if kind == ACCOUNT_KIND_CUSTOMER)
        for start in range(0, accounts, _BATCH):
            funded = self.accounts[start : start + _BATCH]
            funding = CreateTransfersRequest(
                transfers=[
                    NewTransfer(
                        request_id=text,
                        debit_account_id=by_kind[ACCOUNT_KIND_SETTLEMENT],
                        credit_account_id=account,
                        amount_tyiyn=_FUNDS,
                    )
                    for text, account in zip(ids.texts(len(funded)), funded, strict=True)
                ]
            )
            await self._batches([funding], 1)


async def _connect(address: str) -> AsyncLedger:
    """Connect within the loop that will use the connection."""
    return connect_async(address)


async def _timed(call: Callable[[Any], Awaitable[int]], requests: Iterable[Any], callers: int) -> Window:
    """Send every request from so many callers at once; each sends its next one when it has its answer."""
    waiting = iter(requests)
    latencies: list[float] = []

    async def caller() -> int:
        done = 0
        for request in waiting:
            sent = perf_counter()
            done += await call(request)
            latencies.append((perf_counter() - sent) * 1000)
        return done

    started = perf_counter()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(caller()) for _ in range(callers)]
    return Window(sum(task.result() for task in tasks), perf_counter() - started, latencies)
