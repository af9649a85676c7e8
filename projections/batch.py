"""A batch of events on its way into the tables, and the figures of the accounts it touches.

Every projection of a batch sees the same decoded events. The running figures of accounts are kept between
batches, so that a busy account is read once, not at every batch; they are the only state that outlives one.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from domain.authorization import Authorization
from domain.event import Event
from domain.leaves import leaf_hashes
from domain.ports import Row
from domain.transfer import TransferPosted
from projections.schema import LINES_A_MARK
from projections.store import Session, Writer, select_many

Decode = Callable[[str, bytes], Event]
"""Turns a topic and a stored state into an event; raises for a topic it does not know."""

Mark = tuple[int, int, int]
"""A row of ``line_marks``."""

_MODULUS: Final = 1 << 64
_LARGEST: Final = (1 << 63) - 1
_MOST_FIGURES: Final = 200_000


class Item(NamedTuple):
    """An event and the row it stands in."""

    row: Row
    event: Event


class Batch:
    """Events of one partition that follow one another."""

    def __init__(self, rows: Sequence[Row], decode: Decode) -> None:
        """Decode and hash the rows, once for all projections."""
        self.partition = rows[0].partition
        self.first, self.last = rows[0], rows[-1]
        self.items = [(row, decode(row.topic, row.state)) for row in rows]
        self.leaves = leaf_hashes(rows)
        """The leaf hash of each row."""
        self.rare = [Item(row, event) for row, event in self.items if type(event) is not TransferPosted]
        """Everything but posted transfers, of which there are most."""
        self.authorizations: dict[bytes, Authorization] = {}
        """Authorisations that this batch changes, as it leaves them."""
        self.resources: dict[bytes, Any] = {}
        """Payments and other things that this batch changes, as it leaves them."""


class Figures(msgspec.Struct):
    """What an account has at the point the projection has come to."""

    posted: int = 0
    held: int = 0
    debits: int = 0
    movements: int = 0
    longest_delay: int = 0
    last: int = 0

    def debit(self, amount: int, place: int) -> int:
        """Take an amount off the account, as the line at a place; return where the line before it is."""
        self.posted -= amount
        self.movements += 1
        debits = self.debits + amount
        self.debits = debits if debits <= _LARGEST else debits - _MODULUS
        before, self.last = self.last, place
        return before

    def credit(self, amount: int, place: int) -> int:
        """Put an amount on the account, as the line at a place; return where the line before it is."""
        self.posted += amount
        self.movements += 1
        before, self.last = self.last, place
        return before


def debits_between(before: int, after: int) -> int:
    """Return what was debited between two values of ``Figures.debits``, which counts modulo 2^64."""
    return (after - before) % _MODULUS


class Ledger:
    """The figures of the accounts of one partition, read from the tables when first needed."""

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self._figures: dict[int, Figures] = {}
        self.touched: dict[int, Figures] = {}
        self.marks: list[Mark] = []
        """Every so many lines of an account, one of those that the batch adds."""

    def begin(self, session: Session, accounts: Iterable[int]) -> dict[int, Figures]:
        """Return the figures of these accounts, to be changed in place; all of them are written by ``rows``."""
        wanted = set(accounts)
        if len(self._figures) > _MOST_FIGURES:
            self._figures.clear()
        missing = wanted.difference(self._figures)
        if missing:
            self._load(session, missing)
        figures = self._figures
        self.touched, self.marks = {account: figures[account] for account in wanted}, []
        return self.touched

    def mark(self, *accounts: int) -> None:
        """Mark the last line of these accounts if it is one to be marked."""
        for account in accounts:
            figures = self.touched[account]
            if not figures.movements % LINES_A_MARK:
                self.marks.append((self.partition, account, figures.last))

    def rows(self) -> list[tuple[int, ...]]:
        """Return what is to be written of the accounts that the batch touched."""
        return [
            (self.partition, account, *msgspec.structs.astuple(each)) for account, each in sorted(self.touched.items())
        ]

    def _load(self, session: Session, accounts: set[int]) -> None:
        sql = (
            "SELECT account_id, posted, held, debits, movements, longest_delay, last FROM balances"
            " WHERE partition = ? AND account_id IN ({keys})"
        )
        for account, *values in select_many(session, sql, (self.partition,), sorted(accounts)):
            self._figures[account] = Figures(*values)
        for account in accounts:
            self._figures.setdefault(account, Figures())


class Projection(Protocol):
    """Makes rows of its own tables from a batch, within the batch's transaction."""

    def apply(self, batch: Batch, writer: Writer, ledger: Ledger) -> None:
        """Write what the batch changes."""
        ...
