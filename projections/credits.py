"""The lines of credit files, by their numbers: where in the log each of them was decided."""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from domain.credit import CreditLineRefused
from domain.transfer import TransferPosted
from projections.batch import Batch, Ledger
from projections.schema import credit_lines
from projections.store import Session, Values, Writer, select_many

_FOUND: Final = "SELECT line, position FROM credit_lines WHERE partition = ? AND file_id = ? AND line > ?"
_NUMBERS: Final = (
    "SELECT number, account_id FROM accounts WHERE participant = ? AND number <> '' AND number IN ({keys})"
)


class LineFound(NamedTuple):
    """A line, and where it was decided."""

    line: int
    position: int


class CreditLines:
    """Keeps the index."""

    def apply(self, batch: Batch, writer: Writer, ledger: Ledger) -> None:
        """Add the lines that the batch decided."""
        rows: list[Values] = []
        for row, event in batch.items:
            if type(event) is TransferPosted:
                if event.credit_file is not None:
                    rows.append((row.partition, event.credit_file.bytes, event.credit_line, row.position, 0))
            elif isinstance(event, CreditLineRefused):
                rows.append((row.partition, event.file.bytes, event.line, row.position, 1))
        writer.insert(credit_lines, rows)


def list_credit_lines(
    session: Session, partition: int, file_id: bytes, *, refused_only: bool, after: int = 0, limit: int = 100
) -> list[LineFound]:
    """Return where a file's lines were decided, in the order of their numbers, from the one after ``after`` on."""
    sql = f"{_FOUND}{' AND refused = 1' if refused_only else ''} ORDER BY line LIMIT ?"
    return [LineFound(*row) for row in session.all(sql, partition, file_id, after, limit)]


def accounts_by_number(session: Session, participant: str, numbers: Collection[str]) -> dict[str, int]:
    """Return the ids of a participant's accounts by their numbers, leaving out the unknown ones."""
    wanted: Sequence[str] = sorted(numbers)
    return dict(select_many(session, _NUMBERS, (participant,), wanted))
