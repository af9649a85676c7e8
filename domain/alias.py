"""Aliases: a phone number that stands for one card of one customer, so that people can be paid by it.

The number itself is personal data. The vault keeps one row for each number, a keyed hash that leads to a random alias
id; the events of that alias hold the number encrypted under the key of the customer whose card it leads to. Linking
another card, or another customer's, is the next event of the same alias: whoever had the number before stays in its
history, and two customers who link one number at the same moment are decided one after the other.

Who links a number shows that it is theirs by the code that was sent to it. The one exception is a number that the
customer confirmed when registering, as long as it leads nowhere.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final
from uuid import UUID

import msgspec
from pydantic import Field

from domain.card import usable
from domain.command import Command
from domain.credentials import Verdict
from domain.customer import Customer
from domain.event import Change, Context, Event
from domain.refusals import Reason, Refusal, refuse

if TYPE_CHECKING:
    from domain.books import Books


class AliasLinked(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A phone number leads to a customer's card from now on; ``phone`` is encrypted under that customer's key.

    ``verdict`` is how the code showed that the number is the customer's: absent where it is that of the registration.
    """

    TOPIC: ClassVar[str] = "alias.linked.v1"

    customer: UUID
    card: UUID
    phone: bytes
    fingerprint: str = ""
    verdict: Verdict = Verdict.RIGHT


class AliasUnlinked(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A phone number leads nowhere any more."""

    TOPIC: ClassVar[str] = "alias.unlinked.v1"

    fingerprint: str = ""


class Alias(msgspec.Struct, frozen=True):
    """Where a phone number leads, or led last."""

    alias_id: bytes
    customer: bytes
    card: bytes
    phone: bytes
    linked: bool
    created_at: int
    updated_at: int
    version: int = 1


def evolve(alias: Alias | None, change: Change, recorded_at: int) -> Alias:
    """Return the alias after one more of its events."""
    match change.event:
        case AliasLinked() as event:
            return Alias(
                alias_id=change.originator_id,
                customer=event.customer.bytes,
                card=event.card.bytes,
                phone=event.phone,
                linked=True,
                created_at=recorded_at if alias is None else alias.created_at,
                updated_at=recorded_at,
                version=change.version,
            )
        case AliasUnlinked() if alias is not None:
            return msgspec.structs.replace(alias, linked=False, version=change.version, updated_at=recorded_at)
        case event:
            raise ValueError(f"{event.TOPIC} is not the next event of an alias")


def find_alias(books: "Books", alias_id: bytes) -> Alias | None:
    """Return an alias that leads somewhere, None for any other: also when its customer was erased."""
    alias = books.aggregate(alias_id)
    if not isinstance(alias, Alias) or not alias.linked:
        return None
    customer = books.aggregate(alias.customer)
    return alias if isinstance(customer, Customer) and not customer.erased else None


CODE_REFUSALS: Final = {
    Verdict.WRONG: Reason.ALIAS_CODE_WRONG,
    Verdict.LOCKED: Reason.ALIAS_CODE_LOCKED,
    Verdict.LAPSED: Reason.ALIAS_CODE_EXPIRED,
    Verdict.ABSENT: Reason.ALIAS_CODE_REQUIRED,
}
"""Why a code does not show that the number is the customer's, by how the try of it ended."""


class LinkPhone(Command):
    """Let a phone number lead to a card, with a code that has been tried.

    ``own`` says that the vault knows the number as the one with which this customer registered and confirmed.
    """

    NAME: ClassVar[str] = "link_phone"
    SECRETS: ClassVar[frozenset[str]] = frozenset({"phone", "own", "verdict", "tries_left"})
    UNKEPT: ClassVar[Mapping[str, Any]] = {"phone": b""}

    alias_id: UUID
    customer_id: UUID
    card_id: UUID
    phone: bytes
    own: bool
    verdict: Verdict
    tries_left: Annotated[int, Field(ge=0)] = 0

    def target(self) -> UUID:
        return self.alias_id

    def needs(self) -> tuple[bytes, ...]:
        return (self.alias_id.bytes, self.card_id.bytes, self.customer_id.bytes)

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: the card is the customer's and usable, the number is the customer's, something changes."""
        payer = usable(books, self.card_id.bytes, self.customer_id.bytes, context.now)
        if isinstance(payer, Refusal):
            return payer
        last = books.aggregate(self.alias_id.bytes)
        version = last.version if isinstance(last, Alias) else 0
        linked = find_alias(books, self.alias_id.bytes)
        if self.verdict is not Verdict.RIGHT and not (self.verdict is Verdict.ABSENT and self.own and linked is None):
            figures = {"tries_left": self.tries_left} if self.verdict is Verdict.WRONG else {}
            return refuse(CODE_REFUSALS[self.verdict], customer_id=self.customer_id, **figures)
        if linked is not None and (linked.customer, linked.card) == (self.customer_id.bytes, self.card_id.bytes):
            return refuse(Reason.ALIAS_ALREADY_LINKED, alias_id=self.alias_id)
        event = AliasLinked(
            customer=self.customer_id,
            card=self.card_id,
            phone=self.phone,
            fingerprint=self.fingerprint(),
            verdict=self.verdict,
        )
        return [Change(self.alias_id.bytes, version + 1, event)]


class UnlinkPhone(Command):
    """Let the phone number of an alias lead nowhere."""

    NAME: ClassVar[str] = "unlink_phone"

    alias_id: UUID
    customer_id: UUID

    def target(self) -> UUID:
        return self.alias_id

    def needs(self) -> tuple[bytes, ...]:
        return (self.alias_id.bytes,)

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: the alias is this customer's, it leads somewhere."""
        alias = books.aggregate(self.alias_id.bytes)
        if not isinstance(alias, Alias) or alias.customer != self.customer_id.bytes:
            return refuse(Reason.ALIAS_NOT_FOUND, alias_id=self.alias_id)
        if not alias.linked:
            return refuse(Reason.ALIAS_NOT_LINKED, alias_id=self.alias_id)
        return [Change(alias.alias_id, alias.version + 1, AliasUnlinked(fingerprint=self.fingerprint()))]
