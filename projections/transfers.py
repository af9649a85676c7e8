"""Transfers by the caller's own reference and by tags.

Only transfers that carry one are indexed: most do not, and a transfer itself is read from the log by its id.
"""

from typing import Final

from domain.crossing import TransferSent
from domain.transfer import TransferPosted
from projections.answers import END, Located, RecordCursor
from projections.batch import Batch, Ledger
from projections.schema import transfer_references, transfer_tags
from projections.store import Session, Values, Writer

_FOUND: Final = "SELECT partition, position, recorded_at, transfer_id FROM"
_NEWEST_FIRST: Final = "ORDER BY recorded_at DESC, partition DESC, position DESC LIMIT ?"
_AFTER: Final = "AND (recorded_at, partition, position) < (?, ?, ?)"


class Transfers:
    """Keeps the index."""

    def apply(self, batch: Batch, writer: Writer, ledger: Ledger) -> None:
        """Add the batch's transfers that carry a reference or tags."""
        references: list[Values] = []
        tags: list[Values] = []
        for row, event in batch.items:
            if not isinstance(event, TransferPosted | TransferSent):
                continue
            if event.reference:
                references.append(
                    (row.partition, event.reference, row.recorded_at, row.position, row.originator_id, row.caller)
                )
            if event.tags:
                tags += [
                    (row.partition, key, value, row.recorded_at, row.position, row.originator_id, row.caller)
                    for key, value in event.tags.items()
                ]
        writer.insert(transfer_references, references)
        writer.insert(transfer_tags, tags)


def transfers_by_reference(
    session: Session, caller: str, reference: str, *, after: RecordCursor | None = None, limit: int = 100
) -> list[Located]:
    """Return where the caller's transfers with exactly this reference stand, newest first."""
    sql = f"{_FOUND} transfer_references WHERE reference = ? AND caller = ? {_AFTER} {_NEWEST_FIRST}"
    return [Located(*row) for row in session.all(sql, reference, caller, *_cursor(after), limit)]


def transfers_by_tag(
    session: Session, caller: str, key: str, value: str, *, after: RecordCursor | None = None, limit: int = 100
) -> list[Located]:
    """Return where the caller's transfers that carry this tag with this value stand, newest first."""
    sql = f"{_FOUND} transfer_tags WHERE key = ? AND value = ? AND caller = ? {_AFTER} {_NEWEST_FIRST}"
    return [Located(*row) for row in session.all(sql, key, value, caller, *_cursor(after), limit)]


def _cursor(after: RecordCursor | None) -> tuple[int, int, int]:
    cursor = after or END
    return cursor.recorded_at, cursor.partition, cursor.position
