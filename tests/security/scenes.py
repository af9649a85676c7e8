"""Resources of one bank, of another and of nobody, and a request about them for every method of the contract."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple
from uuid import uuid4

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from ledger.rpc.callers import Role
from ledger.rpc.identity import CALLER_KEY, CUSTOMER_KEY, PARTICIPANT_KEY, ROLE_KEY
from protos.esep.v1 import account_pb2, customer_pb2
from protos.esep.v1 import account_service_pb2 as accounts
from protos.esep.v1 import authorization_pb2 as held
from protos.esep.v1 import authorization_service_pb2 as authorizations
from protos.esep.v1 import customer_service_pb2 as customers
from protos.esep.v1 import service_directory_service_pb2 as directory
from protos.esep.v1 import statement_service_pb2 as statements
from protos.esep.v1 import transfer_service_pb2 as transfers
from tests.rpc.world import PATIENCE, World, item, new_id, transfer

PASSWORD: Final = "Jashyl2026"
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


class Caller:
    """Somebody in a role, who calls methods by their names."""

    def __init__(self, world: World, role: Role | None = None, participant: str = "", customer: str = "") -> None:
        self.world = world
        self._channel = world.client().channel
        given = {ROLE_KEY: role, PARTICIPANT_KEY: participant, CUSTOMER_KEY: customer}
        self.metadata = ((CALLER_KEY, "somebody"), *((key, value) for key, value in given.items() if value))

    def call(self, method: str, request: Message) -> Any:
        """Call a method by its full name."""
        call: Callable[..., Any] = self._channel.unary_unary(
            method,
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer_of(method).FromString,
        )
        return call(request, metadata=self.metadata, timeout=DEADLINE)


def answer_of(method: str) -> type[Message]:
    """Return the class of a method's answers."""
    _, service, name = method.split("/")
    found = descriptor_pool.Default().FindServiceByName(service).FindMethodByName(name)
    return message_factory.GetMessageClass(found.output_type)


def make_scene(world: World, participant: str) -> Scene:
    """Make things of a participant, as the developer, who may."""
    by = Caller(world)

    def account(kind: account_pb2.AccountKind.ValueType) -> int:
        request = accounts.OpenAccountRequest(request_id=new_id(), participant_id=participant, kind=kind)
        return int(by.call("/esep.v1.AccountService/OpenAccount", request).account.account_id)

    cash = account(account_pb2.ACCOUNT_KIND_CASH)
    customer_account = account(account_pb2.ACCOUNT_KIND_CUSTOMER)
    merchant = account(account_pb2.ACCOUNT_KIND_MERCHANT)
    by.call("/esep.v1.TransferService/CreateTransfer", transfer(cash, customer_account, 1_000_000))
    moved = by.call("/esep.v1.TransferService/CreateTransfer", transfer(customer_account, merchant, 100))

    def authorize(reference: str = "") -> str:
        request = authorizations.CreateAuthorizationRequest(
            request_id=new_id(),
            account_id=customer_account,
            credit_account_id=merchant,
            amount_tyiyn=500,
            kind=held.AUTHORIZATION_KIND_PURCHASE,
            acquirer_id=participant if reference else "",
            acquirer_reference=reference,
        )
        answer = by.call("/esep.v1.AuthorizationService/CreateAuthorization", request)
        return str(answer.authorization.authorization_id)

    reference = new_id()
    opened, captured = authorize(reference), authorize()
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
    return Scene(
        participant,
        customer_account,
        merchant,
        moved.transfer.transfer_id,
        opened,
        captured,
        reference,
        customer.customer_id,
    )


def nobodys() -> Scene:
    """Return things that nobody has."""
    return Scene("bank-z", 1 << 35, (1 << 35) + 1, new_id(), new_id(), new_id(), new_id(), new_id())


def capture(authorization: str, **fields: Any) -> authorizations.CaptureAuthorizationRequest:
    """Return a request to capture."""
    return authorizations.CaptureAuthorizationRequest(
        request_id=new_id(), authorization_id=authorization, amount_tyiyn=200, clearing_reference=new_id(), **fields
    )


def _write(request: Callable[..., Message], /, **fields: Any) -> Message:
    return request(request_id=new_id(), validate_only=True, **fields)


def _registration(scene: Scene) -> Message:
    number = uuid4().int % 10**8
    return customers.RegisterCustomerRequest(
        request_id=new_id(),
        participant_id=scene.participant,
        login=f"user{number}",
        password=PASSWORD,
        phone_number=f"+9965{number:08}",
    )


def _authorization(request: Callable[..., Message], scene: Scene) -> Message:
    return _write(
        request,
        account_id=scene.account,
        credit_account_id=scene.merchant,
        amount_tyiyn=10,
        kind=held.AUTHORIZATION_KIND_PURCHASE,
    )


def _statement(scene: Scene) -> Message:
    return statements.GetStatementRequest(
        account_id=scene.account, period_start=Timestamp(seconds=1), period_end=Timestamp(seconds=2)
    )


REQUESTS: Final[dict[str, Callable[[Scene], Message]]] = {
    "/esep.v1.AccountService/OpenAccount": lambda of: _write(
        accounts.OpenAccountRequest, participant_id=of.participant, kind=account_pb2.ACCOUNT_KIND_CUSTOMER
    ),
    "/esep.v1.AccountService/GetAccount": lambda of: accounts.GetAccountRequest(account_id=of.account),
    "/esep.v1.AccountService/ListAccounts": lambda of: accounts.ListAccountsRequest(participant_id=of.participant),
    "/esep.v1.AccountService/FreezeAccount": lambda of: _write(
        accounts.FreezeAccountRequest, account_id=of.account, debits=True
    ),
    "/esep.v1.AccountService/UnfreezeAccount": lambda of: _write(
        accounts.UnfreezeAccountRequest, account_id=of.account, debits=True
    ),
    "/esep.v1.AccountService/SetOverdraftLimit": lambda of: _write(
        accounts.SetOverdraftLimitRequest, account_id=of.account
    ),
    "/esep.v1.AccountService/SetMinimumBalance": lambda of: _write(
        accounts.SetMinimumBalanceRequest, account_id=of.account
    ),
    "/esep.v1.AccountService/CloseAccount": lambda of: _write(accounts.CloseAccountRequest, account_id=of.account),
    "/esep.v1.TransferService/CreateTransfer": lambda of: transfer(of.account, of.merchant, 1, validate_only=True),
    "/esep.v1.TransferService/CreateTransfers": lambda of: transfers.CreateTransfersRequest(
        validate_only=True, transfers=[item(of.account, of.merchant, 1)]
    ),
    "/esep.v1.TransferService/ReverseTransfer": lambda of: _write(
        transfers.ReverseTransferRequest, transfer_id=of.transfer
    ),
    "/esep.v1.TransferService/GetTransfer": lambda of: transfers.GetTransferRequest(transfer_id=of.transfer),
    "/esep.v1.TransferService/ListTransfers": lambda of: transfers.ListTransfersRequest(reference="x"),
    "/esep.v1.TransferService/GetOutcome": lambda of: transfers.GetOutcomeRequest(request_id=of.transfer),
    "/esep.v1.AuthorizationService/CreateAuthorization": lambda of: _authorization(
        authorizations.CreateAuthorizationRequest, of
    ),
    "/esep.v1.AuthorizationService/AdviseAuthorization": lambda of: _authorization(
        authorizations.AdviseAuthorizationRequest, of
    ),
    "/esep.v1.AuthorizationService/IncrementAuthorization": lambda of: _write(
        authorizations.IncrementAuthorizationRequest, authorization_id=of.authorization, amount_tyiyn=1
    ),
    "/esep.v1.AuthorizationService/ReplaceAuthorizationAmount": lambda of: _write(
        authorizations.ReplaceAuthorizationAmountRequest, authorization_id=of.authorization, total_tyiyn=600
    ),
    "/esep.v1.AuthorizationService/ReverseAuthorizationPart": lambda of: _write(
        authorizations.ReverseAuthorizationPartRequest, authorization_id=of.authorization, amount_tyiyn=1
    ),
    "/esep.v1.AuthorizationService/ReverseAuthorization": lambda of: _write(
        authorizations.ReverseAuthorizationRequest,
        authorization_id=of.authorization,
        reversed_by=held.REVERSAL_INITIATOR_ACQUIRER,
    ),
    "/esep.v1.AuthorizationService/CaptureAuthorization": lambda of: capture(of.authorization, validate_only=True),
    "/esep.v1.AuthorizationService/ForcePost": lambda of: _write(
        authorizations.ForcePostRequest,
        account_id=of.account,
        credit_account_id=of.merchant,
        amount_tyiyn=1,
        clearing_reference=new_id(),
    ),
    "/esep.v1.AuthorizationService/AuthorizeRefund": lambda of: _write(
        authorizations.AuthorizeRefundRequest,
        account_id=of.account,
        authorization_id=of.captured,
        amount_tyiyn=1,
    ),
    "/esep.v1.AuthorizationService/PostRefund": lambda of: _write(
        authorizations.PostRefundRequest,
        authorization_id=of.captured,
        amount_tyiyn=1,
        clearing_reference=new_id(),
    ),
    "/esep.v1.AuthorizationService/RecordSettlementNotice": lambda of: _write(
        authorizations.RecordSettlementNoticeRequest, clearing_reference="x", amount_tyiyn=1
    ),
    "/esep.v1.AuthorizationService/GetAuthorization": lambda of: authorizations.GetAuthorizationRequest(
        authorization_id=of.authorization
    ),
    "/esep.v1.StatementService/GetBalance": lambda of: statements.GetBalanceRequest(account_id=of.account),
    "/esep.v1.StatementService/BatchGetBalances": lambda of: statements.BatchGetBalancesRequest(
        account_ids=[of.account, of.merchant]
    ),
    "/esep.v1.StatementService/GetMiniStatement": lambda of: statements.GetMiniStatementRequest(account_id=of.account),
    "/esep.v1.StatementService/GetStatement": _statement,
    "/esep.v1.StatementService/ListAuthorizations": lambda of: statements.ListAuthorizationsRequest(
        account_id=of.account
    ),
    "/esep.v1.StatementService/GetTrialBalance": lambda of: statements.GetTrialBalanceRequest(),
    "/esep.v1.CustomerService/RegisterCustomer": _registration,
    "/esep.v1.CustomerService/ConfirmRegistration": lambda of: customers.ConfirmRegistrationRequest(
        request_id=new_id(), customer_id=of.customer, code="000000"
    ),
    "/esep.v1.CustomerService/SetPin": lambda of: customers.SetPinRequest(
        request_id=new_id(), customer_id=of.customer, password=PASSWORD, pin="8305"
    ),
    "/esep.v1.CustomerService/VerifyPin": lambda of: customers.VerifyPinRequest(customer_id=of.customer, pin="8305"),
    "/esep.v1.CustomerService/IdentifyCustomer": lambda of: _write(
        customers.IdentifyCustomerRequest, customer_id=of.customer, tier=customer_pb2.CUSTOMER_TIER_REMOTE
    ),
    "/esep.v1.CustomerService/GetCustomer": lambda of: customers.GetCustomerRequest(customer_id=of.customer),
    "/esep.v1.CustomerService/EraseCustomer": lambda of: _write(
        customers.EraseCustomerRequest, customer_id=of.customer
    ),
    "/esep.v1.DirectoryService/ListServiceCategories": lambda of: directory.ListServiceCategoriesRequest(),
    "/esep.v1.DirectoryService/ListServices": lambda of: directory.ListServicesRequest(),
    "/esep.v1.DirectoryService/GetService": lambda of: directory.GetServiceRequest(service_id="x"),
    "/esep.v1.DirectoryService/SearchServices": lambda of: directory.SearchServicesRequest(query="свет"),
    "/esep.v1.DirectoryService/ValidateServiceFields": lambda of: directory.ValidateServiceFieldsRequest(
        service_id="x"
    ),
}
"""A request about a scene, by the method's full name. Writes try only, where they can."""
