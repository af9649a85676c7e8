"""Payees: who is paid for services and at tills, and the account that the money reaches.

A payee is known by a code: a provider by its id in the directory of services, a merchant by its id in QR codes.
The code is claimed by the id of the aggregate itself, so that one code never stands for two accounts. Payees are
businesses: nothing here is personal.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, ClassVar
from uuid import UUID

import msgspec
from pydantic import Field

from domain.account import AccountKind
from domain.columns import KINDS
from domain.command import AccountId, Command, MerchantCategoryCode, MerchantName, ParticipantId, Reference
from domain.event import Change, Context, Event
from domain.ids import claim_id
from domain.refusals import Reason, Refusal, refuse

if TYPE_CHECKING:
    from domain.books import Books

PayeeCode = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:/-]{1,64}$")]


class PayeeKind(StrEnum):
    """How a payee comes to be paid."""

    PROVIDER = "provider"
    """Services of the directory; it is asked before it is paid."""
    MERCHANT = "merchant"
    """Goods at a till, by a QR code; it is paid at once."""


ACCOUNTS = {PayeeKind.PROVIDER: AccountKind.PROVIDER, PayeeKind.MERCHANT: AccountKind.MERCHANT}
"""The kind of account that a payee of each kind is paid into."""


class PayeeRegistered(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A payee can be paid from now on, into ``account``."""

    TOPIC: ClassVar[str] = "payee.registered.v1"

    kind: PayeeKind
    code: str
    participant: str
    account: int
    name: str
    merchant_category_code: str = ""
    reference: str = ""
    fingerprint: str = ""


class PayeeUpdated(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A payee's name or account was changed, or it was switched off or on; payments under way are not touched."""

    TOPIC: ClassVar[str] = "payee.updated.v1"

    account: int
    name: str
    active: bool
    fingerprint: str = ""


class Payee(msgspec.Struct, frozen=True):
    """A payee as the events tell it."""

    payee_id: bytes
    kind: PayeeKind
    code: str
    participant: str
    account: int
    name: str
    merchant_category_code: str
    reference: str
    created_at: int
    updated_at: int
    version: int = 1
    active: bool = True


def payee_id(kind: PayeeKind, code: str) -> bytes:
    """Return the id of the payee with this code."""
    return claim_id(f"payee:{kind.value}", code)


def evolve(payee: Payee | None, change: Change, recorded_at: int) -> Payee:
    """Return the payee after one more of its events."""
    event = change.event
    if isinstance(event, PayeeRegistered):
        return Payee(
            payee_id=change.originator_id,
            kind=event.kind,
            code=event.code,
            participant=event.participant,
            account=event.account,
            name=event.name,
            merchant_category_code=event.merchant_category_code,
            reference=event.reference,
            created_at=recorded_at,
            updated_at=recorded_at,
        )
    if payee is None or not isinstance(event, PayeeUpdated):
        raise ValueError(f"{event.TOPIC} is not the next event of a payee")
    return msgspec.structs.replace(
        payee,
        version=change.version,
        updated_at=recorded_at,
        account=event.account,
        name=event.name,
        active=event.active,
    )


def payee_refusal(books: "Books", kind: PayeeKind, participant: str, account: int) -> Refusal | None:
    """Return why an account cannot be the one that a payee of this kind and bank is paid into."""
    accounts = books.accounts
    index = accounts.find(account)
    if index < 0:
        return refuse(Reason.ACCOUNT_NOT_FOUND, account_id=account)
    keeper = books.names.participants[accounts.participant[index]]
    if keeper != participant or KINDS[accounts.kind[index]] is not ACCOUNTS[kind]:
        return refuse(Reason.PAYEE_ACCOUNT_UNFIT, account_id=account)
    if accounts.is_closed(index):
        return refuse(Reason.ACCOUNT_CLOSED, account_id=account)
    return None


class RegisterPayee(Command):
    """Let a business be paid by its code."""

    NAME: ClassVar[str] = "register_payee"

    kind: PayeeKind
    code: PayeeCode
    participant_id: ParticipantId
    account_id: AccountId
    name: Annotated[MerchantName, Field(min_length=1)]
    merchant_category_code: MerchantCategoryCode = ""
    reference: Reference = ""

    def target(self) -> UUID:
        """Return the id that follows from the code."""
        return UUID(bytes=payee_id(self.kind, self.code))

    def needs(self) -> tuple[bytes, ...]:
        """Return the payee that may have the code already."""
        return (payee_id(self.kind, self.code),)

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: account, code."""
        refusal = payee_refusal(books, self.kind, self.participant_id, self.account_id)
        if refusal is not None:
            return refusal
        key = payee_id(self.kind, self.code)
        if books.aggregate(key) is not None:
            return refuse(Reason.PAYEE_CODE_TAKEN, kind=self.kind.value, code=self.code)
        registered = PayeeRegistered(
            kind=self.kind,
            code=self.code,
            participant=self.participant_id,
            account=self.account_id,
            name=self.name,
            merchant_category_code=self.merchant_category_code,
            reference=self.reference,
            fingerprint=self.fingerprint(),
        )
        return [Change(key, 1, registered)]


class UpdatePayee(Command):
    """Change a payee's name or account, or switch it off or on."""

    NAME: ClassVar[str] = "update_payee"

    payee_id: UUID
    account_id: AccountId
    name: Annotated[MerchantName, Field(min_length=1)]
    active: bool
    expected_version: Annotated[int, Field(ge=1)] | None = None

    def target(self) -> UUID:
        """Return the payee's id."""
        return self.payee_id

    def needs(self) -> tuple[bytes, ...]:
        """Return the payee."""
        return (self.payee_id.bytes,)

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: known, version, account."""
        payee = books.aggregate(self.payee_id.bytes)
        if not isinstance(payee, Payee):
            return refuse(Reason.PAYEE_NOT_FOUND, payee_id=self.payee_id)
        if self.expected_version not in (None, payee.version):
            return refuse(Reason.EXPECTED_VERSION_MISMATCH, expected=self.expected_version, actual=payee.version)
        refusal = payee_refusal(books, payee.kind, payee.participant, self.account_id)
        if refusal is not None:
            return refusal
        updated = PayeeUpdated(
            account=self.account_id, name=self.name, active=self.active, fingerprint=self.fingerprint()
        )
        return [Change(payee.payee_id, payee.version + 1, updated)]
