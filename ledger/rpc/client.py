"""Talking to a ledger: a channel with the retry policy that the contract allows, and its stubs.

Every write carries a request id, so sending one again after UNAVAILABLE is always safe: the channel does it.
Used by the command line, the demonstration and the benchmarks; a client in another language copies SERVICE_CONFIG.
"""

import json
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import grpc
from google.protobuf import descriptor_pool
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from ledger.rpc.identity import AUTHORIZATION, CALLER_KEY
from ledger.rpc.keepalive import client_options
from protos.esep.v1.account_service_pb2_grpc import AccountServiceStub
from protos.esep.v1.adjustment_service_pb2_grpc import AdjustmentServiceStub
from protos.esep.v1.alias_service_pb2_grpc import AliasServiceStub
from protos.esep.v1.audit_service_pb2_grpc import AuditServiceStub
from protos.esep.v1.authorization_service_pb2_grpc import AuthorizationServiceStub
from protos.esep.v1.bulk_service_pb2_grpc import BulkServiceStub
from protos.esep.v1.card_binding_service_pb2_grpc import CardBindingServiceStub
from protos.esep.v1.card_service_pb2_grpc import CardServiceStub
from protos.esep.v1.credit_service_pb2_grpc import CreditServiceStub
from protos.esep.v1.customer_service_pb2_grpc import CustomerServiceStub
from protos.esep.v1.notification_service_pb2_grpc import NotificationServiceStub
from protos.esep.v1.participant_service_pb2_grpc import ParticipantServiceStub
from protos.esep.v1.payee_service_pb2_grpc import PayeeServiceStub
from protos.esep.v1.payment_service_pb2_grpc import PaymentServiceStub
from protos.esep.v1.qr_service_pb2_grpc import QrServiceStub
from protos.esep.v1.quote_service_pb2_grpc import QuoteServiceStub
from protos.esep.v1.receipt_service_pb2_grpc import ReceiptServiceStub
from protos.esep.v1.rules_service_pb2_grpc import RulesServiceStub
from protos.esep.v1.service_directory_service_pb2_grpc import DirectoryServiceStub
from protos.esep.v1.statement_service_pb2_grpc import StatementServiceStub
from protos.esep.v1.token_payment_service_pb2_grpc import TokenPaymentServiceStub
from protos.esep.v1.token_service_pb2_grpc import TokenServiceStub
from protos.esep.v1.transfer_service_pb2_grpc import TransferServiceStub

if TYPE_CHECKING:  # Only the stub files know them.
    from protos.esep.v1.account_service_pb2_grpc import AccountServiceAsyncStub
    from protos.esep.v1.adjustment_service_pb2_grpc import AdjustmentServiceAsyncStub
    from protos.esep.v1.alias_service_pb2_grpc import AliasServiceAsyncStub
    from protos.esep.v1.audit_service_pb2_grpc import AuditServiceAsyncStub
    from protos.esep.v1.authorization_service_pb2_grpc import AuthorizationServiceAsyncStub
    from protos.esep.v1.bulk_service_pb2_grpc import BulkServiceAsyncStub
    from protos.esep.v1.card_binding_service_pb2_grpc import CardBindingServiceAsyncStub
    from protos.esep.v1.card_service_pb2_grpc import CardServiceAsyncStub
    from protos.esep.v1.credit_service_pb2_grpc import CreditServiceAsyncStub
    from protos.esep.v1.customer_service_pb2_grpc import CustomerServiceAsyncStub
    from protos.esep.v1.notification_service_pb2_grpc import NotificationServiceAsyncStub
    from protos.esep.v1.participant_service_pb2_grpc import ParticipantServiceAsyncStub
    from protos.esep.v1.payee_service_pb2_grpc import PayeeServiceAsyncStub
    from protos.esep.v1.payment_service_pb2_grpc import PaymentServiceAsyncStub
    from protos.esep.v1.qr_service_pb2_grpc import QrServiceAsyncStub
    from protos.esep.v1.quote_service_pb2_grpc import QuoteServiceAsyncStub
    from protos.esep.v1.receipt_service_pb2_grpc import ReceiptServiceAsyncStub
    from protos.esep.v1.rules_service_pb2_grpc import RulesServiceAsyncStub
    from protos.esep.v1.service_directory_service_pb2_grpc import DirectoryServiceAsyncStub
    from protos.esep.v1.statement_service_pb2_grpc import StatementServiceAsyncStub
    from protos.esep.v1.token_payment_service_pb2_grpc import TokenPaymentServiceAsyncStub
    from protos.esep.v1.token_service_pb2_grpc import TokenServiceAsyncStub
    from protos.esep.v1.transfer_service_pb2_grpc import TransferServiceAsyncStub

SERVICES: Final = (
    "esep.v1.AccountService",
    "esep.v1.AdjustmentService",
    "esep.v1.AuditService",
    "esep.v1.AuthorizationService",
    "esep.v1.BulkService",
    "esep.v1.CardBindingService",
    "esep.v1.CardService",
    "esep.v1.CreditService",
    "esep.v1.DirectoryService",
    "esep.v1.CustomerService",
    "esep.v1.PayeeService",
    "esep.v1.PaymentService",
    "esep.v1.NotificationService",
    "esep.v1.ReceiptService",
    "esep.v1.ParticipantService",
    "esep.v1.RulesService",
    "esep.v1.StatementService",
    "esep.v1.TokenPaymentService",
    "esep.v1.TokenService",
    "esep.v1.AliasService",
    "esep.v1.QrService",
    "esep.v1.QuoteService",
    "esep.v1.TransferService",
)


def method_names() -> list[str]:
    """Return the full name of every method of the contract, as it is called."""
    pool = descriptor_pool.Default()
    return [f"/{service}/{method.name}" for service in SERVICES for method in pool.FindServiceByName(service).methods]


SERVICE_CONFIG: Final = json.dumps(
    {
        "methodConfig": [
            {
                "name": [{"service": service} for service in SERVICES],
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.1s",
                    "maxBackoff": "2s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ],
        "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1},
    }
)
"""The gRPC service config (grpc/service-config in the gRPC documentation), as JSON."""


class Ledger:
    """A connection to a ledger, for synchronous code. A context manager."""

    def __init__(self, channel: grpc.Channel, caller: str) -> None:
        self.channel = channel
        self.metadata = _metadata(caller)
        """Sent along by whoever calls, in development mode: ``stub.Method(request, metadata=ledger.metadata)``."""
        self.accounts = AccountServiceStub(channel)
        self.audit = AuditServiceStub(channel)
        self.transfers = TransferServiceStub(channel)
        self.authorizations = AuthorizationServiceStub(channel)
        self.bulks = BulkServiceStub(channel)
        self.card_bindings = CardBindingServiceStub(channel)
        self.cards = CardServiceStub(channel)
        self.credits = CreditServiceStub(channel)
        self.aliases = AliasServiceStub(channel)
        self.qr = QrServiceStub(channel)
        self.quotes = QuoteServiceStub(channel)
        self.customers = CustomerServiceStub(channel)
        self.participants = ParticipantServiceStub(channel)
        self.rules = RulesServiceStub(channel)
        self.adjustments = AdjustmentServiceStub(channel)
        self.statements = StatementServiceStub(channel)
        self.payees = PayeeServiceStub(channel)
        self.payments = PaymentServiceStub(channel)
        self.receipts = ReceiptServiceStub(channel)
        self.notifications = NotificationServiceStub(channel)
        self.directory = DirectoryServiceStub(channel)
        self.tokens = TokenServiceStub(channel)
        self.token_payments = TokenPaymentServiceStub(channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.channel.close()


class AsyncLedger:
    """A connection to a ledger, for asyncio. An asynchronous context manager."""

    def __init__(self, channel: grpc.aio.Channel, caller: str) -> None:
        self.channel = channel
        self.metadata = _metadata(caller)
        """Sent along by whoever calls, in development mode."""
        self.accounts: AccountServiceAsyncStub = AccountServiceStub(channel)
        self.transfers: TransferServiceAsyncStub = TransferServiceStub(channel)
        self.audit: AuditServiceAsyncStub = AuditServiceStub(channel)
        self.authorizations: AuthorizationServiceAsyncStub = AuthorizationServiceStub(channel)
        self.bulks: BulkServiceAsyncStub = BulkServiceStub(channel)
        self.card_bindings: CardBindingServiceAsyncStub = CardBindingServiceStub(channel)
        self.cards: CardServiceAsyncStub = CardServiceStub(channel)
        self.credits: CreditServiceAsyncStub = CreditServiceStub(channel)
        self.aliases: AliasServiceAsyncStub = AliasServiceStub(channel)
        self.qr: QrServiceAsyncStub = QrServiceStub(channel)
        self.quotes: QuoteServiceAsyncStub = QuoteServiceStub(channel)
        self.customers: CustomerServiceAsyncStub = CustomerServiceStub(channel)
        self.participants: ParticipantServiceAsyncStub = ParticipantServiceStub(channel)
        self.rules: RulesServiceAsyncStub = RulesServiceStub(channel)
        self.adjustments: AdjustmentServiceAsyncStub = AdjustmentServiceStub(channel)
        self.statements: StatementServiceAsyncStub = StatementServiceStub(channel)
        self.payees: PayeeServiceAsyncStub = PayeeServiceStub(channel)
        self.payments: PaymentServiceAsyncStub = PaymentServiceStub(channel)
        self.receipts: ReceiptServiceAsyncStub = ReceiptServiceStub(channel)
        self.notifications: NotificationServiceAsyncStub = NotificationServiceStub(channel)
        self.directory: DirectoryServiceAsyncStub = DirectoryServiceStub(channel)
        self.tokens: TokenServiceAsyncStub = TokenServiceStub(channel)
        self.token_payments: TokenPaymentServiceAsyncStub = TokenPaymentServiceStub(channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.channel.close()


def connect(target: str, *, caller: str = "", credentials: grpc.ChannelCredentials | None = None) -> Ledger:
    """Return a connection to ``host:port``; plain text without credentials, as a development server speaks."""
    options = client_options(SERVICE_CONFIG)
    if credentials is None:
        return Ledger(grpc.insecure_channel(target, options), caller)
    return Ledger(grpc.secure_channel(target, credentials, options), caller)


def connect_async(target: str, *, caller: str = "", credentials: grpc.ChannelCredentials | None = None) -> AsyncLedger:
    """Return a connection for asyncio; as ``connect``."""
    options = client_options(SERVICE_CONFIG)
    if credentials is None:
        return AsyncLedger(grpc.aio.insecure_channel(target, options), caller)
    return AsyncLedger(grpc.aio.secure_channel(target, credentials, options), caller)


def credentials(
    authorities: Path, certificate: Path | None = None, key: Path | None = None, *, token: Path | None = None
) -> grpc.ChannelCredentials:
    """Return the credentials of a client with a certificate of its own (mTLS), with a signed token, or with both.

    The token's file is read at every call, so that whoever renews the token replaces the file.
    """
    shown = grpc.ssl_channel_credentials(
        authorities.read_bytes(),
        None if key is None else key.read_bytes(),
        None if certificate is None else certificate.read_bytes(),
    )
    if token is None:
        return shown
    return grpc.composite_channel_credentials(shown, grpc.metadata_call_credentials(_TokenFile(token)))


class _TokenFile(grpc.AuthMetadataPlugin):
    """Puts the token that stands in a file into the metadata of a call."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __call__(self, context: grpc.AuthMetadataContext, callback: grpc.AuthMetadataPluginCallback) -> None:
        try:
            token = self._file.read_text("ascii").strip()
        except (OSError, ValueError) as error:
            callback((), error)
        else:
            callback(((AUTHORIZATION, f"Bearer {token}"),), None)


def reason(error: grpc.Call) -> error_details_pb2.ErrorInfo | None:
    """Return the ErrorInfo of a failed call, None where the ledger sent none (the network's own failures)."""
    status = rpc_status.from_call(error)
    for detail in () if status is None else status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Is(info.DESCRIPTOR) and detail.Unpack(info):
            return info
    return None


def _metadata(caller: str) -> tuple[tuple[str, str], ...]:
    return ((CALLER_KEY, caller),) if caller else ()
