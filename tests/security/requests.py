"""A request of every method about a scene, as whoever may call it would send it."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final
from uuid import uuid4

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from protos.esep.v1 import account_pb2, credit_pb2, customer_pb2
from protos.esep.v1 import account_service_pb2 as accounts
from protos.esep.v1 import adjustment_service_pb2 as adjustments
from protos.esep.v1 import audit_service_pb2 as audit
from protos.esep.v1 import authorization_pb2 as held
from protos.esep.v1 import authorization_service_pb2 as authorizations
from protos.esep.v1 import bulk_service_pb2 as bulks
from protos.esep.v1 import card_binding_service_pb2 as bindings
from protos.esep.v1 import card_service_pb2 as cards
from protos.esep.v1 import credit_service_pb2 as credits_
from protos.esep.v1 import customer_service_pb2 as customers
from protos.esep.v1 import notification_service_pb2 as notifications
from protos.esep.v1 import participant_service_pb2 as participants
from protos.esep.v1 import receipt_service_pb2 as receipts
from protos.esep.v1 import rules_service_pb2 as rules
from protos.esep.v1 import service_directory_service_pb2 as directory
from protos.esep.v1 import statement_service_pb2 as statements
from protos.esep.v1 import transfer_service_pb2 as transfers
from protos.esep.v1.audit_pb2 import BALANCE_FIGURE_POSTED
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.participant_pb2 import ParticipantNames
from protos.esep.v1.service_directory_pb2 import LANGUAGE_RU
from tests.people import card_number
from tests.rpc.world import item, new_id, transfer
from tests.security.payment_scenes import PAYMENT_REQUESTS
from tests.security.scenes import DOCUMENT, EXPIRY, PASSWORD, Scene, capture, opening_of
from tests.security.token_requests import TOKEN_REQUESTS
from tests.security.transfer_scenes import TRANSFER_REQUESTS


def _write(request: Callable[..., Message], /, **fields: Any) -> Message:
    return request(request_id=new_id(), validate_only=True, **fields)


def _credit_file(scene: Scene) -> Message:
    return opening_of(scene.participant, scene.account, validate_only=True)


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


def _receipt(request: Callable[..., Message], scene: Scene) -> Message:
    return request(account_id=scene.account, language=LANGUAGE_RU)


AUDIT_REQUESTS: Final[dict[str, Callable[[Scene], Message]]] = {
    "/esep.v1.AuditService/ReadEvents": lambda _: audit.ReadEventsRequest(page_size=1),
    "/esep.v1.AuditService/SubscribeEvents": lambda _: audit.SubscribeEventsRequest(),
    "/esep.v1.AuditService/GetAggregateHistory": lambda of: audit.GetAggregateHistoryRequest(account_id=of.account),
    "/esep.v1.AuditService/ExplainBalance": lambda of: audit.ExplainBalanceRequest(
        account_id=of.account, figure=BALANCE_FIGURE_POSTED
    ),
    "/esep.v1.AuditService/ReplayDecision": lambda of: audit.ReplayDecisionRequest(request_id=of.transfer),
    "/esep.v1.AuditService/GetCardAsOf": lambda of: audit.GetCardAsOfRequest(card_id=of.card),
    "/esep.v1.AuditService/ListAccess": lambda _: audit.ListAccessRequest(page_size=1),
    "/esep.v1.AuditService/GetCheckpoint": lambda of: audit.GetCheckpointRequest(),
    "/esep.v1.AuditService/ListCheckpoints": lambda of: audit.ListCheckpointsRequest(page_size=1),
    "/esep.v1.AuditService/CosignCheckpoint": lambda of: audit.CosignCheckpointRequest(
        tree_size=1, cosignature=f"\N{EM DASH} witness.example {'A' * 104}"
    ),
    "/esep.v1.AuditService/ProveInclusion": lambda of: audit.ProveInclusionRequest(
        event=LogPosition(position=1), tree_size=2
    ),
    "/esep.v1.AuditService/ProveConsistency": lambda of: audit.ProveConsistencyRequest(
        old_tree_size=1, new_tree_size=2
    ),
    "/esep.v1.AuditService/ReadTiles": lambda of: audit.ReadTilesRequest(tree_size=2),
    "/esep.v1.AuditService/ListAccountFigures": lambda of: audit.ListAccountFiguresRequest(page_size=1),
}

REQUESTS: Final[dict[str, Callable[[Scene], Message]]] = {
    **AUDIT_REQUESTS,
    **PAYMENT_REQUESTS,
    **TRANSFER_REQUESTS,
    "/esep.v1.AccountService/OpenAccount": lambda of: _write(
        accounts.OpenAccountRequest, participant_id=of.participant, kind=account_pb2.ACCOUNT_KIND_CUSTOMER
    ),
    "/esep.v1.NotificationService/Subscribe": lambda of: notifications.SubscribeRequest(
        participant_id=of.participant, language=LANGUAGE_RU
    ),
    "/esep.v1.NotificationService/ListNotifications": lambda of: notifications.ListNotificationsRequest(
        participant_id=of.participant, language=LANGUAGE_RU
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
    "/esep.v1.StatementService/WatchBalances": lambda of: statements.WatchBalancesRequest(
        account_ids=[of.account, of.merchant]
    ),
    "/esep.v1.StatementService/GetMiniStatement": lambda of: statements.GetMiniStatementRequest(account_id=of.account),
    "/esep.v1.StatementService/GetStatement": _statement,
    "/esep.v1.StatementService/ListAuthorizations": lambda of: statements.ListAuthorizationsRequest(
        account_id=of.account
    ),
    "/esep.v1.StatementService/GetTrialBalance": lambda of: statements.GetTrialBalanceRequest(),
    **{
        f"/esep.v1.ReceiptService/{name}": partial(_receipt, request)
        for name, request in {
            "GetMiniStatementReceipt": receipts.GetMiniStatementReceiptRequest,
            "GetAuthorizationsReceipt": receipts.GetAuthorizationsReceiptRequest,
            "GetTransactionsReceipt": receipts.GetTransactionsReceiptRequest,
        }.items()
    },
    "/esep.v1.ReceiptService/GetOperationReceipt": lambda of: receipts.GetOperationReceiptRequest(
        operation_id=of.transfer, language=LANGUAGE_RU
    ),
    "/esep.v1.CardBindingService/RequestCardBinding": lambda of: bindings.RequestCardBindingRequest(
        request_id=new_id(),
        customer_id=of.customer,
        card_number=card_number(),
        expiry="12/49",
        cvv="123",
    ),
    "/esep.v1.CardBindingService/ConfirmCardBinding": lambda of: bindings.ConfirmCardBindingRequest(
        request_id=new_id(), customer_id=of.customer, binding_id=new_id(), amount_tyiyn=421
    ),
    "/esep.v1.CardBindingService/CancelCardBinding": lambda of: _write(
        bindings.CancelCardBindingRequest, customer_id=of.customer, binding_id=new_id()
    ),
    "/esep.v1.CardBindingService/GetCardBinding": lambda of: bindings.GetCardBindingRequest(
        customer_id=of.customer, binding_id=new_id()
    ),
    "/esep.v1.CardBindingService/DiscloseHeldAmount": lambda of: bindings.DiscloseHeldAmountRequest(
        request_id=new_id(), card_id=of.card, operator="op-17"
    ),
    "/esep.v1.CardService/IssueCard": lambda of: _write(
        cards.IssueCardRequest,
        participant_id=of.participant,
        account_id=of.account,
        card_number=card_number(),
        expiry=EXPIRY,
    ),
    "/esep.v1.CardService/GetCard": lambda of: cards.GetCardRequest(card_id=of.card),
    "/esep.v1.CardService/ListCards": lambda of: cards.ListCardsRequest(account_id=of.account),
    "/esep.v1.CardService/BlockCard": lambda of: _write(cards.BlockCardRequest, card_id=of.card),
    "/esep.v1.CardService/UnblockCard": lambda of: _write(cards.UnblockCardRequest, card_id=of.card),
    "/esep.v1.CardService/ReportCardLost": lambda of: _write(
        cards.ReportCardLostRequest, card_id=of.card, loss=cards.CARD_LOSS_LOST
    ),
    "/esep.v1.CardService/ReplaceCard": lambda of: _write(
        cards.ReplaceCardRequest, card_id=of.card, replacement_card_id=of.spare_card
    ),
    "/esep.v1.CardService/RenewCard": lambda of: _write(cards.RenewCardRequest, card_id=of.card, expiry="12/29"),
    "/esep.v1.CardService/CloseCard": lambda of: _write(cards.CloseCardRequest, card_id=of.card),
    "/esep.v1.CardService/UnbindCard": lambda of: _write(cards.UnbindCardRequest, card_id=of.card),
    "/esep.v1.CardService/SetCardNotifications": lambda of: _write(
        cards.SetCardNotificationsRequest, card_id=of.card, sms=True
    ),
    "/esep.v1.RulesService/ProposeRules": lambda of: _write(rules.ProposeRulesRequest, document=DOCUMENT),
    "/esep.v1.RulesService/ApproveRules": lambda of: _write(rules.ApproveRulesRequest, proposal_id=of.transfer),
    "/esep.v1.RulesService/RejectRules": lambda of: _write(rules.RejectRulesRequest, proposal_id=of.transfer),
    "/esep.v1.RulesService/GetRulesProposal": lambda of: rules.GetRulesProposalRequest(proposal_id=of.transfer),
    "/esep.v1.RulesService/ListRulesProposals": lambda of: rules.ListRulesProposalsRequest(),
    "/esep.v1.RulesService/GetRules": lambda of: rules.GetRulesRequest(),
    "/esep.v1.RulesService/ListRules": lambda of: rules.ListRulesRequest(),
    "/esep.v1.RulesService/GetUsage": lambda of: rules.GetUsageRequest(card_id=of.card),
    "/esep.v1.ParticipantService/RegisterParticipant": lambda of: _write(
        participants.RegisterParticipantRequest,
        participant_id=of.participant,
        names=ParticipantNames(ky="Айыл банк", ru="Айыл Банк", en="Aiyl Bank"),
        settlement_account_id=1 << 35,
        fee_account_id=(1 << 35) + 1,
    ),
    "/esep.v1.ParticipantService/UpdateParticipant": lambda of: _write(
        participants.UpdateParticipantRequest,
        participant_id=of.participant,
        names=ParticipantNames(ky="Айыл банк", ru="Айыл Банк", en="Aiyl Bank"),
        settlement_account_id=of.account,
        fee_account_id=of.merchant,
    ),
    "/esep.v1.ParticipantService/GetParticipant": lambda of: participants.GetParticipantRequest(
        participant_id=of.participant
    ),
    "/esep.v1.ParticipantService/ListParticipants": lambda of: participants.ListParticipantsRequest(),
    "/esep.v1.AdjustmentService/ProposeAdjustment": lambda of: _write(
        adjustments.ProposeAdjustmentRequest,
        debit_account_id=of.account,
        credit_account_id=of.merchant,
        amount_tyiyn=1,
        explanation="posted twice",
    ),
    "/esep.v1.AdjustmentService/ApproveAdjustment": lambda of: _write(
        adjustments.ApproveAdjustmentRequest, adjustment_id=of.transfer
    ),
    "/esep.v1.AdjustmentService/RejectAdjustment": lambda of: _write(
        adjustments.RejectAdjustmentRequest, adjustment_id=of.transfer
    ),
    "/esep.v1.AdjustmentService/GetAdjustment": lambda of: adjustments.GetAdjustmentRequest(adjustment_id=of.transfer),
    "/esep.v1.AdjustmentService/ListAdjustments": lambda of: adjustments.ListAdjustmentsRequest(),
    **TOKEN_REQUESTS,
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
    "/esep.v1.CustomerService/PlaceRetention": lambda of: _write(
        customers.PlaceRetentionRequest,
        customer_id=of.customer,
        reason=customer_pb2.RETENTION_REASON_DISPUTE,
        expire_time=Timestamp(seconds=4_000_000_000),
    ),
    "/esep.v1.CustomerService/LiftRetention": lambda of: _write(
        customers.LiftRetentionRequest, customer_id=of.customer, retention_id=new_id()
    ),
    "/esep.v1.BulkService/PostBulk": lambda of: _write(
        bulks.PostBulkRequest,
        debit_account_ids=[of.account],
        credit_account_ids=[of.merchant],
        amounts_tyiyn=[1],
    ),
    "/esep.v1.BulkService/ReverseBulkLeg": lambda of: _write(bulks.ReverseBulkLegRequest, bulk_id=of.bulk),
    "/esep.v1.BulkService/GetBulk": lambda of: bulks.GetBulkRequest(bulk_id=of.bulk),
    "/esep.v1.BulkService/ListBulkLegs": lambda of: bulks.ListBulkLegsRequest(bulk_id=of.bulk),
    "/esep.v1.CreditService/OpenCreditFile": _credit_file,
    "/esep.v1.CreditService/PostCreditLines": lambda of: credits_.PostCreditLinesRequest(
        credit_file_id=of.credit_file,
        validate_only=True,
        lines=[
            credit_pb2.NewCreditLine(
                line_number=1, target=credit_pb2.CreditTarget(account_id=of.account), amount_tyiyn=1
            )
        ],
    ),
    "/esep.v1.CreditService/CloseCreditFile": lambda of: _write(
        credits_.CloseCreditFileRequest, credit_file_id=of.credit_file, line_count=1, sum_tyiyn=1
    ),
    "/esep.v1.CreditService/GetCreditFile": lambda of: credits_.GetCreditFileRequest(credit_file_id=of.credit_file),
    "/esep.v1.CreditService/ListCreditLines": lambda of: credits_.ListCreditLinesRequest(credit_file_id=of.credit_file),
    "/esep.v1.DirectoryService/ListServiceCategories": lambda of: directory.ListServiceCategoriesRequest(),
    "/esep.v1.DirectoryService/ListServices": lambda of: directory.ListServicesRequest(),
    "/esep.v1.DirectoryService/GetService": lambda of: directory.GetServiceRequest(service_id="x"),
    "/esep.v1.DirectoryService/SearchServices": lambda of: directory.SearchServicesRequest(query="свет"),
    "/esep.v1.DirectoryService/ValidateServiceFields": lambda of: directory.ValidateServiceFieldsRequest(
        service_id="x"
    ),
}
"""A request about a scene, by the method's full name. Writes try only, where they can."""
