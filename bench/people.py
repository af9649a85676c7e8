"""The bank's customers, ready to pay: registered, identified, each with cards that are bound and in phones.

They are made once for every workload that needs them, all at the same time, under published rules that set no limits:
what is measured is the way of a payment, not how many of them a person may make.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from stdnum import luhn

from bench.ledger import BANK, CALL_SECONDS, Ledger
from bench.requests import Ids
from ledger.rpc.identity import CALLER_KEY
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
from protos.esep.v1.participant_pb2 import ParticipantNames
from protos.esep.v1.participant_service_pb2 import RegisterParticipantRequest
from protos.esep.v1.payee_pb2 import PAYEE_KIND_MERCHANT
from protos.esep.v1.payee_service_pb2 import RegisterPayeeRequest
from protos.esep.v1.rules_pb2 import HoldLengths, RulesDocument
from protos.esep.v1.rules_service_pb2 import ApproveRulesRequest, ProposeRulesRequest
from protos.esep.v1.token_service_pb2 import ActivateTokenRequest, ProvisionTokenRequest, RequestTokenRequest
from scripts.device import Phone

SETTINGS = {
    **dict.fromkeys(("ESEP_BINDING_CARDS_PER_DAY", "ESEP_BOUND_CARDS", "ESEP_CARD_DETAILS_TRIES"), "1000000"),
    "ESEP_TOKEN_KEY_USES": "1000000",
    "ESEP_TOKEN_KEY_AMOUNT_TYIYN": "1000000000000",
}
"""What the server is told so that so few people may have so many cards, and pay with them so often."""

MERCHANT = "cafe"
"""The code of the payee whose QR code is scanned."""

_CUSTOMERS = 4
_PAYERS = 32
_EXPIRY = "12/49"
_WEEK = 7 * 86_400

_Answer = TypeVar("_Answer")


class Issued(NamedTuple):
    """A card that was issued, and the request that binds it."""

    card_id: str
    request: RequestCardBindingRequest


class Payer(NamedTuple):
    """A customer's bound card, and the phone in which it is."""

    customer_id: str
    card_id: str
    phone: Phone


class People:
    """The customers. ``codes`` is where the server writes the codes of registrations to."""

    def __init__(self, ledger: Ledger, codes: Path) -> None:
        self._ledger = ledger
        self._client = ledger.client
        self._codes = codes
        self._ids = Ids()
        self._serial = count(1)
        self._customers: list[str] = []
        self.payers: list[Payer] = []

    def join(self) -> None:
        """Make everybody ready."""
        self._ledger.run(self._join())

    def issue(self, cards: int) -> list[Issued]:
        """Issue so many more cards."""
        return self._ledger.run(_each([self._issue() for _ in range(cards)]))

    def disclose(self, issued: Sequence[Issued]) -> list[ConfirmCardBindingRequest]:
        """Ask for the held amounts, as an operator of the bank would, and return the requests that name them."""
        return self._ledger.run(_each([self._disclose(card) for card in issued]))

    async def _join(self) -> None:
        await _each([self._set_no_limits(), self._open_for_business()])
        self._customers = await _each([self._customer(place) for place in range(_CUSTOMERS)])
        self.payers = await _each([self._payer() for _ in range(_PAYERS)])

    async def _set_no_limits(self) -> None:
        propose, approve = self._ids.texts(2)
        document = RulesDocument(holds=HoldLengths(ttl_seconds=_WEEK))
        rules = self._client.rules
        await self._call(rules.ProposeRules, ProposeRulesRequest(request_id=propose, document=document), BANK)
        approval = ApproveRulesRequest(request_id=approve, proposal_id=propose)
        await self._call(rules.ApproveRules, approval, "somebody-else")

    async def _open_for_business(self) -> None:
        """Register the bank and a café."""
        bank, payee = self._ids.texts(2)
        await self._call(
            self._client.participants.RegisterParticipant,
            RegisterParticipantRequest(
                request_id=bank,
                participant_id=BANK,
                names=ParticipantNames(ky=BANK, ru=BANK, en=BANK),
                settlement_account_id=self._ledger.settlement,
                fee_account_id=self._ledger.fees,
            ),
        )
        await self._call(
            self._client.payees.RegisterPayee,
            RegisterPayeeRequest(
                request_id=payee,
                kind=PAYEE_KIND_MERCHANT,
                code=MERCHANT,
                participant_id=BANK,
                account_id=self._ledger.merchant,
                name=MERCHANT,
            ),
        )

    async def _customer(self, place: int) -> str:
        customer_id, confirm, identify = self._ids.texts(3)
        service = self._client.customers
        await self._call(
            service.RegisterCustomer,
            RegisterCustomerRequest(
                request_id=customer_id,
                participant_id=BANK,
                login=f"payer.{place}",
                password="Benchmark1",  # noqa: S106 - nobody's
                phone_number=f"+99670{place:07}",
            ),
        )
        sent = dict(line.split() for line in self._codes.read_text("ascii").splitlines())
        confirmation = ConfirmRegistrationRequest(request_id=confirm, customer_id=customer_id, code=sent[customer_id])
        await self._call(service.ConfirmRegistration, confirmation)
        identification = IdentifyCustomerRequest(
            request_id=identify, customer_id=customer_id, tier=CUSTOMER_TIER_REMOTE
        )
        await self._call(service.IdentifyCustomer, identification)
        return customer_id

    async def _payer(self) -> Payer:
        """Issue a card, bind it, put it into a phone and switch that on."""
        issued = await self._issue()
        await self._call(self._client.card_bindings.RequestCardBinding, issued.request)
        await self._call(self._client.card_bindings.ConfirmCardBinding, await self._disclose(issued))
        customer_id, phone = issued.request.customer_id, Phone(issued.card_id)
        token_id, provision, activate = self._ids.texts(3)
        service = self._client.tokens
        await self._call(
            service.RequestToken,
            RequestTokenRequest(
                request_id=token_id, card_id=issued.card_id, customer_id=customer_id, device=phone.device
            ),
        )
        given = await self._call(service.ProvisionToken, ProvisionTokenRequest(request_id=provision, token_id=token_id))
        phone.provision(given.token_number, given.token.expiry, given.key)
        await self._call(service.ActivateToken, ActivateTokenRequest(request_id=activate, token_id=token_id))
        return Payer(customer_id, issued.card_id, phone)

    async def _issue(self) -> Issued:
        serial, (card_id, request_id) = next(self._serial), self._ids.texts(2)
        digits = f"94170000{serial:07}"
        number = digits + luhn.calc_check_digit(digits)
        answer = await self._call(
            self._client.cards.IssueCard,
            IssueCardRequest(
                request_id=card_id,
                participant_id=BANK,
                account_id=self._ledger.accounts[serial % len(self._ledger.accounts)],
                card_number=number,
                expiry=_EXPIRY,
                return_cvv=True,
            ),
        )
        request = RequestCardBindingRequest(
            request_id=request_id,
            customer_id=self._customers[serial % len(self._customers)],
            card_name="bench",
            card_number=number,
            expiry=_EXPIRY,
            cvv=answer.cvv,
        )
        return Issued(card_id, request)

    async def _disclose(self, issued: Issued) -> ConfirmCardBindingRequest:
        disclose, confirm = self._ids.texts(2)
        asked = issued.request
        answer = await self._call(
            self._client.card_bindings.DiscloseHeldAmount,
            DiscloseHeldAmountRequest(
                request_id=disclose, card_id=issued.card_id, binding_id=asked.request_id, operator=BANK
            ),
        )
        return ConfirmCardBindingRequest(
            request_id=confirm,
            binding_id=asked.request_id,
            customer_id=asked.customer_id,
            amount_tyiyn=answer.amount_tyiyn,
        )

    @staticmethod
    async def _call(method: Callable[..., Awaitable[Any]], request: Any, caller: str = BANK) -> Any:
        return await method(request, timeout=CALL_SECONDS, metadata=((CALLER_KEY, caller),))


async def _each(coroutines: Sequence[Coroutine[Any, Any, _Answer]]) -> list[_Answer]:
    """Run all of them at once; the first failure ends the others."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(coroutine) for coroutine in coroutines]
    return [task.result() for task in tasks]
