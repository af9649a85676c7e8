"""What waits for a second operator, and what became of it: where each proposal stands in the log.

The proposal itself is read from the log. That its time is over is no event: questions are handed the time.
"""

from collections.abc import Collection
from typing import Final

from domain.proposal import ProposalApproved, ProposalRejected, ProposalState, Proposed
from projections.answers import END, Located, RecordCursor
from projections.batch import Batch, Ledger
from projections.schema import proposals
from projections.store import Session, Values, Writer, select_many

_COLUMNS: Final = "proposal_id, topic, decided, expires_at, recorded_at, position"
_DECIDED: Final = {ProposalApproved: ProposalState.APPROVED, ProposalRejected: ProposalState.REJECTED}


class Proposals:
    """Keeps the index."""

    def apply(self, batch: Batch, writer: Writer, ledger: Ledger) -> None:
        """Add what was proposed, and note what was decided."""
        decided = {
            item.row.originator_id: _DECIDED[type(item.event)] for item in batch.rare if type(item.event) in _DECIDED
        }
        rows: dict[bytes, Values] = {
            row.originator_id: (
                row.originator_id,
                event.TOPIC,
                ProposalState.OPEN.value,
                event.expires_at,
                row.recorded_at,
                row.position,
            )
            for row, event in batch.rare
            if isinstance(event, Proposed)
        }
        sql = f"SELECT {_COLUMNS} FROM proposals WHERE partition = ? AND proposal_id IN ({{keys}})"
        earlier = sorted(decided.keys() - rows.keys())
        rows |= {row[0]: row for row in select_many(writer, sql, (batch.partition,), earlier)}
        for proposal_id, state in decided.items():
            row = rows[proposal_id]
            rows[proposal_id] = (*row[:2], state.value, *row[3:])
        writer.upsert(proposals, [(batch.partition, *row) for row in rows.values()])


def list_proposals(
    session: Session,
    topic: str,
    *,
    states: Collection[ProposalState] = (),
    now: int,
    after: RecordCursor | None = None,
    limit: int = 100,
) -> list[Located]:
    """Return where proposals of a kind, that stand like this at ``now``, are in the log; newest first."""
    cursor = after or END
    alternatives, values = [], []
    for state in dict.fromkeys(states):
        match state:
            case ProposalState.OPEN:
                alternatives.append("decided = 'open' AND expires_at > ?")
                values.append(now)
            case ProposalState.EXPIRED:
                alternatives.append("decided = 'open' AND expires_at <= ?")
                values.append(now)
            case _:
                alternatives.append(f"decided = '{state.value}'")
    where = f"AND ({' OR '.join(alternatives)})" if alternatives else ""
    sql = (
        f"SELECT partition, position, recorded_at, proposal_id FROM proposals WHERE topic = ? {where}"
        " AND (recorded_at, partition, position) < (?, ?, ?)"
        " ORDER BY recorded_at DESC, partition DESC, position DESC LIMIT ?"
    )
    found = session.all(sql, topic, *values, cursor.recorded_at, cursor.partition, cursor.position, limit)
    return [Located(*row) for row in found]
