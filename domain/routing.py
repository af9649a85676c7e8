"""The way money takes from a payer to a payee: straight within a bank, through settlement accounts between banks.

Between two banks it passes through both settlement accounts, as legs of one event: from the payer to the payer's bank,
from there to the payee's bank, and from there to the payee. What the settlement accounts then say of each other is the
position between the banks. The fee is a leg of its own, to the payer's bank.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from domain.event import Leg
from domain.participant import Participant, find_participant
from domain.refusals import Reason, Refusal, refuse
from domain.transfer import DELIVERY, FEE, INTERBANK

if TYPE_CHECKING:
    from domain.books import Books


class Banks(NamedTuple):
    """The banks that keep the accounts at both ends; often it is one and the same."""

    payer: Participant
    payee: Participant

    @property
    def interbank(self) -> bool:
        """Whether they are two."""
        return self.payer.participant != self.payee.participant


def banks(books: "Books", payer: str, payee: str) -> Banks | Refusal:
    """Return both banks; nothing passes through a bank that is not registered."""
    first, second = (find_participant(books, participant) for participant in (payer, payee))
    if first is None or second is None:
        return refuse(Reason.PARTICIPANT_NOT_FOUND, participant_id=payer if first is None else payee)
    return Banks(first, second)


def banks_of(books: "Books", debit: int, credit: int) -> Banks | Refusal:
    """Return the banks that keep two accounts, of one currency."""
    found = [books.facts(account) for account in (debit, credit)]
    if found[0] is None or found[1] is None:
        return refuse(Reason.ACCOUNT_NOT_FOUND, account_id=debit if found[0] is None else credit)
    (payer, currency), (payee, other) = found[0], found[1]
    return banks(books, payer, payee) if currency == other else refuse(Reason.CURRENCY_MISMATCH)


def way(between: Banks, debit: int, credit: int, amount: int, kind: str, fee: int = 0) -> tuple[Leg, ...]:
    """Return the legs that bring an amount from one account to another, and the fee to the payer's bank."""
    legs = [Leg(kind, debit, credit, amount)]
    if between.interbank:
        first, second = between.payer.settlement_account, between.payee.settlement_account
        legs = [
            Leg(kind, debit, first, amount),
            Leg(INTERBANK, first, second, amount),
            Leg(DELIVERY, second, credit, amount),
        ]
    if fee:
        legs.append(Leg(FEE, debit, between.payer.fee_account, fee))
    return tuple(legs)


def receiving_refusal(books: "Books", legs: Iterable[Leg]) -> Refusal | None:
    """Return why one of the accounts that legs credit takes no money, None when all do."""
    accounts = books.accounts
    for leg in legs:
        index = accounts.find(leg.credit_account)
        if index < 0:
            return refuse(Reason.ACCOUNT_NOT_FOUND, account_id=leg.credit_account)
        refusal = accounts.credit_refusal(index)
        if refusal is not None:
            return refusal
    return bounds_refusal(books, legs)


def bounds_refusal(books: "Books", legs: Iterable[Leg]) -> Refusal | None:
    """Return the refusal of legs by which a balance would pass what the books can hold."""
    accounts = books.accounts
    for leg in legs:
        debit, credit = accounts.find(leg.debit_account), accounts.find(leg.credit_account)
        if accounts.would_pass_limit(debit, -leg.amount) or accounts.would_pass_limit(credit, leg.amount):
            return refuse(Reason.BALANCE_LIMIT)
    return None
