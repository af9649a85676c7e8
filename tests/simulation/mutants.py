"""Engines broken on purpose, each in one way that has cost somebody's ledger its money: every one must be caught."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final
from unittest.mock import patch

import msgspec

from domain import aggregate, bulk
from domain.books import Books
from domain.bulk import Bulk, BulkLegReversed, BulkPosted, asked_legs
from domain.columns import MISSING, Accounts, Journal
from domain.engine import EngineStarted
from domain.event import Change
from domain.legs import Legs, Numbers, RefusedLeg
from domain.ports import Row
from domain.refusals import Reason
from ledger.engine import snapshot
from ledger.engine.batch import Batch
from ledger.engine.committer import Committer
from ledger.engine.decider import Decider
from ledger.engine.engine import Engine
from ledger.engine.follower import Follower
from ledger.engine.intake import Intake
from ledger.engine.requests import RecentRequests
from ledger.engine.tickets import Ticket
from ledger.log.api import Log
from ledger.log.errors import LogUnavailable, PositionTaken
from projections.runner import Projector, Taken
from tests.simulation.database import Connection

Mutant = Callable[[], AbstractContextManager[Any]]


def _no_undo(self: Decider, batch: Batch) -> None:
    self.position = batch.first - 1


def _undo_oldest_first(journal: Journal, mark: int = 0) -> None:
    entries = journal[mark:]
    del journal[mark:]
    for container, key, old in entries:
        if isinstance(container, Accounts):
            if key is MISSING:
                container.truncate(old)
            else:
                container.view("posted")[key] = old
        elif old is MISSING:
            container.pop(key, None)
        else:
            container[key] = old


_give = Committer.give


def _answer_first(self: Committer, batch: Batch) -> None:
    engine: Any = self._on_done.__self__  # type: ignore[attr-defined]
    engine._intake.deliver(batch.tickets)
    batch.tickets = []
    _give(self, batch)


def _answer_undone(self: Intake, tickets: list[Ticket]) -> None:
    self.deliver(tickets)


def _skipped(**fields: Any) -> EngineStarted:
    return EngineStarted(**fields | {"epoch": fields["epoch"] + 1})


_recover = Engine._recover


def _read_back(self: Engine, open_batch: Batch) -> None:
    """Take a write of unknown fate for one that failed, and what can be read for what is there."""
    if self._failed is not None and isinstance(self._failed[1], LogUnavailable):
        self._failed = self._failed[0], PositionTaken("perhaps")
    _recover(self, open_batch)
    self._fruitless = 0


_append = Connection.append


def _replace(self: Connection, rows: Sequence[Row]) -> None:
    """Append as INSERT OR REPLACE would."""
    database = self._database
    if rows and rows[0].position <= database.head:
        kept = database.settled
        database.settled = rows[0].position - 1
        database.fail_over()
        database.settled = kept
        self._trees._known.clear()
    _append(self, rows)


def _hold(self: Accounts, account: int, amount: int, journal: Journal) -> None:
    if amount > 0:
        index = account - self.base
        journal.append((self.held, index, self.held[index]))
        self.held[index] += amount


def _unseen_unchecked(self: Follower, position: int) -> list[Row]:
    return self._log.read(self._partition, position, 10_000)


_dump = snapshot.dump


def _dump_without_a_hold(*arguments: Any) -> bytes:
    whole = msgspec.msgpack.decode(_dump(*arguments))
    whole["open"] = whole["open"][1:]
    return msgspec.msgpack.encode(whole)


def _load_untrusted(log: Log, partition: int, *, after: int = 0, upto: int | None = None) -> bytes | None:
    found = log.load_snapshot(partition, upto=log.head(partition))
    return None if found is None else found[1]


def _next_unchecked(self: Projector, state: Any, upto: int | None) -> Taken:
    taken = self._take(state.partition, state.tracked.position, upto)
    return taken._replace(tail=state.tracked.leaf_hash)


def _forget_reversed(state: Any, change: Change, recorded_at: int) -> Bulk:
    return bulk.evolve(msgspec.structs.replace(state, reversed={}), change, recorded_at)


def _short_out_of_order(accounts: Accounts, numbers: Numbers, legs: Legs, short: Numbers) -> list[RefusedLeg]:
    """Decide every leg as if no other leg of the bulk came before it."""
    rows = zip(numbers.tolist(), legs.debits.tolist(), legs.amounts.tolist(), strict=True)
    return [
        RefusedLeg(number, Reason.INSUFFICIENT_FUNDS.name, accounts.base + debit)
        for number, debit, amount in rows
        if debit in short and amount > accounts.spendable(debit)
    ]


_move_all = Accounts.move_all


def _move_for_good(self: Accounts, debits: Any, credits_: Any, amounts: Any, journal: Journal) -> None:
    del journal
    _move_all(self, debits, credits_, amounts, [])


MUTANTS: Final[dict[str, Mutant]] = {
    "nothing is undone": lambda: patch.object(Decider, "undo", _no_undo),
    "the oldest change is undone first": lambda: patch("ledger.engine.decider.undo", _undo_oldest_first),
    "an answer goes out before the commit": lambda: patch.object(Committer, "give", _answer_first),
    "an outcome is told that was undone": lambda: patch.object(Intake, "put_back", _answer_undone),
    "an epoch is skipped": lambda: patch("ledger.engine.engine.EngineStarted", _skipped),
    "a write of unknown fate is read back": lambda: patch.object(Engine, "_recover", _read_back),
    "a position is used again": lambda: patch.object(Connection, "append", _replace),
    "a hold is not released": lambda: patch.object(Accounts, "hold", _hold),
    "a lapsed hold still holds": lambda: patch.object(Decider, "_expire_lapsed", lambda *_: 0),
    "a request is not recognised": lambda: patch.object(Decider, "_repeat", lambda *_: None),
    "a request stays known that was undone": lambda: patch.object(RecentRequests, "remove", lambda *_: None),
    "an owner ignores the one after it": lambda: patch.object(Engine, "_superseded", lambda _: False),
    "a changed history goes unnoticed": lambda: patch.object(Follower, "_unseen", _unseen_unchecked),
    "a snapshot lacks a hold": lambda: patch.object(snapshot, "dump", _dump_without_a_hold),
    "a snapshot is believed unasked": lambda: patch.object(snapshot, "load_trusted", _load_untrusted),
    "projections keep what was dropped": lambda: patch.object(Projector, "_next", _next_unchecked),
    "projections stop at a bulk that moves nothing": lambda: patch.object(BulkPosted, "moves", new=True),
    "a bulk is not undone": lambda: patch.object(Accounts, "move_all", _move_for_good),
    "legs of a bulk move that were refused": lambda: patch("domain.books.posted_legs", asked_legs),
    "legs of a bulk spend the same money": lambda: patch("domain.legs._in_order", _short_out_of_order),
    "a bulk that was missed once stays missing": lambda: patch.object(Books, "forget_absence", lambda *_: None),
    "a leg forgets what was moved back": lambda: patch.dict(aggregate._FOLDS, {BulkLegReversed: _forget_reversed}),
}
