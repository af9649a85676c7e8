"""The outbox: what people and banks are to be told, a row for each notice of each event and each who is told.

A row follows from the log alone: from the event, and from what the log said up to it, never from what came later in
the same batch. So the outbox is the same however often it is made, and (position, item) names a notice for good:
whoever remembers the last one that was delivered is told each exactly once. Texts are not kept; they are written, in
the reader's language, when a notice is read. No personal data is kept either: a telephone number is looked up then.

What is told of an event stands in ``projections.notices``, in one table with a row for each kind of event. Only
accounts for which a card was issued are told of, so that the others cost nothing: neither rows nor time.

Notices are not kept for ever (``projections.retention``). The last one that was dropped is remembered, and whoever asks
for what lies behind an earlier one is told so: nobody misses a notice without knowing.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from domain.authorization import Details
from domain.bulk import BulkPosted, posted_legs
from domain.event import Event, Leg
from domain.movements import effective_time
from domain.ports import Row
from domain.transfer import TransferPosted
from projections.addresses import Addresses
from projections.answers import Channel, Cursor, Notice, NoticeKind, NoticeList, NoticePage, Wanted
from projections.batch import Batch, Ledger
from projections.notices import NOTICES, Draft, Told, received, sent
from projections.schema import notices
from projections.store import Session, Values, Writer

WINDOW: Final = 20_000
"""How many positions are looked through for one page."""
LAST_ITEM: Final = 2**31 - 1
"""Stands in a cursor that is behind a whole event."""


class Outbox:
    """Keeps the outbox."""

    def __init__(self) -> None:
        self._addresses = Addresses()
        self._dropped: Cursor | None = None

    def apply(self, batch: Batch, writer: Writer, ledger: Ledger) -> None:
        """Add the notices of the batch's events."""
        addresses = self._addresses
        addresses.begin(writer, batch, ledger.touched)
        carded = addresses.accounts
        if not carded and not batch.rare:
            return
        rows: list[Values] = []
        for row, event in batch.items:
            if type(event) is TransferPosted and not event.legs:
                if event.debit_account in carded or event.credit_account in carded:
                    self._plain(rows, row, event, self._payer(writer, row, event))
                continue
            if isinstance(event, BulkPosted):
                self._bulk(rows, row, event)
                continue
            make = NOTICES.get(type(event))
            if make is not None:
                payer = self._payer(writer, row, event) if isinstance(event, TransferPosted) else ""
                payment = batch.resources.get(row.originator_id)
                told = Told(row, event, _details(batch, row, event), addresses, payment, payer)
                rows += self._rows(row, event, make(told))
            addresses.fold(row, event)  # Only now: what happens to a card is told to whoever had it.
        addresses.write(batch, writer)
        writer.insert(notices, self._kept(writer, batch, rows))

    def _kept(self, session: Session, batch: Batch, rows: list[Values]) -> list[Values]:
        """Leave out what tables made anew need not hold, because it was dropped from those before them."""
        if self._dropped is None:
            self._dropped = dropped_upto(session, batch.partition) or Cursor(0)
        if self._dropped.position < batch.first.position:
            return rows
        return [row for row in rows if row[1:3] > self._dropped]

    def _payer(self, session: Session, row: Row, event: TransferPosted) -> str:
        """Return who pays, by name, where that is a credit file's to say."""
        if event.credit_file is None:
            return ""
        return self._addresses.payer(session, row.partition, event.credit_file.bytes)

    def _plain(self, rows: list[Values], row: Row, event: TransferPosted, payer: str) -> None:
        """Add the notices of a transfer of one leg, of which there are most. It says the same as ``_transfer``."""
        leg = Leg(event.kind, event.debit_account, event.credit_account, event.amount)
        happened = effective_time(event, row.recorded_at)
        self._sides(rows, row, 0, leg, happened, payer, of_a_file=event.credit_file is not None)

    def _bulk(self, rows: list[Values], row: Row, event: BulkPosted) -> None:
        """Add the notices of a bulk, leg by leg as those of transfers; most accounts have no card."""
        carded, happened, item = self._addresses.accounts, effective_time(event, row.recorded_at), 0
        for debit, credit, amount in zip(*(column.tolist() for column in posted_legs(event)), strict=True):
            if debit in carded or credit in carded:
                item = self._sides(rows, row, item, Leg(event.kind, debit, credit, amount), happened)

    def _sides(
        self,
        rows: list[Values],
        row: Row,
        item: int,
        leg: Leg,
        happened: int,
        payer: str = "",
        *,
        of_a_file: bool = False,
    ) -> int:
        """Add what both sides of a movement are told, numbered from ``item`` on; return the next number."""
        addresses = self._addresses
        debit, credit, kind = leg.debit_account, leg.credit_account, leg.kind
        for account, other, told in ((debit, credit, sent(kind)), (credit, debit, received(kind))):
            if account not in addresses.accounts or (of_a_file and account == debit):
                continue
            participant = addresses.participant(account)
            for customer, channel in addresses.recipients(account):
                rows.append(
                    (
                        row.partition,
                        row.position,
                        item,
                        told.value,
                        channel.value,
                        participant,
                        account,
                        customer,
                        b"",
                        leg.amount,
                        0,
                        other,
                        kind,
                        payer,
                        happened,
                        row.originator_id,
                    )
                )
                item += 1
        return item

    def _rows(self, row: Row, event: Event, drafts: Iterable[Draft]) -> Iterator[Values]:
        addresses = self._addresses
        item = 0
        for draft in drafts:
            if draft.account not in addresses.accounts:
                continue
            to = addresses.recipients(draft.account) if draft.to is None else draft.to
            for customer, channel in to:
                yield (
                    row.partition,
                    row.position,
                    item,
                    draft.kind.value,
                    channel.value,
                    addresses.participant(draft.account),
                    draft.account,
                    customer,
                    draft.card,
                    draft.amount,
                    draft.fee,
                    draft.counterparty,
                    draft.category,
                    draft.merchant,
                    effective_time(event, row.recorded_at),
                    row.originator_id,
                )
                item += 1


def _details(batch: Batch, row: Row, event: Event) -> Details | None:
    if isinstance(event, Details):
        return event
    authorization = batch.authorizations.get(row.originator_id)
    return None if authorization is None else authorization.details


# Reading.

_COLUMNS: Final = (
    "n.position, n.item, n.kind, n.channel, n.participant, n.account_id, a.number, a.currency, n.customer, n.card,"
    " c.masked, n.amount, n.fee, n.counterparty, o.number, n.category, n.merchant, n.happened, n.source_id"
)
_FROM: Final = (
    "FROM notices n JOIN accounts a ON a.partition = n.partition AND a.account_id = n.account_id"
    " LEFT JOIN card_addresses c ON c.partition = n.partition AND c.card_id = n.card"
    " LEFT JOIN accounts o ON o.partition = n.partition AND o.account_id = n.counterparty"
)
_SERVED: Final = (
    " AND EXISTS (SELECT 1 FROM served_customers s"
    " WHERE s.partition = n.partition AND s.customer = n.customer AND s.participant = ?)"
)


class NoticesDroppedError(Exception):
    """Notices that were asked for are kept no more: ``dropped`` is the last one of these."""

    def __init__(self, dropped: Cursor) -> None:
        super().__init__(f"notices up to {dropped.position}/{dropped.item} are kept no more")
        self.dropped = dropped


def read_notices(
    session: Session, partition: int, after: Cursor, wanted: Wanted, *, tracked: int, limit: int
) -> NoticePage:
    """Return the next notices that are wanted, oldest first, and how far was looked: at most WINDOW positions.

    Raises NoticesDroppedError where any behind ``after`` is kept no more, wanted or not.
    """
    _still_there(after, dropped_upto(session, partition))
    upto = tracked if _indexed(wanted) else min(tracked, after.position + WINDOW)
    where, values = _where(wanted)
    sql = f"SELECT {_COLUMNS} {_FROM}{where} AND n.position <= ? ORDER BY n.position, n.item LIMIT ?"
    rows = session.all(sql, partition, *after, *values, upto, limit)
    found = tuple(_notice(partition, row) for row in rows)
    if len(found) == limit:
        return NoticePage(found, found[-1].cursor, tracked)
    return NoticePage(found, max(after, Cursor(upto, LAST_ITEM)), tracked)


def list_notices(
    session: Session,
    partition: int,
    wanted: Wanted,
    *,
    after: Cursor | None,
    before: Cursor | None,
    tracked: int,
    limit: int,
) -> NoticeList:
    """Return the newest notices before one place and behind another, newest first; looks at most at WINDOW positions.

    Without ``after`` they go back to the oldest one that is kept. Raises NoticesDroppedError where any behind ``after``
    is kept no more.
    """
    dropped = dropped_upto(session, partition)
    if after is not None:
        _still_there(after, dropped)
    least = max(after or Cursor(0), dropped or Cursor(0))
    end = before or Cursor(tracked + 1, 0)
    start = least if _indexed(wanted) else max(least, Cursor(end.position - WINDOW))
    where, values = _where(wanted)
    sql = (
        f"SELECT {_COLUMNS} {_FROM}{where} AND (n.position, n.item) < (?, ?)"
        " ORDER BY n.position DESC, n.item DESC LIMIT ?"
    )
    rows = session.all(sql, partition, *start, *values, *end, limit)
    found = tuple(_notice(partition, row) for row in rows)
    if len(found) == limit:
        rest: Cursor | None = found[-1].cursor
    else:
        rest = Cursor(start.position + 1, 0) if start > least else None
    return NoticeList(found, rest, dropped, tracked)


def dropped_upto(session: Session, partition: int) -> Cursor | None:
    """Return the last notice that is kept no more, None where all are kept."""
    found = session.one("SELECT position, item FROM notices_dropped WHERE partition = ?", partition)
    return None if found is None else Cursor(*found)


def _still_there(after: Cursor, dropped: Cursor | None) -> None:
    if dropped is not None and after < dropped:
        raise NoticesDroppedError(dropped)


def _indexed(wanted: Wanted) -> bool:
    """Tell whether an index leads to what is wanted, so that nothing else is looked through."""
    return wanted.customer is not None or wanted.account is not None


def _where(wanted: Wanted) -> tuple[str, list[Any]]:
    """Return the condition, for a partition and a place, and what it asks for beyond these."""
    # The sign keeps a planner without statistics from the table's own order, which leads to everybody's notices.
    sign = "+" if _indexed(wanted) else ""
    where = f" WHERE {sign}n.partition = ? AND (n.position, n.item) > (?, ?)"
    values: list[Any] = []
    for column, value in (
        ("participant", wanted.participant),
        ("customer", wanted.customer),
        ("account_id", wanted.account),
        ("channel", None if wanted.channel is None else wanted.channel.value),
    ):
        if value is not None:
            where += f" AND n.{column} = ?"
            values.append(value)
    if wanted.served is not None:
        where += _SERVED
        values.append(wanted.served)
    return where, values


def _notice(partition: int, row: Values) -> Notice:
    position, item, kind, channel, *rest = row
    return Notice(partition, Cursor(position, item), NoticeKind(kind), Channel(channel), *rest)
