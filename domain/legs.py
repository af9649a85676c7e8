"""Movements in columns: the legs of a bulk as arrays, and which of them the accounts can take.

A leg is known by its number, its place in the bulk. Every leg is decided as a transfer would be, in the order of the
numbers, against what the legs before it left; but only those are looked at one by one that touch an account whose funds
could run out within the bulk. All others are decided at once. Sums are whole numbers of 64 bits throughout, and where
one of them could come near 2^62 every leg is decided by itself, with Python's numbers, which have no end.
"""

from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from domain.columns import CLOSED, CREDITS_FROZEN, DEBITS_FROZEN, GUARDED_KINDS, RESERVED, Accounts
from domain.ids import MAX_ACCOUNT
from domain.money import MAX_AMOUNT, MAX_BALANCE
from domain.refusals import Reason, Refusal, Violation

MAX_LEGS: Final = 8_190
"""With amounts up to 10^15, all that a bulk moves has room in 64 bits."""
MOST_VIOLATIONS: Final = 20
"""Entries at fault that are told of one bulk."""

STORED: Final = np.dtype("<i8")
"""How a column stands in an event, and in a request: 8 bytes a leg, signed, the lowest byte first."""
_SAFE: Final = MAX_BALANCE // 4
"""Up to this, neither bounds of balances nor those of 64 bits can be passed in the arithmetic below."""

Numbers = np.ndarray[Any, np.dtype[np.int64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]


class RefusedLeg(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A leg that moved nothing, and why; ``account`` stood in the way, 0 where that is no single one."""

    leg: int
    reason: str
    account: int = 0


class Legs(NamedTuple):
    """Who pays, who is paid, and how much, in columns of the same length."""

    debits: Numbers
    credits: Numbers
    amounts: Numbers

    @classmethod
    def of(cls, debits: bytes, credits_: bytes, amounts: bytes) -> "Legs":
        """Return columns over stored bytes, which are not copied."""
        return cls(*(np.frombuffer(column, STORED) for column in (debits, credits_, amounts)))

    def taken(self, kept: "Flags | Numbers") -> "Legs":
        """Return some of the legs."""
        return Legs(self.debits[kept], self.credits[kept], self.amounts[kept])

    @property
    def payers(self) -> list[int]:
        """The accounts that the legs debit, each once, ascending."""
        accounts: list[int] = np.unique(self.debits).tolist()
        return accounts

    @property
    def total(self) -> int:
        """The sum of all amounts."""
        return int(self.amounts.sum())


def violations(legs: Legs) -> list[Violation]:
    """Return what is wrong with columns of the same length, whatever the state of the accounts; the first few."""
    found: list[Violation] = []
    for field, column in (("debit_account_ids", legs.debits), ("credit_account_ids", legs.credits)):
        wrong = (column <= 0) | (column > MAX_ACCOUNT)
        found += _told(wrong, field, "RANGE", "is not from 1 to 2^53 - 1")
    wrong = (legs.amounts <= 0) | (legs.amounts > MAX_AMOUNT)
    found += _told(wrong, "amounts_tyiyn", "RANGE", "is not from 1 to 10^15")
    same = legs.debits == legs.credits
    found += _told(same, "credit_account_ids", "SAME_ACCOUNT", "is the account that pays")
    return found[:MOST_VIOLATIONS]


def unknown_accounts(accounts: Accounts, legs: Legs) -> list[Violation]:
    """Return which entries name no account; the first few."""
    found: list[Violation] = []
    for field, column in (("debit_account_ids", legs.debits), ("credit_account_ids", legs.credits)):
        indexes = column - accounts.base
        wrong = (indexes <= 0) | (indexes > len(accounts))
        found += _told(wrong, field, Reason.ACCOUNT_NOT_FOUND.name, "names no account")
    return found[:MOST_VIOLATIONS]


def _told(wrong: Flags, field: str, rule: str, description: str) -> list[Violation]:
    if not wrong.any():
        return []
    first = np.flatnonzero(wrong)[:MOST_VIOLATIONS]
    return [Violation(f"{field}[{index}]", rule, description) for index in first.tolist()]


def refused_legs(accounts: Accounts, legs: Legs, currency: int) -> tuple[RefusedLeg, ...]:
    """Return the legs that are refused, in order; every account exists. ``currency`` is the number of the bulk's.

    A leg is refused for the first reason of these: currency, restrictions, funds, bounds of balances.
    """
    debits, credits_ = legs.debits - accounts.base, legs.credits - accounts.base
    refused = _barred(accounts, debits, credits_, currency)
    open_ = np.ones(len(debits), np.bool_)
    open_[[each.leg for each in refused]] = False
    numbers = np.flatnonzero(open_)
    if len(numbers):
        indexes = Legs(debits, credits_, legs.amounts).taken(numbers)
        short = _short(accounts, indexes)
        if short is None:
            refused += _one_by_one(accounts, numbers, indexes)
        elif len(short):
            refused += _in_order(accounts, numbers, indexes, short)
    return tuple(sorted(refused, key=lambda each: each.leg))


def _barred(accounts: Accounts, debits: Numbers, credits_: Numbers, currency: int) -> list[RefusedLeg]:
    """Return the legs that no funds could help."""
    found: list[RefusedLeg] = []
    currencies, restrictions = accounts.view("currency"), accounts.view("restrictions")
    foreign = (currencies[debits] != currency) | (currencies[credits_] != currency)
    if foreign.any():
        found += [RefusedLeg(leg, Reason.CURRENCY_MISMATCH.name) for leg in np.flatnonzero(foreign).tolist()]
    never = CLOSED | RESERVED
    paying, paid = restrictions[debits] & (DEBITS_FROZEN | never), restrictions[credits_] & (CREDITS_FROZEN | never)
    restricted = ((paying | paid) != 0) & ~foreign
    for leg in np.flatnonzero(restricted).tolist() if restricted.any() else ():
        refusal = accounts.debit_refusal(int(debits[leg])) or accounts.credit_refusal(int(credits_[leg]))
        if refusal is None:
            raise ValueError(f"leg {leg} is barred, and no account says why")
        found.append(_refused(leg, refusal))
    return found


def _short(accounts: Accounts, legs: Legs) -> Numbers | None:
    """Return the accounts whose funds could run out, by index; None where sums could come near their bounds.

    Any other account can pay all that leaves it without what comes in: whatever becomes of the other legs, its own are
    covered.
    """
    posted, held = accounts.view("posted"), accounts.view("held")
    payers, place = np.unique(legs.debits, return_inverse=True)
    before = posted[payers]
    largest = max(np.abs(before).max(), np.abs(posted[legs.credits]).max())
    if largest > _SAFE or legs.total > _SAFE:
        return None
    leaving = np.zeros(len(payers), np.int64)
    np.add.at(leaving, place, legs.amounts)
    room = before - held[payers] + accounts.view("overdraft_limit")[payers] - accounts.view("minimum_balance")[payers]
    short: Numbers = payers[GUARDED_KINDS[accounts.view("kind")[payers]] & (leaving > room)]
    return short


def _in_order(accounts: Accounts, numbers: Numbers, legs: Legs, short: Numbers) -> list[RefusedLeg]:
    """Decide the legs one after another that touch accounts whose funds could run out; all others are covered."""
    room = {index: accounts.spendable(index) for index in short.tolist()}
    touching = np.flatnonzero(np.isin(legs.debits, short) | np.isin(legs.credits, short))
    few, base = legs.taken(touching), accounts.base
    refused: list[RefusedLeg] = []
    rows = zip(numbers[touching].tolist(), few.debits.tolist(), few.credits.tolist(), few.amounts.tolist(), strict=True)
    for leg, debit, credit, amount in rows:
        left = room.get(debit)
        if left is not None:
            if amount > left:
                refused.append(RefusedLeg(leg, Reason.INSUFFICIENT_FUNDS.name, base + debit))
                continue
            room[debit] = left - amount
        if credit in room:
            room[credit] += amount
    return refused


def _one_by_one(accounts: Accounts, numbers: Numbers, legs: Legs) -> list[RefusedLeg]:
    """Decide every leg after the one before it, with numbers that cannot overflow."""
    moved: dict[int, int] = {}
    refused: list[RefusedLeg] = []
    rows = zip(numbers.tolist(), legs.debits.tolist(), legs.credits.tolist(), legs.amounts.tolist(), strict=True)
    for leg, debit, credit, amount in rows:
        paid, received = moved.get(debit, 0) - amount, moved.get(credit, 0) + amount
        if amount > accounts.spendable(debit) + moved.get(debit, 0):
            refused.append(RefusedLeg(leg, Reason.INSUFFICIENT_FUNDS.name, accounts.base + debit))
        elif accounts.would_pass_limit(debit, paid) or accounts.would_pass_limit(credit, received):
            refused.append(RefusedLeg(leg, Reason.BALANCE_LIMIT.name))
        else:
            moved[debit], moved[credit] = paid, received
    return refused


def _refused(leg: int, refusal: Refusal) -> RefusedLeg:
    return RefusedLeg(leg, refusal.reason.name, int(refusal.metadata.get("account_id", 0)))
