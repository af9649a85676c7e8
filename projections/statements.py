"""Statements: every movement as a line of two accounts, with the balance it left on both.

A movement is one row that holds both sides' balance, total of debits and number of lines right after it, so the
figures of any period are differences between two rows, whatever the period's length. As of an effective time
the balance is that of the same recorded time, plus what was recorded later but had happened by then:
``effective <= recorded`` makes that the whole difference, and only movements recorded late (they have an
effective time of their own) are looked through, as far back as the account's longest delay.
"""

from typing import NamedTuple

from domain.authorization import AuthorizationCaptured, ForcePosted, RefundPosted
from domain.bulk import BulkLegReversed, BulkPosted
from domain.crossing import TransferReceived, TransferReturned, TransferSent
from domain.event import Event, Leg
from domain.movements import effective_time, movements
from domain.ports import Row
from domain.transfer import TransferPosted, TransferReversed
from projections import schema
from projections.answers import Source
from projections.batch import Batch, Ledger
from projections.bulks import bulk_rows
from projections.store import Values, Writer


class Statements:
    """Keeps the movements, and the running figures of the accounts they touch."""

    def apply(self, batch: Batch, writer: Writer, ledger: Ledger) -> None:
        """Add a row for each leg of each event."""
        touched = ledger.touched
        partition = batch.partition
        source = int(Source.TRANSFER)
        rows: list[Values] = []
        for row, event in batch.items:
            if isinstance(event, BulkPosted):
                rows += bulk_rows(ledger, row, event)
                continue
            if type(event) is not TransferPosted or event.legs or event.effective_time is not None:
                rows += _rows(batch, ledger, row, event)
                continue
            # The hot path: one leg, not late. It says the same as ``_row``.
            amount = event.amount
            debited, credited = touched[event.debit_account], touched[event.credit_account]
            debited.debit(amount)
            credited.credit(amount)
            rows.append(
                (
                    partition,
                    row.position,
                    0,
                    event.debit_account,
                    event.credit_account,
                    amount,
                    debited.posted,
                    debited.debits,
                    debited.movements,
                    credited.posted,
                    credited.debits,
                    credited.movements,
                    row.recorded_at,
                    None,
                    event.kind,
                    row.originator_id,
                    source,
                    event.reference,
                    "",
                )
            )
        writer.insert(schema.movements, rows)


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
    debited.debit(leg.amount)
    credited.credit(leg.amount)
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
        row.recorded_at,
        late,
        leg.kind,
        *origin,
    )
