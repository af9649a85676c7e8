"""For every method that writes under a request id: something it can be done to, and a request that succeeds.

What a walk over all of them begins with: each case makes its own accounts, people and cards on one shared ledger.
"""

from collections.abc import Callable
from typing import Any, Final

from google.protobuf import descriptor_pool
from google.protobuf.message import Message

from ledger.rpc.client import method_names
from protos.esep.v1 import account_pb2, authorization_pb2, token_pb2
from protos.esep.v1 import account_service_pb2 as accounts
from protos.esep.v1 import adjustment_service_pb2 as adjustments
from protos.esep.v1 import alias_service_pb2 as aliases
from protos.esep.v1 import authorization_service_pb2 as authorizations
from protos.esep.v1 import bulk_service_pb2 as bulks
from protos.esep.v1 import card_binding_service_pb2 as bindings
from protos.esep.v1 import card_service_pb2 as cards
from protos.esep.v1 import customer_service_pb2 as customers
from protos.esep.v1 import participant_service_pb2 as participants
from protos.esep.v1 import payment_service_pb2 as payments
from protos.esep.v1 import qr_service_pb2 as qrs
from protos.esep.v1 import quote_service_pb2 as quotes
from protos.esep.v1 import rules_service_pb2 as rules
from protos.esep.v1 import token_service_pb2 as tokens
from protos.esep.v1 import transfer_service_pb2 as transfers
from tests.paying import WATER, elqr
from tests.people import EXPIRY, card_number
from tests.rpc.card_cases import Cardholder, issuing
from tests.rpc.credit_bank import Payer as Employer
from tests.rpc.credit_bank import closing, to_account
from tests.rpc.customer_cases import (
    PASSWORD,
    confirmation,
    confirmed,
    identification,
    lifting,
    pin,
    registered,
    registration,
    retention,
    sent,
)
from tests.rpc.payment_cases import change
from tests.rpc.payment_cases import registration as payee_registration
from tests.rpc.rules_cases import NAMES, adjustment, document
from tests.rpc.rules_cases import registration as participant_registration
from tests.rpc.stage import HOLDS, Stage
from tests.rpc.test_refusals import authorize, capture, held, reverse
from tests.rpc.world import new_id, transfer

CUSTOMER: Final = account_pb2.ACCOUNT_KIND_CUSTOMER
ISSUER: Final = token_pb2.TOKEN_ACTOR_ISSUER
OWN_ID: Final = {
    "/esep.v1.AuditService/ReplayDecision",
    "/esep.v1.TransferService/CreateTransfers",
    "/esep.v1.TransferService/GetOutcome",
}
"""Methods with a request id in their request that is not that of one write."""


def _card(make: Callable[..., Message], holder: Cardholder, **fields: Any) -> Message:
    return make(request_id=new_id(), card_id=holder.card_id, **fields)


def _token(make: Callable[..., Message], holder: Cardholder, **fields: Any) -> Message:
    return make(request_id=new_id(), token_id=holder.token_id, **fields)


def _account(make: Callable[..., Message], stage: Stage, **fields: Any) -> Message:
    return make(request_id=new_id(), account_id=stage.bank.open(CUSTOMER), **fields)


def _unfreeze(stage: Stage) -> Message:
    account = stage.bank.open(CUSTOMER)
    freezing = accounts.FreezeAccountRequest(request_id=new_id(), account_id=account, debits=True)
    stage.call("/esep.v1.AccountService/FreezeAccount", freezing)
    return accounts.UnfreezeAccountRequest(request_id=new_id(), account_id=account, debits=True)


def _unlink(stage: Stage) -> Message:
    holder = stage.bound()
    alias = stage.call("/esep.v1.AliasService/LinkPhone", stage.link(holder)).alias
    return aliases.UnlinkPhoneRequest(request_id=new_id(), alias_id=alias.alias_id, customer_id=holder.customer_id)


def _advise(stage: Stage) -> Message:
    return authorizations.AdviseAuthorizationRequest(
        request_id=new_id(),
        account_id=stage.bank.poor,
        credit_account_id=stage.bank.merchant,
        amount_tyiyn=7,
        kind=authorization_pb2.AUTHORIZATION_KIND_PURCHASE,
    )


def _notice(stage: Stage) -> Message:
    reference = new_id()
    stage.call(f"{HOLDS}/CaptureAuthorization", capture(held(stage.bank), 500, reference))
    return authorizations.RecordSettlementNoticeRequest(
        request_id=new_id(), clearing_reference=reference, amount_tyiyn=499
    )


def _ask(stage: Stage) -> Message:
    holder = stage.issued()
    return bindings.RequestCardBindingRequest(
        request_id=new_id(),
        customer_id=holder.customer_id,
        card_name="Айлык",
        card_number=holder.card_number,
        expiry=EXPIRY,
        cvv=holder.cvv,
    )


def _name(stage: Stage) -> Message:
    holder = stage.asked()
    return bindings.ConfirmCardBindingRequest(
        request_id=new_id(),
        customer_id=holder.customer_id,
        binding_id=holder.binding_id,
        amount_tyiyn=holder.disclose(),
    )


def _cancel(stage: Stage) -> Message:
    holder = stage.asked()
    return bindings.CancelCardBindingRequest(
        request_id=new_id(), customer_id=holder.customer_id, binding_id=holder.binding_id
    )


def _unblock(stage: Stage) -> Message:
    holder = stage.issued()
    holder.block()
    return _card(cards.UnblockCardRequest, holder)


def _replace(stage: Stage) -> Message:
    holder = stage.issued()
    holder.lose()
    lost = holder.card_id
    holder.issue()
    return cards.ReplaceCardRequest(request_id=new_id(), card_id=lost, replacement_card_id=holder.card_id)


def _close_file(stage: Stage) -> Message:
    employer = Employer(stage.bank)
    file_id = employer.open(1, 5)
    employer.post(file_id, [to_account(1, stage.bank.poor, 5)])
    return closing(file_id, 1, 5)


def _update_participant(stage: Stage) -> Message:
    request = participant_registration(stage.bank, participant_id=f"b-{new_id()[:8]}")
    for field in ("settlement_account_id", "fee_account_id"):
        kind = account_pb2.ACCOUNT_KIND_SETTLEMENT if field.startswith("s") else account_pb2.ACCOUNT_KIND_FEE_INCOME
        opening = accounts.OpenAccountRequest(request_id=new_id(), participant_id=request.participant_id, kind=kind)
        setattr(request, field, stage.call("/esep.v1.AccountService/OpenAccount", opening).account.account_id)
    stage.call("/esep.v1.ParticipantService/RegisterParticipant", request)
    return participants.UpdateParticipantRequest(
        request_id=new_id(),
        participant_id=request.participant_id,
        names=NAMES,
        settlement_account_id=request.settlement_account_id,
        fee_account_id=request.fee_account_id,
    )


def _register_participant(stage: Stage) -> Message:
    participant_id = f"b-{new_id()[:8]}"
    opened = [
        stage.call(
            "/esep.v1.AccountService/OpenAccount",
            accounts.OpenAccountRequest(request_id=new_id(), participant_id=participant_id, kind=kind),
        ).account.account_id
        for kind in (account_pb2.ACCOUNT_KIND_SETTLEMENT, account_pb2.ACCOUNT_KIND_FEE_INCOME)
    ]
    return participant_registration(
        stage.bank, participant_id=participant_id, settlement_account_id=opened[0], fee_account_id=opened[1]
    )


def _register_payee(stage: Stage) -> Message:
    return payee_registration(stage.scheme, new_id(), stage.bank.open(account_pb2.ACCOUNT_KIND_MERCHANT))


def _update_payee(stage: Stage) -> Message:
    made = stage.call("/esep.v1.PayeeService/RegisterPayee", _register_payee(stage)).payee
    return change(made, name="Башка дүкөн")


def _suspended(stage: Stage) -> Message:
    holder = stage.provisioned()
    holder.suspend(ISSUER)
    return _token(tokens.ResumeTokenRequest, holder, suspended_by=ISSUER)


def _relink(stage: Stage) -> Message:
    holder = stage.provisioned()
    holder.lose()
    holder.issue()
    holder.ask()
    holder.tell()
    return _token(tokens.RelinkTokenRequest, holder, card_id=holder.card_id)


def _device(make: Callable[..., Message], holder: Cardholder) -> Message:
    return make(request_id=new_id(), customer_id=holder.customer_id, device_id=holder.phone.device_id)


def _unblock_device(stage: Stage) -> Message:
    holder = stage.tokenised()
    stage.call("/esep.v1.TokenService/BlockDevice", _device(tokens.BlockDeviceRequest, holder))
    return _device(tokens.UnblockDeviceRequest, holder)


def _tap(stage: Stage) -> Message:
    holder = stage.provisioned()
    holder.activate()
    return holder.phone.pay(new_id(), 100, holder.merchant)


def _confirm_quote(stage: Stage) -> Message:
    quote = stage.call("/esep.v1.QuoteService/CreateQuote", stage.quoting()).quote
    return quotes.ConfirmQuoteRequest(request_id=new_id(), quote_id=quote.quote_id, customer_id=quote.customer_id)


def _confirm_registration(stage: Stage) -> Message:
    customer_id = registered(stage.bank)
    return confirmation(customer_id, sent(stage.bank))


def _lift(stage: Stage) -> Message:
    placing = retention(confirmed(stage.bank))
    stage.call("/esep.v1.CustomerService/PlaceRetention", placing)
    return lifting(placing.customer_id, placing.request_id)


def _refund(stage: Stage) -> Message:
    return authorizations.PostRefundRequest(
        request_id=new_id(), authorization_id=stage.captured(), amount_tyiyn=5, clearing_reference=new_id()
    )


def _force(stage: Stage) -> Message:
    return authorizations.ForcePostRequest(
        request_id=new_id(),
        account_id=stage.bank.rich,
        credit_account_id=stage.bank.merchant,
        amount_tyiyn=9,
        clearing_reference=new_id(),
    )


def _back(stage: Stage) -> Message:
    made = stage.bank.move(stage.bank.rich, stage.bank.poor, 10).transfer.transfer_id
    return transfers.ReverseTransferRequest(request_id=new_id(), transfer_id=made, amount_tyiyn=4, explanation="why")


def _bulk(stage: Stage) -> bulks.PostBulkRequest:
    bank = stage.bank
    return bulks.PostBulkRequest(
        request_id=new_id(),
        debit_account_ids=[bank.rich, bank.rich, bank.merchant],
        credit_account_ids=[bank.poor, bank.merchant, bank.poor],
        amounts_tyiyn=[10, 20, 10**9],
        references=["a", "", "c"],
        currency_code="KGS",
        kind="salary",
    )


def _hold(make: Callable[..., Message], stage: Stage, **fields: Any) -> Message:
    return make(request_id=new_id(), authorization_id=held(stage.bank), **fields)


def _transfer_qr(stage: Stage) -> Message:
    holder = stage.bound()
    return qrs.IssueTransferQrRequest(request_id=new_id(), customer_id=holder.customer_id, card_id=holder.card_id)


_NAMED: Final[dict[str, dict[str, Callable[[Stage], Message]]]] = {
    "AccountService": {
        "OpenAccount": lambda stage: accounts.OpenAccountRequest(
            request_id=new_id(), participant_id="bank-a", kind=CUSTOMER, tags={"b": "1", "a": "2"}
        ),
        "FreezeAccount": lambda stage: _account(accounts.FreezeAccountRequest, stage, debits=True),
        "UnfreezeAccount": _unfreeze,
        "SetOverdraftLimit": lambda stage: _account(accounts.SetOverdraftLimitRequest, stage, overdraft_limit_tyiyn=5),
        "SetMinimumBalance": lambda stage: _account(accounts.SetMinimumBalanceRequest, stage, minimum_balance_tyiyn=5),
        "CloseAccount": lambda stage: _account(accounts.CloseAccountRequest, stage),
    },
    "AdjustmentService": {
        "ProposeAdjustment": lambda stage: adjustment(stage.bank),
        "ApproveAdjustment": lambda stage: adjustments.ApproveAdjustmentRequest(
            request_id=new_id(), adjustment_id=stage.proposed_adjustment()
        ),
        "RejectAdjustment": lambda stage: adjustments.RejectAdjustmentRequest(
            request_id=new_id(), adjustment_id=stage.proposed_adjustment()
        ),
    },
    "AliasService": {"LinkPhone": lambda stage: stage.link(stage.bound()), "UnlinkPhone": _unlink},
    "AuthorizationService": {
        "CreateAuthorization": lambda stage: authorize(stage.bank, 10),
        "AdviseAuthorization": _advise,
        "IncrementAuthorization": lambda stage: _hold(
            authorizations.IncrementAuthorizationRequest, stage, amount_tyiyn=3
        ),
        "ReplaceAuthorizationAmount": lambda stage: _hold(
            authorizations.ReplaceAuthorizationAmountRequest, stage, total_tyiyn=3
        ),
        "ReverseAuthorizationPart": lambda stage: _hold(
            authorizations.ReverseAuthorizationPartRequest, stage, amount_tyiyn=3
        ),
        "ReverseAuthorization": lambda stage: reverse(held(stage.bank)),
        "CaptureAuthorization": lambda stage: capture(held(stage.bank), 500, new_id()),
        "ForcePost": _force,
        "AuthorizeRefund": lambda stage: authorizations.AuthorizeRefundRequest(
            request_id=new_id(), account_id=stage.bank.rich, amount_tyiyn=5, authorization_id=held(stage.bank)
        ),
        "PostRefund": _refund,
        "RecordSettlementNotice": _notice,
    },
    "BulkService": {
        "PostBulk": _bulk,
        "ReverseBulkLeg": lambda stage: bulks.ReverseBulkLegRequest(
            request_id=new_id(),
            bulk_id=stage.bank.call(stage.bank.ledger.bulks.PostBulk, _bulk(stage)).bulk.bulk_id,
            leg=1,
            amount_tyiyn=4,
            explanation="why",
        ),
    },
    "CardBindingService": {
        "RequestCardBinding": _ask,
        "ConfirmCardBinding": _name,
        "CancelCardBinding": _cancel,
        "DiscloseHeldAmount": lambda stage: _card(
            bindings.DiscloseHeldAmountRequest, stage.asked(), operator="op-1", explanation="asked"
        ),
    },
    "CardService": {
        "IssueCard": lambda stage: issuing(stage.bank, card_number=card_number()),
        "BlockCard": lambda stage: _card(cards.BlockCardRequest, stage.issued()),
        "UnblockCard": _unblock,
        "ReportCardLost": lambda stage: _card(cards.ReportCardLostRequest, stage.issued(), loss=cards.CARD_LOSS_LOST),
        "ReplaceCard": _replace,
        "RenewCard": lambda stage: _card(cards.RenewCardRequest, stage.issued(), expiry="12/44"),
        "CloseCard": lambda stage: _card(cards.CloseCardRequest, stage.issued()),
        "UnbindCard": lambda stage: _card(cards.UnbindCardRequest, stage.bound()),
        "SetCardNotifications": lambda stage: _card(cards.SetCardNotificationsRequest, stage.issued(), sms=True),
    },
    "CreditService": {
        "OpenCreditFile": lambda stage: Employer(stage.bank).opening(1, 5),
        "CloseCreditFile": _close_file,
    },
    "CustomerService": {
        "RegisterCustomer": lambda stage: registration(),
        "ConfirmRegistration": _confirm_registration,
        "SetPin": lambda stage: pin(confirmed(stage.bank), PASSWORD),
        "IdentifyCustomer": lambda stage: identification(confirmed(stage.bank)),
        "EraseCustomer": lambda stage: customers.EraseCustomerRequest(
            request_id=new_id(), customer_id=confirmed(stage.bank)
        ),
        "PlaceRetention": lambda stage: retention(confirmed(stage.bank)),
        "LiftRetention": _lift,
    },
    "ParticipantService": {
        "RegisterParticipant": _register_participant,
        "UpdateParticipant": _update_participant,
    },
    "PayeeService": {"RegisterPayee": _register_payee, "UpdatePayee": _update_payee},
    "PaymentService": {
        "PrepareServicePayment": lambda stage: stage.scheme.service(stage.scheme.payer(), WATER),
        "PrepareQrPayment": lambda stage: stage.scheme.qr(stage.scheme.payer(), elqr(), 100),
        "ConfirmPayment": lambda stage: stage.prepared(service=True),
        "AnswerPayment": lambda stage: payments.AnswerPaymentRequest(
            request_id=new_id(), payment_id=stage.waiting(), answer=payments.PAYMENT_ANSWER_DELIVERED
        ),
        "DecidePayment": lambda stage: payments.DecidePaymentRequest(
            request_id=new_id(),
            payment_id=stage.waiting(),
            answer=payments.PAYMENT_ANSWER_REFUSED,
            explanation="by phone",
        ),
        "RefundPayment": lambda stage: payments.RefundPaymentRequest(
            request_id=new_id(), payment_id=stage.paid(), amount_tyiyn=5
        ),
    },
    "QrService": {"IssueTransferQr": _transfer_qr},
    "QuoteService": {"CreateQuote": Stage.quoting, "ConfirmQuote": _confirm_quote},
    "RulesService": {
        "ProposeRules": lambda stage: rules.ProposeRulesRequest(request_id=new_id(), document=document()),
        "ApproveRules": lambda stage: rules.ApproveRulesRequest(
            request_id=new_id(), proposal_id=stage.proposed_rules()
        ),
        "RejectRules": lambda stage: rules.RejectRulesRequest(request_id=new_id(), proposal_id=stage.proposed_rules()),
    },
    "TokenPaymentService": {"AuthorizeTokenPayment": _tap},
    "TokenService": {
        "RequestToken": lambda stage: stage.bound().asking(),
        "DeclineToken": lambda stage: _token(tokens.DeclineTokenRequest, stage.tokenised()),
        "ProvisionToken": lambda stage: _token(tokens.ProvisionTokenRequest, stage.tokenised()),
        "ActivateToken": lambda stage: _token(tokens.ActivateTokenRequest, stage.provisioned()),
        "ReplenishKeys": lambda stage: _token(tokens.ReplenishKeysRequest, stage.provisioned()),
        "SuspendToken": lambda stage: _token(tokens.SuspendTokenRequest, stage.provisioned(), suspended_by=ISSUER),
        "ResumeToken": _suspended,
        "DeactivateToken": lambda stage: _token(
            tokens.DeactivateTokenRequest, stage.provisioned(), cause=token_pb2.TOKEN_DEACTIVATION_CAUSE_ISSUER
        ),
        "RelinkToken": _relink,
        "BlockDevice": lambda stage: _device(tokens.BlockDeviceRequest, stage.tokenised()),
        "UnblockDevice": _unblock_device,
    },
    "TransferService": {
        "CreateTransfer": lambda stage: transfer(stage.bank.rich, stage.bank.poor, 10, tags={"b": "1", "a": "2"}),
        "ReverseTransfer": _back,
    },
}

EVERY_WRITE: Final = {
    f"/esep.v1.{service}/{name}": make for service, methods in _NAMED.items() for name, make in methods.items()
}
"""Of every method: makes what is needed on a stage, and the request that succeeds once."""


def written_under_an_id() -> set[str]:
    """Return every method of the contract whose request carries the id of one write."""
    pool = descriptor_pool.Default()
    found = set()
    for method in method_names():
        _, service, name = method.split("/")
        asked = pool.FindServiceByName(service).FindMethodByName(name).input_type
        if "request_id" in asked.fields_by_name and method not in OWN_ID:
            found.add(method)
    return found
