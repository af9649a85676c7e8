"""Customers who bind cards: prepared beforehand, then timed from the request to the card's being bound.

The amount that is held is asked for in between, as an operator of the bank would, and outside of the time that is
measured: a person needs longer for that than any ledger.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Self

from stdnum import luhn

from bench.requests import Ids
from bench.windows import Window
from ledger.rpc.client import AsyncLedger, connect_async
from protos.esep.v1.card_binding_service_pb2 import (
    ConfirmCardBindingRequest,
    DiscloseHeldAmountRequest,
    RequestCardBindingRequest,
)
from protos.esep.v1.card_service_pb2 import IssueCardRequest
from protos.esep.v1.customer_pb2 import CUSTOMER_TIER_REMOTE
from protos.esep.v1.customer_service_pb2 import (
    ConfirmRegistrationRequest,
    IdentifyCustomerRequest,
    RegisterCustomerRequest,
)
from protos.esep.v1.transfer_service_pb2 import GetOutcomeRequest

_BANK = "bench"
_EXPIRY = "12/49"
_DEADLINE = 60.0


class Binders:
    """A connection of the bank's and its customers' programs. ``codes`` is where the server writes codes to."""

    def __init__(self, address: str, codes: Path) -> None:
        self._runner = asyncio.Runner()
        self._ledger = self._runner.run(_connect(address))
        self._codes = codes
        self._ids = Ids()
        self._serial = 0
        self._customers: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._runner.run(self._ledger.channel.close())
        finally:
            self._runner.close()

    def register(self, customers: int) -> None:
        """Register, confirm and identify customers."""
        self._runner.run(self._register(customers))

    def bind(self, accounts: Sequence[int], count: int, callers: int) -> Window:
        """Issue so many cards on these accounts, and bind each; what counts are the two calls of each binding."""
        return self._runner.run(self._bind(accounts, count, callers))

    async def _register(self, customers: int) -> None:
        service = self._ledger.customers
        for place in range(customers):
            register, confirm, identify = self._ids.texts(3)
            await service.RegisterCustomer(
                RegisterCustomerRequest(
                    request_id=register,
                    participant_id=_BANK,
                    login=f"binder.{place}",
                    password="Benchmark1",  # noqa: S106 - nobody's
                    phone_number=f"+99670{place:07}",
                ),
                timeout=_DEADLINE,
            )
            sent = dict(line.split() for line in self._codes.read_text("ascii").splitlines())
            await service.ConfirmRegistration(
                ConfirmRegistrationRequest(request_id=confirm, customer_id=register, code=sent[register]),
                timeout=_DEADLINE,
            )
            await service.IdentifyCustomer(
                IdentifyCustomerRequest(request_id=identify, customer_id=register, tier=CUSTOMER_TIER_REMOTE),
                timeout=_DEADLINE,
            )
            self._customers.append(register)

    async def _bind(self, accounts: Sequence[int], count: int, callers: int) -> Window:
        requests: list[RequestCardBindingRequest] = []
        confirmations: list[ConfirmCardBindingRequest] = []

        async def issue(place: int) -> None:
            requests.append(await self._issued(accounts[place % len(accounts)]))

        async def request(asked: RequestCardBindingRequest) -> None:
            await self._ledger.card_bindings.RequestCardBinding(asked, timeout=_DEADLINE)

        async def disclose(asked: RequestCardBindingRequest) -> None:
            confirmations.append(await self._disclosed(asked))

        async def confirm(asked: ConfirmCardBindingRequest) -> None:
            await self._ledger.card_bindings.ConfirmCardBinding(asked, timeout=_DEADLINE)

        await _timed(issue, range(count), callers)
        first = await _timed(request, requests, callers)
        await _timed(disclose, requests, callers)
        second = await _timed(confirm, confirmations, callers)
        return Window(
            first.operations + second.operations,
            first.seconds + second.seconds,
            [*first.latencies_ms, *second.latencies_ms],
        )

    async def _issued(self, account: int) -> RequestCardBindingRequest:
        """Issue a card, and return the request that binds it."""
        self._serial += 1
        serial, (issue, request) = self._serial, self._ids.texts(2)
        digits = f"94170000{serial:07}"
        number = digits + luhn.calc_check_digit(digits)
        issued = await self._ledger.cards.IssueCard(
            IssueCardRequest(
                request_id=issue,
                participant_id=_BANK,
                account_id=account,
                card_number=number,
                expiry=_EXPIRY,
                return_cvv=True,
            ),
            timeout=_DEADLINE,
        )
        return RequestCardBindingRequest(
            request_id=request,
            customer_id=self._customers[serial % len(self._customers)],
            card_name="bench",
            card_number=number,
            expiry=_EXPIRY,
            cvv=issued.cvv,
        )

    async def _disclosed(self, asked: RequestCardBindingRequest) -> ConfirmCardBindingRequest:
        """Ask for the amount, and return the request that names it."""
        disclose, confirm = self._ids.texts(2)
        binding = await self._ledger.transfers.GetOutcome(
            GetOutcomeRequest(request_id=asked.request_id), timeout=_DEADLINE
        )
        told = await self._ledger.card_bindings.DiscloseHeldAmount(
            DiscloseHeldAmountRequest(
                request_id=disclose,
                card_id=binding.card_binding.card_id,
                binding_id=asked.request_id,
                operator="bench",
            ),
            timeout=_DEADLINE,
        )
        return ConfirmCardBindingRequest(
            request_id=confirm,
            binding_id=asked.request_id,
            customer_id=asked.customer_id,
            amount_tyiyn=told.amount_tyiyn,
        )


async def _connect(address: str) -> AsyncLedger:
    """Connect within the loop that will use the connection."""
    return connect_async(address)


async def _timed(call: Callable[[Any], Awaitable[None]], requests: Iterable[Any], callers: int) -> Window:
    """Send every request from so many callers at once; a refusal ends the measurement."""
    waiting = iter(list(requests))
    latencies: list[float] = []

    async def caller() -> None:
        for request in waiting:
            sent = perf_counter()
            await call(request)
            latencies.append((perf_counter() - sent) * 1000)

    started = perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())
    return Window(len(latencies), perf_counter() - started, latencies)
