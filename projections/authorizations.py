"""Authorisations, open and closed, and what they held of which account from when to when.

An authorisation is folded by the domain and kept as it came out. What it holds stands in ``holds`` as
intervals of positions, so that what was held at any earlier position can be told; the one that stands now
ends at CURRENT. An open authorisation whose ``expires_at`` has come holds nothing any more, although the event
that says so is recorded later: questions are handed the time and show it as expired.
"""

from collections.abc import Callable, Collection
from typing import Any, Final, TypeGuard

import msgspec

from domain import authorization as domain
from domain.authorization import Authorization, State
from domain.event import Change, Event
from domain.ids import account_partition
from domain.takings import Takings
from projections.answers import AuthorizationRecord, RecordCursor
from projections.batch import Batch, Ledger
from projections.schema import CURRENT, authorizations, holds
from projections.store import Session, Values, Writer, select_many

BEGINNINGS: Final = (domain.AuthorizationApproved, domain.AuthorizationAdvised, domain.AuthorizationDeclined)
_DETAILS: Final[dict[str, Callable[[bytes], Any]]] = {
    kind.TOPIC: msgspec.json.Decoder(kind).decode for kind in BEGINNINGS
}
_RECORD: Final = "partition, position, participant, authorization_id, topic, details, figures"

AuthorizationEvent = (
    domain.AuthorizationApproved
    | domain.AuthorizationAdvised
    | domain.AuthorizationDeclined
    | domain.AuthorizationIncremented
    | domain.AuthorizationAmountReplaced
    | domain.AuthorizationPartlyReversed
    | domain.AuthorizationReversed
    | domain.AuthorizationCaptured
    | domain.AuthorizationExpired
    | domain.RefundPosted
)


class _Figures(msgspec.Struct, frozen=True):
    """An authorisation without its id and details."""

    state: State
    authorized: int
    remaining: int
    expires_at: int
    created_at: int
    updated_at: int
    version: int
    incremented: int
    reversed: int
    captured: int
    refunded: int
    reversed_by: str
    takings: Takings
    limits_refunded: int


_decode_figures = msgspec.json.Decoder(_Figures).decode


class _Kept(msgspec.Struct):
    """An authorisation while a batch changes it; ``hold_position`` is where its present hold began, 0 for none."""

    authorization: Authorization
    participant: str
    position: int
    hold_position: int


class Authorizations:
    """Keeps the authorisations and their holds; tells the ledger what is held."""

    def apply(self, batch: Batch, writer: Writer, ledger: Ledger) -> None:
        """Fold the authorisations' events."""
        items = [item for item in batch.rare if is_authorization_event(item.event, item.row.originator_version)]
        if not items:
            return
        kept = self._load(writer, batch.partition, {i.row.originator_id for i in items if i.row.originator_version > 1})
        participants = self._participants(writer, batch)
        intervals: dict[tuple[int, int], Values] = {}
        for row, event in items:
            before = kept.get(row.originator_id)
            change = Change(row.originator_id, row.originator_version, event)
            after = domain.evolve(before.authorization if before else None, change, row.recorded_at)
            if before is None:
                before = _Kept(after, participants[after.account], row.position, 0)
                held = 0
            else:
                held = before.authorization.remaining
            before.authorization = after
            kept[row.originator_id] = before
            if after.remaining != held:
                ledger.touched[after.account].held += after.remaining - held
                self._change_hold(batch.partition, before, row.position, held, intervals)
        writer.upsert(authorizations, [_row(batch.partition, each) for each in kept.values()])
        writer.upsert(holds, [intervals[key] for key in sorted(intervals)])
        batch.authorizations = {key: each.authorization for key, each in kept.items()}

    @staticmethod
    def _change_hold(
        partition: int, kept: _Kept, position: int, held: int, intervals: dict[tuple[int, int], Values]
    ) -> None:
        """End the present hold at a position, and begin the next one there unless it holds nothing."""
        authorization = kept.authorization
        account, authorization_id = authorization.account, authorization.authorization_id
        expires_at = authorization.expires_at
        if kept.hold_position:
            ended = (partition, account, kept.hold_position, authorization_id, held, expires_at, position)
            intervals[account, kept.hold_position] = ended
        kept.hold_position = 0
        if authorization.remaining:
            begun = (partition, account, position, authorization_id, authorization.remaining, expires_at, CURRENT)
            intervals[account, position] = begun
            kept.hold_position = position

    @staticmethod
    def _load(session: Session, partition: int, ids: set[bytes]) -> dict[bytes, _Kept]:
        sql = (
            f"SELECT {_RECORD}, hold_position FROM authorizations"
            " WHERE partition = ? AND authorization_id IN ({keys})"
        )
        found = select_many(session, sql, (partition,), sorted(ids))
        return {row[3]: _Kept(_authorization(row[3:7]), row[2], row[1], row[7]) for row in found}

    @staticmethod
    def _participants(session: Session, batch: Batch) -> dict[int, str]:
        wanted = {item.event.account for item in batch.rare if isinstance(item.event, BEGINNINGS)}
        sql = "SELECT account_id, participant FROM accounts WHERE partition = ? AND account_id IN ({keys})"
        return dict(select_many(session, sql, (batch.partition,), wanted))


def is_authorization_event(event: Event, version: int) -> TypeGuard[AuthorizationEvent]:
    """Tell whether an event belongs to an authorisation's life; an unlinked refund is a life of its own."""
    if isinstance(event, domain.RefundPosted):
        return version > 1
    return isinstance(event, AuthorizationEvent)


def authorization_by_id(session: Session, authorization_id: bytes, now: int) -> AuthorizationRecord | None:
    """Return an authorisation as at ``now``, None when there is none."""
    sql = f"SELECT {_RECORD} FROM authorizations WHERE authorization_id = ?"
    found = session.one(sql, authorization_id)
    return None if found is None else _record(found, now)


def list_authorizations(
    session: Session,
    *,
    account_id: int | None = None,
    participant: str | None = None,
    card: bytes | None = None,
    states: Collection[State] = (),
    now: int,
    after: RecordCursor | None = None,
    limit: int = 100,
) -> list[AuthorizationRecord]:
    """Return the authorisations of an account, a participant's accounts or a card, newest first, as at ``now``."""
    owners = {"account_id": account_id, "participant": participant, "card": card}
    named = [(column, value) for column, value in owners.items() if value is not None]
    if len(named) != 1:
        raise ValueError("name an account, a participant or a card")
    column, owner = named[0]
    where = f"{column} = ?"
    values: list[Any] = [owner]
    if after is not None:
        where += " AND (created_at, partition, position) < (?, ?, ?)"
        values += [after.recorded_at, after.partition, after.position]
    if states:
        condition, more = _state_condition(states, now)
        where += f" AND ({condition})"
        values += more
    sql = (
        f"SELECT {_RECORD} FROM authorizations WHERE {where}"
        " ORDER BY created_at DESC, partition DESC, position DESC LIMIT ?"
    )
    return [_record(row, now) for row in session.all(sql, *values, limit)]


def open_authorizations(session: Session, account_id: int, now: int, limit: int) -> list[AuthorizationRecord]:
    """Return the authorisations that hold something of the account at ``now``, newest first.

    One that was reversed in parts, or captured, down to nothing may still be open; there is nothing in it to show.
    """
    sql = (
        f"SELECT {_RECORD} FROM authorizations"
        " WHERE state = 'open' AND account_id = ? AND expires_at > ? AND remaining > 0"
        " ORDER BY created_at DESC LIMIT ?"
    )
    return [_record(row, now) for row in session.all(sql, account_id, now, limit)]


def held_as_of(session: Session, account_id: int, position: int, now: int) -> int:
    """Return what was held of an account right after a position, without what had lapsed by ``now``."""
    sql = (
        "SELECT remaining FROM holds"
        " WHERE partition = ? AND account_id = ? AND until > ? AND position <= ? AND expires_at > ?"
    )
    found = session.all(sql, account_partition(account_id), account_id, position, position, now)
    return sum(remaining for (remaining,) in found)


def _state_condition(states: Collection[State], now: int) -> tuple[str, list[Any]]:
    """Return the condition that an authorisation is shown in one of these states."""
    conditions: list[str] = []
    values: list[Any] = []
    stored = [state.value for state in states if state is not State.OPEN]
    if stored:
        conditions.append(f"state IN ({', '.join('?' * len(stored))})")
        values += [*stored]
    if State.OPEN in states:
        conditions.append("state = 'open' AND expires_at > ?")
        values += [now]
    if State.EXPIRED in states:
        conditions.append("state = 'open' AND expires_at <= ?")
        values += [now]
    return " OR ".join(f"({condition})" for condition in conditions), values


def _row(partition: int, kept: _Kept) -> Values:
    authorization = kept.authorization
    details = authorization.details
    figures = _Figures(**{field: getattr(authorization, field) for field in _Figures.__struct_fields__})
    return (
        partition,
        authorization.authorization_id,
        authorization.account,
        kept.participant,
        authorization.state.value,
        authorization.remaining,
        authorization.expires_at,
        authorization.created_at,
        kept.position,
        kept.hold_position,
        None if details.card is None else details.card.bytes,
        details.TOPIC,
        msgspec.json.encode(details),
        msgspec.json.encode(figures),
    )


def _authorization(row: Values) -> Authorization:
    authorization_id, topic, details, figures = row
    parsed = _DETAILS[topic](details)
    fields = msgspec.structs.asdict(_decode_figures(figures))
    return Authorization(authorization_id=authorization_id, details=parsed, **fields)


def _record(row: Values, now: int) -> AuthorizationRecord:
    partition, position, participant, *stored = row
    authorization = _authorization(tuple(stored))
    if authorization.open and authorization.expires_at <= now:
        authorization = msgspec.structs.replace(authorization, state=State.EXPIRED, remaining=0)
    return AuthorizationRecord(partition, position, participant, authorization)
