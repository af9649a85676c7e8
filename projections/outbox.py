"""The outbox: what people and banks are to be told, a row for each notice of each event and each who is told.

A row follows from the log alone: from the event, and from what the log said up to it, never from what came later in
the same batch. So the outbox is the same however often it is made, and (position, item) names a notice for good:
whoever remembers the last one that was delivered is told each exactly once. Texts are not kept; they are written, in
the reader's language, when a notice is read. No personal data is kept either: a telephone number is looked up then.

What is told of an event stands in one table, ``NOTICES``, with one row for each kind of event.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

from domain.account import AccountKind
from domain.authorization import (
    AuthorizationAdvised,
    AuthorizationApproved,
    AuthorizationCaptured,
    AuthorizationExpired,
    AuthorizationIncremented,
    AuthorizationPartlyReversed,
    AuthorizationReversed,
    Details,
    ForcePosted,
    RefundPosted,
)
from domain.binding import HOLD_KIND, CardBindingMissed
from domain.card import CardBlocked, CardBound, CardClosed, CardReportedLost, CardUnblocked, CardUnbound
from domain.event import Event
from domain.movements import effective_time
from domain.ports import Row
from domain.transfer import TransferPosted, TransferReversed, fees, payee
from projections.addresses import Addresses, Recipient
from projections.answers import Channel, Cursor, Notice, NoticeKind, NoticePage, Wanted
from projections.batch import Batch, Ledger
from projections.schema import notices
from projections.store import Session, Values, Writer, select_many

VERIFICATIONS: Final = frozenset({HOLD_KIND, "account_verification"})
"""Kinds of holds whose amount is a secret: who can name it holds the card."""
PAYMENTS: Final = frozenset({"qr_payment", "service_payment", "top_up", "pos_payment"})
"""Kinds of transfers that pay somebody for something."""
WINDOW: Final = 20_000
"""How many positions are looked through for one page."""
LAST_ITEM: Final = 2**15 - 1
"""Stands in a cursor that is behind a whole event."""

_MOST_FACTS: Final = 200_000


class Draft(NamedTuple):
    """A notice before it is known who is told: those of the account, or those in ``to``."""

    kind: NoticeKind
    account: int
    amount: int = 0
    fee: int = 0
    counterparty: int = 0
    category: str = ""
    merchant: str = ""
    card: bytes = b""
    to: tuple[Recipient, ...] | None = None


class Told(NamedTuple):
    """An event as the table of notices sees it; ``details`` are those of the authorisation it belongs to."""

    row: Row
    event: Any
    details: Details | None
    addresses: Addresses


def _transfer(told: Told) -> Iterator[Draft]:
    event: TransferPosted = told.event
    to = payee(event)
    fee = sum(leg.amount for leg in fees(event))
    yield Draft(_sent(event.kind), event.debit_account, event.amount, fee, to, event.kind)
    yield Draft(_received(event.kind), to, event.amount, 0, event.debit_account, event.kind)


@lru_cache(1_000)
def _sent(kind: str) -> NoticeKind:
    if kind in PAYMENTS:
        return NoticeKind.PAYMENT_MADE
    return NoticeKind.TRANSFER_SENT if kind.startswith("transfer") else NoticeKind.MONEY_OUT


@lru_cache(1_000)
def _received(kind: str) -> NoticeKind:
    match kind:
        case "salary":
            return NoticeKind.SALARY_CREDITED
        case "pension":
            return NoticeKind.PENSION_CREDITED
        case _:
            return NoticeKind.MONEY_IN


def _transfer_reversed(told: Told) -> Iterator[Draft]:
    for leg in told.event.legs:
        yield Draft(NoticeKind.MONEY_OUT, leg.debit_account, leg.amount, 0, leg.credit_account, leg.kind)
        yield Draft(NoticeKind.MONEY_IN, leg.credit_account, leg.amount, 0, leg.debit_account, leg.kind)


def _approved(told: Told) -> Iterator[Draft]:
    details: Details = told.event
    if details.kind in VERIFICATIONS:
        yield from _verification(told, details)
    else:
        yield from _held(told)


def _verification(told: Told, details: Details) -> Iterator[Draft]:
    """Tell the amount to whoever has the telephone that the bank knows, and to no application (row S10)."""
    if details.card is not None:
        card = told.addresses.card(details.card.bytes)
        yield Draft(
            NoticeKind.VERIFICATION_HOLD,
            details.account,
            details.amount,
            category=details.kind,
            card=card.card_id,
            to=card.bank(),
        )


def _held(told: Told) -> Iterator[Draft]:
    yield from _of_hold(told, NoticeKind.HOLD_PLACED, told.event.amount)


def _partly_released(told: Told) -> Iterator[Draft]:
    yield from _of_hold(told, NoticeKind.HOLD_RELEASED, told.event.amount)


def _released(told: Told) -> Iterator[Draft]:
    yield from _of_hold(told, NoticeKind.HOLD_RELEASED, told.event.released)


def _of_hold(told: Told, kind: NoticeKind, amount: int) -> Iterator[Draft]:
    details = told.details
    if details is None:
        raise ValueError(f"the authorisation of {told.event.TOPIC} at position {told.row.position} is not known")
    if amount and details.kind not in VERIFICATIONS:
        yield Draft(
            kind,
            details.account,
            amount,
            counterparty=details.credit_account,
            category=details.kind,
            merchant=details.merchant_name,
            card=b"" if details.card is None else details.card.bytes,
        )


def _captured(told: Told) -> Iterator[Draft]:
    event: AuthorizationCaptured = told.event
    details = told.details
    kind, merchant = ("capture", "") if details is None else (details.kind, details.merchant_name)
    first = event.legs[0]
    yield Draft(NoticeKind.PAYMENT_MADE, event.account, event.amount, 0, first.credit_account, kind, merchant)


def _force_posted(told: Told) -> Iterator[Draft]:
    event: ForcePosted = told.event
    first = event.legs[0]
    yield Draft(
        NoticeKind.PAYMENT_MADE, event.account, event.amount, 0, first.credit_account, first.kind, event.merchant_name
    )


def _refunded(told: Told) -> Iterator[Draft]:
    event: RefundPosted = told.event
    merchant = event.merchant_name or (told.details.merchant_name if told.details else "")
    yield Draft(NoticeKind.MONEY_IN, event.account, event.amount, 0, event.legs[0].debit_account, "refund", merchant)


def _bound(told: Told) -> Iterator[Draft]:
    event: CardBound = told.event
    card = told.addresses.card(told.row.originator_id)
    # The application is told that it has a card; whoever has held the card all along hears of it from the bank.
    to = ((event.customer.bytes, Channel.PUSH), *card.bank())
    yield Draft(NoticeKind.CARD_BOUND, card.account, card=card.card_id, to=to)


def _unbound(told: Told) -> Iterator[Draft]:
    event: CardUnbound = told.event
    card = told.addresses.card(told.row.originator_id)
    yield Draft(NoticeKind.CARD_UNBOUND, card.account, card=card.card_id, to=((event.customer.bytes, Channel.PUSH),))


def _missed(told: Told) -> Iterator[Draft]:
    event: CardBindingMissed = told.event
    if event.tries_left == 0:
        binding = told.addresses.binding(told.row.originator_id)
        card = told.addresses.card(binding.card_id)
        to = ((binding.customer, Channel.PUSH), *card.bank())
        yield Draft(NoticeKind.CARD_BINDING_LOCKED, card.account, card=card.card_id, to=to)


def _card(kind: NoticeKind) -> Callable[[Told], Iterable[Draft]]:
    def make(told: Told) -> Iterator[Draft]:
        card = told.addresses.card(told.row.originator_id)
        yield Draft(kind, card.account, card=card.card_id, to=card.owner())

    return make


NOTICES: Final[dict[type[Event], Callable[[Told], Iterable[Draft]]]] = {
    TransferPosted: _transfer,
    TransferReversed: _transfer_reversed,
    AuthorizationApproved: _approved,
    AuthorizationAdvised: _approved,
    AuthorizationIncremented: _held,
    AuthorizationPartlyReversed: _partly_released,
    AuthorizationReversed: _released,
    AuthorizationExpired: _released,
    AuthorizationCaptured: _captured,
    ForcePosted: _force_posted,
    RefundPosted: _refunded,
    CardBound: _bound,
    CardUnbound: _unbound,
    CardBindingMissed: _missed,
    CardBlocked: _card(NoticeKind.CARD_BLOCKED),
    CardUnblocked: _card(NoticeKind.CARD_UNBLOCKED),
    CardReportedLost: _card(NoticeKind.CARD_LOST),
    CardClosed: _card(NoticeKind.CARD_CLOSED),
}
"""What is told of each kind of event. Of the others nothing is."""


class Facts(NamedTuple):
    """What never changes about an account."""

    participant: str
    told: bool
    """Whether it is a customer's: banks' and merchants' own accounts have statements."""


class Outbox:
    """Keeps the outbox."""

    def __init__(self) -> None:
        self._facts: dict[int, Facts] = {}
        self._addresses = Addresses()

    def apply(self, batch: Batch, writer: Writer, ledger: Ledger) -> None:
        """Add the notices of the batch's events."""
        self._know(writer, batch, ledger)
        addresses = self._addresses
        rows: list[Values] = []
        for row, event in batch.items:
            if type(event) is TransferPosted and not event.legs:
                self._plain(rows, row, event)
                continue
            make = NOTICES.get(type(event))
            if make is not None:
                rows += self._rows(row, event, make(Told(row, event, _details(batch, row, event), addresses)))
            addresses.fold(row, event)  # Only now: what happens to a card is told to whoever had it.
        addresses.write(batch, writer)
        writer.insert(notices, rows)

    def _plain(self, rows: list[Values], row: Row, event: TransferPosted) -> None:
        """Add the notices of a transfer of one leg, of which there are most. It says the same as ``_transfer``."""
        debit, credit, kind = event.debit_account, event.credit_account, event.kind
        happened = row.recorded_at if event.effective_time is None else event.effective_time
        item = 0
        for account, other, told in ((debit, credit, _sent(kind)), (credit, debit, _received(kind))):
            facts = self._facts[account]
            if not facts.told:
                continue
            for customer, channel in self._addresses.recipients(account):
                rows.append(
                    (
                        row.partition,
                        row.position,
                        item,
                        told.value,
                        channel.value,
                        facts.participant,
                        account,
                        customer,
                        b"",
                        event.amount,
                        0,
                        other,
                        kind,
                        "",
                        happened,
                        row.originator_id,
                    )
                )
                item += 1

    def _rows(self, row: Row, event: Event, drafts: Iterable[Draft]) -> Iterator[Values]:
        item = 0
        for draft in drafts:
            facts = self._facts[draft.account]
            if not facts.told:
                continue
            to = self._addresses.recipients(draft.account) if draft.to is None else draft.to
            for customer, channel in to:
                yield (
                    row.partition,
                    row.position,
                    item,
                    draft.kind.value,
                    channel.value,
                    facts.participant,
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

    def _know(self, session: Session, batch: Batch, ledger: Ledger) -> None:
        """Learn the facts and the cards of the accounts that the batch is about."""
        if len(self._facts) > _MOST_FACTS:
            self._facts.clear()
            self._addresses = Addresses()
        missing = self._addresses.begin(session, batch, ledger.touched) - self._facts.keys()
        if missing:
            sql = "SELECT account_id, participant, kind FROM accounts WHERE partition = ? AND account_id IN ({keys})"
            for account, participant, kind in select_many(session, sql, (batch.partition,), sorted(missing)):
                self._facts[account] = Facts(participant, kind == AccountKind.CUSTOMER.value)


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
    " WHERE n.partition = ? AND (n.position, n.item) > (?, ?) AND n.position <= ?"
)


def read_notices(
    session: Session, partition: int, after: Cursor, wanted: Wanted, *, tracked: int, limit: int
) -> NoticePage:
    """Return the next notices that are wanted, oldest first, and how far was looked: at most WINDOW positions."""
    upto = min(tracked, after.position + WINDOW)
    where = ""
    values: list[Any] = [partition, after.position, after.item, upto]
    for column, value in (
        ("participant", wanted.participant),
        ("customer", wanted.customer),
        ("channel", None if wanted.channel is None else wanted.channel.value),
    ):
        if value is not None:
            where += f" AND n.{column} = ?"
            values.append(value)
    sql = f"SELECT {_COLUMNS} {_FROM}{where} ORDER BY n.position, n.item LIMIT ?"
    found = tuple(_notice(partition, row) for row in session.all(sql, *values, limit))
    if len(found) == limit:
        return NoticePage(found, found[-1].cursor, tracked)
    return NoticePage(found, max(after, Cursor(upto, LAST_ITEM)), tracked)


def _notice(partition: int, row: Values) -> Notice:
    position, item, kind, channel, *rest = row
    return Notice(partition, Cursor(position, item), NoticeKind(kind), Channel(channel), *rest)
