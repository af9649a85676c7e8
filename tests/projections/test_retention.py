"""Notices that are old enough are dropped: a piece at a time, out of the projector's way, and never unsaid."""

import threading
from collections.abc import Iterator
from itertools import pairwise

import pytest

from ledger.log.codec import decode
from projections.answers import Cursor, Notice, NoticeList, Wanted
from projections.check import check
from projections.outbox import NoticesDroppedError
from projections.rebuild import rebuild
from projections.retention import Retention
from projections.runner import live_copy, run
from projections.store import Copy
from tests.projections.test_outbox import Told, busy
from tests.projections.world import DAY, World


@pytest.fixture
def told(world: World) -> Told:
    """Give a world with 210 notices, and one a day later."""
    made = Told(world)
    busy(made)
    world.now += DAY
    world.transfer(made.aigul, made.bank, 1)
    return made


@pytest.fixture
def copy(world: World) -> Iterator[Copy]:
    """Give the live copy of the tables."""
    made = live_copy(world.store)
    yield made
    made.close()


def drop(told: Told, copy: Copy, keep: int) -> int:
    """Drop what is older than so many microseconds; return in how many pieces."""
    retention = Retention(copy, 0, keep)
    pieces = 0
    while retention.drop_some(told.world.now):
        pieces += 1
    return pieces


def listed(told: Told, limit: int = 1_000, **wanted: object) -> list[Notice]:
    """Return what is listed, page by page."""
    found: list[Notice] = []
    page = NoticeList((), None, None, 0)
    while not found or page.before is not None:
        page = told.world.reader.list_notices(
            0,
            Wanted(**wanted),  # type: ignore[arg-type] # a table of arguments
            before=page.before,
            limit=limit,
        ).result
        found += page.notices
    return found


def test_what_is_old_is_dropped_and_what_is_young_stays(
    told: Told, copy: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the time that the log says, in pieces, up to the last notice that is old enough; then there is no more."""
    monkeypatch.setattr("projections.retention.MOST_NOTICES", 50)
    everything = told.all()
    assert drop(told, copy, 2 * DAY) == 0
    assert drop(told, copy, 0) == 0
    assert told.all() == everything
    assert drop(told, copy, DAY // 2) == 5
    assert told.all(everything[-2].cursor) == everything[-1:]
    assert listed(told) == everything[-1:]


def test_whoever_resumes_too_early_is_told_where_to_start(told: Told, copy: Copy) -> None:
    """From the beginning, and behind any notice that was dropped but the last one, something is missing: it is said."""
    everything = told.all()
    drop(told, copy, DAY // 2)
    last = everything[-2].cursor
    reader = told.world.reader
    for after in (Cursor(), Cursor(0), everything[0].cursor, everything[-3].cursor):
        with pytest.raises(NoticesDroppedError) as streamed:
            reader.notices(0, after, Wanted())
        with pytest.raises(NoticesDroppedError) as paged:
            reader.list_notices(0, Wanted(), after=after)
        assert (streamed.value.dropped, paged.value.dropped) == (last, last)
    assert reader.notices(0, last, Wanted()).notices == tuple(everything[-1:])
    assert reader.list_notices(0, Wanted()).result.dropped == last


def test_tables_made_anew_hold_what_the_old_ones_held(told: Told, copy: Copy) -> None:
    """What was dropped does not come back, and a check misses nothing."""
    everything = told.all()
    drop(told, copy, DAY // 2)
    assert check(told.world.log, told.world.store, decode) == []
    rebuild(told.world.log, told.world.store, decode, batch_size=100)
    assert listed(told) == everything[-1:]
    assert told.world.reader.list_notices(0, Wanted()).result.dropped == everything[-2].cursor
    assert check(told.world.log, told.world.store, decode) == []


def test_nothing_is_dropped_while_there_is_something_to_project(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runner takes in all events first, then drops, and only then waits."""
    done = threading.Event()
    real = Retention.drop_some
    seen: list[int] = []

    def noted(self: Retention, newest: int) -> bool:
        seen.append(newest)
        return real(self, newest)

    monkeypatch.setattr(Retention, "drop_some", noted)
    monkeypatch.setattr("projections.retention.MOST_NOTICES", 50)
    world = told.world
    run(world.log, world.store, decode, done.is_set, lambda _: done.set(), batch_size=20, keep_notices=DAY // 2)
    assert seen == [world.now] * 6
    assert len(listed(told)) == 1


def test_it_is_not_looked_for_old_notices_at_every_event(told: Told, copy: Copy) -> None:
    """After a look that found nothing the next one comes when a thousandth of the time has passed."""
    told.world.project()
    retention = Retention(copy, 0, 2_000)
    assert retention.drop_some(told.world.now)
    assert not retention.drop_some(told.world.now)
    told.world.project()
    with copy.write() as writer:
        writer.one("DELETE FROM notices_dropped RETURNING 1")
    assert not retention.drop_some(told.world.now + 1)
    assert retention._next_look == told.world.now + 2


# Newest first.


@pytest.mark.parametrize("limit", [1, 7, 1_000])
def test_a_list_holds_each_notice_once_newest_first(told: Told, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the size of a page and of what is looked through, filtered or not."""
    monkeypatch.setattr("projections.outbox.WINDOW", 10)
    everything = told.all()[::-1]
    assert listed(told, limit) == everything
    assert all(one.cursor > other.cursor for one, other in pairwise(listed(told, limit)))
    for wanted in ({"participant": "bank-b"}, {"account": told.bermet}):
        assert listed(told, limit, **wanted) == [each for each in everything if each.account_id == told.bermet]
    after = everything[30].cursor
    found = told.world.reader.list_notices(0, Wanted(account=told.aigul), after=after, limit=1_000).result
    assert list(found.notices) == [each for each in everything[:30] if each.account_id == told.aigul]
    assert found.before is None


def test_a_customers_and_an_accounts_notices_are_not_searched_for(
    told: Told, copy: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index leads to them in order, whichever way it is read; nothing is sorted, and no window looked through."""
    monkeypatch.setattr("projections.outbox.WINDOW", 10)
    everything = told.all()
    page = told.world.reader.notices(0, Cursor(), Wanted(account=told.bermet), limit=1_000)
    assert list(page.notices) == [each for each in everything if each.account_id == told.bermet]
    assert page.last
    if "sqlite" not in type(told.world.store).__name__.lower():
        return  # PostgreSQL's planner goes by what the tables hold, and these hold little.
    for wanted, index in ((Wanted(account=1), "notices_by_account_id"), (Wanted(customer=b"x"), "notices_by_customer")):
        for name in ("notices", "list_notices"):
            lines = plan(told, copy, name, wanted)
            assert [line for line in lines if line.startswith(f"SEARCH n USING INDEX {index}")]


def plan(told: Told, copy: Copy, name: str, wanted: Wanted) -> list[str]:
    """Return how SQLite goes about a question."""
    from projections import outbox  # noqa: PLC0415

    with copy.read() as session:

        class Explaining:
            lines: list[str] = []

            def one(self, sql: str, *values: object) -> object:
                return session.one(sql, *values)

            def all(self, sql: str, *values: object) -> list[object]:
                self.lines = [str(row[3]) for row in session.all(f"EXPLAIN QUERY PLAN {sql}", *values)]
                return []

        explaining = Explaining()
        if name == "notices":
            outbox.read_notices(explaining, 0, Cursor(), wanted, tracked=9, limit=9)  # type: ignore[arg-type]
        else:
            outbox.list_notices(explaining, 0, wanted, after=None, before=None, tracked=9, limit=9)  # type: ignore[arg-type]
    assert not [line for line in explaining.lines if "TEMP B-TREE" in line]
    return explaining.lines
