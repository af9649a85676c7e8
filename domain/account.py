"""Accounts: opening, freezing, limits, closing.

An account belongs to a participant (a bank) and has one currency. Only its own life stands in its events;
its balances are a fold over the movements of the whole log, kept in ``domain.books``.

``available = posted - held + overdraft_limit - minimum_balance``. A guarded account never goes below that
except by captures, advices and force posts; settlement, clearing, cash and fee accounts may be negative.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Self
from uuid import UUID

import msgspec
from pydantic import Field, model_validator

from domain import forms
from domain.claim import claim
from domain.command import AccountId, Command, CurrencyCode, Explanation, Limit, ParticipantId, Reference, Tags
from domain.event import Change, Context, Event
from domain.ids import MAX_PARTITIONS, account_originator, account_partition, claim_id
from domain.money import SOM
from domain.refusals import Reason, Refusal, refuse

if TYPE_CHECKING:
    from domain.books import Books

NUMBER_CLAIM = "account_number"


class AccountKind(StrEnum):
    """What an account is for."""

    CUSTOMER = "customer"
    SETTLEMENT = "settlement"
    MERCHANT = "merchant"
    PROVIDER = "provider"
    FEE_INCOME = "fee_income"
    CASH = "cash"
    CLEARING = "clearing"


LEDGER: Final = "esep"
"""The participant that keeps the clearing accounts of transfers between partitions: the ledger itself."""
GUARDED = frozenset({AccountKind.CUSTOMER, AccountKind.MERCHANT, AccountKind.PROVIDER})
"""Kinds whose available balance must cover what leaves them."""


class AccountOpened(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An account was opened, with balance 0.

    Only the ledger's own clearing accounts are ``reserved``: transfers cross to other partitions over them, and nobody
    has anything else done with them.
    """

    TOPIC: ClassVar[str] = "account.opened.v1"

    participant: str
    kind: AccountKind
    currency: str
    number: str = ""
    overdraft_limit: int = 0
    minimum_balance: int = 0
    reference: str = ""
    tags: dict[str, str] = {}
    fingerprint: str = ""
    reserved: bool = False


class AccountFrozen(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An account was frozen for debits, for credits, or both."""

    TOPIC: ClassVar[str] = "account.frozen.v1"

    debits: bool = False
    credits: bool = False
    explanation: str = ""
    fingerprint: str = ""


class AccountUnfrozen(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A freeze was lifted for debits, for credits, or both."""

    TOPIC: ClassVar[str] = "account.unfrozen.v1"

    debits: bool = False
    credits: bool = False
    explanation: str = ""
    fingerprint: str = ""


class OverdraftLimitSet(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The overdraft limit was changed to ``limit`` tyiyn."""

    TOPIC: ClassVar[str] = "account.overdraft_limit_set.v1"

    limit: int
    fingerprint: str = ""


class MinimumBalanceSet(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The minimum balance was changed to ``minimum`` tyiyn."""

    TOPIC: ClassVar[str] = "account.minimum_balance_set.v1"

    minimum: int
    fingerprint: str = ""


class AccountClosed(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An account was closed, at balance 0 with nothing held."""

    TOPIC: ClassVar[str] = "account.closed.v1"

    explanation: str = ""
    fingerprint: str = ""


class Account(msgspec.Struct, frozen=True):
    """An account without its balances, as its own events tell it."""

    account_id: int
    participant: str
    kind: AccountKind
    currency: str
    number: str
    overdraft_limit: int
    minimum_balance: int
    reference: str
    tags: dict[str, str]
    created_at: int
    updated_at: int
    version: int = 1
    debits_frozen: bool = False
    credits_frozen: bool = False
    closed: bool = False
    reserved: bool = False


def evolve(account: Account | None, change: Change, recorded_at: int) -> Account:
    """Return the account after one more of its events."""
    event = change.event
    if isinstance(event, AccountOpened):
        return Account(
            account_id=int.from_bytes(change.originator_id, "big"),
            participant=event.participant,
            kind=event.kind,
            currency=event.currency,
            number=event.number,
            overdraft_limit=event.overdraft_limit,
            minimum_balance=event.minimum_balance,
            reference=event.reference,
            tags=event.tags,
            created_at=recorded_at,
            updated_at=recorded_at,
            reserved=event.reserved,
        )
    if account is None:
        raise ValueError(f"{event.TOPIC} before account.opened")
    changed: dict[str, bool | int]
    match event:
        case AccountFrozen():
            changed = {
                "debits_frozen": account.debits_frozen or event.debits,
                "credits_frozen": account.credits_frozen or event.credits,
            }
        case AccountUnfrozen():
            changed = {
                "debits_frozen": account.debits_frozen and not event.debits,
                "credits_frozen": account.credits_frozen and not event.credits,
            }
        case OverdraftLimitSet():
            changed = {"overdraft_limit": event.limit}
        case MinimumBalanceSet():
            changed = {"minimum_balance": event.minimum}
        case AccountClosed():
            changed = {"closed": True}
        case _:
            raise ValueError(f"{event.TOPIC} is not an event of an account")
    return msgspec.structs.replace(account, version=change.version, updated_at=recorded_at, **changed)


class OpenAccount(Command):
    """Open an account at a participant."""

    NAME: ClassVar[str] = "open_account"

    participant_id: ParticipantId
    kind: AccountKind
    currency_code: CurrencyCode = SOM
    account_number: Annotated[str, Field(pattern=forms.whole_or_empty(forms.ACCOUNT_NUMBER))] = ""
    overdraft_limit_tyiyn: Limit = 0
    minimum_balance_tyiyn: Limit = 0
    reference: Reference = ""
    tags: Tags = {}
    partition: Annotated[int, Field(strict=True, ge=0, lt=MAX_PARTITIONS)] = 0
    """Where the account lives, for good."""

    @model_validator(mode="after")
    def _numbered_in_the_first(self) -> Self:
        if self.account_number and self.partition:
            raise ValueError("has an account_number, which is claimed in partition 0 alone, and lives in another")
        return self

    def decided_in(self) -> int:
        """Return where the account will live."""
        return self.partition

    def claims(self) -> tuple[bytes, ...]:
        """Return the claim on the account's number."""
        return (claim_id(NUMBER_CLAIM, self._number_key()),) if self.account_number else ()

    def _number_key(self) -> str:
        return f"{self.participant_id}/{self.account_number}"

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Open the account under the next index; its number is claimed for its participant."""
        currency = self.currency_code or SOM
        if currency not in context.policy.currencies:
            return refuse(Reason.CURRENCY_UNKNOWN, currencies=", ".join(sorted(context.policy.currencies)))
        account = books.accounts.next_id()
        opened = AccountOpened(
            participant=self.participant_id,
            kind=self.kind,
            currency=currency,
            number=self.account_number,
            overdraft_limit=self.overdraft_limit_tyiyn,
            minimum_balance=self.minimum_balance_tyiyn,
            reference=self.reference,
            tags=self.tags,
            fingerprint=self.fingerprint(),
        )
        changes = [Change(account_originator(account), 1, opened)]
        if self.account_number:
            key = self._number_key()
            if books.claim(NUMBER_CLAIM, key) is not None:
                return refuse(Reason.ACCOUNT_NUMBER_TAKEN)
            changes.append(claim(NUMBER_CLAIM, key, holder=account_originator(account)))
        return changes


class _LifecycleCommand(Command):
    """A command on one existing account, with the version the caller expects it to have."""

    account_id: AccountId
    expected_version: Annotated[int, Field(ge=1)] | None = None

    def decided_in(self) -> int:
        return account_partition(self.account_id)

    def touched_accounts(self, books: "Books") -> tuple[int, ...]:
        return (self.account_id,)

    def target(self) -> UUID:
        return UUID(int=self.account_id)

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        accounts = books.accounts
        index = accounts.find(self.account_id)
        if index < 0:
            return refuse(Reason.ACCOUNT_NOT_FOUND, account_id=self.account_id)
        version = accounts.version[index]
        if self.expected_version is not None and self.expected_version != version:
            return refuse(Reason.EXPECTED_VERSION_MISMATCH, expected=self.expected_version, actual=version)
        if accounts.is_closed(index):
            return refuse(Reason.ACCOUNT_CLOSED, account_id=self.account_id)
        refusal = accounts.reserved_refusal(index) or self._guard(books, index)
        if refusal is not None:
            return refusal
        return [Change(account_originator(self.account_id), version + 1, self._event())]

    def _guard(self, books: "Books", index: int) -> Refusal | None:
        return None

    def _event(self) -> Event:
        raise TypeError("a lifecycle command names its event")


class _Directed(_LifecycleCommand):
    """A command about debits, credits, or both."""

    debits: bool = False
    credits: bool = False
    explanation: Explanation = ""

    @model_validator(mode="after")
    def _some_direction(self) -> Self:
        if not (self.debits or self.credits):
            raise ValueError("names neither debits nor credits")
        return self


class FreezeAccount(_Directed):
    """Forbid debits, credits, or both."""

    NAME: ClassVar[str] = "freeze_account"

    def _event(self) -> Event:
        return AccountFrozen(
            debits=self.debits, credits=self.credits, explanation=self.explanation, fingerprint=self.fingerprint()
        )


class UnfreezeAccount(_Directed):
    """Allow debits, credits, or both again."""

    NAME: ClassVar[str] = "unfreeze_account"

    def _event(self) -> Event:
        return AccountUnfrozen(
            debits=self.debits, credits=self.credits, explanation=self.explanation, fingerprint=self.fingerprint()
        )


class SetOverdraftLimit(_LifecycleCommand):
    """Change how far below zero the posted balance may go."""

    NAME: ClassVar[str] = "set_overdraft_limit"

    overdraft_limit_tyiyn: Limit

    def _event(self) -> Event:
        return OverdraftLimitSet(limit=self.overdraft_limit_tyiyn, fingerprint=self.fingerprint())


class SetMinimumBalance(_LifecycleCommand):
    """Change the part of the balance that must stay on the account."""

    NAME: ClassVar[str] = "set_minimum_balance"

    minimum_balance_tyiyn: Limit

    def _event(self) -> Event:
        return MinimumBalanceSet(minimum=self.minimum_balance_tyiyn, fingerprint=self.fingerprint())


class CloseAccount(_LifecycleCommand):
    """Close an account at balance 0 with nothing held."""

    NAME: ClassVar[str] = "close_account"

    explanation: Explanation = ""

    def _guard(self, books: "Books", index: int) -> Refusal | None:
        posted, held = books.accounts.posted[index], books.accounts.held[index]
        if posted != 0 or held != 0 or books.holds.get(self.account_id):
            return refuse(Reason.ACCOUNT_NOT_EMPTY, posted_tyiyn=posted, held_tyiyn=held)
        sent = books.sent_from(self.account_id)
        if sent:  # It may come back.
            return refuse(Reason.ACCOUNT_NOT_EMPTY, posted_tyiyn=posted, held_tyiyn=held, in_transit_tyiyn=sent)
        return None

    def _event(self) -> Event:
        return AccountClosed(explanation=self.explanation, fingerprint=self.fingerprint())
