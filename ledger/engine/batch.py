"""A batch: what is decided together, appended together, and undone together."""

from domain.columns import Journal
from domain.ports import Row
from ledger.engine.tickets import Ticket


class Batch:
    """Events decided after ``first - 1``, the tickets they answer, and how to undo them."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.rows: list[Row] = []
        self.tickets: list[Ticket] = []
        self.ids: list[bytes] = []
        """Request ids noted in the index of recent requests."""
        self.journal: Journal = []

    @property
    def last(self) -> int:
        """The position of the last event, or the one before the first when there is none."""
        return self.first + len(self.rows) - 1

    def __bool__(self) -> bool:
        return bool(self.rows or self.tickets)
