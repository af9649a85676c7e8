"""The ledger as its callers see it: over gRPC, from a process that is not the server's.

Callers take requests from one shared list, made beforehand; sending one and reading its answer, serialisation
included, is within the time that is measured. A refused or repeated request ends the measurement: only what
was accepted is counted.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from time import perf_counter
from typing import Any, Self, TypeVar

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from bench.arrivals import arrivals
from bench.requests import Ids, Requests
from bench.windows import Window
from ledger.rpc.client import AsyncLedger, connect_async
from protos.esep.v1.account_pb2 import (
    ACCOUNT_KIND_CUSTOMER,
    ACCOUNT_KIND_FEE_INCOME,
    ACCOUNT_KIND_MERCHANT,
    ACCOUNT_KIND_SETTLEMENT,
    AccountKind,
)
from protos.esep.v1.account_service_pb2 import OpenAccountRequest
from protos.esep.v1.audit_service_pb2 import ReadEventsRequest
from protos.esep.v1.authorization_service_pb2 import CaptureAuthorizationRequest, CreateAuthorizationRequest
from protos.esep.v1.bulk_service_pb2 import PostBulkRequest, PostBulkResponse
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.statement_service_pb2 import (
    GetBalanceRequest,
    GetMiniStatementRequest,
    GetMiniStatementResponse,
    GetTrialBalanceRequest,
)
from protos.esep.v1.transfer_pb2 import NewTransfer
from protos.esep.v1.transfer_service_pb2 import (
    CreateTransferRequest,
    CreateTransferResponse,
    CreateTransfersRequest,
    CreateTransfersResponse,
)

BANK = "bench"
CALL_SECONDS = 60.0
_EMPTY_TRANSFER = "/esep.bench.Empty/CreateTransfer"
_FUNDS = 10**12
_BATCH = 8_000
_OPENERS = 32
_PROJECTED_SECONDS = 600.0
_LOOK_SECONDS = 0.01

_Answer = TypeVar("_Answer")
Call = tuple[Callable[..., Awaitable[Any]], Any]
"""A method, and what it is called with."""


class NotAcceptedError(Exception):
    """The ledger refused, or had already made, a transfer of the measurement."""


class Ledger:
    """Accounts with money on them, and ways to send requests about them."""

    def __init__(self, address: str, seed: int, partition: int = 0) -> None:
        """Connect to a server; the accounts are those of one partition."""
        self._partition = partition
        self._runner = asyncio.Runner()
        self.client: AsyncLedger = self._runner.run(_connect(address))
        self._empty: Callable[..., Awaitable[CreateTransferResponse]] = self.client.channel.unary_unary(
            _EMPTY_TRANSFER,
            request_serializer=CreateTransferRequest.SerializeToString,
            response_deserializer=CreateTransferResponse.FromString,
        )
        self._seed = seed
        self._position = 0
        self.accounts: list[int] = []
        self.merchant = 0
        self.settlement = 0
        self.fees = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._runner.run(self.client.channel.close())
        finally:
            self._runner.close()

    def run(self, coroutine: Coroutine[Any, Any, _Answer]) -> _Answer:
        """Run something that uses ``client`` to its end."""
        return self._runner.run(coroutine)

    def prepare(self, accounts: int) -> None:
        """Open accounts and put money on them."""
        self.run(self._prepare(accounts))

    @property
    def position(self) -> int:
        """The last position that an answer named."""
        return self._position

    def requests(self) -> Requests:
        """Return a maker of requests, the same accounts and amounts at every call."""
        return Requests(self.accounts, self._seed)

    def batches(self, requests: Sequence[CreateTransfersRequest], callers: int) -> Window:
        """Send batches."""
        create = self.client.transfers.CreateTransfers
        return self.send([[(create, request)] for request in requests], callers)

    def bulks(self, requests: Sequence[PostBulkRequest], callers: int) -> Window:
        """Send bulks; each of their legs counts."""
        post = self.client.bulks.PostBulk
        return self.send([[(post, request)] for request in requests], callers)

    def single(self, requests: Sequence[CreateTransferRequest], callers: int) -> Window:
        """Send transfers one a call."""
        create = self.client.transfers.CreateTransfer
        return self.send([[(create, request)] for request in requests], callers)

    def empty(self, requests: Sequence[CreateTransferRequest], callers: int) -> Window:
        """Send the same messages to the method that does nothing."""
        return self.send([[(self._empty, request)] for request in requests], callers, catch_up=False)

    def sales(
        self, requests: Sequence[tuple[CreateAuthorizationRequest, CaptureAuthorizationRequest]], callers: int
    ) -> Window:
        """Authorise and capture, each pair in order."""
        service = self.client.authorizations
        return self.send(
            [
                [(service.CreateAuthorization, hold), (service.CaptureAuthorization, capture)]
                for hold, capture in requests
            ],
            callers,
        )

    def mini_statements(self, accounts: Sequence[int], callers: int) -> Window:
        """Ask what an ATM prints of each of these accounts."""
        ask = self.client.statements.GetMiniStatement
        requests = [GetMiniStatementRequest(account_id=account) for account in accounts]
        return self.send([[(ask, request)] for request in requests], callers, catch_up=False)

    def paced(self, calls: Sequence[Call], rate: float) -> Window:
        """Make calls when they are due, so many a second, whether or not earlier ones were answered.

        A call's time begins when it was due, not when it was sent: what waited behind something slow counts as late.
        """
        return self.run(self._paced(calls, rate))

    def paced_transfers(self, requests: Sequence[CreateTransferRequest], rate: float) -> Window:
        """Send transfers when they are due, and wait for the projections afterwards."""
        create = self.client.transfers.CreateTransfer
        window = self.paced([(create, request) for request in requests], rate)
        self.run(self._catch_up())
        return window

    def paced_empty(self, requests: Sequence[CreateTransferRequest], rate: float) -> Window:
        """Send the same messages to the method that does nothing, when they are due."""
        return self.paced([(self._empty, request) for request in requests], rate)

    def paced_lags(self, requests: Sequence[CreateTransferRequest], rate: float, every: int) -> Window:
        """Send transfers when they are due; of one in ``every``, time a read that must reflect it."""
        return self.run(self._paced_lags(requests, rate, every))

    async def _paced(self, calls: Iterable[Call], rate: float) -> Window:
        latencies: list[float] = []
        done = 0

        async def make(call: Call, due: float) -> None:
            nonlocal done
            method, request = call
            done += self._accepted(await method(request, timeout=CALL_SECONDS))
            latencies.append((perf_counter() - due) * 1000)

        started = perf_counter()
        async with asyncio.TaskGroup() as group:
            for call, due in zip(calls, arrivals(rate, self._seed), strict=False):
                await asyncio.sleep(max(0.0, started + due - perf_counter()))
                group.create_task(make(call, started + due))
        return Window(done, perf_counter() - started, latencies)

    async def _paced_lags(self, requests: Sequence[CreateTransferRequest], rate: float, every: int) -> Window:
        lags: list[float] = []
        create, read = self.client.transfers.CreateTransfer, self.client.statements.GetBalance

        async def followed(request: CreateTransferRequest, **options: Any) -> CreateTransferResponse:
            answer = await create(request, **options)
            recorded = perf_counter()
            account, place = request.transfer.credit_account_id, answer.receipt
            position = LogPosition(partition=place.partition, position=place.position)
            await read(GetBalanceRequest(account_id=account, min_position=position), **options)
            lags.append((perf_counter() - recorded) * 1000)
            return answer

        calls = [(create if number % every else followed, request) for number, request in enumerate(requests)]
        window = await self._paced(calls, rate)
        await self._catch_up()
        return window._replace(latencies_ms=lags)

    def send(self, chains: Iterable[Sequence[Call]], callers: int, *, catch_up: bool = True) -> Window:
        """Make chains of calls, so many of them at once, those of one chain in their order; every call counts.

        Then wait for the projections: what is measured next must not share the machine with them.
        """
        return self.run(self._send(chains, callers, catch_up=catch_up))

    async def _send(self, chains: Iterable[Sequence[Call]], callers: int, *, catch_up: bool) -> Window:
        """Have each caller take its next chain when it has the last answer of the one before."""
        waiting = iter(chains)
        latencies: list[float] = []

        async def caller() -> int:
            done = 0
            for chain in waiting:
                for method, request in chain:
                    sent = perf_counter()
                    done += self._accepted(await method(request, timeout=CALL_SECONDS))
                    latencies.append((perf_counter() - sent) * 1000)
            return done

        started = perf_counter()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(caller()) for _ in range(callers)]
        window = Window(sum(task.result() for task in tasks), perf_counter() - started, latencies)
        if not catch_up:
            return window
        await self._catch_up()
        return window._replace(caught_up_seconds=perf_counter() - started)

    def _accepted(self, answer: Any) -> int:
        """Return how many things an answer says were done, and note the last one's position."""
        if isinstance(answer, GetMiniStatementResponse):
            return 1
        if isinstance(answer, CreateTransfersResponse):
            if answer.refusals or answer.replayed:
                raise NotAcceptedError(f"of a batch: {answer.refusals[:1] or answer.replayed[:1]}")
            self._position = max(self._position, answer.positions[-1])
            return len(answer.positions)
        if isinstance(answer, PostBulkResponse):
            if answer.bulk.refusals.legs or answer.receipt.replayed:
                raise NotAcceptedError(f"of a bulk: legs {answer.bulk.refusals.legs[:1]} were refused")
            self._position = max(self._position, answer.receipt.position)
            return answer.bulk.posted_count
        if answer.receipt.replayed:
            raise NotAcceptedError(f"position {answer.receipt.position} is that of an earlier request")
        self._position = max(self._position, answer.receipt.position)
        return 1

    def wait_until_serving(self) -> None:
        """Wait until the server says that it takes requests."""
        self.run(self._wait_until_serving())

    async def _wait_until_serving(self) -> None:
        health: Any = HealthStub(self.client.channel)  # Its annotations leave out the methods.
        deadline = perf_counter() + _PROJECTED_SECONDS
        while (await health.Check(HealthCheckRequest())).status != HealthCheckResponse.SERVING:
            if perf_counter() > deadline:
                raise TimeoutError("the server does not serve")
            await asyncio.sleep(_LOOK_SECONDS)

    def wait_for_projections(self) -> None:
        """Wait until reads reflect everything there is."""
        self.run(self._wait_for_projections())

    async def _wait_for_projections(self) -> None:
        deadline = perf_counter() + _PROJECTED_SECONDS
        while True:
            newest = await self.client.audit.ReadEvents(ReadEventsRequest(page_size=1), timeout=CALL_SECONDS)
            asked = GetTrialBalanceRequest(min_position=newest.position)
            try:
                await self.client.statements.GetTrialBalance(asked, timeout=CALL_SECONDS)
            except grpc.aio.AioRpcError:
                if perf_counter() > deadline:
                    raise
            else:
                return

    async def _catch_up(self) -> None:
        """Wait until reads reflect the last position. The projections share one: any read waits for all of them."""
        last = LogPosition(partition=self._partition, position=self._position)
        read = GetBalanceRequest(account_id=self.accounts[0], min_position=last)
        await self.client.statements.GetBalance(read, timeout=CALL_SECONDS)

    async def _prepare(self, accounts: int) -> None:
        ids = Ids()
        opened: dict[int, AccountKind.ValueType] = {}

        async def opening(request: OpenAccountRequest, **options: Any) -> Any:
            answer = await self.client.accounts.OpenAccount(request, **options)
            opened[answer.account.account_id] = answer.account.kind
            return answer

        kinds = [ACCOUNT_KIND_SETTLEMENT, ACCOUNT_KIND_FEE_INCOME, ACCOUNT_KIND_MERCHANT]
        kinds += [ACCOUNT_KIND_CUSTOMER] * accounts
        openings = [
            OpenAccountRequest(request_id=text, participant_id=BANK, kind=kind, partition=self._partition)
            for text, kind in zip(ids.texts(len(kinds)), kinds, strict=True)
        ]
        await self._send([[(opening, request)] for request in openings], _OPENERS, catch_up=False)
        by_kind = {kind: account for account, kind in opened.items()}
        self.settlement, self.fees = by_kind[ACCOUNT_KIND_SETTLEMENT], by_kind[ACCOUNT_KIND_FEE_INCOME]
        self.merchant = by_kind[ACCOUNT_KIND_MERCHANT]
        self.accounts = sorted(account for account, kind in opened.items() if kind == ACCOUNT_KIND_CUSTOMER)
        for start in range(0, accounts, _BATCH):
            funded = self.accounts[start : start + _BATCH]
            funding = CreateTransfersRequest(
                transfers=[
                    NewTransfer(
                        request_id=text,
                        debit_account_id=self.settlement,
                        credit_account_id=account,
                        amount_tyiyn=_FUNDS,
                    )
                    for text, account in zip(ids.texts(len(funded)), funded, strict=True)
                ]
            )
            await self._send([[(self.client.transfers.CreateTransfers, funding)]], 1, catch_up=True)


async def _connect(address: str) -> AsyncLedger:
    """Connect within the loop that will use the connection."""
    return connect_async(address, caller=BANK)
