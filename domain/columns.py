"""The accounts of a partition in columns: about fifty bytes each, found by index, changed in place.

Balances change a hundred thousand times a second, so they are whole numbers in arrays, not objects. Every
change is noted in a journal first, so that the engine can undo a batch that the log refused.
"""

from array import array
from typing import Any, Final, NamedTuple

import numpy as np

from domain.account import (
    GUARDED,
    Account,
    AccountClosed,
    AccountFrozen,
    AccountKind,
    AccountOpened,
    AccountUnfrozen,
    MinimumBalanceSet,
    OverdraftLimitSet,
)
from domain.event import Event
from domain.ids import account_id, account_index, account_partition
from domain.money import MAX_BALANCE
from domain.refusals import Reason, Refusal, refuse

DEBITS_FROZEN: Final = 1
CREDITS_FROZEN: Final = 2
CLOSED: Final = 4
RESERVED: Final = 8
"""The ledger's own clearing account, over which transfers cross to another partition and nothing else moves."""

KINDS: Final = tuple(AccountKind)
_GUARDED: Final = tuple(kind in GUARDED for kind in KINDS)
GUARDED_KINDS: Final = np.array(_GUARDED)
"""By the number of a kind in ``KINDS``: whether what leaves such an account must be covered."""

Journal = list[tuple[Any, Any, Any]]
"""Undo entries: a container, a key, and the value that stood there (``MISSING`` for none).

Where the container is the accounts, the key is an array of indexes whose posted balances stood there, or
``MISSING`` where an account was opened, and the value is their number before.
"""

MISSING: Final = object()

_COLUMNS: Final = {
    "posted": "q",
    "held": "q",
    "overdraft_limit": "q",
    "minimum_balance": "q",
    "version": "i",
    "currency": "H",
    "participant": "H",
    "kind": "B",
    "restrictions": "B",
}

_DTYPES: Final = {name: np.dtype(code) for name, code in _COLUMNS.items()}


class Names(NamedTuple):
    """What stands for names in the columns: numbers, in the order in which the names were met."""

    currencies: list[str]
    participants: list[str]


class Accounts:
    """The decision state of every account of one partition, by index. Index 0 stays empty."""

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.base = account_id(partition, 0)
        """What an account's id is above its index."""
        self.posted = array("q", [0])
        self.held = array("q", [0])
        self.overdraft_limit = array("q", [0])
        self.minimum_balance = array("q", [0])
        self.version = array("i", [0])
        self.currency = array("H", [0])
        self.participant = array("H", [0])
        self.kind = array("B", [0])
        self.restrictions = array("B", [0])

    def __len__(self) -> int:
        return len(self.posted) - 1

    def next_id(self) -> int:
        """Return the id that the next account to be opened will have."""
        return account_id(self.partition, len(self.posted))

    def find(self, account: int) -> int:
        """Return the account's index, -1 when this partition has no such account."""
        index = account - self.base
        return index if 0 < index < len(self.posted) else -1

    def spendable(self, index: int) -> int:
        """Return what may leave the account, in tyiyn: what is available, or no bound where it may be negative."""
        if not _GUARDED[self.kind[index]]:
            return MAX_BALANCE
        return self.posted[index] - self.held[index] + self.overdraft_limit[index] - self.minimum_balance[index]

    def would_pass_limit(self, index: int, amount: int) -> bool:
        """Tell whether adding ``amount`` takes the posted balance out of its bounds."""
        return not -MAX_BALANCE <= self.posted[index] + amount <= MAX_BALANCE

    def hold_would_pass_limit(self, index: int, amount: int) -> bool:
        """Tell whether holding ``amount`` more takes the held balance out of its bounds."""
        return self.held[index] + amount > MAX_BALANCE

    def is_closed(self, index: int) -> bool:
        """Tell whether the account is closed."""
        return bool(self.restrictions[index] & CLOSED)

    def is_customer(self, index: int) -> bool:
        """Tell whether the account is a customer's."""
        return KINDS[self.kind[index]] is AccountKind.CUSTOMER

    def debit_refusal(self, index: int, *, transit: bool = False) -> Refusal | None:
        """Return why money may not leave the account by itself, None when it may; what crosses uses a reserved one."""
        return self._refusal(index, DEBITS_FROZEN | (0 if transit else RESERVED))

    def credit_refusal(self, index: int, *, transit: bool = False) -> Refusal | None:
        """Return why money may not reach the account, None when it may; what crosses uses a reserved one."""
        return self._refusal(index, CREDITS_FROZEN | (0 if transit else RESERVED))

    def reserved_refusal(self, index: int) -> Refusal | None:
        """Return why nobody may have anything done with the account, None when it is not the ledger's own."""
        if not self.restrictions[index] & RESERVED:
            return None
        return refuse(Reason.ACCOUNT_RESERVED, account_id=account_id(self.partition, index))

    def _refusal(self, index: int, barring: int) -> Refusal | None:
        restrictions = self.restrictions[index] & (barring | CLOSED)
        if not restrictions:
            return None
        if restrictions & RESERVED:
            return self.reserved_refusal(index)
        reason = Reason.ACCOUNT_CLOSED if restrictions & CLOSED else Reason.ACCOUNT_FROZEN
        return refuse(reason, account_id=account_id(self.partition, index))

    def move(self, debit_account: int, credit_account: int, amount: int, journal: Journal) -> None:
        """Move posted money between two accounts of this partition."""
        posted = self.posted
        debit, credit = debit_account - self.base, credit_account - self.base
        before = posted[debit]
        journal.append((posted, debit, before))
        posted[debit] = before - amount
        before = posted[credit]
        journal.append((posted, credit, before))
        posted[credit] = before + amount

    def move_all(self, debit_accounts: Any, credit_accounts: Any, amounts: Any, journal: Journal) -> None:
        """Move posted money between many accounts of this partition, named in arrays of the same length."""
        debits, credits_ = debit_accounts - self.base, credit_accounts - self.base
        touched = np.concatenate((debits, credits_))
        posted = self.view("posted")
        journal.append((self, touched, posted[touched]))
        np.subtract.at(posted, debits, amounts)
        np.add.at(posted, credits_, amounts)

    def try_move(self, debit_account: int, credit_account: int, amount: int, journal: Journal) -> bool:
        """Move posted money where plainly nothing stands in the way; else return False, with nothing moved.

        The same as the guards of a transfer without legs, then ``move``, in a third of the time. Where it says
        False, the guards say why, or that it may move all the same.
        """
        debit, credit = debit_account - self.base, credit_account - self.base
        posted = self.posted
        accounts = len(posted)
        if not (0 < debit < accounts and 0 < credit < accounts):
            return False
        if self.restrictions[debit] or self.restrictions[credit] or self.currency[debit] != self.currency[credit]:
            return False
        source, target = posted[debit], posted[credit]
        if (
            _GUARDED[self.kind[debit]]
            and amount > source - self.held[debit] + self.overdraft_limit[debit] - self.minimum_balance[debit]
        ):
            return False
        if source - amount < -MAX_BALANCE or target + amount > MAX_BALANCE:
            return False
        journal.append((posted, debit, source))
        journal.append((posted, credit, target))
        posted[debit] = source - amount
        posted[credit] = target + amount
        return True

    def view(self, column: str) -> "np.ndarray[Any, np.dtype[Any]]":
        """Return a column as a numpy array over the same memory. Let go of it before an account is opened."""
        return np.frombuffer(getattr(self, column), dtype=_DTYPES[column])

    def hold(self, account: int, amount: int, journal: Journal) -> None:
        """Hold ``amount`` more (less, when negative) of an account."""
        index = account - self.base
        before = self.held[index]
        journal.append((self.held, index, before))
        self.held[index] = before + amount

    def evolve(self, account: int, version: int, event: Event, names: "Names", journal: Journal) -> None:
        """Take one of an account's own events into the columns."""
        index = account_index(account)
        if isinstance(event, AccountOpened):
            self._open(account, event, names, journal)
            return
        self._set(self.version, index, version, journal)
        match event:
            case AccountFrozen():
                self._set(self.restrictions, index, self.restrictions[index] | _frozen(event), journal)
            case AccountUnfrozen():
                self._set(self.restrictions, index, self.restrictions[index] & ~_frozen(event), journal)
            case OverdraftLimitSet():
                self._set(self.overdraft_limit, index, event.limit, journal)
            case MinimumBalanceSet():
                self._set(self.minimum_balance, index, event.minimum, journal)
            case AccountClosed():
                self._set(self.restrictions, index, self.restrictions[index] | CLOSED, journal)
            case _:
                raise ValueError(f"{event.TOPIC} is not an event of an account")

    def _open(self, account: int, event: AccountOpened, names: "Names", journal: Journal) -> None:
        if account != self.next_id() or account_partition(account) != self.partition:
            raise ValueError(f"account {account} is not the next one of partition {self.partition}")
        journal.append((self, MISSING, len(self.posted)))
        self.posted.append(0)
        self.held.append(0)
        self.overdraft_limit.append(event.overdraft_limit)
        self.minimum_balance.append(event.minimum_balance)
        self.version.append(1)
        self.currency.append(_number_of(event.currency, names.currencies, journal))
        self.participant.append(_number_of(event.participant, names.participants, journal))
        self.kind.append(KINDS.index(event.kind))
        self.restrictions.append(RESERVED if event.reserved else 0)

    @staticmethod
    def _set(column: "array[int]", index: int, value: int, journal: Journal) -> None:
        journal.append((column, index, column[index]))
        column[index] = value

    def truncate(self, length: int) -> None:
        """Forget the accounts from index ``length`` on: the undoing of an opening."""
        for name in _COLUMNS:
            del getattr(self, name)[length:]

    def dump(self) -> dict[str, bytes]:
        """Return the columns as little-endian bytes, for a snapshot."""
        return {name: getattr(self, name).tobytes() for name in _COLUMNS}

    def load(self, columns: dict[str, bytes]) -> None:
        """Replace the columns with those of a snapshot."""
        for name, code in _COLUMNS.items():
            column = array(code)
            column.frombytes(columns[name])
            setattr(self, name, column)

    def matches(self, account: Account) -> bool:
        """Tell whether the columns agree with an account folded from its own events."""
        index = self.find(account.account_id)
        restrictions = (
            (DEBITS_FROZEN if account.debits_frozen else 0)
            | (CREDITS_FROZEN if account.credits_frozen else 0)
            | (CLOSED if account.closed else 0)
            | (RESERVED if account.reserved else 0)
        )
        return (
            index > 0
            and self.version[index] == account.version
            and self.restrictions[index] == restrictions
            and self.overdraft_limit[index] == account.overdraft_limit
            and self.minimum_balance[index] == account.minimum_balance
        )


def _number_of(name: str, names: list[str], journal: Journal) -> int:
    """Return the number of a name in a column, giving it the next one when it is new."""
    if name not in names:
        journal.append((names, slice(len(names), None), []))
        names.append(name)
    return names.index(name)


def _frozen(event: AccountFrozen | AccountUnfrozen) -> int:
    return (DEBITS_FROZEN if event.debits else 0) | (CREDITS_FROZEN if event.credits else 0)


def undo(journal: Journal, mark: int = 0) -> None:
    """Take back every change noted since ``mark``, newest first."""
    while len(journal) > mark:
        container, key, old = journal.pop()
        if isinstance(container, Accounts):
            if key is MISSING:
                container.truncate(old)
            else:
                container.view("posted")[key] = old
        elif old is MISSING:
            container.pop(key, None)
        else:
            container[key] = old
