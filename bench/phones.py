"""Phones that pay: set up beforehand, one for each caller, their taps signed before the clock starts.

One customer holds as many cards as there are callers, each with a token in a phone of its own, under published rules
that set no limits: what is measured is the way of a tap, not how many of them a person may make.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Self

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
from protos.esep.v1.rules_pb2 import HoldLengths, RulesDocument
from protos.esep.v1.rules_service_pb2 import ApproveRulesRequest, ProposeRulesRequest
from protos.esep.v1.token_payment_service_pb2 import AuthorizeTokenPaymentRequest
from protos.esep.v1.token_service_pb2 import ActivateTokenRequest, ProvisionTokenRequest, RequestTokenRequest
from scripts.device import Phone

_BANK = "bench"
_EXPIRY = "12/49"
_DEADLINE = 60.0
_AMOUNT = 100
_WEEK = 7 * 86_400


class Payers:
    """A connection of the bank's, the application's and the terminals' programs."""

    def __init__(self, address: str, codes: Path) -> None:
        self._runner = asyncio.Runner()
        self._ledger = self._runner.run(_connect(address, "bench"))
        self._second = self._runner.run(_connect(address, "bench-2"))
        self._codes = codes
        self._ids = Ids()
        self._phones: list[Phone] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            for ledger in (self._ledger, self._second):
                self._runner.run(ledger.channel.close())
        finally:
            self._runner.close()

    def prepare(self, accounts: Sequence[int]) -> None:
        """Make one phone ready for each of these accounts."""
        self._runner.run(self._prepare(accounts))

    def pay(self, count: int, merchant: int) -> Window:
        """Tap so many times, every phone at a terminal of its own."""
        each = count // len(self._phones)
        taps = [
            [phone.pay(request_id, _AMOUNT, merchant) for request_id in self._ids.texts(each)] for phone in self._phones
        ]
        return self._runner.run(self._pay(taps))

    async def _pay(self, taps: Sequence[Sequence[AuthorizeTokenPaymentRequest]]) -> Window:
        latencies: list[float] = []

        async def terminal(requests: Sequence[AuthorizeTokenPaymentRequest]) -> None:
            for request in requests:
                sent = perf_counter()
                await self._ledger.token_payments.AuthorizeTokenPayment(request, timeout=_DEADLINE)
                latencies.append((perf_counter() - sent) * 1000)

        started = perf_counter()
        async with asyncio.TaskGroup() as group:
            for requests in taps:
                group.create_task(terminal(requests))
        return Window(len(latencies), perf_counter() - started, latencies)

    async def _prepare(self, accounts: Sequence[int]) -> None:
        await self._set_no_limits()
        customer_id = await self._customer()
        for place, account in enumerate(accounts):
            card_id = await self._card(customer_id, place, account)
            self._phones.append(await self._phone(customer_id, card_id, place))

    async def _set_no_limits(self) -> None:
        propose, approve = self._ids.texts(2)
        document = RulesDocument(holds=HoldLengths(ttl_seconds=_WEEK))
        await self._ledger.rules.ProposeRules(
            ProposeRulesRequest(request_id=propose, document=document),
            timeout=_DEADLINE,
            metadata=self._ledger.metadata,
        )
        await self._second.rules.ApproveRules(
            ApproveRulesRequest(request_id=approve, proposal_id=propose),
            timeout=_DEADLINE,
            metadata=self._second.metadata,
        )

    async def _customer(self) -> str:
        register, confirm, identify = self._ids.texts(3)
        service = self._ledger.customers
        await service.RegisterCustomer(
            RegisterCustomerRequest(
                request_id=register,
                participant_id=_BANK,
                login="payer",
                password="Benchmark1",  # noqa: S106 - nobody's
                phone_number="+996700000000",
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
        return register

    async def _card(self, customer_id: str, place: int, account: int) -> str:
        """Issue a card, and bind it."""
        digits = f"94170000{place:07}"
        number = digits + luhn.calc_check_digit(digits)
        issue, request, disclose, confirm = self._ids.texts(4)
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
        service = self._ledger.card_bindings
        await service.RequestCardBinding(
            RequestCardBindingRequest(
                request_id=request,
                customer_id=customer_id,
                card_name="bench",
                card_number=number,
                expiry=_EXPIRY,
                cvv=issued.cvv,
            ),
            timeout=_DEADLINE,
        )
        told = await service.DiscloseHeldAmount(
            DiscloseHeldAmountRequest(request_id=disclose, card_id=issue, binding_id=request, operator="bench"),
            timeout=_DEADLINE,
        )
        await service.ConfirmCardBinding(
            ConfirmCardBindingRequest(
                request_id=confirm, binding_id=request, customer_id=customer_id, amount_tyiyn=told.amount_tyiyn
            ),
            timeout=_DEADLINE,
        )
        return issue

    async def _phone(self, customer_id: str, card_id: str, place: int) -> Phone:
        """Put a token into a phone, and switch it on."""
        phone = Phone(f"phone-{place}")
        token_id, provision, activate = self._ids.texts(3)
        service = self._ledger.tokens
        await service.RequestToken(
            RequestTokenRequest(request_id=token_id, card_id=card_id, customer_id=customer_id, device=phone.device),
            timeout=_DEADLINE,
        )
        given = await service.ProvisionToken(
            ProvisionTokenRequest(request_id=provision, token_id=token_id), timeout=_DEADLINE
        )
        phone.provision(given.token_number, given.token.expiry, given.key)
        await service.ActivateToken(ActivateTokenRequest(request_id=activate, token_id=token_id), timeout=_DEADLINE)
        return phone


async def _connect(address: str, caller: str) -> AsyncLedger:
    """Connect within the loop that will use the connection."""
    return connect_async(address, caller=caller)
