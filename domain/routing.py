"""The way money takes between two accounts: straight within a bank, through settlement accounts between banks."""

from itertools import pairwise
from typing import TYPE_CHECKING

from domain.event import Leg
from domain.participant import Participant, find_participant
from domain.refusals import Reason, Refusal, refuse
from domain.transfer import DELIVERY, INTERBANK

if TYPE_CHECKING:
    from domain.books import Books


def route(books: "Books", debit: int, credit: int, amount: int, kind: str) -> tuple[Leg, ...] | Refusal:
    """Return the movements that bring an amount from one account to another, all of one event.

    Between banks the payer's bank owes the other one what has moved: its settlement account passes it on. Refusals
    in order: unknown or closed accounts, freezes, currency, banks that are not registered, bounds.
    """
    accounts = books.accounts
    source, target = accounts.find(debit), accounts.find(credit)
    for index, account in ((source, debit), (target, credit)):
        if index < 0:
            return refuse(Reason.ACCOUNT_NOT_FOUND, account_id=account)
    refusal = accounts.credit_refusal(target)
    if refusal is not None:
        return refusal
    if accounts.currency[source] != accounts.currency[target]:
        return refuse(Reason.CURRENCY_MISMATCH)
    stops: list[int] = [debit, credit]
    kinds: tuple[str, ...] = (kind,)
    if accounts.participant[source] != accounts.participant[target]:
        between: list[int] = []
        for index in (source, target):
            participant = participant_of(books, index)
            if isinstance(participant, Refusal):
                return participant
            between.append(participant.settlement_account)
        stops, kinds = [debit, *between, credit], (kind, INTERBANK, DELIVERY)
    for stop in stops:
        if accounts.would_pass_limit(accounts.find(stop), amount):
            return refuse(Reason.BALANCE_LIMIT)
    return tuple(Leg(name, *ends, amount) for name, ends in zip(kinds, pairwise(stops), strict=True))


def fee_account(books: "Books", account: int) -> int | Refusal:
    """Return the account into which the bank of an account takes its fees."""
    participant = participant_of(books, books.accounts.find(account))
    return participant if isinstance(participant, Refusal) else participant.fee_account


def participant_of(books: "Books", index: int) -> Participant | Refusal:
    """Return the bank that keeps the account with this index."""
    name = books.names.participants[books.accounts.participant[index]]
    found = find_participant(books, name)
    return refuse(Reason.PARTICIPANT_NOT_FOUND, participant_id=name) if found is None else found
