"""Transfers between partitions: the events, and the sending.

No append spans two partitions, so money that leaves one waits for the other on a clearing account: every partition
has one for each currency. ``TransferSent`` moves it there from the payer, at home; a courier carries it;
``TransferReceived`` moves it on to the payee from the destination's clearing account, or ``TransferRejected`` says
why not; then home records ``TransferCompleted``, or ``TransferReturned`` moves the money back. Each event balances
by itself, so the books of every partition sum to zero at any moment, and all clearing accounts of a currency
together hold what is in transit. Nothing else moves money to them or from them: a caller who could would make
money look as if it were on its way.

What follows the sending stands in ``domain.transit``. Legs beside the main one do not cross, and are refused: a
return must always succeed, and could not promise it for money that others have spent.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Final
from uuid import UUID

import msgspec

from domain.event import Change, Context, Event, Leg
from domain.ids import account_partition, claim_id, derived_id
from domain.refusals import Reason, Refusal, refuse

if TYPE_CHECKING:
    from domain.books import Books
    from domain.transfer import CreateTransfer

CLEARING_CLAIM: Final = "transit_clearing"


class TransferSent(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Money left the payer for an account of another partition; ``legs`` hold the movement to the clearing account.

    ``currency`` is that of the money; ``currency_named`` tells whether the request named it.
    """

    TOPIC: ClassVar[str] = "transfer.sent.v1"

    debit_account: int
    credit_account: int
    amount: int
    currency: str
    legs: tuple[Leg, ...]
    currency_named: bool = False
    kind: str = "transfer"
    reference: str = ""
    tags: dict[str, str] = {}
    effective_time: int | None = None


class TransferReceived(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Money that another partition sent reached the payee; ``legs`` hold the movement from the clearing account.

    ``sent_at`` is the recorded time of its sending, which is before that of its receipt.
    """

    TOPIC: ClassVar[str] = "transfer.received.v1"

    transfer: UUID
    home: int
    sent_at: int
    debit_account: int
    credit_account: int
    amount: int
    currency: str
    legs: tuple[Leg, ...]
    kind: str = "transfer"
    reference: str = ""
    tags: dict[str, str] = {}
    effective_time: int | None = None
    fingerprint: str = ""


class TransferRejected(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Money that another partition sent was refused for good: it goes back. Nothing moved here."""

    TOPIC: ClassVar[str] = "transfer.rejected.v1"

    transfer: UUID
    home: int
    sent_at: int
    reason: str
    detail: dict[str, str] = {}
    debit_account: int
    credit_account: int
    amount: int
    currency: str
    kind: str = "transfer"
    reference: str = ""
    tags: dict[str, str] = {}
    effective_time: int | None = None
    fingerprint: str = ""


class TransferCompleted(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The other partition has recorded that the payee has the money, at its ``position``."""

    TOPIC: ClassVar[str] = "transfer.completed.v1"

    position: int
    fingerprint: str = ""


class TransferReturned(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The other partition refused the money, at its ``position``, and the payer has it again."""

    TOPIC: ClassVar[str] = "transfer.returned.v1"

    position: int
    reason: str
    detail: dict[str, str] = {}
    legs: tuple[Leg, ...]
    fingerprint: str = ""


class Way(StrEnum):
    """How far a transfer between partitions has come."""

    IN_TRANSIT = "in_transit"
    COMPLETED = "completed"
    RETURNED = "returned"


class Crossing(msgspec.Struct, frozen=True):
    """A transfer's way to another partition: who holds the money meanwhile, and why it came back, if it did."""

    clearing_account: int
    way: Way = Way.IN_TRANSIT
    reason: str = ""
    detail: dict[str, str] = {}


def clearing_key(currency: str) -> bytes:
    """Return the claim that names a partition's clearing account of a currency."""
    return claim_id(CLEARING_CLAIM, currency)


def delivery_id(transfer_id: bytes, home: int) -> bytes:
    """Return the id of the aggregate in which a destination records what became of a transfer sent from ``home``.

    Not the transfer's own id: that is a request's, and requests of two partitions may bear the same one.
    """
    return derived_id(transfer_id, f"delivery:{home}")


def receive_request(transfer_id: bytes, home: int) -> bytes:
    """Return the request id under which a destination receives a transfer, the same at every try."""
    return derived_id(transfer_id, f"receive:{home}")


def settle_request(transfer_id: bytes) -> bytes:
    """Return the request id under which home completes or returns a transfer: one of them, once."""
    return derived_id(transfer_id, "settle")


def crosses(transfer: "CreateTransfer", books: "Books", partitions: int) -> bool:
    """Tell whether the money goes to another partition of the ledger."""
    there = account_partition(transfer.credit_account)
    return there != books.partition and there < partitions


def as_asked(event: TransferSent) -> dict[str, Any]:
    """Return what was asked for, by the names of the fields of ``CreateTransfer``."""
    names = ("debit_account", "credit_account", "amount", "kind", "reference", "tags", "effective_time")
    return {
        **{name: getattr(event, name) for name in names},
        "currency": event.currency if event.currency_named else "",
    }


def send(transfer: "CreateTransfer", books: "Books", context: Context) -> list[Change] | Refusal:
    """Move the money onto the clearing account, or say why not, in the order of any other transfer.

    Whether the payee exists and may be paid is for its own partition to say.
    """
    debit = books.accounts.find(transfer.debit_account)
    if debit < 0:
        return refuse(Reason.ACCOUNT_NOT_FOUND, account_id=transfer.debit_account)
    if transfer.legs:
        return refuse(Reason.LEGS_BETWEEN_PARTITIONS)
    currency = books.currencies[books.accounts.currency[debit]]
    clearing = clearing_account(books, currency)
    if isinstance(clearing, Refusal):
        return clearing
    refusal = msgspec.structs.replace(transfer, credit_account=clearing).guard(books, context, sends=True)
    if refusal is not None:
        return refusal
    sent = TransferSent(
        debit_account=transfer.debit_account,
        credit_account=transfer.credit_account,
        amount=transfer.amount,
        currency=currency,
        currency_named=bool(transfer.currency),
        legs=(Leg(transfer.kind, transfer.debit_account, clearing, transfer.amount),),
        kind=transfer.kind,
        reference=transfer.reference,
        tags=transfer.tags,
        effective_time=transfer.effective_time,
    )
    return [Change(transfer.request_id, 1, sent)]


def clearing_account(books: "Books", currency: str) -> int | Refusal:
    """Return the partition's clearing account of a currency; the refusal where none is open yet."""
    found = books.aggregate(clearing_key(currency))
    holder: bytes | None = getattr(found, "holder", None)
    if holder is None:
        return refuse(Reason.CLEARING_NOT_OPEN, currency=currency)
    return int.from_bytes(holder, "big")
