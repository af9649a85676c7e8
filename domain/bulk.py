"""Bulks: thousands of movements in columns, decided together, and recorded as one event.

A bulk is one aggregate with one key, its request id. A movement in it is known by the bulk and its leg, its place in
the columns; it can be reversed like any transfer. What was refused stands in the event too, with the reasons: the event
holds all that was asked for.
"""

from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Annotated, ClassVar
from uuid import UUID

import msgspec
import numpy as np
from pydantic import ConfigDict, Field

from domain.command import (
    FINGERPRINT_BYTES,
    Amount,
    Command,
    CurrencyCode,
    EffectiveTime,
    Explanation,
    Reference,
    effective_refusal,
)
from domain.event import Change, Context, Event, Leg
from domain.legs import MAX_LEGS, STORED, Legs, Numbers, RefusedLeg, refused_legs, unknown_accounts
from domain.refusals import Reason, Refusal, refuse
from domain.transfer import REVERSAL, CallersKind, CreateTransfer

if TYPE_CHECKING:
    from domain.books import Books


class BulkPosted(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A bulk of ``count`` legs was posted; those in ``refused`` moved nothing, all others did.

    ``debit_accounts``, ``credit_accounts`` and ``amounts`` are columns. Each is a text in base64 (RFC 4648, section 4:
    the standard alphabet, with padding) of exactly 8 × ``count`` bytes: leg 0 first, for each leg a signed whole number
    of 64 bits in two's complement, the lowest byte first (little-endian), with nothing in between. Leg ``i`` moves
    ``amounts[i]`` tyiyn from account ``debit_accounts[i]`` to account ``credit_accounts[i]``. ``references`` has a text
    for each leg, or is left out where none has one. ``refused`` names legs by their places, ascending, each with the
    reason and the account that stood in the way. ``effective_time`` is None where it equals the recorded time.
    """

    TOPIC: ClassVar[str] = "bulk.posted.v1"

    count: int
    debit_accounts: bytes
    credit_accounts: bytes
    amounts: bytes
    currency: str
    kind: str = "transfer"
    references: tuple[str, ...] = ()
    refused: tuple[RefusedLeg, ...] = ()
    effective_time: int | None = None
    fingerprint: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError for columns that do not fit together."""
        columns = (self.debit_accounts, self.credit_accounts, self.amounts)
        if any(len(column) != STORED.itemsize * self.count for column in columns):
            raise ValueError(f"the columns are not of {self.count} legs")
        if len(self.references) not in (0, self.count):
            raise ValueError(f"the references are not of {self.count} legs")
        refused = [each.leg for each in self.refused]
        if refused and (refused != sorted(set(refused)) or refused[0] < 0 or refused[-1] >= self.count):
            raise ValueError("the refused legs are not legs in their order")

    @property
    def moves(self) -> bool:
        """Whether any leg moved money."""
        return len(self.refused) < self.count


class BulkLegReversed(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A leg of a bulk was undone, whole or in part: ``legs`` move the money back."""

    TOPIC: ClassVar[str] = "bulk.leg_reversed.v1"

    leg: int
    legs: tuple[Leg, ...]
    explanation: str = ""
    fingerprint: str = ""


def asked_legs(event: BulkPosted) -> Legs:
    """Return every leg of a bulk, refused or not."""
    return Legs.of(event.debit_accounts, event.credit_accounts, event.amounts)


def posted_numbers(event: BulkPosted) -> Numbers:
    """Return the numbers of the legs that moved money, ascending."""
    if not event.refused:
        return np.arange(event.count)
    return np.delete(np.arange(event.count), [each.leg for each in event.refused])


def posted_legs(event: BulkPosted) -> Legs:
    """Return the legs of a bulk that moved money."""
    legs = asked_legs(event)
    return legs.taken(posted_numbers(event)) if event.refused else legs


class Bulk(msgspec.Struct, frozen=True):
    """A bulk and what has been reversed of its legs."""

    bulk_id: bytes
    posted: BulkPosted
    effective_time: int
    created_at: int
    updated_at: int
    version: int = 1
    reversed: dict[int, int] = {}
    """How much was moved back, by leg."""

    def leg(self, number: int) -> Leg | None:
        """Return a leg that moved money, None where there is none with this number."""
        posted = self.posted
        if not 0 <= number < posted.count or self.refusal(number) is not None:
            return None
        debits, credits_, amounts = asked_legs(posted)
        return Leg(posted.kind, int(debits[number]), int(credits_[number]), int(amounts[number]))

    def refusal(self, number: int) -> RefusedLeg | None:
        """Return why a leg moved nothing, None where it did."""
        return next((each for each in self.posted.refused if each.leg == number), None)


def evolve(bulk: Bulk | None, change: Change, recorded_at: int) -> Bulk:
    """Return the bulk after one more of its events."""
    event = change.event
    if isinstance(event, BulkPosted):
        return Bulk(
            bulk_id=change.originator_id,
            posted=event,
            effective_time=recorded_at if event.effective_time is None else event.effective_time,
            created_at=recorded_at,
            updated_at=recorded_at,
        )
    if bulk is None or not isinstance(event, BulkLegReversed):
        raise ValueError(f"{event.TOPIC} is not the next event of a bulk")
    back = bulk.reversed.get(event.leg, 0) + sum(leg.amount for leg in event.legs)
    return msgspec.structs.replace(
        bulk, version=change.version, updated_at=recorded_at, reversed={**bulk.reversed, event.leg: back}
    )


class PostBulk(Command):
    """Move money many times. The columns are as they stand in the event; ``request_id`` becomes the bulk's id.

    Whoever makes one has seen to it that the columns are of the same length and ``legs.violations`` finds nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")

    NAME: ClassVar[str] = "post_bulk"

    debit_account_ids: bytes
    credit_account_ids: bytes
    amounts_tyiyn: bytes
    references: Annotated[tuple[Reference, ...], Field(max_length=MAX_LEGS)] = ()
    currency_code: CurrencyCode = ""
    kind: CallersKind = "transfer"
    effective_time: EffectiveTime | None = None

    @cached_property
    def legs(self) -> Legs:
        """The legs as arrays."""
        return Legs.of(self.debit_account_ids, self.credit_account_ids, self.amounts_tyiyn)

    @cached_property
    def _fingerprint(self) -> str:
        rest = msgspec.json.encode([self.NAME, self.currency_code, self.kind, self.effective_time, self.references])
        found = blake2b(rest, digest_size=FINGERPRINT_BYTES)
        for column in (self.debit_account_ids, self.credit_account_ids, self.amounts_tyiyn):
            found.update(column)
        return found.hexdigest()

    def fingerprint(self) -> str:
        """Return what tells this bulk from any other; made once, because it goes through every column."""
        return self._fingerprint

    def touched_accounts(self, books: "Books") -> tuple[int, ...]:
        """Return the accounts that money would leave."""
        return tuple(self.legs.payers)

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Post the bulk: every leg that can be, in the order of the legs; the refused ones stand beside them."""
        unknown = unknown_accounts(books.accounts, self.legs)
        if unknown:
            return Refusal(Reason.ACCOUNTS_UNKNOWN, violations=tuple(unknown))
        refusal = effective_refusal(self.effective_time, context)
        if refusal is not None:
            return refusal
        accounts = books.accounts
        first = accounts.currency[accounts.find(int(self.legs.debits[0]))]
        currency = self.currency_code or books.currencies[first]
        number = books.currencies.index(currency) if currency in books.currencies else -1
        posted = BulkPosted(
            count=len(self.legs.amounts),
            debit_accounts=self.debit_account_ids,
            credit_accounts=self.credit_account_ids,
            amounts=self.amounts_tyiyn,
            currency=currency,
            kind=self.kind,
            references=self.references,
            refused=refused_legs(accounts, self.legs, number),
            effective_time=self.effective_time,
            fingerprint=self.fingerprint(),
        )
        return [Change(context.request_id, 1, posted)]


class ReverseBulkLeg(Command):
    """Move the money of one leg back: all that is left of it, or ``amount_tyiyn``."""

    NAME: ClassVar[str] = "reverse_bulk_leg"

    bulk_id: UUID
    leg: Annotated[int, Field(strict=True, ge=0, lt=MAX_LEGS)]
    amount_tyiyn: Amount | None = None
    explanation: Explanation = ""

    def target(self) -> UUID:
        """Return the bulk's id."""
        return self.bulk_id

    def needs(self) -> tuple[bytes, ...]:
        """Return the bulk."""
        return (self.bulk_id.bytes,)

    def touched_accounts(self, books: "Books") -> tuple[int, ...]:
        """Return the account money would leave: the one that the leg credited."""
        bulk = books.aggregate(self.bulk_id.bytes)
        leg = bulk.leg(self.leg) if isinstance(bulk, Bulk) else None
        return () if leg is None else (leg.credit_account,)

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Reverse what is left, if the credited account can give it back."""
        bulk = books.aggregate(self.bulk_id.bytes)
        if not isinstance(bulk, Bulk):
            return refuse(Reason.BULK_NOT_FOUND, bulk_id=self.bulk_id)
        leg = bulk.leg(self.leg)
        if leg is None:
            return refuse(Reason.BULK_LEG_NOT_FOUND, bulk_id=self.bulk_id, leg=self.leg)
        left = leg.amount - bulk.reversed.get(self.leg, 0)
        if not left:
            return refuse(Reason.ALREADY_REVERSED, bulk_id=self.bulk_id, leg=self.leg)
        amount = left if self.amount_tyiyn is None else self.amount_tyiyn
        if amount > left:
            return refuse(Reason.OVER_REVERSAL, remaining_tyiyn=left)
        refusal = CreateTransfer(b"", leg.credit_account, leg.debit_account, amount).guard(books, context)
        if refusal is not None:
            return refusal
        event = BulkLegReversed(
            leg=self.leg,
            legs=(Leg(REVERSAL, leg.credit_account, leg.debit_account, amount),),
            explanation=self.explanation,
            fingerprint=self.fingerprint(),
        )
        return [Change(self.bulk_id.bytes, bulk.version + 1, event)]
