"""The domain's own rules over the same events: what its books come to must be what stands in the events."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import numpy as np

from domain.books import Books
from domain.bulk import BulkPosted, posted_legs
from domain.event import Change, Event
from domain.ids import format_uuid
from domain.movements import movements
from domain.ports import Row
from domain.transfer import TransferPosted
from ledger.audit.verify.accounts import MONEY_COLUMNS, Tallies
from ledger.audit.verify.findings import Check, Finding, Findings
from ledger.audit.verify.money import Moved, Movement
from ledger.log.codec import UnknownTopicError, decode

_REMEMBERED: Final = 5_000
_OTHERS: Final = "the domain takes other movements of money from it than stand in it"


class Fold:
    """Decodes every event, and takes it into books."""

    def __init__(self, partition: int, tallies: Tallies, findings: Findings) -> None:
        self._tallies = tallies
        self._findings = findings
        self.books: Books | None = Books(partition, cache_size=_REMEMBERED)
        """None once they could not take an event."""

    def add(
        self, rows: Sequence[Row], moved: Mapping[int, list[Movement] | None], bulks: Mapping[int, Moved | None]
    ) -> None:
        """Take in events; ``moved`` and ``bulks`` are what stands in those that are no plain transfers, by position."""
        books, unmoved = self.books, ()
        for row in rows:
            event = self._decoded(row)
            if event is None:
                books = None
                continue
            if isinstance(event, BulkPosted):
                self._compare_bulk(row, event, bulks.get(row.position))
            elif type(event) is not TransferPosted:
                self._compare(row, event, moved.get(row.position, unmoved))
            if books is not None:
                try:
                    change = Change(row.originator_id, row.originator_version, event)
                    books.evolve(change, row.recorded_at, row.position)
                except Exception as error:  # noqa: BLE001 - whatever a changed history makes of the books is a finding
                    self._tell(Check.FOLD, row, f"the books cannot take it in: {error}")
                    books = None
        if books is not None:
            books.journal.clear()
        if books is None and self.books is not None:
            self.books = None
        if rows and self.books is not None:
            self._compare_books(self.books, rows[0].position, rows[-1].position)

    def _decoded(self, row: Row) -> Event | None:
        try:
            return decode(row.topic, row.state)
        except UnknownTopicError as error:
            self._tell(Check.EVENTS, row, f"its topic is unknown: {error.topic!r}", "topic")
        except msgspec.ValidationError as error:
            self._tell(Check.EVENTS, row, f"it is no {row.topic}: {error}", "state")
        except msgspec.DecodeError as error:
            self._tell(Check.EVENTS, row, f"its state is no JSON: {error}", "state")
        except Exception as error:  # noqa: BLE001 - an upcaster may stumble over anything
            self._tell(Check.EVENTS, row, f"it cannot be brought to today's form: {error}", "state")
        return None

    def _compare(self, row: Row, event: Event, stated: Sequence[Movement] | None) -> None:
        """Compare what the domain says that an event moves with what stands in it."""
        legs = movements(event)
        if stated is not None and (legs or stated):
            folded = [(row.position, leg.debit_account, leg.credit_account, leg.amount) for leg in legs]
            if folded != list(stated):
                self._tell(Check.FOLD, row, _OTHERS)

    def _compare_bulk(self, row: Row, event: BulkPosted, stated: Moved | None) -> None:
        folded = posted_legs(event)
        if stated is not None and not all(map(np.array_equal, folded, stated)):
            self._tell(Check.FOLD, row, _OTHERS)

    def _compare_books(self, books: Books, first: int, last: int) -> None:
        for name in MONEY_COLUMNS:
            own, theirs = self._tallies.column(name), books.accounts.view(name)
            if len(own) == len(theirs) and (own == theirs).all():
                continue
            self.books = None  # What follows would follow from this.
            if len(own) != len(theirs):
                message = f"the books have {len(theirs) - 1} accounts, and {len(own) - 1} were opened"
                self._findings.add(Finding(Check.FOLD, message, first, last))
                return
            index = int((own != theirs).argmax())
            account = self._tallies.account(index)
            message = (
                f"{name} of account {account} is {theirs[index]} in the domain's books, and {own[index]} by the events"
            )
            self._findings.add(Finding(Check.FOLD, message, first, last, account=account, field=name))
            return

    def _tell(self, check: Check, row: Row, message: str, field: str | None = None) -> None:
        aggregate = format_uuid(row.originator_id)
        self._findings.add(Finding(check, message, row.position, aggregate=aggregate, field=field))
