"""What a request did: made from the engine's answer, or again from the log, as at its own position.

A repeated request is answered with its first outcome, if it is the same request: same caller, same content.
Otherwise it is REQUEST_ID_REUSED, which tells nothing of the first one.
"""

from typing import NoReturn
from uuid import UUID

import msgspec

from domain import aggregate, ids
from domain.aggregate import Aggregate
from domain.alias import Alias
from domain.authorization import AuthorizationDeclined
from domain.binding import Binding, CardBindingMissed, UnknownBindingTried
from domain.card import Card
from domain.claim import ClaimMade
from domain.command import Command
from domain.crossing import TransferSent
from domain.customer import Customer
from domain.device import Device
from domain.engine import CommandDeclined, EngineStarted, SnapshotTaken
from domain.event import Change, Event
from domain.payment import Payment
from domain.ports import LogReader, Row
from domain.quote import Quote
from domain.refusals import Reason, Refusal, Refused, refuse
from domain.token import Token
from domain.transfer import BatchDeclined, BatchPosted, CreateTransfer, Transfer, TransferDeclined, TransferPosted
from domain.transfer_qr import TransferQr
from ledger.engine.lookup import history
from ledger.engine.tickets import BatchTicket, Repeated
from ledger.log import codec

_NO_OUTCOME = (ClaimMade, EngineStarted, SnapshotTaken)
"""Events that are nobody's request."""


class Done(msgspec.Struct, frozen=True):
    """A request that was carried out. ``subject`` is what it was about, just after ``change``.

    ``position`` is 0 in a trial run. ``change`` holds the request's first event.
    """

    partition: int
    position: int
    recorded_at: int
    request_id: bytes
    caller: str
    replayed: bool
    change: Change
    subject: Aggregate

    @property
    def event(self) -> Event:
        """The request's first event."""
        return self.change.event


def recorded(refusal: Refusal, partition: int, position: int, *, replayed: bool) -> Refusal:
    """Return a refusal that says where it stands in the log; as it is when it stands nowhere."""
    if position == 0:
        return refusal
    where = {"recorded": "true", "partition": str(partition), "position": str(position)}
    return msgspec.structs.replace(
        refusal, metadata={**refusal.metadata, **where, "replayed": "true" if replayed else "false"}
    )


def declined(event: Event) -> Refusal | None:
    """Return the refusal that an event records, None when it records something done."""
    match event:
        case TransferDeclined() | AuthorizationDeclined() | CommandDeclined():
            return Refusal(Reason[event.reason], event.detail)
        case BatchDeclined():
            return Refusal(Reason[event.reason], {**event.detail, "index": str(event.index)})
        case CardBindingMissed() | UnknownBindingTried():
            return refuse(Reason.BINDING_AMOUNT_WRONG, tries_left=event.tries_left)
        case _:
            return None


class Outcomes:
    """Reads first outcomes from the log. Blocking: called in a thread."""

    def __init__(self, log: LogReader, partition: int) -> None:
        self._log = log
        self.partition = partition

    def repeat(self, command: Command | CreateTransfer, request_id: bytes, caller: str, repeated: Repeated) -> Done:
        """Return a request's first outcome; raises Refused when that was a decline, or of another request."""
        row, event = self._at(repeated.position)
        if row.caller != caller or not _same(command, request_id, row, event):
            _reused()
        return granted(self._done(row, event, request_id, replayed=repeated.replayed))

    def repeat_batch(self, ticket: BatchTicket, repeated: Repeated) -> Done:
        """Return an atomic batch's first outcome; raises Refused as ``repeat`` does."""
        row, event = self._at(repeated.position)
        if row.caller != ticket.caller or not isinstance(event, BatchPosted | BatchDeclined):
            _reused()
        if event.fingerprint != ticket.fingerprint:
            _reused()
        return granted(self._done(row, event, ticket.request_id, replayed=repeated.replayed))

    def find(self, request_id: bytes, caller: str, customer: bytes | None = None) -> Done:
        """Return what is recorded under a request id of this caller, a decline too; raises Refused.

        Whoever acts for a customer is told what became of that customer's requests. The id alone proves nothing: a
        transfer's is told to whoever is paid by it, and a code's to whoever scans it.
        """
        position = self.position(request_id)
        unknown = Refused(refuse(Reason.OUTCOME_NOT_FOUND, request_id=ids.format_uuid(request_id)))
        if position is None:
            raise unknown
        row, event = self._at(position)
        made = row.request_id is None and row.originator_id == request_id and not ids.is_reserved(request_id)
        own = row.request_id == request_id or made  # A reserved id is what the ledger gave to what followed.
        if row.caller != caller or not own or isinstance(event, _NO_OUTCOME):
            raise unknown
        done = self._done(row, event, request_id, replayed=True)
        if customer is not None and declined(event) is None and self._customer(done) != customer:
            raise unknown
        return done

    def _customer(self, done: Done) -> bytes | None:
        """Return the customer whose request it was, None where it was no customer's."""
        named = getattr(done.event, "customer", None)
        if isinstance(named, UUID):
            return named.bytes
        match done.subject:
            case Customer(customer_id=customer_id):
                return customer_id
            case Payment(details=details):
                return details.customer.bytes
            case Transfer(quote=bytes() as quote_id):
                quote = self.aggregate(quote_id)
                return quote.customer if isinstance(quote, Quote) else None
            case Card() | Binding() | Token() | Device() | Alias() | TransferQr() as theirs:
                return theirs.customer
            case _:
                return None

    def position(self, request_id: bytes) -> int | None:
        """Return the position at which an id was first recorded, None where it never was."""
        return self._log.find(self.partition, [request_id]).get(request_id)

    def rows(self, after: int, limit: int) -> list[Row]:
        """Return up to ``limit`` rows behind a position."""
        return self._log.read(self.partition, after, limit)

    def batch_members(self, done: Done, count: int) -> list[bytes]:
        """Return the ids of the transfers of an atomic batch, in order."""
        return [row.originator_id for row in self.rows(done.position, count)]

    def aggregate(
        self, originator_id: bytes, *, upto_version: int | None = None, upto_position: int | None = None
    ) -> Aggregate | None:
        """Return an aggregate as at a version or position, None when there was none."""
        rows = self._log.aggregate(self.partition, originator_id, upto_version=upto_version)
        return aggregate.fold(history(row for row in rows if upto_position is None or row.position <= upto_position))

    def subject(self, change: Change, recorded_at: int) -> Aggregate:
        """Return what a change was about, just after it; reads the log unless it is the first of its kind."""
        before = None if change.version == 1 else self.aggregate(change.originator_id, upto_version=change.version - 1)
        return aggregate.evolve(before, change, recorded_at)

    def head(self) -> int:
        """Return the position of the newest event."""
        return self._log.head(self.partition)

    def _at(self, position: int) -> tuple[Row, Event]:
        row = self._log.read(self.partition, position - 1, 1)[0]
        return row, codec.decode(row.topic, row.state)

    def _done(self, row: Row, event: Event, request_id: bytes, *, replayed: bool) -> Done:
        change = Change(row.originator_id, row.originator_version, event)
        return Done(
            partition=row.partition,
            position=row.position,
            recorded_at=row.recorded_at,
            request_id=request_id,
            caller=row.caller,
            replayed=replayed,
            change=change,
            subject=self.subject(change, row.recorded_at),
        )


def granted(done: Done) -> Done:
    """Return an outcome as it is, unless its event records a refusal: then raise that."""
    refusal = declined(done.event)
    if refusal is not None:
        raise Refused(recorded(refusal, done.partition, done.position, replayed=done.replayed))
    return done


def _same(command: Command | CreateTransfer, request_id: bytes, row: Row, event: Event) -> bool:
    """Tell whether an event records this very request."""
    if isinstance(command, CreateTransfer):
        return isinstance(event, TransferPosted | TransferDeclined | TransferSent) and command.same_as(event)
    target = command.target()
    if target is not None and row.originator_id not in (target.bytes, request_id):
        return False
    return fingerprint(event) == command.fingerprint()


def fingerprint(event: Event) -> str:
    """Return what an event keeps of its request's content, empty when it keeps nothing."""
    kept: str = getattr(event, "fingerprint", "")
    return kept


def _reused() -> NoReturn:
    raise Refused(refuse(Reason.REQUEST_ID_REUSED))
