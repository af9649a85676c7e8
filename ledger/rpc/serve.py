"""Putting the edge together, and taking it down in order: health, streams, calls; the caller drains the engine."""

import asyncio
import secrets
from collections.abc import Callable
from typing import Any, Final
from zoneinfo import ZoneInfo

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import REGISTRY, CollectorRegistry

from domain.event import Policy
from domain.ports import Clock
from domain.services.catalogue import Catalogue
from ledger.audit.access import AccessLog
from ledger.issuer import LocalIssuer
from ledger.rpc.accesses import Accesses
from ledger.rpc.account_service import AccountService
from ledger.rpc.adjustment_service import AdjustmentService
from ledger.rpc.alias_service import AliasService
from ledger.rpc.aliases import Aliases
from ledger.rpc.audit_questions import AuditQuestions
from ledger.rpc.audit_reads import AuditReads
from ledger.rpc.audit_service import AuditService
from ledger.rpc.authorization_service import AuthorizationService
from ledger.rpc.bench_methods import bench_handler
from ledger.rpc.bindings import Bindings
from ledger.rpc.card_binding_service import CardBindingService
from ledger.rpc.card_service import CardService
from ledger.rpc.cards import Cards
from ledger.rpc.client import SERVICES, method_names
from ledger.rpc.credit_service import CreditService
from ledger.rpc.customer_service import CustomerService
from ledger.rpc.customers import Customers, VaultPort
from ledger.rpc.directory_service import DirectoryService
from ledger.rpc.facts import AccountFacts
from ledger.rpc.gateway import Gateway, LedgerEngine, Threads
from ledger.rpc.guard import Guard
from ledger.rpc.health import Health
from ledger.rpc.identity import CertificateIdentity, DevelopmentIdentity, Identity
from ledger.rpc.interceptor import Gate
from ledger.rpc.keepalive import server_options
from ledger.rpc.metrics import Metrics
from ledger.rpc.notification_service import NotificationService
from ledger.rpc.notifications import Notifications
from ledger.rpc.operations import Operations
from ledger.rpc.paging import Pager
from ledger.rpc.participant_service import ParticipantService
from ledger.rpc.payee_service import PayeeService
from ledger.rpc.payment_service import PaymentService
from ledger.rpc.payments import Payments
from ledger.rpc.permissions import check_complete
from ledger.rpc.proposals import ProposalReads
from ledger.rpc.providers import GrpcProviders
from ledger.rpc.qr_service import QrService
from ledger.rpc.quote_service import QuoteService
from ledger.rpc.quotes import Quotes
from ledger.rpc.reads import LogReads, Reads
from ledger.rpc.receipt_service import ReceiptService
from ledger.rpc.rules_service import RulesService
from ledger.rpc.settings import RpcSettings, utc_offset
from ledger.rpc.statement_service import StatementService
from ledger.rpc.subjects import Subjects
from ledger.rpc.tellers import Teller
from ledger.rpc.token_payment_service import TokenPaymentService
from ledger.rpc.token_service import TokenService
from ledger.rpc.tokens import Tokens
from ledger.rpc.transfer_service import TransferService
from projections.queries import Reader
from protos.esep.v1 import account_service_pb2_grpc as account
from protos.esep.v1 import adjustment_service_pb2_grpc as adjustment
from protos.esep.v1 import alias_service_pb2_grpc as alias
from protos.esep.v1 import audit_service_pb2_grpc as audit
from protos.esep.v1 import authorization_service_pb2_grpc as authorization
from protos.esep.v1 import card_binding_service_pb2_grpc as card_binding
from protos.esep.v1 import card_service_pb2_grpc as card
from protos.esep.v1 import credit_service_pb2_grpc as credit
from protos.esep.v1 import customer_service_pb2_grpc as customer
from protos.esep.v1 import notification_service_pb2_grpc as notification
from protos.esep.v1 import participant_service_pb2_grpc as participant
from protos.esep.v1 import payee_service_pb2_grpc as payee
from protos.esep.v1 import payment_service_pb2_grpc as payment
from protos.esep.v1 import qr_service_pb2_grpc as qr
from protos.esep.v1 import quote_service_pb2_grpc as quote
from protos.esep.v1 import receipt_service_pb2_grpc as receipt
from protos.esep.v1 import rules_service_pb2_grpc as rules
from protos.esep.v1 import service_directory_service_pb2_grpc as directory
from protos.esep.v1 import statement_service_pb2_grpc as statement
from protos.esep.v1 import token_payment_service_pb2_grpc as token_payment
from protos.esep.v1 import token_service_pb2_grpc as token
from protos.esep.v1 import transfer_service_pb2_grpc as transfer

_SPARE_CALLS: Final = 256
"""The library's own limit, which refuses without a reason, is met only by a flood that the gate cannot answer."""
HEALTH_SERVICE: Final = "grpc.health.v1.Health"


class Edge:
    """A gRPC server before an engine and its projections. Made and used inside a running event loop."""

    def __init__(
        self,
        server: grpc.aio.Server,
        gate: Gate,
        health: Health,
        keepers: tuple[Customers, Tokens],
        notifications: Notifications,
        audits: tuple[AuditReads, Accesses],
        payments: Payments,
        threads: Threads,
        settings: RpcSettings,
    ) -> None:
        self.server = server
        self._gate = gate
        self._health = health
        self._keepers = keepers
        self._upkeep: list[asyncio.Task[None]] = []
        self._notifications = notifications
        self._audit_reads, self._accesses = audits
        self._payments = payments
        self._threads = threads
        self._settings = settings

    async def start(self) -> int:
        """Listen; return the port. Health says NOT_SERVING until the engine takes requests."""
        try:
            port = _listen(self.server, self._settings)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {self._settings.listen}: {error}") from error
        await self._health.start()
        await self.server.start()
        self._upkeep = [asyncio.create_task(each.keep()) for each in (*self._keepers, self._payments)]
        return port

    async def stop(self, grace: float) -> None:
        """Say NOT_SERVING, take no new calls, give those under way ``grace`` seconds; then stop the engine."""
        await self._health.drain()
        await self._gate.drain(grace)
        await self.server.stop(grace)
        for task in self._upkeep:
            task.cancel()
        await self._notifications.close()
        await self._audit_reads.close()
        self._accesses.close()
        await self._payments.close()
        for keeper in self._keepers:
            keeper.close()
        self._threads.stop()


def build_server(
    engine: LedgerEngine,
    reader: Reader,
    vault: VaultPort,
    access_log: AccessLog,
    settings: RpcSettings,
    *,
    policy: Policy,
    clock: Clock,
    catalogue: Catalogue,
    identity: Identity | None = None,
    page_key: bytes | None = None,
    registry: CollectorRegistry = REGISTRY,
) -> Edge:
    """Return the edge of an engine, not started. Call it inside the event loop that it will run in.

    ``page_key`` keeps page tokens from being forged, and is the same on every server of a ledger; without one, a
    token is good until this server stops. ``identity`` is by default what the settings imply.
    """
    metrics = Metrics(registry)
    threads = Threads.start(settings.read_threads)
    gateway = Gateway(engine, threads)
    log_reads = LogReads(gateway, settings.position_poll_seconds)
    pager = Pager(page_key or secrets.token_bytes(32))
    reads = Reads(gateway, reader, pager, clock, settings.position_poll_seconds)
    customers = Customers(gateway, vault, clock, settings)
    facts = AccountFacts(gateway)
    tokens = Tokens(gateway, customers, vault.vault, clock, settings)
    bindings = Bindings(gateway, customers, vault, clock, settings)
    aliases = Aliases(gateway, customers, vault, clock, settings)
    quotes = Quotes(customers, aliases, vault.vault, settings.qr_host)
    payments = Payments(gateway, customers, vault.vault, catalogue, _providers(settings), reader, clock, settings)
    teller = Teller(gateway, facts, customers, bindings, aliases, quotes, payments)
    cards = Cards(gateway, customers, vault.vault, clock)
    personaliser = vault.issuer if settings.development and isinstance(vault.issuer, LocalIssuer) else None
    check_complete(method_names())
    accesses = Accesses(access_log, clock)
    gate = Gate(
        identity or (DevelopmentIdentity() if settings.development else CertificateIdentity(settings.callers)),
        Guard(Subjects(facts, customers, cards)),
        accesses.note,
        metrics,
        max_deadline_seconds=settings.max_deadline_seconds,
        max_request_bytes=settings.max_request_bytes,
        max_streams=settings.max_streams,
        max_calls=settings.max_concurrent_calls,
        permission_seconds=settings.stream_permission_seconds,
    )
    options = server_options(settings.max_request_bytes)
    if settings.channelz:
        options.append(("grpc.enable_channelz", 1))
    server = grpc.aio.server(
        interceptors=[gate], options=options, maximum_concurrent_rpcs=2 * settings.max_concurrent_calls + _SPARE_CALLS
    )
    proposals = ProposalReads(log_reads, reads, clock)
    notifications = Notifications(gateway, reads, log_reads, customers, settings)
    audit_reads = AuditReads(gateway, log_reads, settings)
    countries, zone = settings.phone_countries, ZoneInfo(settings.business_time_zone)
    add: dict[Callable[[Any, grpc.aio.Server], None], object] = {
        account.add_AccountServiceServicer_to_server: AccountService(gateway, log_reads, reads),
        adjustment.add_AdjustmentServiceServicer_to_server: AdjustmentService(gateway, log_reads, proposals),
        alias.add_AliasServiceServicer_to_server: AliasService(gateway, aliases, log_reads, countries),
        audit.add_AuditServiceServicer_to_server: AuditService(
            audit_reads,
            AuditQuestions(gateway, audit_reads, log_reads, reads, policy),
            log_reads,
            accesses,
            pager,
            teller,
        ),
        authorization.add_AuthorizationServiceServicer_to_server: AuthorizationService(
            gateway, log_reads, teller, clock
        ),
        card.add_CardServiceServicer_to_server: CardService(gateway, cards, log_reads, reads, personaliser),
        card_binding.add_CardBindingServiceServicer_to_server: CardBindingService(gateway, bindings, log_reads, clock),
        credit.add_CreditServiceServicer_to_server: CreditService(gateway, log_reads, reads, metrics),
        customer.add_CustomerServiceServicer_to_server: CustomerService(customers, log_reads, settings.password_policy),
        directory.add_DirectoryServiceServicer_to_server: DirectoryService(catalogue, pager),
        notification.add_NotificationServiceServicer_to_server: NotificationService(notifications, reads),
        participant.add_ParticipantServiceServicer_to_server: ParticipantService(gateway, log_reads, reads),
        payee.add_PayeeServiceServicer_to_server: PayeeService(gateway, log_reads, reads, clock),
        payment.add_PaymentServiceServicer_to_server: PaymentService(payments, log_reads, reads, clock),
        qr.add_QrServiceServicer_to_server: QrService(gateway, quotes, log_reads, settings.qr_provider),
        quote.add_QuoteServiceServicer_to_server: QuoteService(
            gateway, quotes, teller, log_reads, countries, settings.qr_provider
        ),
        receipt.add_ReceiptServiceServicer_to_server: ReceiptService(
            reads, log_reads, Operations(gateway, facts), zone
        ),
        rules.add_RulesServiceServicer_to_server: RulesService(
            gateway, log_reads, reads, proposals, utc_offset(settings.business_time_zone)
        ),
        statement.add_StatementServiceServicer_to_server: StatementService(reads, teller),
        token.add_TokenServiceServicer_to_server: TokenService(gateway, tokens, log_reads, clock),
        token_payment.add_TokenPaymentServiceServicer_to_server: TokenPaymentService(tokens, teller),
        transfer.add_TransferServiceServicer_to_server: TransferService(gateway, log_reads, reads, teller, metrics),
    }
    for add_to, service in add.items():
        add_to(service, server)
    health = Health(engine, SERVICES, settings.health_poll_seconds)
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
    if settings.bench_methods:
        server.add_generic_rpc_handlers((bench_handler(),))
    if settings.reflection:
        reflection.enable_server_reflection((*SERVICES, HEALTH_SERVICE, reflection.SERVICE_NAME), server)
    return Edge(
        server,
        gate,
        health,
        (customers, tokens),
        notifications,
        (audit_reads, accesses),
        payments,
        threads,
        settings,
    )


def _providers(settings: RpcSettings) -> GrpcProviders:
    return GrpcProviders(settings.providers, settings.provider_timeout_seconds)


def _listen(server: grpc.aio.Server, settings: RpcSettings) -> int:
    if settings.development:
        return server.add_insecure_port(settings.listen)
    if settings.key_file is None or settings.certificate_file is None or settings.client_authorities_file is None:
        raise ValueError("outside development, certificate, key and clients' authorities are all needed")
    credentials = grpc.ssl_server_credentials(
        [(settings.key_file.read_bytes(), settings.certificate_file.read_bytes())],
        root_certificates=settings.client_authorities_file.read_bytes(),
        require_client_auth=True,
    )
    return server.add_secure_port(settings.listen, credentials)
