"""Transfers: money moves from one account to another, in one event that cannot be half done.

``CreateTransfer`` is the hottest command there is, so it is a plain struct with a validating constructor
instead of a pydantic model (0.9 µs against 3.2 µs), and its event carries the whole content of the request:
the repeat of a request is recognised by comparing the two, without a fingerprint.
"""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self
from uuid import UUID

import msgspec
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from domain.command import (
    AccountId,
    Amount,
    CurrencyCode,
    EffectiveTime,
    MovementKind,
    Reference,
    Tags,
    effective_refusal,
)
from domain.crossing import Crossing, TransferSent, as_asked, crosses, send
from domain.event import Change, Context, Event, Leg
from domain.ids import account_partition
from domain.limits import SpendingReturned
from domain.refusals import Reason, Refusal, refuse
from domain.refused_batch import Asked
from domain.rules import Operation

if TYPE_CHECKING:
    from domain.books import Books

ADJUSTMENT = "adjustment"
"""The kind of a transfer that two operators made by hand."""

MAX_BATCH = 8_190
MAX_LEGS = 8

INTERBANK = "interbank"
DELIVERY = "delivery"
FEE = "fee"
_ONWARD = (INTERBANK, DELIVERY)
"""Kinds of the legs that carry the main amount of a quoted transfer on, from bank to bank and to the recipient."""
REVERSAL = "reversal"
RESERVED_KINDS = frozenset(
    (ADJUSTMENT, INTERBANK, DELIVERY, REVERSAL, "capture", "force_post", "refund", *(each.value for each in Operation))
)
"""Kinds that the ledger gives movements which it made by its own rules: a caller's may not pass for one of them.

Whoever reads a statement, a receipt or a notification may rely on it. A fee is none of them: banks charge fees too.
"""


def is_reserved_kind(kind: str) -> bool:
    """Tell whether a kind is the ledger's own, or that of a movement back (``fee_reversal``)."""
    return kind in RESERVED_KINDS or kind.endswith(f"_{REVERSAL}")


def _not_reserved(kind: str) -> str:
    if is_reserved_kind(kind):
        raise PydanticCustomError("reserved", "is a kind that the ledger gives movements of its own")
    return kind


CallersKind = Annotated[MovementKind, AfterValidator(_not_reserved)]


class TransferPosted(Event, frozen=True, omit_defaults=True, gc=False):
    """Money moved. ``legs`` are further movements (a fee) that happened with the first, inseparably.

    ``effective_time`` is None where it equals the recorded time. ``quote`` is the quote that was confirmed, where one
    was; only then has the event a fingerprint, because only then does it not hold the content of its request.
    ``credit_file`` and ``credit_line`` say of which file's line it is the payment.
    """

    TOPIC: ClassVar[str] = "transfer.posted.v1"

    debit_account: int
    credit_account: int
    amount: int
    currency: str = ""
    kind: str = "transfer"
    reference: str = ""
    tags: dict[str, str] = {}
    legs: tuple[Leg, ...] = ()
    effective_time: int | None = None
    quote: UUID | None = None
    fingerprint: str = ""
    credit_file: UUID | None = None
    credit_line: int = 0


class TransferDeclined(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A transfer was refused for good; nothing moved."""

    TOPIC: ClassVar[str] = "transfer.declined.v1"

    reason: str
    detail: dict[str, str] = {}
    debit_account: int
    credit_account: int
    amount: int
    currency: str = ""
    kind: str = "transfer"
    reference: str = ""
    tags: dict[str, str] = {}
    legs: tuple[Leg, ...] = ()
    effective_time: int | None = None


class TransferReversed(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A transfer was undone, whole or in part: ``legs`` move money back.

    ``spending_returned`` is what the customer's limits get back, where the transfer counted against them.
    """

    TOPIC: ClassVar[str] = "transfer.reversed.v1"

    legs: tuple[Leg, ...]
    whole: bool
    explanation: str = ""
    fingerprint: str = ""
    spending_returned: SpendingReturned | None = None


class BatchPosted(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An atomic batch was accepted: the next ``count`` events of the log are its transfers."""

    TOPIC: ClassVar[str] = "transfer_batch.posted.v1"

    count: int
    fingerprint: str = ""


class BatchDeclined(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An atomic batch was refused for good because of its transfer ``index``; nothing moved.

    ``transfers`` are all that were asked for, unless they are too long to be kept.
    """

    TOPIC: ClassVar[str] = "transfer_batch.declined.v1"

    index: int
    reason: str
    detail: dict[str, str] = {}
    fingerprint: str = ""
    transfers: tuple[Asked, ...] = ()


class Transfer(msgspec.Struct, frozen=True):
    """A transfer and what has been reversed of it. ``decline`` is None unless it was refused."""

    transfer_id: bytes
    debit_account: int
    credit_account: int
    amount: int
    currency: str
    kind: str
    reference: str
    tags: dict[str, str]
    legs: tuple[Leg, ...]
    effective_time: int
    created_at: int
    updated_at: int
    version: int = 1
    reversed_amount: int = 0
    reversed_whole: bool = False
    decline: tuple[str, dict[str, str]] | None = None
    quote: bytes | None = None
    credit: tuple[bytes, int] | None = None
    """The credit file and the number of the line that it pays."""
    crossing: Crossing | None = None
    """Where it stands on its way to another partition, None where it has none to go."""

    def carries(self, leg: Leg) -> bool:
        """Tell whether a leg carries the main amount on to the recipient, so that it goes back with it."""
        return self.credit is not None or (self.quote is not None and leg.kind in _ONWARD)


def begun(change: Change, recorded_at: int, **more: Any) -> Transfer:
    """Return a transfer after the event that holds what was asked for; ``more`` is what that kind of event adds."""
    event: Any = change.event
    return Transfer(
        transfer_id=change.originator_id,
        debit_account=event.debit_account,
        credit_account=event.credit_account,
        amount=event.amount,
        currency=event.currency,
        kind=event.kind,
        reference=event.reference,
        tags=event.tags,
        effective_time=recorded_at if event.effective_time is None else event.effective_time,
        created_at=recorded_at,
        updated_at=recorded_at,
        **more,
    )


def evolve(transfer: Transfer | None, change: Change, recorded_at: int) -> Transfer:
    """Return the transfer after one more of its events."""
    event = change.event
    if isinstance(event, TransferPosted):
        return begun(
            change,
            recorded_at,
            legs=event.legs,
            quote=None if event.quote is None else event.quote.bytes,
            credit=None if event.credit_file is None else (event.credit_file.bytes, event.credit_line),
        )
    if isinstance(event, TransferDeclined):
        return begun(change, recorded_at, legs=event.legs, decline=(event.reason, event.detail))
    if transfer is None or not isinstance(event, TransferReversed):
        raise ValueError(f"{event.TOPIC} is not the next event of a transfer")
    return msgspec.structs.replace(
        transfer,
        version=change.version,
        updated_at=recorded_at,
        reversed_amount=transfer.reversed_amount + sum(leg.amount for leg in event.legs if leg.kind == REVERSAL),
        reversed_whole=transfer.reversed_whole or event.whole,
    )


def payee(transfer: Transfer | TransferPosted) -> int:
    """Return the account at which a transfer's money ends, following it through the banks' own accounts."""
    credited = transfer.credit_account
    for leg in transfer.legs:
        if leg.debit_account == credited:
            credited = leg.credit_account
    return credited


def fees(transfer: Transfer | TransferPosted) -> tuple[Leg, ...]:
    """Return what else left the payer's account with a transfer."""
    return tuple(leg for leg in transfer.legs if leg.debit_account == transfer.debit_account)


class CreateTransfer(msgspec.Struct, frozen=True, gc=False):
    """Move money. ``request_id`` becomes the transfer's id."""

    NAME: ClassVar[str] = "create_transfer"

    request_id: bytes
    debit_account: int
    credit_account: int
    amount: int
    currency: str = ""
    kind: str = "transfer"
    reference: str = ""
    tags: dict[str, str] = {}
    legs: tuple[Leg, ...] = ()
    effective_time: int | None = None

    def decided_in(self) -> int:
        """Return the payer's partition, which decides it."""
        return account_partition(self.debit_account)

    def touched_accounts(self, books: "Books") -> tuple[int, ...]:
        """Return the accounts money would leave."""
        if not self.legs:
            return (self.debit_account,)
        return (self.debit_account, *(leg.debit_account for leg in self.legs))

    def same_as(self, event: TransferPosted | TransferDeclined | TransferSent) -> bool:
        """Tell whether the event records this very content."""
        if isinstance(event, TransferSent):
            return not self.legs and all(getattr(self, name) == value for name, value in as_asked(event).items())
        return (
            not getattr(event, "fingerprint", "")
            and self.amount == event.amount
            and self.debit_account == event.debit_account
            and self.credit_account == event.credit_account
            and self.currency == event.currency
            and self.kind == event.kind
            and self.reference == event.reference
            and self.effective_time == event.effective_time
            and self.tags == event.tags
            and self.legs == event.legs
        )

    def plain(self) -> bool:
        """Tell whether it is a movement between two accounts and nothing more."""
        return not self.legs and not self.currency and self.effective_time is None

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Post the transfer, or say why not, in this order: accounts, currency, state, time, funds, bounds."""
        refusal = self.guard(books, context)
        if refusal is None:
            return [Change(self.request_id, 1, self.posted())]
        if refusal.reason is Reason.ACCOUNT_NOT_FOUND and crosses(self, books, context.policy.partitions):
            return send(self, books, context)
        return refusal

    def guard(self, books: "Books", context: Context, *, sends: bool = False, receives: bool = False) -> Refusal | None:
        """Return why the transfer cannot be posted now, None when it can; the clearing account takes what crosses."""
        accounts = books.accounts
        debit = accounts.find(self.debit_account)
        if debit < 0:
            return refuse(Reason.ACCOUNT_NOT_FOUND, account_id=self.debit_account)
        credit = accounts.find(self.credit_account)
        if credit < 0:
            return refuse(Reason.ACCOUNT_NOT_FOUND, account_id=self.credit_account)
        currency = accounts.currency[debit]
        if currency != accounts.currency[credit] or (self.currency and self.currency != books.currencies[currency]):
            return refuse(Reason.CURRENCY_MISMATCH)
        if accounts.restrictions[debit] or accounts.restrictions[credit]:
            refusal = accounts.debit_refusal(debit, transit=receives) or accounts.credit_refusal(credit, transit=sends)
            if refusal is not None:
                return refusal
        if self.effective_time is not None:
            refusal = effective_refusal(self.effective_time, context)
            if refusal is not None:
                return refusal
        if self.legs:
            return self.guard_legs(books)
        if self.amount > accounts.spendable(debit):
            return refuse(Reason.INSUFFICIENT_FUNDS, account_id=self.debit_account)
        if accounts.would_pass_limit(debit, -self.amount) or accounts.would_pass_limit(credit, self.amount):
            return refuse(Reason.BALANCE_LIMIT)
        return None

    def guard_legs(self, books: "Books") -> Refusal | None:
        """Guard every leg in order; a leg may spend what an earlier one brought in."""
        accounts = books.accounts
        moved: dict[int, int] = {}
        currency = accounts.currency[accounts.find(self.debit_account)]
        first = Leg(self.kind, self.debit_account, self.credit_account, self.amount)
        for leg in (first, *self.legs):
            debit, credit = accounts.find(leg.debit_account), accounts.find(leg.credit_account)
            if debit < 0 or credit < 0:
                return refuse(
                    Reason.ACCOUNT_NOT_FOUND, account_id=leg.debit_account if debit < 0 else leg.credit_account
                )
            if not accounts.currency[debit] == accounts.currency[credit] == currency:
                return refuse(Reason.CURRENCY_MISMATCH)
            refusal = accounts.debit_refusal(debit) or accounts.credit_refusal(credit)
            if refusal is not None:
                return refusal
            if leg.amount > accounts.spendable(debit) + moved.get(debit, 0):
                return refuse(Reason.INSUFFICIENT_FUNDS, account_id=leg.debit_account)
            moved[debit] = moved.get(debit, 0) - leg.amount
            moved[credit] = moved.get(credit, 0) + leg.amount
            if accounts.would_pass_limit(debit, moved[debit]) or accounts.would_pass_limit(credit, moved[credit]):
                return refuse(Reason.BALANCE_LIMIT)
        return None

    def posted(self) -> TransferPosted:
        """Return the event that carries this content."""
        return TransferPosted(
            self.debit_account,
            self.credit_account,
            self.amount,
            self.currency,
            self.kind,
            self.reference,
            self.tags,
            self.legs,
            self.effective_time,
        )

    def declined(self, refusal: Refusal) -> TransferDeclined:
        """Return the event that records the refusal of this content."""
        return TransferDeclined(
            reason=refusal.reason.name,
            detail=dict(refusal.metadata),
            debit_account=self.debit_account,
            credit_account=self.credit_account,
            amount=self.amount,
            currency=self.currency,
            kind=self.kind,
            reference=self.reference,
            tags=self.tags,
            legs=self.legs,
            effective_time=self.effective_time,
        )


class BetweenTwo(BaseModel):
    """The rules of whatever moves an amount from one account to another."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    debit_account_id: AccountId
    credit_account_id: AccountId
    amount_tyiyn: Amount

    @model_validator(mode="after")
    def _two_accounts(self) -> Self:
        if self.debit_account_id == self.credit_account_id:
            raise ValueError("debits and credits the same account")
        return self


class LegModel(BetweenTwo):
    """The rules of a leg's fields."""

    kind: CallersKind = "fee"


class TransferModel(BetweenTwo):
    """The rules of a transfer's fields, and the way there from a request's terms."""

    currency_code: CurrencyCode = ""
    kind: CallersKind = "transfer"
    reference: Reference = ""
    tags: Tags = {}
    legs: Annotated[tuple[LegModel, ...], Field(max_length=MAX_LEGS)] = ()
    effective_time: EffectiveTime | None = None

    def to_command(self, request_id: bytes) -> CreateTransfer:
        """Return the command with this content."""
        return CreateTransfer(
            request_id,
            self.debit_account_id,
            self.credit_account_id,
            self.amount_tyiyn,
            self.currency_code,
            self.kind,
            self.reference,
            self.tags,
            tuple(Leg(leg.kind, leg.debit_account_id, leg.credit_account_id, leg.amount_tyiyn) for leg in self.legs),
            self.effective_time,
        )
