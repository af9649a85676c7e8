"""Statements: every movement as a line of two accounts, with the balance it left on both.

A movement is one row that holds both sides' balance, total of debits and number of lines right after it, so the
figures of any period are differences between two rows, whatever the period's length. It holds where the line before
it of either account is too, which is how lines are found (``projections.lines``). As of an effective time
the balance is that of the same recorded time, plus what was recorded later but had happened by then:
``effective <= recorded`` makes that the whole difference, and only movements recorded late (they have an
effective time of their own) are looked through, as far back as the account's longest delay.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

import numpy as np

from domain.authorization import AuthorizationCaptured, ForcePosted, RefundPosted
from domain.bulk import BulkLegReversed, BulkPosted
from domain.crossing import TransferReceived, TransferReturned, TransferSent
from domain.event import Event, Leg
from domain.legs import Legs
from domain.movements import effective_time, movements
from domain.ports import Row
from domain.transfer import TransferPosted, TransferReversed
from projections import schema
from projections.answers import Source
from projections.batch import Batch, Ledger
from projections.bulks import bulk_columns
from projections.columns import Columns
from projections.lines import place_of
from projections.running import run_through
from projections.store import Values, Writer

_LEAST_TOGETHER: Final = 32
"""Transfers from which working them out over arrays costs less than one by one."""


class Statements:
    """Keeps the movements, and the running figures of the accounts they touch."""

    def apply(self, batch: Batch, writer: Writer, ledger: Ledger) -> None:
        """Add a row for each leg of each event."""
        rows: list[Values] = []
        for plain, items in groupby(batch.items, _is_plain):
            run = list(items)
            if plain and len(run) >= _LEAST_TOGETHER:
                writer.insert_columns(schema.movements, _columns(ledger, run))
                continue
            for row, event in run:
                if not isinstance(event, BulkPosted):
                    rows += _rows(batch, ledger, row, event)
                elif event.moves:
                    writer.insert_columns(schema.movements, bulk_columns(ledger, row, event))
        writer.insert(schema.movements, rows)
        writer.insert(schema.line_marks, sorted(ledger.marks))


def _is_plain(item: tuple[Row, Event]) -> bool:
    """Tell whether an event is a transfer of one leg that was recorded as it happened, as most are."""
    event = item[1]
    return type(event) is TransferPosted and not event.legs and event.effective_time is None


def _columns(ledger: Ledger, items: Sequence[tuple[Row, Any]]) -> Columns:
    """Return the movements of plain transfers, and carry the figures of their accounts forward."""
    rows, events = zip(*items, strict=True)
    positions = np.array([row.position for row in rows], np.int64)
    legs = Legs(
        np.array([event.debit_account for event in events], np.int64),
        np.array([event.credit_account for event in events], np.int64),
        np.array([event.amount for event in events], np.int64),
    )
    return (
        rows[0].partition,
        positions,
        0,
        *run_through(ledger, legs, place_of(positions, 0)),
        np.array([row.recorded_at for row in rows], np.int64),
        None,
        _shared([event.kind for event in events]),
        [row.originator_id for row in rows],
        int(Source.TRANSFER),
        _shared([event.reference for event in events]),
        "",
    )


def _shared(texts: list[str]) -> list[str] | str:
    """Return the one text where all are the same."""
    return texts[0] if texts.count(texts[0]) == len(texts) else texts


def _rows(batch: Batch, ledger: Ledger, row: Row, event: Event) -> list[Values]:
    legs = movements(event)
    if not legs:
        return []
    happened = effective_time(event, row.recorded_at)
    if happened > row.recorded_at:
        raise ValueError(f"the event at position {row.position} happened after it was recorded")
    late = None if happened == row.recorded_at else happened
    origin = _origin(batch, row, event)
    first = event.leg if isinstance(event, BulkLegReversed) else 0
    return [_row(ledger, row, number, leg, late, origin) for number, leg in enumerate(legs, first)]


class _Origin(NamedTuple):
    """What moved the money, as the last columns of a movement."""

    source_id: bytes
    source_type: int
    reference: str
    merchant_name: str


def _origin(batch: Batch, row: Row, event: Event) -> _Origin:
    source = row.originator_id
    match event:
        case TransferPosted():
            return _Origin(source, Source.TRANSFER, event.reference, "")
        case TransferReversed() | TransferReturned():
            return _Origin(source, Source.TRANSFER, "", "")
        case TransferSent():
            return _Origin(source, Source.TRANSFER, event.reference, "")
        case TransferReceived():
            return _Origin(event.transfer.bytes, Source.TRANSFER, event.reference, "")
        case BulkLegReversed():
            return _Origin(source, Source.BULK, "", "")
        case ForcePosted():
            return _Origin(source, Source.FORCE_POSTING, event.reference, event.merchant_name)
        case RefundPosted() if row.originator_version == 1:
            return _Origin(source, Source.REFUND, event.reference, event.merchant_name)
        case RefundPosted():
            details = batch.authorizations[source].details
            return _Origin(source, Source.AUTHORIZATION, event.reference, event.merchant_name or details.merchant_name)
        case AuthorizationCaptured():
            details = batch.authorizations[source].details
            return _Origin(source, Source.AUTHORIZATION, details.reference, details.merchant_name)
        case _:
            raise ValueError(f"{event.TOPIC} moves money, but it is not known of what")


def _row(ledger: Ledger, row: Row, number: int, leg: Leg, late: int | None, origin: _Origin) -> Values:
    debited, credited = ledger.touched[leg.debit_account], ledger.touched[leg.credit_account]
    place = place_of(row.position, number)
    before = debited.debit(leg.amount, place), credited.credit(leg.amount, place)
    ledger.mark(leg.debit_account, leg.credit_account)
    if late is not None:
        delay = row.recorded_at - late
        debited.longest_delay = max(debited.longest_delay, delay)
        credited.longest_delay = max(credited.longest_delay, delay)
    return (
        row.partition,
        row.position,
        number,
        leg.debit_account,
        leg.credit_account,
        leg.amount,
        debited.posted,
        debited.debits,
        debited.movements,
        credited.posted,
        credited.debits,
        credited.movements,
        *before,
        row.recorded_at,
        late,
        leg.kind,
        *origin,
    )
