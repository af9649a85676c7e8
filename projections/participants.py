"""The register of banks, one row each as it is now."""

from typing import Final

from domain.event import Change
from domain.participant import Names, Participant, ParticipantRegistered, ParticipantUpdated, evolve
from projections.batch import Batch, Ledger
from projections.schema import participants
from projections.store import Session, Values, Writer, select_many

_COLUMNS: Final = (
    "participant, name_ky, name_ru, name_en, settlement_account, fee_account, created_at, updated_at, version"
)


class Participants:
    """Keeps the register."""

    def apply(self, batch: Batch, writer: Writer, ledger: Ledger) -> None:
        """Fold the banks' own events."""
        items = [
            (item.row, item.event)
            for item in batch.rare
            if isinstance(item.event, ParticipantRegistered | ParticipantUpdated)
        ]
        if not items:
            return
        sql = f"SELECT {_COLUMNS} FROM participants WHERE partition = ? AND participant IN ({{keys}})"
        names = sorted({event.participant for _, event in items})
        kept = {row[0]: _participant(row) for row in select_many(writer, sql, (batch.partition,), names)}
        for row, event in items:
            change = Change(row.originator_id, row.originator_version, event)
            kept[event.participant] = evolve(kept.get(event.participant), change, row.recorded_at)
        writer.upsert(participants, [(batch.partition, *_row(each)) for each in kept.values()])


def list_participants(session: Session, *, after: str = "", limit: int = 100) -> list[Participant]:
    """Return the registered banks in the order of their ids, from the one after ``after`` on."""
    sql = f"SELECT {_COLUMNS} FROM participants WHERE participant > ? ORDER BY participant LIMIT ?"
    return [_participant(row) for row in session.all(sql, after, limit)]


def _row(each: Participant) -> Values:
    return (
        each.participant,
        each.names.ky,
        each.names.ru,
        each.names.en,
        each.settlement_account,
        each.fee_account,
        each.created_at,
        each.updated_at,
        each.version,
    )


def _participant(row: Values) -> Participant:
    participant, ky, ru, en, *rest = row
    return Participant(participant, Names(ky, ru, en), *rest)
