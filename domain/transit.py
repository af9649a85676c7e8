"""What follows a transfer that was sent to another partition: its receipt there, and its end at home.

These commands are the courier's. It may lose its memory, come twice, late and in any order: each command has one
request id for ever, and what it does to the books is done once. Why a payee cannot be paid is recorded at the
destination, before anything goes back: from then on the transfer cannot be received any more.

A return is never refused. The payer's account takes its money again frozen or not, and cannot have been closed:
what is in transit from an account keeps it open.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar
from uuid import UUID

import msgspec
from pydantic import Field

from domain.account import LEDGER, AccountKind, AccountOpened
from domain.claim import claim
from domain.command import AccountId, Amount, Command, EffectiveTime, MovementKind, Reference, Tags
from domain.crossing import (
    CLEARING_CLAIM,
    Crossing,
    TransferCompleted,
    TransferReceived,
    TransferRejected,
    TransferReturned,
    TransferSent,
    Way,
    clearing_account,
    clearing_key,
    delivery_id,
)
from domain.event import Change, Context, Leg
from domain.ids import MAX_PARTITIONS, account_originator
from domain.refusals import Reason, Refusal, refuse
from domain.transfer import REVERSAL, CreateTransfer, Transfer, begun

if TYPE_CHECKING:
    from domain.books import Books

Currency = Annotated[str, Field(pattern="^[A-Z]{3}$")]
Position = Annotated[int, Field(strict=True, gt=0)]


class OpenClearing(Command):
    """Open the partition's clearing account of a currency, once.

    ``reserved`` is no part of what is asked: it is False only where an opening is decided again that was recorded
    before these accounts were reserved.
    """

    NAME: ClassVar[str] = "open_clearing"
    SECRETS: ClassVar[frozenset[str]] = frozenset({"reserved"})
    UNKEPT: ClassVar[Mapping[str, Any]] = {"reserved": True}

    currency: Currency
    reserved: bool = True

    def needs(self) -> tuple[bytes, ...]:
        """Return the claim that names the account, if it is open."""
        return (clearing_key(self.currency),)

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Open the account under the next index."""
        if self.currency not in context.policy.currencies:
            return refuse(Reason.CURRENCY_UNKNOWN, currencies=", ".join(sorted(context.policy.currencies)))
        key = account_originator(books.accounts.next_id())
        opened = AccountOpened(
            participant=LEDGER,
            kind=AccountKind.CLEARING,
            currency=self.currency,
            fingerprint=self.fingerprint(),
            reserved=self.reserved,
        )
        return [Change(key, 1, opened), claim(CLEARING_CLAIM, self.currency, holder=key)]


class ReceiveTransfer(Command):
    """Pay the payee of a transfer that another partition sent, or record why that cannot be."""

    NAME: ClassVar[str] = "receive_transfer"

    transfer_id: UUID
    home: Annotated[int, Field(strict=True, ge=0, lt=MAX_PARTITIONS)]
    sent_at: EffectiveTime
    debit_account_id: AccountId
    credit_account_id: AccountId
    amount_tyiyn: Amount
    currency: Currency
    kind: MovementKind
    reference: Reference = ""
    tags: Tags = {}
    effective_time: EffectiveTime | None = None

    @classmethod
    def of(cls, transfer_id: bytes, home: int, sent: TransferSent, sent_at: int) -> "ReceiveTransfer":
        """Return the command that carries on what was sent, and when that was recorded."""
        return cls(
            transfer_id=UUID(bytes=transfer_id),
            home=home,
            sent_at=sent_at,
            debit_account_id=sent.debit_account,
            credit_account_id=sent.credit_account,
            amount_tyiyn=sent.amount,
            currency=sent.currency,
            kind=sent.kind,
            reference=sent.reference,
            tags=sent.tags,
            effective_time=sent.effective_time,
        )

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Pay, or record the refusal: both are the outcome, and final.

        Where home's clock is ahead, the money waits until it was sent by this partition's clock as well. So whatever
        is recorded up to some time in all partitions together holds no receipt without its sending.
        """
        if self.sent_at >= context.now:
            return refuse(Reason.EFFECTIVE_TIME_OUT_OF_BOUNDS, latest=context.now)
        clearing = clearing_account(books, self.currency)
        if isinstance(clearing, Refusal):
            return clearing
        content: dict[str, Any] = {
            "transfer": self.transfer_id,
            "home": self.home,
            "sent_at": self.sent_at,
            "debit_account": self.debit_account_id,
            "credit_account": self.credit_account_id,
            "amount": self.amount_tyiyn,
            "currency": self.currency,
            "kind": self.kind,
            "reference": self.reference,
            "tags": self.tags,
            "effective_time": self.effective_time,
            "fingerprint": self.fingerprint(),
        }
        key = delivery_id(self.transfer_id.bytes, self.home)
        paid = CreateTransfer(b"", clearing, self.credit_account_id, self.amount_tyiyn, self.currency)
        refusal = paid.guard(books, context, receives=True)
        if refusal is not None:
            rejected = TransferRejected(reason=refusal.reason.name, detail=dict(refusal.metadata), **content)
            return [Change(key, 1, rejected)]
        legs = (Leg(self.kind, clearing, self.credit_account_id, self.amount_tyiyn),)
        return [Change(key, 1, TransferReceived(legs=legs, **content))]


class _Settle(Command):
    """The end of a transfer that was sent, told by what its destination recorded at ``position``."""

    transfer_id: UUID
    position: Position

    def target(self) -> UUID:
        """Return the transfer's id."""
        return self.transfer_id

    def needs(self) -> tuple[bytes, ...]:
        """Return the transfer."""
        return (self.transfer_id.bytes,)

    def in_transit(self, books: "Books") -> Transfer | Refusal:
        """Return the transfer, if it is on its way."""
        transfer = books.aggregate(self.transfer_id.bytes)
        crossing = transfer.crossing if isinstance(transfer, Transfer) else None
        if isinstance(transfer, Transfer) and crossing is not None and crossing.way is Way.IN_TRANSIT:
            return transfer
        return refuse(Reason.TRANSFER_NOT_FOUND, transfer_id=self.transfer_id)


class CompleteTransfer(_Settle):
    """Record that the payee has the money."""

    NAME: ClassVar[str] = "complete_transfer"

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """End the transfer; nothing moves any more."""
        transfer = self.in_transit(books)
        if isinstance(transfer, Refusal):
            return transfer
        completed = TransferCompleted(position=self.position, fingerprint=self.fingerprint())
        return [Change(self.transfer_id.bytes, transfer.version + 1, completed)]


class ReturnTransfer(_Settle):
    """Give the payer the money back, because the destination refused it."""

    NAME: ClassVar[str] = "return_transfer"

    reason: Annotated[str, Field(pattern="^[A-Z_]{1,64}$")]
    detail: dict[str, str] = {}

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """End the transfer, and move its money from the clearing account to the payer."""
        transfer = self.in_transit(books)
        if isinstance(transfer, Refusal):
            return transfer
        crossing: Any = transfer.crossing
        back = Leg(REVERSAL, crossing.clearing_account, transfer.debit_account, transfer.amount)
        returned = TransferReturned(
            position=self.position,
            reason=self.reason,
            detail=self.detail,
            legs=(back,),
            fingerprint=self.fingerprint(),
        )
        return [Change(self.transfer_id.bytes, transfer.version + 1, returned)]


def evolve(transfer: Transfer | None, change: Change, recorded_at: int) -> Transfer:
    """Return a transfer between partitions, as home knows it, after one more of its events."""
    event = change.event
    if isinstance(event, TransferSent):
        return begun(change, recorded_at, legs=(), crossing=Crossing(event.legs[0].credit_account))
    if transfer is None or transfer.crossing is None:
        raise ValueError(f"{event.TOPIC} is not the next event of a transfer")
    crossing = transfer.crossing
    match event:
        case TransferCompleted():
            crossing = msgspec.structs.replace(crossing, way=Way.COMPLETED)
        case TransferReturned():
            crossing = msgspec.structs.replace(crossing, way=Way.RETURNED, reason=event.reason, detail=event.detail)
        case _:
            raise ValueError(f"{event.TOPIC} is not an event of a transfer between partitions")
    back = crossing.way is Way.RETURNED
    return msgspec.structs.replace(
        transfer,
        version=change.version,
        updated_at=recorded_at,
        crossing=crossing,
        reversed_amount=transfer.amount if back else 0,
        reversed_whole=back,
    )
