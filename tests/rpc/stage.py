"""A ledger with two banks, payees and a provider, and people who have come to some point with it.

What walks over all the methods begin with: each case makes its own accounts, people and cards on one shared ledger.
"""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from uuid import uuid4

from google.protobuf.message import Message

from ledger.engine.settings import EngineSettings
from ledger.rpc.client import Ledger
from protos.esep.v1 import alias_service_pb2 as aliases
from protos.esep.v1 import payment_service_pb2 as payments
from protos.esep.v1 import quote_service_pb2 as quotes
from protos.esep.v1 import rules_service_pb2 as rules
from scripts.provider import Behaviour, Provider
from tests.paying import Scheme, elqr
from tests.rpc.card_cases import Cardholder
from tests.rpc.customer_cases import sent
from tests.rpc.payment_cases import provider_of, scheme_of
from tests.rpc.rules_cases import adjustment, document
from tests.rpc.test_refusals import capture, held
from tests.rpc.world import Bank, World, new_id
from tests.security.scenes import answer_of

PAYMENTS: Final = "/esep.v1.PaymentService"
HOLDS: Final = "/esep.v1.AuthorizationService"
FORGETFUL: Final = EngineSettings(beat_interval=0.05, recent_requests=2, cached_aggregates=2)
"""An engine that has forgotten nearly every request and every thing by the next."""


class Stage:
    """A ledger with two banks, payees and a provider. It can be closed, and opened again on the same files."""

    def __init__(self, directory: Path, **settings: Any) -> None:
        self.directory = directory
        self._open = ExitStack()
        self.world = self._open.enter_context(World(directory, **settings))
        self.bank = Bank(self.world)
        self.scheme: Scheme = scheme_of(self.bank)
        self.provider: Provider = self._open.enter_context(provider_of(self.bank))
        self.maker = self.world.client("maker")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def open_again(self, engine: EngineSettings) -> None:
        """Close the ledger, and open it again with another engine. There is no provider any more."""
        self._open.close()
        self.world = self._open.enter_context(World(self.directory, engine=engine))

    def call(self, method: str, request: Message, caller: str = "bank-a") -> Any:
        """Call a method by its full name."""
        client = self.world.client(caller)
        try:
            return client_method(client, method)(request, metadata=client.metadata, timeout=20.0)
        finally:
            client.channel.close()

    # People and what they have.

    def issued(self) -> Cardholder:
        """Return somebody identified with a card and money behind it."""
        return Cardholder(self.bank)

    def asked(self) -> Cardholder:
        """Return somebody who has asked for the card to be bound."""
        holder = self.issued()
        holder.ask()
        return holder

    def bound(self) -> Cardholder:
        """Return somebody whose card is bound."""
        holder = self.asked()
        holder.tell()
        return holder

    def tokenised(self) -> Cardholder:
        """Return somebody with a token that is not in the phone yet."""
        holder = self.bound()
        holder.tokenise()
        return holder

    def provisioned(self) -> Cardholder:
        """Return somebody whose phone has the token."""
        holder = self.tokenised()
        holder.provision()
        return holder

    def link(self, holder: Cardholder) -> aliases.LinkPhoneRequest:
        """Return the request to link a number, with the code that was sent to it."""
        phone = f"+99670{uuid4().int % 10**7:07}"
        sending = aliases.SendAliasCodeRequest(customer_id=holder.customer_id, phone_number=phone)
        self.call("/esep.v1.AliasService/SendAliasCode", sending)
        return aliases.LinkPhoneRequest(
            request_id=new_id(),
            customer_id=holder.customer_id,
            card_id=holder.card_id,
            phone_number=phone,
            code=sent(self.bank),
        )

    def quoting(self) -> quotes.CreateQuoteRequest:
        """Return the request for a quote between two people."""
        payer, paid = self.bound(), self.bound()
        return quotes.CreateQuoteRequest(
            request_id=new_id(),
            customer_id=payer.customer_id,
            card_id=payer.card_id,
            amount_tyiyn=100,
            card_number=paid.card_number,
        )

    def prepared(self, *, service: bool = False) -> payments.ConfirmPaymentRequest:
        """Return the request to confirm a payment to a merchant, or for a service."""
        payer = self.scheme.payer()
        asked = self.scheme.service(payer) if service else self.scheme.qr(payer, elqr(), 100)
        payment = self.scheme.prepare(asked)
        return payments.ConfirmPaymentRequest(
            request_id=new_id(), payment_id=payment.payment_id, customer_id=payer.customer_id
        )

    def waiting(self) -> str:
        """Return a payment whose provider does not know yet."""
        confirming = self.prepared(service=True)
        self.provider.behaviour = Behaviour.PENDING
        try:
            self.call(f"{PAYMENTS}/ConfirmPayment", confirming)
        finally:
            self.provider.behaviour = Behaviour.DELIVERS
        return confirming.payment_id

    def paid(self) -> str:
        """Return a payment that succeeded."""
        confirming = self.prepared()
        self.call(f"{PAYMENTS}/ConfirmPayment", confirming)
        return confirming.payment_id

    def captured(self) -> str:
        """Return an authorisation of which 500 were captured."""
        authorization_id = held(self.bank)
        self.call(f"{HOLDS}/CaptureAuthorization", capture(authorization_id, 500, new_id()))
        return authorization_id

    def proposed_rules(self) -> str:
        """Return rules that somebody else has proposed."""
        request = rules.ProposeRulesRequest(request_id=new_id(), document=document())
        return str(self.call("/esep.v1.RulesService/ProposeRules", request, "maker").proposal.proposal_id)

    def proposed_adjustment(self) -> str:
        """Return an adjustment that somebody else has proposed."""
        request = adjustment(self.bank)
        answer = self.call("/esep.v1.AdjustmentService/ProposeAdjustment", request, "maker")
        return str(answer.adjustment.adjustment_id)


def client_method(client: Ledger, method: str) -> Any:
    """Return a client's method by its full name."""
    return client.channel.unary_unary(
        method,
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=answer_of(method).FromString,
    )
