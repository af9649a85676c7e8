"""Double entry, from what stands in the events: which accounts are debited and credited, and with how much.

Each movement takes from one account what it gives to another. Where both exist by then, are kept in one currency and
are two, the sum of all accounts of a currency stays what it was, which is zero at the beginning. A movement of which
one of these is not true is told, with its position.
"""

from base64 import b64decode
from collections.abc import Sequence
from operator import attrgetter
from typing import Final

import msgspec
import numpy as np

from domain.ports import Row
from ledger.audit.verify.accounts import BOUND, Column, Tallies
from ledger.audit.verify.findings import Check, Finding, Findings

TRANSFER: Final = "transfer.posted.v1"
LEGS_ONLY: Final = frozenset(
    (
        "transfer.reversed.v1",
        "transfer.sent.v1",
        "transfer.received.v1",
        "transfer.returned.v1",
        "authorization.captured.v1",
        "force_post.posted.v1",
        "refund.posted.v1",
        "bulk.leg_reversed.v1",
    )
)
"""Kinds of events whose movements are their legs, and nothing else."""
BULK: Final = "bulk.posted.v1"
"""The kind whose movements stand in columns; no kind but these moves money."""

Movement = tuple[int, int, int, int]
"""A position, who is debited, who is credited, and how much."""


Moved = tuple[Column, Column, Column]
"""Who is debited, who is credited, and how much, in columns."""


class _Leg(msgspec.Struct, gc=False):
    debit_account: int
    credit_account: int
    amount: int


class _Posted(_Leg, gc=False):
    legs: tuple[_Leg, ...] = ()


class _Legs(msgspec.Struct, gc=False):
    legs: tuple[_Leg, ...]


class _Refused(msgspec.Struct, gc=False):
    leg: int


class _Bulk(msgspec.Struct, gc=False):
    count: int
    debit_accounts: str
    credit_accounts: str
    amounts: str
    refused: tuple[_Refused, ...] = ()


_BULK: Final = msgspec.json.Decoder(_Bulk).decode
_POSTED: Final = msgspec.json.Decoder(_Posted).decode
_MANY: Final = msgspec.json.Decoder(list[_Posted]).decode
_LEGS: Final = msgspec.json.Decoder(_Legs).decode
_FIELDS: Final = tuple(attrgetter(name) for name in _Leg.__struct_fields__)


class Money:
    """Moves money between the accounts as the events say."""

    def __init__(self, tallies: Tallies, findings: Findings) -> None:
        self._tallies = tallies
        self._findings = findings
        self._unbalanced = False

    def transfers(self, rows: Sequence[Row]) -> None:
        """Take in posted transfers."""
        told = _decoded([row.state for row in rows])
        if told is None:
            self.movements([each for row in rows for each in self.read(row) or ()])
            return
        posted, (sources, targets, amounts) = told
        positions = np.fromiter((row.position for row in rows), np.int64, len(rows))
        self._move(positions, sources, targets, amounts)
        further = [
            (row.position, leg.debit_account, leg.credit_account, leg.amount)
            for row, each in zip(rows, posted, strict=True)
            if each.legs
            for leg in each.legs
        ]
        if further:
            self.movements(further)

    def read(self, row: Row) -> list[Movement] | None:
        """Return what one event moves, None where that cannot be read, which the other checks say."""
        try:
            told = _POSTED(row.state) if row.topic == TRANSFER else _LEGS(row.state)
        except (msgspec.DecodeError, RecursionError):
            return None
        legs = (told, *told.legs) if isinstance(told, _Posted) else told.legs
        return [(row.position, leg.debit_account, leg.credit_account, leg.amount) for leg in legs]

    def bulk(self, row: Row) -> Moved | None:
        """Take in a bulk and return what it moves, in columns; None where that cannot be read."""
        try:
            told = _BULK(row.state)
            texts = (told.debit_accounts, told.credit_accounts, told.amounts)
            columns = [np.frombuffer(b64decode(text, validate=True), "<i8").astype(np.int64) for text in texts]
            moved = np.ones(told.count, np.bool_)
            moved[[each.leg for each in told.refused]] = False
        except (ValueError, IndexError, MemoryError, RecursionError):
            return None  # What cannot be read is told where it is decoded: msgspec.DecodeError is a ValueError too.
        if any(len(column) != told.count for column in columns):
            return None
        bounded = moved & np.logical_and.reduce([(column > -BOUND) & (column < BOUND) for column in columns])
        for leg in np.flatnonzero(moved & ~bounded).tolist():
            debit, credit, amount = (int(column[leg]) for column in columns)
            self._tell(
                row.position, f"{amount} tyiyn from account {debit} to account {credit} are out of all bounds", 0
            )
        sources, targets, amounts = (column[bounded] for column in columns)
        self._move(np.full(len(sources), row.position), sources, targets, amounts)
        return sources, targets, amounts

    def movements(self, moved: Sequence[Movement]) -> None:
        """Take in movements."""
        bounded = [each for each in moved if all(-BOUND < number < BOUND for number in each)]
        for position, debit, credit, amount in set(moved).difference(bounded):
            self._tell(position, f"{amount} tyiyn from account {debit} to account {credit} are out of all bounds", 0)
        if bounded:
            positions, sources, targets, amounts = np.array(bounded, np.int64).T
            self._move(positions, sources, targets, amounts)

    def check_sums(self, last: int) -> None:
        """Tell when the accounts of some currency do not come to zero together."""
        if self._unbalanced:
            return
        for currency, sums in self._tallies.sums().items():
            if sums["sum_tyiyn"]:
                self._unbalanced = True
                message = f"the accounts in {currency} come to {sums['sum_tyiyn']} tyiyn together, not to 0"
                self._findings.add(Finding(Check.MONEY, message, upto=last))

    def _move(self, positions: Column, sources: Column, targets: Column, amounts: Column) -> None:
        tallies = self._tallies
        posted, opened, currency = (tallies.column(name) for name in ("posted", "opened_at", "currency"))
        from_, to = sources - tallies.base, targets - tallies.base
        known = (from_ > 0) & (from_ <= tallies.count) & (to > 0) & (to <= tallies.count)
        from_, to = np.where(known, from_, 0), np.where(known, to, 0)
        known &= (opened[from_] < positions) & (opened[to] < positions)
        right = known & (currency[from_] == currency[to]) & (from_ != to) & (amounts > 0)
        if not right.all():
            numbers = np.stack((positions, sources, targets, amounts))
            for index in np.flatnonzero(~right).tolist():
                self._wrong(*numbers[:, index].tolist(), known=bool(known[index]))
            from_, to, amounts = from_[known], to[known], amounts[known]
        np.subtract.at(posted, from_, amounts)
        np.add.at(posted, to, amounts)
        np.add.at(tallies.column("debited"), from_, amounts)

    def _wrong(self, position: int, debit: int, credit: int, amount: int, *, known: bool) -> None:
        movement = f"{amount} tyiyn from account {debit} to account {credit}"
        tallies = self._tallies
        if not known:
            opened = tallies.column("opened_at")
            indexes = {account: tallies.index(account) for account in (debit, credit)}
            unknown = next(each for each, index in indexes.items() if not index or opened[index] >= position)
            self._tell(position, f"{movement}: account {unknown} was not opened by then", unknown)
        elif debit == credit:
            self._tell(position, f"{movement}: both are one account", debit)
        elif amount < 1:
            self._tell(position, f"{movement}: not an amount that can move", debit)
        else:
            self._tell(position, f"{movement}: they are kept in different currencies", credit)

    def _tell(self, position: int, message: str, account: int) -> None:
        self._findings.add(Finding(Check.MONEY, message, position, account=account or None))


def _decoded(states: Sequence[bytes]) -> tuple[list[_Posted], list[Column]] | None:
    """Return many stored transfers at once, and their numbers; None where one of them is not what it should be."""
    try:
        posted = _MANY(b"[" + b",".join(states) + b"]")
        columns = [np.fromiter(map(field, posted), np.int64, len(posted)) for field in _FIELDS]
    except (msgspec.DecodeError, OverflowError, RecursionError):
        return None
    if len(posted) != len(states) or any((column <= -BOUND).any() or (column >= BOUND).any() for column in columns):
        return None
    return posted, columns
