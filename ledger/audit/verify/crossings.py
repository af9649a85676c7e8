"""Transfers between the partitions of a ledger: what one of them sent, another has received, or sent back.

Each partition's history is verified by itself, and its books balance by themselves; what no single one shows is whether
money that arrived was ever sent. So whatever crosses is laid side by side here, in a temporary file, by the transfer
and its home. The histories end at different moments: what one says of a position or time that another has not come to
is no contradiction. Up to the earliest of their last recorded times they are one cut through the ledger, and at that
cut the books say how much was in transit.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple, Self
from uuid import UUID

import msgspec

from domain.ids import account_partition, format_uuid
from domain.ports import Row
from ledger.audit.verify.findings import Check, Finding, Findings

SENT, RECEIVED, REJECTED, COMPLETED, RETURNED = (
    f"transfer.{each}.v1" for each in ("sent", "received", "rejected", "completed", "returned")
)
STARTED: Final = "engine.started.v1"
TOPICS: Final = frozenset((SENT, RECEIVED, REJECTED, COMPLETED, RETURNED, STARTED))
_MONEY: Final = ("debit_account", "credit_account", "amount", "currency")
_COLUMNS: Final = ("home", "transfer", "topic", "partition", "position", "time", *_MONEY, "sent_at", "told")
_TABLE: Final = f"CREATE TABLE crossings ({', '.join(_COLUMNS)})"
_INSERT: Final = f"INSERT INTO crossings VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608 - names of ours
_SORTED: Final = "SELECT * FROM crossings ORDER BY home, transfer, partition, position"


class _Money(msgspec.Struct):
    debit_account: int
    credit_account: int
    amount: int
    currency: str


class _Arrived(_Money):
    transfer: UUID
    home: int
    sent_at: int


class _Told(msgspec.Struct):
    position: int


class _Policy(msgspec.Struct):
    several: int = 1


class _Started(msgspec.Struct):
    policy: _Policy | None = None


_STARTED: Final = msgspec.json.Decoder(_Started).decode
_FORMS: Final[Mapping[str, Callable[[bytes], msgspec.Struct]]] = {
    SENT: msgspec.json.Decoder(_Money).decode,
    RECEIVED: msgspec.json.Decoder(_Arrived).decode,
    REJECTED: msgspec.json.Decoder(_Arrived).decode,
    COMPLETED: msgspec.json.Decoder(_Told).decode,
    RETURNED: msgspec.json.Decoder(_Told).decode,
}


class _Step(NamedTuple):
    """One event of a transfer's way, as it stands in the file."""

    home: int
    transfer: bytes
    topic: str
    partition: int
    position: int
    time: int
    debit_account: int
    credit_account: int
    amount: int
    currency: str
    sent_at: int
    told: int


class Ended(NamedTuple):
    """Where a partition's history ends: the last position, its recorded time, and what the clearing accounts have."""

    head: int
    recorded_at: int
    clearing: Mapping[str, int]


class Crossed(msgspec.Struct, frozen=True):
    """What all partitions together came to."""

    partitions: int
    cut_at: int
    """Up to which recorded time, in microseconds, the histories are one cut through the ledger."""
    transfers: int
    in_transit: dict[str, int]
    """By currency, what was sent up to the cut, and neither received nor returned."""


class Crossings:
    """Takes in the events of every partition, one partition after another. A context manager."""

    def __init__(self, findings: Findings) -> None:
        """Keep what crosses in a temporary file."""
        self._findings = findings
        self._file = sqlite3.connect("", isolation_level=None)
        self._file.execute(_TABLE)
        self._file.execute("BEGIN")
        self._ended: dict[int, Ended] = {}
        self._several = 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, rows: Sequence[Row]) -> None:
        """Take in events; what cannot be read is told by others."""
        for row in rows:
            if row.topic in TOPICS:
                try:
                    self._add(row)
                except (msgspec.DecodeError, RecursionError, OverflowError):
                    continue

    def _add(self, row: Row) -> None:
        if row.topic == STARTED:
            policy = _STARTED(row.state).policy
            self._several = max(self._several, 1 if policy is None else policy.several)
            return
        told: Any = _FORMS[row.topic](row.state)
        arrived = isinstance(told, _Arrived)
        money = [getattr(told, name) for name in _MONEY] if isinstance(told, _Money) else [0, 0, 0, ""]
        step = (
            told.home if arrived else row.partition,
            told.transfer.bytes if arrived else row.originator_id,
            row.topic,
            row.partition,
            row.position,
            row.recorded_at,
            *money,
            told.sent_at if arrived else row.recorded_at,
            told.position if isinstance(told, _Told) else 0,
        )
        self._file.execute(_INSERT, step)

    def end(self, partition: int, ended: Ended) -> None:
        """Hear where a partition's history ends."""
        self._ended[partition] = ended

    def finish(self) -> Crossed:
        """Look at all of them together."""
        if self._several > len(self._ended):
            message = f"the ledger has {self._several} partitions, and the histories of {len(self._ended)} are here"
            self._findings.add(Finding(Check.CROSSINGS, message))
        cut = min((each.recorded_at for each in self._ended.values()), default=0)
        cleared: Counter[tuple[int, str]] = Counter()
        transit: Counter[str] = Counter()
        transfers = 0
        for steps in self._transfers():
            transfers += 1
            self._look_at(steps)
            for partition, currency, amount, time in _moved(steps):
                cleared[partition, currency] += amount
                transit[currency] += amount if time <= cut else 0
        self._compare(cleared)
        return Crossed(len(self._ended), cut, transfers, dict(transit))

    def _transfers(self) -> Iterator[list[_Step]]:
        steps = map(_Step._make, self._file.execute(_SORTED))
        for _, group in groupby(steps, lambda step: (step.home, step.transfer)):
            yield list(group)

    def _compare(self, cleared: Mapping[tuple[int, str], int]) -> None:
        """Compare what crossed with what the clearing accounts have."""
        for partition, ended in self._ended.items():
            currencies = {currency for where, currency in cleared if where == partition} | ended.clearing.keys()
            for currency in sorted(currencies):
                has, expected = ended.clearing.get(currency, 0), cleared.get((partition, currency), 0)
                if has != expected:
                    message = (
                        f"the clearing accounts of partition {partition} have {has} tyiyn ({currency}), and by what "
                    )
                    self._findings.add(Finding(Check.CROSSINGS, f"{message}crossed they must have {expected}"))

    def _look_at(self, steps: Sequence[_Step]) -> None:
        sent = next((step for step in steps if step.topic == SENT), None)
        arrived = [step for step in steps if step.topic in (RECEIVED, REJECTED)]
        closed = [step for step in steps if step.topic in (COMPLETED, RETURNED)]
        for step in arrived[1:]:
            self._tell(
                step, f"it arrived in partition {arrived[0].partition} at position {arrived[0].position} already"
            )
        for step in closed[1:]:
            self._tell(step, f"it was ended at position {closed[0].position} already")
        if sent is None:
            for step in arrived:
                self._unsent(step)
            return
        destination = account_partition(sent.credit_account)
        if destination not in self._ended:
            self._tell(sent, f"it was sent to partition {destination}, which is not here")
        for step in arrived:
            self._arrived(step, sent, destination)
        for step in closed:
            self._closed(step, arrived, destination)

    def _unsent(self, step: _Step) -> None:
        home = self._ended.get(step.home)
        if home is None:
            self._tell(step, f"it came from partition {step.home}, which is not here")
        elif step.sent_at <= home.recorded_at:
            self._tell(step, f"partition {step.home} has not sent it")

    def _arrived(self, step: _Step, sent: _Step, destination: int) -> None:
        if step.partition != destination:
            self._tell(step, f"it arrived in partition {step.partition}, and was sent to partition {destination}")
        for name in (*_MONEY, "sent_at"):
            here, there = getattr(step, name), getattr(sent, name)
            if here != there:
                self._tell(step, f"its {name} was {there!r} when it was sent, and is {here!r} where it arrived", name)
        if step.time <= sent.time:
            self._tell(step, "it arrived before it was sent", "recorded_at")

    def _closed(self, step: _Step, arrived: Sequence[_Step], destination: int) -> None:
        """Look whether what home says of the destination stands there, as far as its history goes."""
        ended = self._ended.get(destination)
        if ended is None or step.told > ended.head:
            return
        wanted = RECEIVED if step.topic == COMPLETED else REJECTED
        if not any((each.topic, each.position) == (wanted, step.told) for each in arrived):
            what = wanted.split(".")[1]
            self._tell(step, f"partition {destination} has not {what} it at position {step.told}", "position")

    def _tell(self, step: _Step, message: str, field: str | None = None) -> None:
        transfer = format_uuid(step.transfer)
        whole = f"transfer {transfer} of partition {step.home}, {step.topic} in partition {step.partition}: {message}"
        self._findings.add(Finding(Check.CROSSINGS, whole, step.position, aggregate=transfer, field=field))


def _moved(steps: Iterable[_Step]) -> Iterator[tuple[int, str, int, int]]:
    """Return what a transfer's steps moved onto clearing accounts: where, in which currency, how much and when."""
    sent = next((step for step in steps if step.topic == SENT), None)
    for step in steps:
        if step.topic in (SENT, RECEIVED):
            yield step.partition, step.currency, step.amount if step.topic == SENT else -step.amount, step.time
        elif step.topic == RETURNED and sent is not None:
            yield step.partition, sent.currency, -sent.amount, step.time
