"""The register of cards: who issued them, which account they spend from, to whom they are bound.

One row a card as it is now, folded by the domain and kept as it came out, with the columns by which it is listed.
"""

from collections.abc import Collection
from typing import Final

import msgspec

from domain import card as domain
from domain.card import Card, Status
from domain.event import Change
from projections.answers import CardRecord, RecordCursor
from projections.batch import Batch, Ledger
from projections.schema import cards
from projections.store import Session, Values, Writer, select_many

CARD_EVENTS: Final = (
    domain.CardIssued,
    domain.CardBlocked,
    domain.CardUnblocked,
    domain.CardReportedLost,
    domain.CardReplaced,
    domain.CardRenewed,
    domain.CardClosed,
    domain.CardNotificationsSet,
    domain.CardBindingOpened,
    domain.CardBound,
    domain.CardUnbound,
    domain.CardTokensLinked,
    domain.CardTokensUnlinked,
)

NOBODY: Final = b""
_RECORD: Final = "partition, position, card"


class Cards:
    """Keeps the register."""

    def apply(self, batch: Batch, writer: Writer, ledger: Ledger) -> None:
        """Fold the cards' events."""
        items = [item for item in batch.rare if isinstance(item.event, CARD_EVENTS)]
        if not items:
            return
        changed = self._load(
            writer, batch.partition, {i.row.originator_id for i in items if i.row.originator_version > 1}
        )
        for row, event in items:
            before, issued_position = changed.get(row.originator_id, (None, row.position))
            after = domain.evolve(before, Change(row.originator_id, row.originator_version, event), row.recorded_at)
            changed[row.originator_id] = (after, issued_position)
        writer.upsert(cards, [_row(batch.partition, card, position) for card, position in changed.values()])

    @staticmethod
    def _load(session: Session, partition: int, ids: Collection[bytes]) -> dict[bytes, tuple[Card, int]]:
        sql = f"SELECT {_RECORD} FROM cards WHERE partition = ? AND card_id IN ({{keys}})"
        records = [_record(row) for row in select_many(session, sql, (partition,), sorted(ids))]
        return {record.card.card_id: (record.card, record.position) for record in records}


def list_cards(
    session: Session,
    *,
    participant: str | None = None,
    account_id: int | None = None,
    customer: bytes | None = None,
    states: Collection[Status] = (),
    after: RecordCursor | None = None,
    limit: int = 100,
) -> list[CardRecord]:
    """Return the cards of a participant, of an account, or bound to a customer, newest first."""
    owners = {"participant": participant, "account_id": account_id, "customer": customer}
    named = [(column, value) for column, value in owners.items() if value is not None]
    if len(named) != 1:
        raise ValueError("name a participant, an account or a customer")
    column, owner = named[0]
    where, values = f"{column} = ?", [owner]
    if after is not None:
        where += " AND (created_at, partition, position) < (?, ?, ?)"
        values += [after.recorded_at, after.partition, after.position]
    if states:
        where += f" AND status IN ({', '.join('?' * len(states))})"
        values += [status.value for status in states]
    sql = f"SELECT {_RECORD} FROM cards WHERE {where} ORDER BY created_at DESC, partition DESC, position DESC LIMIT ?"
    return [_record(row) for row in session.all(sql, *values, limit)]


def cards_by_ids(session: Session, partition: int, ids: Collection[bytes]) -> dict[bytes, tuple[int, Status]]:
    """Return the account and the state of each card, leaving out the unknown ones."""
    sql = "SELECT card_id, account_id, status FROM cards WHERE partition = ? AND card_id IN ({keys})"
    found = select_many(session, sql, (partition,), sorted(ids))
    return {card_id: (account, Status(status)) for card_id, account, status in found}


def _row(partition: int, card: Card, position: int) -> Values:
    return (
        partition,
        card.card_id,
        card.participant,
        card.account,
        card.customer or NOBODY,
        card.status.value,
        card.created_at,
        position,
        msgspec.json.encode(card),
    )


def _record(row: Values) -> CardRecord:
    partition, position, kept = row
    return CardRecord(partition, position, msgspec.json.decode(kept, type=Card))
