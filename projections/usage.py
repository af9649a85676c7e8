"""What counts against limits, a row for each subject of each event, by the time at which it was taken.

What is given back is rows of their own, below zero, each at the time of what it gives back: so the figures of any day
or month are sums of rows between two times.
"""

from typing import Any, Final

from domain.limits import Spending, SpendingReturned, Used
from domain.rules import Operation
from projections.batch import Batch, Ledger
from projections.schema import CURRENT, spendings
from projections.store import Session, Values, Writer

_TAKEN, _RETURNED = 0, 1

_SUMS: Final = (
    "SELECT operation, CAST(sum(operations) AS bigint), CAST(sum(amount) AS bigint) FROM spendings"
    " WHERE partition = ? AND subject = ? AND taken_at >= ? AND taken_at < ? AND position <= ? GROUP BY operation"
)


class Spendings:
    """Keeps the rows."""

    def apply(self, batch: Batch, writer: Writer, ledger: Ledger) -> None:
        """Add what each event takes and gives back."""
        rows: list[Values] = []
        for row, event in batch.rare:
            taken: Spending | None = getattr(event, "spending", None)
            returned: SpendingReturned | None = getattr(event, "spending_returned", None)
            if taken is not None:
                entry = (row.recorded_at, row.position, _TAKEN, taken.operation.value, taken.count, taken.amount)
                rows += [(batch.partition, subject, *entry) for _, subject in taken.who()]
            if returned is not None:
                operation = returned.spending.operation.value
                for piece in returned.pieces:
                    entry = (piece.taken_at, row.position, _RETURNED, operation, -piece.count, -piece.amount)
                    rows += [(batch.partition, subject, *entry) for _, subject in returned.spending.who()]
        writer.insert(spendings, rows)


def used_between(
    session: Session, partition: int, subject: bytes, start: int, end: int, *, upto: int = CURRENT
) -> dict[Operation, Used]:
    """Return what a subject took from ``start`` on and before ``end``, by operation, as known at position ``upto``."""
    found: list[Any] = session.all(_SUMS, partition, subject, start, end, upto)
    return {Operation(operation): Used(count, amount) for operation, count, amount in found}
