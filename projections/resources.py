"""Things that people list: cards, payments, payees and whatever else is folded by the domain and belongs to somebody.

One pair of tables serves them all: each thing as the domain folded it, and a row for each of its owners, so that a
list is one read along an index. A new kind of thing is a row of ``KINDS``, not a table.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Any, Final, NamedTuple

import msgspec

from domain import aggregate, card, payee, payment
from domain.event import Change, Event
from domain.payment import PaymentState
from projections.answers import BEGINNING, END, RecordCursor
from projections.batch import Batch, Ledger
from projections.schema import resource_owners, resources
from projections.store import Session, Values, Writer, select_many

LAPSED: Final = "lapsed"
"""The state shown of what nobody took up in time; no event says so."""

_NEVER: Final = 2**63 - 1


class Kind(NamedTuple):
    """A kind of thing: what it is folded into, whose it is, how it stands, and until when it may lapse."""

    name: str
    struct: type[msgspec.Struct]
    owners: Callable[[Any], Iterable[str]]
    state: Callable[[Any], str]
    lapses_at: Callable[[Any], int | None] = lambda _: None


class Found(NamedTuple):
    """A thing in a list, and where the list goes on after it."""

    resource: Any
    cursor: RecordCursor


def customer_owner(customer_id: bytes) -> str:
    """Return how a customer is named as an owner."""
    return f"customer:{customer_id.hex()}"


def participant_owner(participant: str) -> str:
    """Return how a bank is named as an owner."""
    return f"participant:{participant}"


def payee_owner(payee_id: bytes) -> str:
    """Return how a payee is named as an owner."""
    return f"payee:{payee_id.hex()}"


def account_owner(account_id: int) -> str:
    """Return how an account is named as an owner."""
    return f"account:{account_id}"


def _card_owners(one: card.Card) -> Iterable[str]:
    yield participant_owner(one.participant)
    yield account_owner(one.account)
    if one.customer is not None:
        yield customer_owner(one.customer)


def _payment_owners(one: payment.Payment) -> Iterable[str]:
    details = one.details
    yield customer_owner(details.customer.bytes)
    yield participant_owner(details.participant)
    yield payee_owner(details.payee.bytes)


CARD: Final = Kind("card", card.Card, _card_owners, lambda one: one.status.value)
"""A card is its bank's, its account's and that of the customer to whom it is bound."""
PAYMENT: Final = Kind(
    "payment",
    payment.Payment,
    _payment_owners,
    lambda one: one.state.value,
    lambda one: one.expires_at if one.state is PaymentState.PREPARED else None,
)
PAYEE: Final = Kind(
    "payee",
    payee.Payee,
    lambda one: [participant_owner(one.participant)],
    lambda one: "active" if one.active else "inactive",
)

KINDS: Final[dict[type[Event], Kind]] = {
    card.CardIssued: CARD,
    card.CardBlocked: CARD,
    card.CardUnblocked: CARD,
    card.CardReportedLost: CARD,
    card.CardReplaced: CARD,
    card.CardRenewed: CARD,
    card.CardClosed: CARD,
    card.CardNotificationsSet: CARD,
    card.CardBindingOpened: CARD,
    card.CardBound: CARD,
    card.CardUnbound: CARD,
    card.CardTokensLinked: CARD,
    card.CardTokensUnlinked: CARD,
    payment.PaymentPrepared: PAYMENT,
    payment.PaymentConfirmed: PAYMENT,
    payment.ProviderAsked: PAYMENT,
    payment.PaymentUnresolved: PAYMENT,
    payment.PaymentSucceeded: PAYMENT,
    payment.PaymentFailed: PAYMENT,
    payment.PaymentRefunded: PAYMENT,
    payee.PayeeRegistered: PAYEE,
    payee.PayeeUpdated: PAYEE,
}
"""Which kind of thing an event is about."""

_DECODERS: Final = {kind.name: msgspec.json.Decoder(kind.struct).decode for kind in KINDS.values()}


class _Kept(NamedTuple):
    """A thing while a batch changes it."""

    kind: Kind
    resource: Any
    created_at: int
    position: int
    owners: frozenset[str]


class Resources:
    """Keeps the things and their owners."""

    def apply(self, batch: Batch, writer: Writer, ledger: Ledger) -> None:
        """Fold the events of things."""
        items = [(row, event, KINDS[type(event)]) for row, event in batch.rare if type(event) in KINDS]
        if not items:
            return
        kept = _load(writer, batch.partition, {row.originator_id: kind for row, _, kind in items})
        gone: dict[bytes, frozenset[str]] = {}
        for row, event, kind in items:
            before = kept.get(row.originator_id)
            change = Change(row.originator_id, row.originator_version, event)
            after: Any = aggregate.evolve(None if before is None else before.resource, change, row.recorded_at)
            owners = frozenset(kind.owners(after))
            if before is None:
                kept[row.originator_id] = _Kept(kind, after, row.recorded_at, row.position, owners)
                continue
            gone[row.originator_id] = gone.get(row.originator_id, frozenset()) | before.owners
            kept[row.originator_id] = before._replace(resource=after, owners=owners)
        batch.resources.update({key: one.resource for key, one in kept.items()})
        writer.upsert(resources, [_row(batch.partition, key, one) for key, one in kept.items()])
        writer.upsert(
            resource_owners,
            [
                (batch.partition, one.kind.name, owner, key, one.created_at, one.position, int(owner in one.owners))
                for key, one in kept.items()
                for owner in sorted(one.owners | gone.get(key, frozenset()))
            ],
        )


def list_resources(
    session: Session,
    kind: Kind,
    owner: str,
    *,
    states: Collection[str] = (),
    now: int,
    after: RecordCursor | None = None,
    limit: int = 100,
) -> list[Found]:
    """Return an owner's things of a kind, newest first, those in these states only where any are named."""
    cursor = after or END
    condition, values = _state_condition(states, now)
    sql = (
        "SELECT r.body, o.created_at, o.partition, o.position FROM resource_owners o"
        " JOIN resources r ON r.partition = o.partition AND r.resource_id = o.resource_id"
        " WHERE o.kind = ? AND o.owner = ? AND o.present = 1 AND (o.created_at, o.partition, o.position) < (?, ?, ?)"
        f" {condition} ORDER BY o.created_at DESC, o.partition DESC, o.position DESC LIMIT ?"
    )
    where = (cursor.recorded_at, cursor.partition, cursor.position)
    rows = session.all(sql, kind.name, owner, *where, *values, limit)
    return [Found(_DECODERS[kind.name](body), RecordCursor(*at)) for body, *at in rows]


def resources_by_ids(session: Session, kind: Kind, partition: int, ids: Collection[bytes]) -> dict[bytes, Any]:
    """Return things of a kind by their ids, leaving out the unknown ones."""
    sql = "SELECT resource_id, body FROM resources WHERE partition = ? AND kind = ? AND resource_id IN ({keys})"
    found = select_many(session, sql, (partition, kind.name), sorted(ids))
    return {bytes(key): _DECODERS[kind.name](body) for key, body in found}


def resources_in_state(
    session: Session, kind: Kind, states: Collection[str], *, after: RecordCursor | None = None, limit: int = 100
) -> list[Found]:
    """Return things of a kind that stand in one of these states, whoever owns them, the oldest first."""
    cursor = after or BEGINNING
    marks = ", ".join("?" * len(states))
    sql = (
        f"SELECT body, created_at, partition, position FROM resources WHERE kind = ? AND state IN ({marks})"
        " AND (created_at, partition, position) > (?, ?, ?) ORDER BY created_at, partition, position LIMIT ?"
    )
    where = (cursor.recorded_at, cursor.partition, cursor.position)
    rows = session.all(sql, kind.name, *states, *where, limit)
    return [Found(_DECODERS[kind.name](body), RecordCursor(*at)) for body, *at in rows]


def _state_condition(states: Collection[str], now: int) -> tuple[str, list[Any]]:
    if not states:
        return "", []
    marks = ", ".join("?" * len(states))
    stored = f"r.state IN ({marks}) AND r.lapses_at > ?"
    lapsed = " OR r.lapses_at <= ?" if LAPSED in states else ""
    return f"AND ({stored}{lapsed})", [*states, now, *([now] if lapsed else [])]


def _load(session: Session, partition: int, kinds: dict[bytes, Kind]) -> dict[bytes, _Kept]:
    sql = (
        "SELECT resource_id, body, created_at, position FROM resources WHERE partition = ? AND resource_id IN ({keys})"
    )
    found: dict[bytes, _Kept] = {}
    for key, body, created_at, position in select_many(session, sql, (partition,), sorted(kinds)):
        kind = kinds[bytes(key)]
        resource = _DECODERS[kind.name](body)
        found[bytes(key)] = _Kept(kind, resource, created_at, position, frozenset(kind.owners(resource)))
    return found


def _row(partition: int, key: bytes, one: _Kept) -> Values:
    lapses_at = one.kind.lapses_at(one.resource)
    return (
        partition,
        key,
        one.kind.name,
        one.kind.state(one.resource),
        _NEVER if lapses_at is None else lapses_at,
        one.created_at,
        one.position,
        msgspec.json.encode(one.resource),
    )
