"""Who may call what, and about whose accounts: one table, a row for every method of the contract.

A cell says under which rule a role may call the method; a role without a cell may not call it at all. A rule speaks
of the *owners* of what a request is about and of the *counterparties*, both of them participants; the row's subject
says how they are found (``ledger.rpc.subjects``). Nothing is allowed that does not stand here: a server with a method
that has no row does not start. The developer exists only in development, is not in the table and may do everything.
"""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Final, NamedTuple

from ledger.rpc.callers import Role


class Subject(Enum):
    """What a request is about, and so who its owners and counterparties are."""

    NOTHING = "nobody's"
    PARTICIPANT = "the participant that the request names"
    ACCOUNT = "the bank of the account"
    ACCOUNTS = "the banks of all the accounts"
    ACCOUNT_OR_PARTICIPANT = "the bank of the account or of the card, or the participant that the request names"
    PARTICIPANT_AND_ACCOUNT = "the participant that the request names, and the bank of the account"
    CUSTOMER = "the customer's bank"
    NEW_TRANSFER = "the banks of the debited accounts"
    NEW_TRANSFERS = "the banks of every transfer's debited accounts"
    TRANSFER = "the banks of the accounts it debited; counterparties: those it credited"
    TRANSFER_BACK = "the banks of the accounts it credited, which pay it back; counterparties: those it debited"
    NEW_AUTHORIZATION = (
        "the bank of the account to be held, or of the card; counterparty: that of the account to be credited"
    )
    AUTHORIZATION = "the bank of the held account; counterparty: that of the account to be credited"
    AUTHORIZATION_OR_REFERENCE = (
        "as for an authorisation; of one that has not arrived, the acquirer named in the reference is the counterparty"
    )
    ANNOUNCED_REFUND = "the bank of the account; counterparty: that of the authorisation's credited account"
    OPERATION = "the banks whose account pays; counterparties: those whose account is paid"
    TAP = "counterparty: the bank of the account to be credited, which is its own acquirer"
    TOKEN = "the bank of the token's card"  # noqa: S105 - a payment token, no secret
    TOKENS = "the bank of the card, or of the customer"
    CARD = "the bank that issued the card, or the cards"
    PAYEE = "the payee's bank, and the bank of the account"
    PAYMENT = "the payer's bank; counterparty: the payee's"
    PAYMENTS = "the participant that the request names, or the payee's bank; nobody's when a customer is named"
    CARDS = "the participant that the request names, or the bank of the account; nobody's when a customer is named"
    CREDIT_FILE = "the bank that pays the file"
    BULK = "the banks of the accounts that it debits"
    BULK_LEG_BACK = "the bank of the account that the leg credited, which pays it back; counterparty: the other side's"
    NOTIFICATIONS = "the participant that the request names; the customer that it names"
    REFUND = "the bank of the account that pays it; counterparty: that of the account that gets it"


class Rule(Enum):
    """What must hold of a request, beyond the caller's role."""

    ANY = "whoever it is about"
    BY_ID = "whoever it is about, named by id: whether a login or telephone number is somebody's is not told"
    OWN = "every owner is the caller's participant"
    PARTY = "an owner or a counterparty is the caller's participant"
    ACQUIRER = "every counterparty is the caller's participant"
    SERVED = (
        "every owner is the caller's participant, where it has one; if the caller says whom it acts for, it is that "
        "customer"
    )
    REMOTE = "as served, and the tier is that of identification in the application"
    CUSTOMER = "the caller acts for the customer whom the request names"
    FOLLOWER = (
        "the caller acts for the customer whom the request names; or for none, and asks by push what the customers of "
        "its participant are told"
    )
    HOLDERS = "as holder, and the party that the request names is not the issuer"
    ISSUERS = "as own, and the party that the request names is the issuer"
    HOLDER = "the card is bound to the customer whom the caller acts for"
    BOUND = "a card of every account is bound to the customer whom the caller acts for"


class Row(NamedTuple):
    """A method's row: what it is about, and each role's rule."""

    subject: Subject
    rules: Mapping[Role, Rule]


def _row(subject: Subject, **rules: Rule) -> Row:
    return Row(subject, {Role(name): rule for name, rule in rules.items()})


ANY, OWN, PARTY, ACQUIRER = Rule.ANY, Rule.OWN, Rule.PARTY, Rule.ACQUIRER
SERVED, REMOTE, CUSTOMER, HOLDER, BOUND = Rule.SERVED, Rule.REMOTE, Rule.CUSTOMER, Rule.HOLDER, Rule.BOUND

_ACCOUNTS: Final = {
    "OpenAccount": _row(Subject.PARTICIPANT, bank=OWN, operator=ANY),
    "GetAccount": _row(Subject.ACCOUNT, app=BOUND, bank=OWN, atm=OWN, auditor=ANY, operator=ANY),
    "ListAccounts": _row(Subject.PARTICIPANT, bank=OWN, auditor=ANY, operator=ANY),
    "FreezeAccount": _row(Subject.ACCOUNT, bank=OWN, operator=ANY),
    "UnfreezeAccount": _row(Subject.ACCOUNT, bank=OWN, operator=ANY),
    "SetOverdraftLimit": _row(Subject.ACCOUNT, bank=OWN, operator=ANY),
    "SetMinimumBalance": _row(Subject.ACCOUNT, bank=OWN, operator=ANY),
    "CloseAccount": _row(Subject.ACCOUNT, bank=OWN, operator=ANY),
}

_TRANSFERS: Final = {
    "CreateTransfer": _row(Subject.NEW_TRANSFER, bank=OWN, operator=ANY),
    "CreateTransfers": _row(Subject.NEW_TRANSFERS, bank=OWN, operator=ANY),
    "ReverseTransfer": _row(Subject.TRANSFER_BACK, bank=OWN, operator=ANY),
    "GetTransfer": _row(Subject.TRANSFER, bank=PARTY, auditor=ANY, operator=ANY),
    # These two tell a caller of its own requests only.
    "ListTransfers": _row(Subject.NOTHING, bank=ANY, operator=ANY),
    "GetOutcome": _row(Subject.NOTHING, app=ANY, bank=ANY, atm=ANY, pos=ANY, operator=ANY),
}

_AUTHORIZATIONS: Final = {
    "CreateAuthorization": _row(Subject.NEW_AUTHORIZATION, bank=PARTY, atm=ACQUIRER, pos=ACQUIRER, operator=ANY),
    "AdviseAuthorization": _row(Subject.NEW_AUTHORIZATION, bank=OWN, operator=ANY),
    "IncrementAuthorization": _row(Subject.AUTHORIZATION, bank=PARTY, pos=ACQUIRER, operator=ANY),
    "ReplaceAuthorizationAmount": _row(Subject.AUTHORIZATION, bank=PARTY, pos=ACQUIRER, operator=ANY),
    "ReverseAuthorizationPart": _row(Subject.AUTHORIZATION, bank=PARTY, atm=ACQUIRER, pos=ACQUIRER, operator=ANY),
    "ReverseAuthorization": _row(
        Subject.AUTHORIZATION_OR_REFERENCE, bank=PARTY, atm=ACQUIRER, pos=ACQUIRER, operator=ANY
    ),
    "CaptureAuthorization": _row(Subject.AUTHORIZATION, bank=PARTY, atm=ACQUIRER, pos=ACQUIRER, operator=ANY),
    # Debits an account that nobody authorised: its own bank does that, or clearing.
    "ForcePost": _row(Subject.ACCOUNT, bank=OWN, operator=ANY),
    "AuthorizeRefund": _row(Subject.ANNOUNCED_REFUND, bank=PARTY, pos=ACQUIRER, operator=ANY),
    "PostRefund": _row(Subject.REFUND, bank=OWN, pos=OWN, operator=ANY),
    "RecordSettlementNotice": _row(Subject.NOTHING, operator=ANY),
    "GetAuthorization": _row(
        Subject.AUTHORIZATION_OR_REFERENCE,
        app=BOUND,
        bank=PARTY,
        atm=PARTY,
        pos=ACQUIRER,
        auditor=ANY,
        operator=ANY,
    ),
}

_STATEMENTS: Final = {
    "GetBalance": _row(Subject.ACCOUNT, app=BOUND, bank=OWN, atm=OWN, auditor=ANY, operator=ANY),
    "BatchGetBalances": _row(Subject.ACCOUNTS, app=BOUND, bank=OWN, auditor=ANY, operator=ANY),
    "WatchBalances": _row(Subject.ACCOUNTS, app=BOUND, bank=OWN, auditor=ANY, operator=ANY),
    "GetMiniStatement": _row(Subject.ACCOUNT, app=BOUND, bank=OWN, atm=OWN, auditor=ANY, operator=ANY),
    "GetStatement": _row(Subject.ACCOUNT, app=BOUND, bank=OWN, atm=OWN, auditor=ANY, operator=ANY),
    "ListAuthorizations": _row(Subject.ACCOUNT_OR_PARTICIPANT, app=BOUND, bank=OWN, atm=OWN, auditor=ANY, operator=ANY),
    "GetTrialBalance": _row(Subject.NOTHING, auditor=ANY, operator=ANY),
}

_CUSTOMERS: Final = {
    "RegisterCustomer": _row(Subject.PARTICIPANT, app=SERVED, bank=OWN),
    "ConfirmRegistration": _row(Subject.CUSTOMER, app=SERVED, bank=OWN),
    "SetPin": _row(Subject.CUSTOMER, app=SERVED),
    "VerifyPin": _row(Subject.CUSTOMER, app=SERVED),
    "IdentifyCustomer": _row(Subject.CUSTOMER, app=REMOTE, bank=OWN, operator=ANY),
    "GetCustomer": _row(Subject.CUSTOMER, app=SERVED, bank=OWN, auditor=Rule.BY_ID, operator=ANY),
    "EraseCustomer": _row(Subject.CUSTOMER, bank=OWN, operator=ANY),
    "PlaceRetention": _row(Subject.CUSTOMER, bank=OWN, operator=ANY),
    "LiftRetention": _row(Subject.CUSTOMER, bank=OWN, operator=ANY),
}

_RECEIPTS: Final = {
    "GetMiniStatementReceipt": _row(Subject.ACCOUNT, app=BOUND, bank=OWN, atm=OWN, auditor=ANY, operator=ANY),
    "GetAuthorizationsReceipt": _row(Subject.ACCOUNT, app=BOUND, bank=OWN, atm=OWN, auditor=ANY, operator=ANY),
    "GetTransactionsReceipt": _row(Subject.ACCOUNT, app=BOUND, bank=OWN, atm=OWN, auditor=ANY, operator=ANY),
    "GetOperationReceipt": _row(Subject.OPERATION, app=BOUND, bank=PARTY, atm=PARTY, auditor=ANY, operator=ANY),
}

_NOTIFICATIONS: Final = {
    # Not for operators: the amount that verifies a cardholder is among the text messages.
    "Subscribe": _row(Subject.NOTIFICATIONS, app=Rule.FOLLOWER, bank=OWN),
    "ListNotifications": _row(Subject.NOTIFICATIONS, app=Rule.FOLLOWER, bank=OWN),
}

_CARDS: Final = {
    "IssueCard": _row(Subject.PARTICIPANT_AND_ACCOUNT, bank=OWN, operator=ANY),
    "GetCard": _row(Subject.CARD, app=HOLDER, bank=OWN, operator=ANY),
    "ListCards": _row(Subject.CARDS, app=CUSTOMER, bank=OWN, operator=ANY),
    "BlockCard": _row(Subject.CARD, app=HOLDER, bank=OWN, operator=ANY),
    "UnblockCard": _row(Subject.CARD, bank=OWN, operator=ANY),
    "ReportCardLost": _row(Subject.CARD, app=HOLDER, bank=OWN, operator=ANY),
    "ReplaceCard": _row(Subject.CARD, bank=OWN, operator=ANY),
    "RenewCard": _row(Subject.CARD, bank=OWN, operator=ANY),
    "CloseCard": _row(Subject.CARD, bank=OWN, operator=ANY),
    "UnbindCard": _row(Subject.CARD, app=HOLDER, bank=OWN, operator=ANY),
    "SetCardNotifications": _row(Subject.CARD, app=HOLDER, bank=OWN, operator=ANY),
}

_CARD_BINDINGS: Final = {
    "RequestCardBinding": _row(Subject.CUSTOMER, app=CUSTOMER),
    "ConfirmCardBinding": _row(Subject.CUSTOMER, app=CUSTOMER),
    "CancelCardBinding": _row(Subject.CUSTOMER, app=CUSTOMER, bank=OWN, operator=ANY),
    "GetCardBinding": _row(Subject.CUSTOMER, app=CUSTOMER, bank=OWN, operator=ANY),
    # It answers the amount that shows who holds the card: an application must not learn it.
    "DiscloseHeldAmount": _row(Subject.CARD, bank=OWN, operator=ANY),
}

_EVERYBODY: Final = _row(Subject.NOTHING, app=ANY, bank=ANY, atm=ANY, pos=ANY, auditor=ANY, operator=ANY)

_ALIASES: Final = {
    "SendAliasCode": _row(Subject.CUSTOMER, app=SERVED),
    "LinkPhone": _row(Subject.CUSTOMER, app=SERVED),
    "UnlinkPhone": _row(Subject.CUSTOMER, app=SERVED, bank=OWN, operator=ANY),
    "GetAlias": _row(Subject.CUSTOMER, app=SERVED, bank=OWN, operator=ANY),
    "ListAliases": _row(Subject.CUSTOMER, app=SERVED, bank=OWN, operator=ANY),
}

_QRS: Final = {
    "DecodeQr": _EVERYBODY,
    "IssueTransferQr": _row(Subject.CUSTOMER, app=SERVED, bank=OWN),
    "GetTransferQr": _row(Subject.CUSTOMER, app=SERVED, bank=OWN, auditor=ANY, operator=ANY),
}

_QUOTES: Final = {
    "CreateQuote": _row(Subject.CUSTOMER, app=SERVED),
    "ConfirmQuote": _row(Subject.CUSTOMER, app=SERVED),
    "GetQuote": _row(Subject.CUSTOMER, app=SERVED, bank=OWN, auditor=ANY, operator=ANY),
}

_DIRECTORY: Final = {
    "ListServiceCategories": _EVERYBODY,
    "ListServices": _EVERYBODY,
    "GetService": _EVERYBODY,
    "SearchServices": _EVERYBODY,
    "ValidateServiceFields": _EVERYBODY,
}

_PAYEES: Final = {
    "RegisterPayee": _row(Subject.PARTICIPANT_AND_ACCOUNT, bank=OWN, operator=ANY),
    "UpdatePayee": _row(Subject.PAYEE, bank=OWN, operator=ANY),
    "GetPayee": _EVERYBODY,
    "ListPayees": _row(Subject.PARTICIPANT, bank=OWN, auditor=ANY, operator=ANY),
}

_PAYMENTS: Final = {
    "PrepareServicePayment": _row(Subject.CUSTOMER, app=CUSTOMER),
    "PrepareQrPayment": _row(Subject.CUSTOMER, app=CUSTOMER),
    "ConfirmPayment": _row(Subject.CUSTOMER, app=CUSTOMER),
    # A provider's gateway is run by the bank that keeps the provider's account.
    "AnswerPayment": _row(Subject.PAYMENT, bank=ACQUIRER, operator=ANY),
    "DecidePayment": _row(Subject.PAYMENT, operator=ANY),
    "RefundPayment": _row(Subject.PAYMENT, bank=ACQUIRER, operator=ANY),
    "GetPayment": _row(Subject.PAYMENT, app=CUSTOMER, bank=PARTY, auditor=ANY, operator=ANY),
    "ListPayments": _row(Subject.PAYMENTS, app=CUSTOMER, bank=OWN, auditor=ANY, operator=ANY),
}

_OPERATORS: Final = _row(Subject.NOTHING, operator=ANY)
_OVERSEERS: Final = _row(Subject.NOTHING, auditor=ANY, operator=ANY)

_AUDITS: Final = {
    "ReadEvents": _OVERSEERS,
    "SubscribeEvents": _OVERSEERS,
    "GetAggregateHistory": _OVERSEERS,
    "ExplainBalance": _OVERSEERS,
    "ReplayDecision": _OVERSEERS,
    "GetCardAsOf": _OVERSEERS,
    "ListAccess": _OVERSEERS,
    "GetCheckpoint": _OVERSEERS,
    "ListCheckpoints": _OVERSEERS,
    # Whoever brings it: it counts by the witness's key.
    "CosignCheckpoint": _OVERSEERS,
    "ProveInclusion": _OVERSEERS,
    "ProveConsistency": _OVERSEERS,
    "ReadTiles": _OVERSEERS,
    "ListAccountFigures": _OVERSEERS,
}

_PARTICIPANTS: Final = {
    "RegisterParticipant": _OPERATORS,
    "UpdateParticipant": _OPERATORS,
    "GetParticipant": _EVERYBODY,
    "ListParticipants": _EVERYBODY,
}

_RULES: Final = {
    "ProposeRules": _OPERATORS,
    "ApproveRules": _OPERATORS,
    "RejectRules": _OPERATORS,
    "GetRulesProposal": _OVERSEERS,
    "ListRulesProposals": _OVERSEERS,
    "GetRules": _EVERYBODY,
    "ListRules": _EVERYBODY,
    "GetUsage": _OVERSEERS,
}

_ADJUSTMENTS: Final = {
    "ProposeAdjustment": _OPERATORS,
    "ApproveAdjustment": _OPERATORS,
    "RejectAdjustment": _OPERATORS,
    "GetAdjustment": _OVERSEERS,
    "ListAdjustments": _OVERSEERS,
}

_BULKS: Final = {
    "PostBulk": _row(Subject.NEW_TRANSFERS, bank=OWN, operator=ANY),
    "ReverseBulkLeg": _row(Subject.BULK_LEG_BACK, bank=OWN, operator=ANY),
    "GetBulk": _row(Subject.BULK, bank=OWN, auditor=ANY, operator=ANY),
    "ListBulkLegs": _row(Subject.BULK, bank=OWN, auditor=ANY, operator=ANY),
}

_CREDITS: Final = {
    # Whoever opens a file pays it: from then on the file's bank is the owner of the account that is debited.
    "OpenCreditFile": _row(Subject.PARTICIPANT_AND_ACCOUNT, bank=OWN, operator=ANY),
    "PostCreditLines": _row(Subject.CREDIT_FILE, bank=OWN, operator=ANY),
    "CloseCreditFile": _row(Subject.CREDIT_FILE, bank=OWN, operator=ANY),
    "GetCreditFile": _row(Subject.CREDIT_FILE, bank=OWN, auditor=ANY, operator=ANY),
    "ListCreditLines": _row(Subject.CREDIT_FILE, bank=OWN, auditor=ANY, operator=ANY),
}

HOLDERS, ISSUERS = Rule.HOLDERS, Rule.ISSUERS
_TOKENS: Final = {
    "RequestToken": _row(Subject.CARD, app=HOLDER, bank=OWN),
    "DeclineToken": _row(Subject.TOKEN, bank=OWN, operator=ANY),
    # Keys are for phones: nobody but the application is given one.
    "ProvisionToken": _row(Subject.TOKEN, app=HOLDER),
    "ReplenishKeys": _row(Subject.TOKEN, app=HOLDER),
    "ActivateToken": _row(Subject.TOKEN, app=HOLDER),
    "SuspendToken": _row(Subject.TOKEN, app=HOLDERS, bank=ISSUERS, operator=ANY),
    "ResumeToken": _row(Subject.TOKEN, app=HOLDERS, bank=ISSUERS, operator=ANY),
    "DeactivateToken": _row(Subject.TOKEN, app=HOLDERS, bank=ISSUERS, operator=ANY),
    "RelinkToken": _row(Subject.TOKEN, bank=OWN, operator=ANY),
    "BlockDevice": _row(Subject.CUSTOMER, app=SERVED, bank=OWN, operator=ANY),
    "UnblockDevice": _row(Subject.CUSTOMER, app=SERVED, bank=OWN, operator=ANY),
    "GetToken": _row(Subject.TOKEN, app=HOLDER, bank=OWN, operator=ANY),
    "ListTokens": _row(Subject.TOKENS, app=HOLDER, bank=OWN, operator=ANY),
}

_TOKEN_PAYMENTS: Final = {"AuthorizeTokenPayment": _row(Subject.TAP, pos=ACQUIRER, operator=ANY)}

PERMISSIONS: Final[dict[str, Row]] = {
    f"/{service}/{method}": row
    for service, rows in {
        "esep.v1.AccountService": _ACCOUNTS,
        "esep.v1.AdjustmentService": _ADJUSTMENTS,
        "esep.v1.AliasService": _ALIASES,
        "esep.v1.AuditService": _AUDITS,
        "esep.v1.AuthorizationService": _AUTHORIZATIONS,
        "esep.v1.CardBindingService": _CARD_BINDINGS,
        "esep.v1.CardService": _CARDS,
        "esep.v1.BulkService": _BULKS,
        "esep.v1.CreditService": _CREDITS,
        "esep.v1.CustomerService": _CUSTOMERS,
        "esep.v1.DirectoryService": _DIRECTORY,
        "esep.v1.NotificationService": _NOTIFICATIONS,
        "esep.v1.ParticipantService": _PARTICIPANTS,
        "esep.v1.PayeeService": _PAYEES,
        "esep.v1.PaymentService": _PAYMENTS,
        "esep.v1.QrService": _QRS,
        "esep.v1.QuoteService": _QUOTES,
        "esep.v1.ReceiptService": _RECEIPTS,
        "esep.v1.RulesService": _RULES,
        "esep.v1.StatementService": _STATEMENTS,
        "esep.v1.TokenPaymentService": _TOKEN_PAYMENTS,
        "esep.v1.TokenService": _TOKENS,
        "esep.v1.TransferService": _TRANSFERS,
    }.items()
    for method, row in rows.items()
}
"""The table, by the full names of methods as they are called."""

_READS: Final = ("BatchGet", "Explain", "Get", "List", "Prove", "Read", "Replay", "Subscribe", "Watch")
"""How the names of methods begin that only read."""

PRIVILEGED_READS: Final = frozenset(
    method
    for method, row in PERMISSIONS.items()
    if row is not _EVERYBODY and method.rpartition("/")[2].startswith(_READS)
)
"""Methods that read what not everybody may: noted when a role calls them that is not held to its own."""

NONE: Final = Row(Subject.NOTHING, {})
"""The row of a method that has none: nobody but the developer may call it."""


def check_complete(methods: Iterable[str]) -> None:
    """Raise ValueError unless each of these methods has a row, and each row is of one of them."""
    served = set(methods)
    missing, foreign = sorted(served - PERMISSIONS.keys()), sorted(PERMISSIONS.keys() - served)
    if missing or foreign:
        raise ValueError(f"permissions: no row for {missing}, rows of no method {foreign}")
