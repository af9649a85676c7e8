"""The services of the contract, each made of what it needs."""

from collections.abc import Callable
from typing import Any

import grpc

from ledger.rpc.account_service import AccountService
from ledger.rpc.adjustment_service import AdjustmentService
from ledger.rpc.alias_service import AliasService
from ledger.rpc.audit_service import AuditService
from ledger.rpc.authorization_service import AuthorizationService
from ledger.rpc.bulk_service import BulkService
from ledger.rpc.card_binding_service import CardBindingService
from ledger.rpc.card_service import CardService
from ledger.rpc.credit_service import CreditService
from ledger.rpc.customer_service import CustomerService
from ledger.rpc.directory_service import DirectoryService
from ledger.rpc.notification_service import NotificationService
from ledger.rpc.participant_service import ParticipantService
from ledger.rpc.parts import Parts
from ledger.rpc.payee_service import PayeeService
from ledger.rpc.payment_service import PaymentService
from ledger.rpc.qr_service import QrService
from ledger.rpc.quote_service import QuoteService
from ledger.rpc.receipt_service import ReceiptService
from ledger.rpc.rules_service import RulesService
from ledger.rpc.statement_service import StatementService
from ledger.rpc.token_payment_service import TokenPaymentService
from ledger.rpc.token_service import TokenService
from ledger.rpc.transfer_service import TransferService
from protos.esep.v1 import account_service_pb2_grpc as account
from protos.esep.v1 import adjustment_service_pb2_grpc as adjustment
from protos.esep.v1 import alias_service_pb2_grpc as alias
from protos.esep.v1 import audit_service_pb2_grpc as audit
from protos.esep.v1 import authorization_service_pb2_grpc as authorization
from protos.esep.v1 import bulk_service_pb2_grpc as bulk
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


def add_services(server: grpc.aio.Server, of: Parts) -> None:
    """Have a server answer every service."""
    gateway, log_reads, reads, clock, settings = of.gateway, of.log_reads, of.reads, of.clock, of.settings
    countries, provider = settings.phone_countries, settings.qr_provider
    add: dict[Callable[[Any, grpc.aio.Server], None], object] = {
        account.add_AccountServiceServicer_to_server: AccountService(gateway, log_reads, reads),
        adjustment.add_AdjustmentServiceServicer_to_server: AdjustmentService(gateway, log_reads, of.proposals),
        alias.add_AliasServiceServicer_to_server: AliasService(gateway, of.aliases, log_reads, countries),
        audit.add_AuditServiceServicer_to_server: AuditService(of.audits, of.accesses, of.pager, of.teller),
        authorization.add_AuthorizationServiceServicer_to_server: AuthorizationService(
            gateway, log_reads, of.teller, clock
        ),
        bulk.add_BulkServiceServicer_to_server: BulkService(gateway, log_reads, of.pager, of.metrics),
        card.add_CardServiceServicer_to_server: CardService(gateway, of.cards, log_reads, reads, of.personaliser),
        card_binding.add_CardBindingServiceServicer_to_server: CardBindingService(
            gateway, of.bindings, log_reads, clock
        ),
        credit.add_CreditServiceServicer_to_server: CreditService(gateway, log_reads, reads, of.metrics),
        customer.add_CustomerServiceServicer_to_server: CustomerService(
            of.customers, log_reads, settings.password_policy
        ),
        directory.add_DirectoryServiceServicer_to_server: DirectoryService(of.catalogue, of.pager),
        notification.add_NotificationServiceServicer_to_server: NotificationService(of.notifications, reads),
        participant.add_ParticipantServiceServicer_to_server: ParticipantService(gateway, log_reads, reads),
        payee.add_PayeeServiceServicer_to_server: PayeeService(gateway, log_reads, reads, clock),
        payment.add_PaymentServiceServicer_to_server: PaymentService(of.payments, log_reads, reads, clock),
        qr.add_QrServiceServicer_to_server: QrService(gateway, of.quotes, log_reads, provider),
        quote.add_QuoteServiceServicer_to_server: QuoteService(
            gateway, of.quotes, of.teller, log_reads, countries, provider
        ),
        receipt.add_ReceiptServiceServicer_to_server: ReceiptService(reads, log_reads, of.operations, of.zone),
        rules.add_RulesServiceServicer_to_server: RulesService(
            gateway, log_reads, reads, of.proposals, of.utc_offset_seconds
        ),
        statement.add_StatementServiceServicer_to_server: StatementService(
            reads, log_reads, of.balance_watch, of.teller
        ),
        token.add_TokenServiceServicer_to_server: TokenService(gateway, of.tokens, log_reads, clock),
        token_payment.add_TokenPaymentServiceServicer_to_server: TokenPaymentService(of.tokens, of.teller),
        transfer.add_TransferServiceServicer_to_server: TransferService(
            gateway, log_reads, reads, of.teller, of.metrics
        ),
    }
    for add_to, service in add.items():
        add_to(service, server)
