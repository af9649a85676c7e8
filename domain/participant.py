"""Participants: the banks of the scheme, with the accounts through which they settle and earn.

An account may name a participant that was never registered: its bank has no settlement account then, and nothing
that passes between banks reaches it. Registering gives a bank its names and its two accounts of the ledger.
"""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar
from uuid import UUID

import msgspec
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from domain.account import AccountKind
from domain.columns import KINDS
from domain.command import AccountId, Command, ParticipantId, printable
from domain.event import Change, Context, Event
from domain.ids import claim_id
from domain.money import SOM
from domain.refusals import Reason, Refusal, invalid, refuse

if TYPE_CHECKING:
    from domain.books import Books

Name = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(printable)]


class Names(msgspec.Struct, frozen=True, gc=False):
    """A name in the languages of the scheme."""

    ky: str
    ru: str
    en: str


class ParticipantRegistered(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A bank joined, with its settlement account and the account its fees go to."""

    TOPIC: ClassVar[str] = "participant.registered.v1"

    participant: str
    names: Names
    settlement_account: int
    fee_account: int
    fingerprint: str = ""


class ParticipantUpdated(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A bank's names and accounts are these from now on."""

    TOPIC: ClassVar[str] = "participant.updated.v1"

    participant: str
    names: Names
    settlement_account: int
    fee_account: int
    fingerprint: str = ""


class Participant(msgspec.Struct, frozen=True):
    """A bank as its events tell it."""

    participant: str
    names: Names
    settlement_account: int
    fee_account: int
    created_at: int
    updated_at: int
    version: int = 1


def participant_key(participant: str) -> bytes:
    """Return the id of a participant's aggregate."""
    return claim_id("participant", participant)


def find_participant(books: "Books", participant: str) -> Participant | None:
    """Return a bank that is registered, None for one that is not."""
    found = books.aggregate(participant_key(participant))
    return found if isinstance(found, Participant) else None


def evolve(state: Participant | None, change: Change, recorded_at: int) -> Participant:
    """Return the participant after one more of its events."""
    match change.event:
        case ParticipantRegistered() as event if state is None:
            created_at = recorded_at
        case ParticipantUpdated() as event if state is not None:
            created_at = state.created_at
        case _:
            raise ValueError(f"{change.event.TOPIC} is not the next event of a participant")
    return Participant(
        participant=event.participant,
        names=event.names,
        settlement_account=event.settlement_account,
        fee_account=event.fee_account,
        created_at=created_at,
        updated_at=recorded_at,
        version=change.version,
    )


class NamesModel(BaseModel):
    """The rules of a name's fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ky: Name
    ru: Name
    en: Name

    def struct(self) -> Names:
        """Return the names as events hold them."""
        return Names(self.ky, self.ru, self.en)


class _OnParticipant(Command):
    """What both commands say of a bank."""

    participant_id: ParticipantId
    names: NamesModel
    settlement_account_id: AccountId
    fee_account_id: AccountId

    def target(self) -> UUID:
        return UUID(bytes=participant_key(self.participant_id))

    def needs(self) -> tuple[bytes, ...]:
        return (participant_key(self.participant_id),)

    def _wrong_account(self, books: "Books") -> Refusal | None:
        """Return what is wrong with an account: unknown, of another bank, kind or currency, or closed."""
        wanted = (
            ("settlement_account_id", self.settlement_account_id, AccountKind.SETTLEMENT),
            ("fee_account_id", self.fee_account_id, AccountKind.FEE_INCOME),
        )
        for field, account, kind in wanted:
            facts = books.facts(account)
            if facts is None:
                return refuse(Reason.ACCOUNT_NOT_FOUND, account_id=account)
            if facts[0] != self.participant_id:
                return invalid(field, "PARTICIPANT", "is an account of another participant")
            index = books.accounts.find(account)
            if KINDS[books.accounts.kind[index]] is not kind:
                return invalid(field, "KIND", f"is no account of the kind {kind}")
            if facts[1] != SOM:
                return invalid(field, "CURRENCY", f"is not kept in {SOM}")
            if books.accounts.is_closed(index):
                return refuse(Reason.ACCOUNT_CLOSED, account_id=account)
        return None

    def _fields(self) -> dict[str, Any]:
        return {
            "participant": self.participant_id,
            "names": self.names.struct(),
            "settlement_account": self.settlement_account_id,
            "fee_account": self.fee_account_id,
            "fingerprint": self.fingerprint(),
        }


class RegisterParticipant(_OnParticipant):
    """Register a bank."""

    NAME: ClassVar[str] = "register_participant"

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: not registered yet, the two accounts."""
        if find_participant(books, self.participant_id) is not None:
            return refuse(Reason.PARTICIPANT_ALREADY_REGISTERED, participant_id=self.participant_id)
        wrong = self._wrong_account(books)
        if wrong is not None:
            return wrong
        return [Change(participant_key(self.participant_id), 1, ParticipantRegistered(**self._fields()))]


class UpdateParticipant(_OnParticipant):
    """Give a registered bank other names or accounts: all of them are given anew."""

    NAME: ClassVar[str] = "update_participant"

    expected_version: Annotated[int, Field(ge=1)] | None = None

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: registered, the expected version, the two accounts."""
        found = find_participant(books, self.participant_id)
        if found is None:
            return refuse(Reason.PARTICIPANT_NOT_FOUND, participant_id=self.participant_id)
        if self.expected_version not in (None, found.version):
            return refuse(Reason.EXPECTED_VERSION_MISMATCH, expected=self.expected_version, actual=found.version)
        wrong = self._wrong_account(books)
        if wrong is not None:
            return wrong
        event = ParticipantUpdated(**self._fields())
        return [Change(participant_key(self.participant_id), found.version + 1, event)]
