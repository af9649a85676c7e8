"""In which partition a write is decided, told by the request alone: what is forwarded, and where to.

Accounts live in every partition, and with them the transfers and bulks that they pay; all else lives in partition 0.
Methods that do not stand here are answered by the server that was called: they read, or they write what every server
may.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from domain.ids import account_partition
from ledger.rpc.gateway import Gateway

Home = Callable[[Gateway, Any], Awaitable[int | None]]
"""Returns the partition; None where the server that was called is to answer: it refuses the request."""


async def _first(_gateway: Gateway, _request: Any) -> int | None:
    return 0


async def _chosen(_gateway: Gateway, request: Any) -> int | None:
    return int(request.partition)


async def _accounts(_gateway: Gateway, request: Any) -> int | None:
    return account_partition(request.account_id)


async def _payers(_gateway: Gateway, request: Any) -> int | None:
    return account_partition(request.transfer.debit_account_id)


async def _first_payer(gateway: Gateway, request: Any) -> int | None:
    """Return the home of a batch's first payer that has one: whoever owns it refuses payers of several partitions."""
    homes = (account_partition(each.debit_account_id) for each in request.transfers)
    return next((home for home in homes if home in gateway.engines), None)


async def _first_payer_of_bulk(gateway: Gateway, request: Any) -> int | None:
    """Return the home of a bulk's first payer that has one, as that of a batch."""
    homes = map(account_partition, request.debit_account_ids)
    return next((home for home in homes if home in gateway.engines), None)


async def _settled(_gateway: Gateway, request: Any) -> int | None:
    """Return what was settled when the request was admitted; it was not, where the id is none."""
    return int(request.partition) if request.HasField("partition") else None


_FIRST: Final[Mapping[str, tuple[str, ...]]] = {
    "AdjustmentService": ("ProposeAdjustment", "ApproveAdjustment", "RejectAdjustment"),
    "AliasService": ("LinkPhone", "UnlinkPhone"),
    "AuthorizationService": (
        "CreateAuthorization",
        "AdviseAuthorization",
        "IncrementAuthorization",
        "ReplaceAuthorizationAmount",
        "ReverseAuthorizationPart",
        "ReverseAuthorization",
        "CaptureAuthorization",
        "ForcePost",
        "AuthorizeRefund",
        "PostRefund",
        "RecordSettlementNotice",
    ),
    "CardBindingService": ("RequestCardBinding", "ConfirmCardBinding", "CancelCardBinding", "DiscloseHeldAmount"),
    "CardService": (
        "IssueCard",
        "BlockCard",
        "UnblockCard",
        "ReportCardLost",
        "ReplaceCard",
        "RenewCard",
        "CloseCard",
        "UnbindCard",
        "SetCardNotifications",
    ),
    "CreditService": ("OpenCreditFile", "PostCreditLines", "CloseCreditFile"),
    "CustomerService": (
        "RegisterCustomer",
        "ConfirmRegistration",
        "SetPin",
        "IdentifyCustomer",
        "EraseCustomer",
        "PlaceRetention",
        "LiftRetention",
    ),
    "ParticipantService": ("RegisterParticipant", "UpdateParticipant"),
    "PayeeService": ("RegisterPayee", "UpdatePayee"),
    "PaymentService": (
        "PrepareServicePayment",
        "PrepareQrPayment",
        "ConfirmPayment",
        "AnswerPayment",
        "DecidePayment",
        "RefundPayment",
    ),
    "QrService": ("IssueTransferQr",),
    "QuoteService": ("CreateQuote", "ConfirmQuote"),
    "RulesService": ("ProposeRules", "ApproveRules", "RejectRules"),
    "TokenPaymentService": ("AuthorizeTokenPayment",),
    "TokenService": (
        "RequestToken",
        "DeclineToken",
        "ProvisionToken",
        "ActivateToken",
        "ReplenishKeys",
        "SuspendToken",
        "ResumeToken",
        "DeactivateToken",
        "RelinkToken",
        "BlockDevice",
        "UnblockDevice",
    ),
}

_BY_ACCOUNT: Final = ("FreezeAccount", "UnfreezeAccount", "SetOverdraftLimit", "SetMinimumBalance", "CloseAccount")

HOMES: Final[Mapping[str, Home]] = {
    **{f"/esep.v1.{service}/{name}": _first for service, names in _FIRST.items() for name in names},
    **{f"/esep.v1.AccountService/{name}": _accounts for name in _BY_ACCOUNT},
    "/esep.v1.AccountService/OpenAccount": _chosen,
    "/esep.v1.AuditService/GetCheckpoint": _chosen,  # A new one is signed by whoever decides.
    "/esep.v1.BulkService/PostBulk": _first_payer_of_bulk,
    "/esep.v1.BulkService/ReverseBulkLeg": _settled,
    "/esep.v1.TransferService/CreateTransfer": _payers,
    "/esep.v1.TransferService/CreateTransfers": _first_payer,
    "/esep.v1.TransferService/ReverseTransfer": _settled,
}
"""By the full names of methods."""
