"""Logs made by hand from events, the tables made of them, and what a naive fold over the events says."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from domain import account as accounts
from domain import authorization as auth
from domain.authorization import Authorization, AuthorizationApproved, AuthorizationCaptured, State
from domain.event import Change, Event, Leg
from domain.ids import account_id, account_originator
from domain.movements import effective_time, movements
from domain.ports import Row
from domain.transfer import TransferPosted, TransferReversed
from ledger.log.api import Log
from ledger.log.codec import decode, encode
from ledger.log.factory import open_log
from projections.authorizations import is_authorization_event
from projections.queries import Reader
from projections.rebuild import project_all
from projections.runner import Projector, live_copy
from projections.store import Store, open_store

SECOND = 1_000_000
DAY = 86_400 * SECOND
START = 1_790_000_000 * SECOND
"""Recorded time of the first event of every log made here."""


class World:
    """A log under construction, its tables, and a reader of them."""

    def __init__(self, log: Log, store: Store, reader: Reader) -> None:
        self.log = log
        self.store = store
        self.reader = reader
        self.events: list[tuple[Row, Event]] = []
        self.now = START
        self._accounts = 0
        self._ids = 0
        self._versions: dict[bytes, int] = {}

    # Making events.

    def append(self, *events: Event, originator: bytes | None = None, after: int = SECOND) -> bytes:
        """Record events of one aggregate, each ``after`` microseconds later, and return the aggregate's id."""
        originator = originator or self.new_id()
        rows = []
        for event in events:
            self.now += after
            version = self._versions.get(originator, 0) + 1
            self._versions[originator] = version
            position = len(self.events) + 1
            row = Row(0, position, originator, version, event.TOPIC, encode(event), self.now, None, "test")
            self.events.append((row, event))
            rows.append(row)
        self.log.append(rows)
        return originator

    def new_id(self) -> bytes:
        self._ids += 1
        return UUID(int=self._ids << 64 | 0xE5E9).bytes

    def open_account(self, **fields: Any) -> int:
        self._accounts += 1
        account = account_id(0, self._accounts)
        known: dict[str, Any] = {"participant": "bank-a", "kind": accounts.AccountKind.CUSTOMER, "currency": "KGS"}
        self.append(accounts.AccountOpened(**(known | fields)), originator=account_originator(account))
        return account

    def transfer(self, debit: int, credit: int, amount: int, **fields: Any) -> bytes:
        return self.append(TransferPosted(debit_account=debit, credit_account=credit, amount=amount, **fields))

    def authorize(self, account: int, credit: int, amount: int, *, lasts: int = DAY, **fields: Any) -> bytes:
        known: dict[str, Any] = {
            "currency": "KGS",
            "kind": "purchase",
            "rule_version": "1",
            "expires_at": self.now + lasts,
        }
        return self.append(
            AuthorizationApproved(account=account, credit_account=credit, amount=amount, **(known | fields))
        )

    def capture(self, authorization: bytes, account: int, credit: int, amount: int, **fields: Any) -> None:
        known: dict[str, Any] = {"released": amount, "clearing_reference": f"c{len(self.events)}"}
        legs = (Leg("capture", account, credit, amount),)
        event = AuthorizationCaptured(account=account, amount=amount, legs=legs, **(known | fields))
        self.append(event, originator=authorization)

    def reverse_transfer(self, transfer: bytes, debit: int, credit: int, amount: int) -> None:
        legs = (Leg("reversal", debit, credit, amount),)
        self.append(TransferReversed(legs=legs, whole=True), originator=transfer)

    @property
    def head(self) -> int:
        return len(self.events)

    # Making tables.

    def project(self, *, batch_size: int = 8192) -> None:
        copy = live_copy(self.store)
        try:
            project_all(self.log, Projector(self.log, copy, decode, batch_size=batch_size), 0)
        finally:
            copy.close()

    # What a naive fold says.

    def upto(self, position: int) -> list[tuple[Row, Event]]:
        return self.events[:position]

    def position_at(self, time: int) -> int:
        return sum(row.recorded_at <= time for row, _ in self.events)

    def posted(self, account: int, chosen: Sequence[tuple[Row, Event]]) -> int:
        return sum(amount for row, event in chosen for amount in signed(account, event))

    def held(self, account: int, position: int, now: int) -> int:
        folded: dict[bytes, Authorization] = {}
        for row, event in self.upto(position):
            if is_authorization_event(event, row.originator_version):
                change = Change(row.originator_id, row.originator_version, event)
                folded[row.originator_id] = auth.evolve(folded.get(row.originator_id), change, row.recorded_at)
        return sum(
            each.remaining
            for each in folded.values()
            if each.account == account and each.state is State.OPEN and each.expires_at > now
        )

    def lines(self, account: int, within: Callable[[Row, Event], bool]) -> list[tuple[int, int, int]]:
        """Return (position, leg, signed amount) of the account's lines in recorded order."""
        return [
            (row.position, number, -leg.amount if leg.debit_account == account else leg.amount)
            for row, event in self.events
            if within(row, event)
            for number, leg in enumerate(movements(event))
            if account in (leg.debit_account, leg.credit_account)
        ]


def signed(account: int, event: Event) -> Iterator[int]:
    for leg in movements(event):
        if leg.debit_account == account:
            yield -leg.amount
        if leg.credit_account == account:
            yield leg.amount


def happened(row: Row, event: Event) -> int:
    return effective_time(event, row.recorded_at)


@contextmanager
def open_world(url: str) -> Iterator[World]:
    """Give a world whose log and tables are at ``url``, and close it."""
    log, store = open_log(url), open_store(url)
    try:
        yield World(log, store, Reader(store))
    finally:
        store.close()
        log.close()
