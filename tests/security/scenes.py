"""Resources of one bank, of another and of nobody, and a request about them for every method of the contract."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message

from ledger.rpc.callers import Role
from ledger.rpc.identity import CALLER_KEY, CUSTOMER_KEY, PARTICIPANT_KEY, ROLE_KEY
from protos.esep.v1 import account_pb2, credit_pb2
from protos.esep.v1 import account_service_pb2 as accounts
from protos.esep.v1 import authorization_pb2 as held
from protos.esep.v1 import authorization_service_pb2 as authorizations
from protos.esep.v1 import bulk_service_pb2 as bulks
from protos.esep.v1 import card_service_pb2 as cards
from protos.esep.v1 import credit_service_pb2 as credits_
from protos.esep.v1 import customer_service_pb2 as customers
from protos.esep.v1.rules_pb2 import HoldLengths, RulesDocument
from tests.people import card_number
from tests.rpc.world import PATIENCE, World, new_id, transfer
from tests.security.payment_scenes import payee_request, payment_of
from tests.security.shortcuts import bind, submit, tokenise

PASSWORD: Final = "Jashyl2026"
DOCUMENT: Final = RulesDocument(holds=HoldLengths(ttl_seconds=604_800))
EXPIRY: Final = "12/28"
DEADLINE: Final = PATIENCE
OWN_BANK: Final = "bank-a"
OTHER_BANK: Final = "bank-b"


class Scene(NamedTuple):
    """Things of one participant, enough to ask every method about."""

    participant: str
    account: int
    merchant: int
    transfer: str
    authorization: str
    captured: str
    reference: str
    customer: str
    card: str
    """Bound to the customer."""
    spare_card: str
    token: str
    """Of the card, where that is bound."""
    credit_file: str
    payee: str
    """Paid into the merchant's account."""
    payment: str
    """From the account to the payee."""
    bulk: str
    """With one leg, from the account to the merchant's."""


class Caller:
    """Somebody in a role, who calls methods by their names."""

    def __init__(self, world: World, role: Role | None = None, participant: str = "", customer: str = "") -> None:
        self.world = world
        self.role = role
        self._channel = world.client().channel
        given = {ROLE_KEY: role, PARTICIPANT_KEY: participant, CUSTOMER_KEY: customer}
        self.metadata = ((CALLER_KEY, "somebody"), *((key, value) for key, value in given.items() if value))

    def call(self, method: str, request: Message) -> Any:
        """Call a method by its full name; of a stream, take the first message."""
        if is_stream(method):
            stream: Any = self._channel.unary_stream(
                method,
                request_serializer=type(request).SerializeToString,
                response_deserializer=answer_of(method).FromString,
            )(request, metadata=self.metadata, timeout=DEADLINE)
            first = next(stream)
            stream.cancel()
            return first
        call: Callable[..., Any] = self._channel.unary_unary(
            method,
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer_of(method).FromString,
        )
        return call(request, metadata=self.metadata, timeout=DEADLINE)


def answer_of(method: str) -> type[Message]:
    """Return the class of a method's answers."""
    return message_factory.GetMessageClass(_described(method).output_type)


def is_stream(method: str) -> bool:
    """Tell whether a method answers with a stream."""
    return bool(_described(method).server_streaming)


def _described(method: str) -> Any:
    _, service, name = method.split("/")
    return descriptor_pool.Default().FindServiceByName(service).FindMethodByName(name)


def make_scene(world: World, participant: str, *, held_tyiyn: int = 500, bound: bool = True) -> Scene:
    """Make things of a participant, as the developer, who may. The open authorisation holds ``held_tyiyn``."""
    by = Caller(world)

    def account(kind: account_pb2.AccountKind.ValueType) -> int:
        request = accounts.OpenAccountRequest(request_id=new_id(), participant_id=participant, kind=kind)
        return int(by.call("/esep.v1.AccountService/OpenAccount", request).account.account_id)

    cash = account(account_pb2.ACCOUNT_KIND_CASH)
    customer_account = account(account_pb2.ACCOUNT_KIND_CUSTOMER)
    merchant = account(account_pb2.ACCOUNT_KIND_MERCHANT)
    by.call("/esep.v1.TransferService/CreateTransfer", transfer(cash, customer_account, 1_000_000))
    moved = by.call("/esep.v1.TransferService/CreateTransfer", transfer(customer_account, merchant, 100))

    def authorize(amount: int, reference: str = "") -> str:
        request = authorizations.CreateAuthorizationRequest(
            request_id=new_id(),
            account_id=customer_account,
            credit_account_id=merchant,
            amount_tyiyn=amount,
            kind=held.AUTHORIZATION_KIND_PURCHASE,
            acquirer_id=participant if reference else "",
            acquirer_reference=reference,
        )
        answer = by.call("/esep.v1.AuthorizationService/CreateAuthorization", request)
        return str(answer.authorization.authorization_id)

    reference = new_id()
    opened, captured = authorize(held_tyiyn, reference), authorize(500)
    by.call("/esep.v1.AuthorizationService/CaptureAuthorization", capture(captured))
    number = uuid4().int % 10**8
    registration = customers.RegisterCustomerRequest(
        request_id=new_id(),
        participant_id=participant,
        login=f"user{number}",
        password=PASSWORD,
        phone_number=f"+9967{number:08}",
    )
    customer = by.call("/esep.v1.CustomerService/RegisterCustomer", registration).customer

    def issue() -> str:
        request = cards.IssueCardRequest(
            request_id=new_id(),
            participant_id=participant,
            account_id=customer_account,
            card_number=card_number(),
            expiry=EXPIRY,
        )
        return str(by.call("/esep.v1.CardService/IssueCard", request).card.card_id)

    card, token = issue(), new_id()
    if bound:
        bind(world, card, customer.customer_id)
        tokenise(world, token, card, customer.customer_id)
    opening = opening_of(participant, customer_account)
    paid = by.call("/esep.v1.CreditService/OpenCreditFile", opening)
    bulk = bulks.PostBulkRequest(
        request_id=new_id(),
        debit_account_ids=[customer_account],
        credit_account_ids=[merchant],
        amounts_tyiyn=[1],
    )
    by.call("/esep.v1.BulkService/PostBulk", bulk)
    registered = by.call(
        "/esep.v1.PayeeService/RegisterPayee", payee_request(participant, merchant, validate_only=False)
    )
    payee = str(registered.payee.payee_id)
    payment = payment_of(participant, customer_account, merchant, customer=customer.customer_id, card=card, payee=payee)
    return Scene(
        participant,
        customer_account,
        merchant,
        moved.transfer.transfer_id,
        opened,
        captured,
        reference,
        customer.customer_id,
        card,
        issue(),
        token,
        paid.credit_file.credit_file_id,
        payee,
        str(UUID(bytes=submit(world, payment))),
        bulk.request_id,
    )


def nobodys() -> Scene:
    """Return things that nobody has."""
    return Scene("bank-z", 1 << 35, (1 << 35) + 1, *(new_id() for _ in Scene._fields[3:]))


def capture(authorization: str, **fields: Any) -> authorizations.CaptureAuthorizationRequest:
    """Return a request to capture."""
    return authorizations.CaptureAuthorizationRequest(
        request_id=new_id(), authorization_id=authorization, amount_tyiyn=200, clearing_reference=new_id(), **fields
    )


def opening_of(participant: str, account: int, *, validate_only: bool = False) -> Message:
    """Return the request to open a credit file."""
    return credits_.OpenCreditFileRequest(
        request_id=new_id(),
        validate_only=validate_only,
        category=credit_pb2.CREDIT_CATEGORY_SALARY,
        participant_id=participant,
        account_id=account,
        line_count=1,
        sum_tyiyn=1,
        payer_name="Ала-Тоо Текстиль",
    )
