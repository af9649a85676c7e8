"""Receipts of forty columns: what an ATM prints of an account, and the receipt of one operation (rows S15 to S18).

Every receipt says whose it is, when it was made, and the position of the log that it reflects. What comes from
outside (a merchant's name, a reference) is shown as it is, but for card numbers.
"""

from collections.abc import Iterable
from typing import NamedTuple
from zoneinfo import ZoneInfo

from domain.services.catalogue import Language, Names
from ledger.rpc.text import figures, words
from ledger.rpc.text.columns import RULE, centred, indented, pair, wrapped
from ledger.rpc.text.masking import masked_account, without_cards
from projections.answers import AuthorizationRecord, Balance, Overview, StatementLine

Lines = list[str]


class Paper(NamedTuple):
    """What every receipt has in common. Times are in microseconds."""

    language: Language
    zone: ZoneInfo
    participant: str
    printed_at: int
    partition: int
    position: int


class Fee(NamedTuple):
    """A part of an operation that was moved along with it."""

    kind: str
    amount: int


class Operation(NamedTuple):
    """One operation, whatever it is, as a person is told of it. ``figures`` are what has become of its amount."""

    kind: str
    operation_id: str
    time: int
    debited: str
    credited: str
    amount: int
    currency: str
    state: Names
    fees: tuple[Fee, ...] = ()
    figures: tuple[tuple[Names, int], ...] = ()
    merchant: str = ""
    reference: str = ""
    reason: str = ""
    held_until: int | None = None
    card: str = ""


def mini_statement(paper: Paper, overview: Overview) -> Lines:
    """Return the last movements, the open authorisations and the balance of an account."""
    text = _Writer(paper)
    text.head(words.MINI_STATEMENT, overview)
    text.movements(overview.lines, balances=True)
    text.lines += [RULE, *wrapped(text.word(words.AUTHORIZATIONS))]
    text.holds(overview.authorizations, states=False)
    text.balance(overview.balance)
    return text.end()


def authorizations(paper: Paper, overview: Overview) -> Lines:
    """Return an account's authorisations, open or not, and what is held of it."""
    text = _Writer(paper)
    text.head(words.AUTHORIZATIONS, overview)
    text.holds(overview.authorizations, states=True)
    text.balance(overview.balance)
    return text.end()


def transactions(paper: Paper, overview: Overview) -> Lines:
    """Return what was posted to an account, without what is only held."""
    text = _Writer(paper)
    text.head(words.TRANSACTIONS, overview)
    text.movements(overview.lines, balances=False)
    text.lines += [RULE, *text.row(words.BALANCE, text.amount(overview.balance.posted))]
    return text.end()


def operation(paper: Paper, done: Operation) -> Lines:
    """Return the receipt of one operation."""
    text = _Writer(paper)
    text.title(words.RECEIPT)
    text.lines += [
        *wrapped(text.word(words.kind(done.kind, credit=True))),
        *text.row(words.OPERATION, done.operation_id),
        *text.row(words.STATE, text.word(done.state)),
    ]
    if done.reason:
        text.lines += text.row(words.REASON, done.reason)
    text.lines += [RULE, text.moment(done.time)]
    for name, side in ((words.FROM, done.debited), (words.TO, done.merchant or done.credited)):
        text.lines += text.row(name, without_cards(side))
    if done.card:
        text.lines += text.row(words.CARD, done.card)
    text.lines += text.row(words.AMOUNT, text.money(done.amount, done.currency))
    for fee in done.fees:
        text.lines += text.row(words.kind(fee.kind, credit=False), text.money(fee.amount, done.currency))
    if done.fees:
        total = done.amount + sum(fee.amount for fee in done.fees)
        text.lines += text.row(words.TOTAL, text.money(total, done.currency))
    for name, amount in done.figures:
        text.lines += text.row(name, text.money(amount, done.currency))
    if done.held_until is not None:
        text.lines += text.row(words.HELD_UNTIL, text.moment(done.held_until))
    if done.reference:
        text.lines += text.row(words.REFERENCE, without_cards(done.reference))
    return text.end()


def counterparty(line: StatementLine) -> str:
    """Return the other side of a movement as a person may see it."""
    if line.merchant_name:
        return without_cards(line.merchant_name)
    return masked_account(line.counterparty_number, line.counterparty)


class _Writer:
    """Lines of one receipt in one language."""

    def __init__(self, paper: Paper) -> None:
        self._paper = paper
        self.lines: Lines = []

    def word(self, names: Names) -> str:
        return names.of(self._paper.language)

    def amount(self, tyiyn: int, *, signed: bool = False) -> str:
        return figures.amount(tyiyn, self._paper.language, signed=signed)

    def money(self, tyiyn: int, currency: str) -> str:
        return figures.money(tyiyn, currency, self._paper.language)

    def moment(self, time: int) -> str:
        return figures.moment(time, self._paper.language, self._paper.zone)

    def row(self, name: Names, value: str) -> Lines:
        return pair(self.word(name), value)

    def title(self, names: Names) -> None:
        paper = self._paper
        self.lines += [
            *centred(self.word(names).upper()),
            self.moment(paper.printed_at),
            *self.row(words.BANK, paper.participant),
        ]

    def head(self, names: Names, overview: Overview) -> None:
        account = overview.account
        self.title(names)
        self.lines += self.row(words.ACCOUNT, masked_account(account.number, account.account_id))
        self.lines += self.row(words.CURRENCY, figures.currency(account.currency, self._paper.language))
        self.lines.append(RULE)

    def movements(self, lines: Iterable[StatementLine], *, balances: bool) -> None:
        before = len(self.lines)
        for line in lines:
            self.lines += pair(self.moment(line.effective_time), self.amount(line.amount, signed=True))
            self.lines += wrapped(self.word(words.kind(line.kind, credit=line.amount > 0)))
            self.lines += indented(counterparty(line))
            if balances:
                self.lines += self.row(words.BALANCE, self.amount(line.balance_after))
        if len(self.lines) == before:
            self.lines += wrapped(self.word(words.NO_TRANSACTIONS))

    def holds(self, records: Iterable[AuthorizationRecord], *, states: bool) -> None:
        before = len(self.lines)
        for record in records:
            authorization = record.authorization
            details = authorization.details
            held = authorization.remaining if authorization.open else authorization.approved or details.amount
            self.lines += pair(self.moment(authorization.created_at), self.amount(held))
            self.lines += wrapped(self.word(words.kind(details.kind, credit=False)))
            if details.merchant_name:
                self.lines += indented(without_cards(details.merchant_name))
            if details.masked_number:
                self.lines += indented(details.masked_number)
            if states:
                self.lines += indented(self.word(words.STATES[authorization.state]))
        if len(self.lines) == before:
            self.lines += wrapped(self.word(words.NO_AUTHORIZATIONS))

    def balance(self, balance: Balance) -> None:
        self.lines += [RULE, *self.row(words.BALANCE, self.amount(balance.posted))]
        for name, figure in ((words.HELD_AMOUNT, balance.held), (words.AVAILABLE, balance.available)):
            if figure is not None:
                self.lines += self.row(name, self.amount(figure))

    def end(self) -> Lines:
        paper = self._paper
        where = f"{paper.partition}/{paper.position}"
        return [line.rstrip() for line in [*self.lines, RULE, *self.row(words.POSITION, where)]]
