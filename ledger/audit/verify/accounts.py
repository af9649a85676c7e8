"""What each account has, as it follows from what stands in the events: numbers in columns, some sixty bytes an account.

The events are read here once more, field by field, and not with the domain's classes and rules: a mistake of theirs
must show.
"""

from typing import Any, Final

import msgspec
import numpy as np

from domain.ids import account_id
from domain.ports import Row
from ledger.audit.verify.findings import Check, Finding, Findings

OPENED: Final = "account.opened.v1"
OVERDRAFT_SET: Final = "account.overdraft_limit_set.v1"
MINIMUM_SET: Final = "account.minimum_balance_set.v1"
TOPICS: Final = frozenset((OPENED, OVERDRAFT_SET, MINIMUM_SET))
MONEY_COLUMNS: Final = ("posted", "held", "overdraft_limit", "minimum_balance")
_COLUMNS: Final = (*MONEY_COLUMNS, "opened_at", "currency", "owner", "debited")
_FIRST_ROOM: Final = 1_024
BOUND: Final = 2**62
"""No number of an event is as large: sums of a few of them have room in 64 bits."""

Column = np.ndarray[Any, np.dtype[np.int64]]


class _Opened(msgspec.Struct):
    participant: str
    kind: str
    currency: str
    overdraft_limit: int = 0
    minimum_balance: int = 0
    reserved: bool = False


class _Set(msgspec.Struct):
    limit: int = 0
    minimum: int = 0


_OPENED: Final = msgspec.json.Decoder(_Opened).decode
_SET: Final = msgspec.json.Decoder(_Set).decode


class Tallies:
    """The accounts of a partition by index; index 0 stays empty."""

    def __init__(self, partition: int, findings: Findings) -> None:
        self.base = account_id(partition, 0)
        self.count = 0
        self.currencies: list[str] = []
        self._owners: dict[tuple[str, str], int] = {}
        self._told_owners: list[tuple[str, str]] = []
        self._reserved: list[int] = []
        self._findings = findings
        self._columns = {name: np.zeros(_FIRST_ROOM, np.int64) for name in _COLUMNS}

    def column(self, name: str) -> Column:
        """Return a column as far as there are accounts, index 0 included. Not to be kept while accounts are opened."""
        return self._columns[name][: self.count + 1]

    def index(self, account: int) -> int:
        """Return an account's index, 0 where there is no such account."""
        index = account - self.base
        return index if 0 < index <= self.count else 0

    def account(self, index: int) -> int:
        """Return the id of the account at an index."""
        return self.base + index

    def words(self, index: int) -> dict[str, str]:
        """Return whose the account at an index is, what for, and in which currency."""
        participant, kind = self._told_owners[self._columns["owner"][index]]
        currency = self.currencies[self._columns["currency"][index]]
        return {"participant": participant, "kind": kind, "currency": currency}

    def add(self, row: Row) -> None:
        """Take in an event of an account; raises msgspec.DecodeError."""
        account = int.from_bytes(row.originator_id, "big")
        if row.topic == OPENED:
            self._open(account, row)
            return
        index = self.index(account)
        if not index:
            message = f"account {account} was never opened"
            self._findings.add(Finding(Check.MONEY, message, row.position, account=account))
            return
        told = _SET(row.state)
        if row.topic == OVERDRAFT_SET:
            self._columns["overdraft_limit"][index] = self._bounded(told.limit, account, row)
        else:
            self._columns["minimum_balance"][index] = self._bounded(told.minimum, account, row)

    def sums(self) -> dict[str, dict[str, int]]:
        """Return by currency how many accounts there are, what they have together, and all that was ever debited."""
        currency, posted, debited = (self.column(name)[1:] for name in ("currency", "posted", "debited"))
        found = {}
        for number, code in enumerate(self.currencies):
            here = currency == number
            found[code] = {
                "accounts": int(here.sum()),
                "sum_tyiyn": exact_sum(posted[here]),
                "debited_tyiyn": exact_sum(debited[here]),
            }
        return found

    def clearing(self) -> dict[str, int]:
        """Return by currency what the ledger's own clearing accounts have."""
        found: dict[str, int] = {}
        for index in self._reserved:
            currency = self.currencies[self._columns["currency"][index]]
            found[currency] = found.get(currency, 0) + int(self._columns["posted"][index])
        return found

    def _open(self, account: int, row: Row) -> None:
        told = _OPENED(row.state)
        if account != self.account(self.count + 1):
            message = f"account {account} was opened where the next one is {self.account(self.count + 1)}"
            self._findings.add(Finding(Check.MONEY, message, row.position, account=account, field="originator_id"))
            return
        self.count += 1
        if self.count == len(self._columns["posted"]):
            self._columns = {name: np.resize(column, 2 * self.count) for name, column in self._columns.items()}
            for column in self._columns.values():
                column[self.count :] = 0
        if told.currency not in self.currencies:
            self.currencies.append(told.currency)
        self._columns["currency"][self.count] = self.currencies.index(told.currency)
        owner = told.participant, told.kind
        if owner not in self._owners:
            self._owners[owner] = len(self._told_owners)
            self._told_owners.append(owner)
        self._columns["owner"][self.count] = self._owners[owner]
        self._columns["opened_at"][self.count] = row.position
        if told.reserved:
            self._reserved.append(self.count)
        self._columns["overdraft_limit"][self.count] = self._bounded(told.overdraft_limit, account, row)
        self._columns["minimum_balance"][self.count] = self._bounded(told.minimum_balance, account, row)

    def _bounded(self, limit: int, account: int, row: Row) -> int:
        if -BOUND < limit < BOUND:
            return limit
        message = f"a limit of account {account} is {limit}, which is out of all bounds"
        self._findings.add(Finding(Check.MONEY, message, row.position, account=account))
        return 0


def exact_sum(column: Column) -> int:
    """Return a sum that may pass 64 bits."""
    return (int((column >> 32).sum()) << 32) + int((column & 0xFFFFFFFF).sum())
