"""The runner: each event counts exactly once, and a log that changed is read again."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table

from domain.account import AccountKind
from domain.authorization import AuthorizationApproved
from domain.event import Event
from domain.leaf import leaf_hash
from domain.ports import Row
from ledger.log.codec import UnknownTopicError, decode
from projections import runner, schema
from projections.queries import Reader
from projections.runner import HistoryChangedError, Lag, Projector, lag, live_copy, run
from projections.store import Copy, CopyRetiredError, ProjectionsNotReadyError, Writer, open_store
from tests.projections.world import START, World


class Killed(BaseException):
    """The process ended here."""


class DyingCopy:
    """A copy whose process ends when a table is written, before the commit."""

    def __init__(self, copy: Copy, table: str) -> None:
        self.number = copy.number
        self._copy = copy
        self._table = table
        self.confirm = copy.confirm
        self.read = copy.read
        self.close = copy.close

    @contextmanager
    def write(self) -> Iterator[Writer]:
        with self._copy.write() as writer:
            yield DyingWriter(writer, self._table)


class DyingWriter:
    def __init__(self, writer: Writer, table: str) -> None:
        self._table = table
        self._writer = writer
        self.one = writer.one
        self.confirm = writer.confirm
        self.all = writer.all
        self.packed = writer.packed

    def insert(self, table: Table, rows: Any) -> None:
        self._writer.insert(table, rows)
        self._die(table)

    def insert_columns(self, table: Table, columns: Any) -> None:
        self._writer.insert_columns(table, columns)
        self._die(table)

    def upsert(self, table: Table, rows: Any) -> None:
        self._writer.upsert(table, rows)
        self._die(table)

    def _die(self, table: Table) -> None:
        if table.name == self._table:
            raise Killed


def some_history(world: World) -> tuple[int, int]:
    bank, customer = world.open_account(kind=AccountKind.SETTLEMENT), world.open_account()
    world.transfer(bank, customer, 500)
    world.authorize(customer, bank, 100)
    return bank, customer


def run_until(world: World, reached: Callable[[], bool], **options: Any) -> None:
    """Run the runner until something is so; waiting is a pause of no length."""
    run(world.log, world.store, decode, reached, lambda _seconds: None, **options)


@pytest.mark.parametrize("table", ["movements", "balances", "tracking"])
def test_a_batch_that_was_not_committed_counts_once(world: World, table: str) -> None:
    """A process that ends between writing and committing leaves nothing; the next one starts over."""
    _, customer = some_history(world)
    copy = live_copy(world.store)
    dying = Projector(world.log, DyingCopy(copy, table), decode)
    with pytest.raises(Killed):
        dying.step(0)
    copy.close()
    assert world.reader.position() == 0
    world.project()
    found = world.reader.balance(customer, now=world.now).result
    assert found is not None
    assert (found.posted, found.held) == (500, 100)


@pytest.mark.parametrize("ahead", [1, 4])
def test_a_projector_goes_on_after_a_failed_batch(world: World, monkeypatch: pytest.MonkeyPatch, ahead: int) -> None:
    """What it remembered of the failed batch is forgotten, whether or not that was read ahead."""
    _, customer = some_history(world)
    copy = live_copy(world.store)
    unknown = {AuthorizationApproved.TOPIC}

    def partly(topic: str, state: bytes) -> Event:
        if topic in unknown:
            raise UnknownTopicError(topic)
        return decode(topic, state)

    monkeypatch.setattr(runner, "LEAST_AHEAD", ahead)
    projector = Projector(world.log, copy, partly, batch_size=3)
    assert projector.step(0) == 3
    with pytest.raises(UnknownTopicError):
        projector.step(0)
    unknown.clear()
    projector._copy = DyingCopy(copy, "tracking")
    with pytest.raises(Killed):
        projector.step(0)
    projector._copy = copy
    assert projector.step(0) == 1
    copy.close()
    found = world.reader.balance(customer, now=world.now).result
    assert found is not None
    assert found.held == 100


def test_the_runner_follows_the_log(world: World) -> None:
    """It projects what is there and waits, longer where nothing is new, until it is woken for more."""
    _, customer = some_history(world)
    waits: list[float] = []

    def wake(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            world.transfer(customer, 1, 5)

    run(world.log, world.store, decode, lambda: len(waits) >= 7, wake)
    assert world.reader.position() == 5
    assert waits == pytest.approx([0.02, 0.03, 0.02, 0.03, 0.045, 0.05, 0.05])


@pytest.mark.parametrize(("events", "most_bytes"), [(3, runner.MOST_BYTES), (8192, 1)])
def test_the_runner_does_not_wait_while_there_is_more(
    world: World, monkeypatch: pytest.MonkeyPatch, events: int, most_bytes: int
) -> None:
    """However little a batch may hold, of events or of their bytes, the next one follows at once."""
    monkeypatch.setattr(runner, "MOST_BYTES", most_bytes)
    some_history(world)
    reached: list[int] = []

    def wake(_seconds: float) -> None:
        reached.append(world.reader.position())

    run(world.log, world.store, decode, lambda: bool(reached), wake, batch_size=events)
    assert reached == [world.log.head(0)]


def test_a_batch_is_read_while_the_one_before_it_is_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there was more when that one was read; what was read ahead is not taken when less is asked for."""
    some_history(world)
    monkeypatch.setattr(runner, "LEAST_AHEAD", 2)
    copy, read = live_copy(world.store), threading.Semaphore(0)
    projector = Projector(world.log, copy, decode, batch_size=2)
    take, project = projector._take, projector._project

    def taking(partition: int, position: int, upto: int | None) -> runner.Taken:
        taken = take(partition, position, upto)
        read.release()
        return taken

    def projecting(*given: Any) -> None:
        assert read.acquire(timeout=60)
        assert read.acquire(timeout=60)
        project(*given)

    monkeypatch.setattr(projector, "_take", taking)
    monkeypatch.setattr(projector, "_project", projecting)
    assert projector.step(0) == 2
    monkeypatch.undo()
    assert projector.step(0, upto=3) == 1
    assert [projector.step(0) for _ in range(2)] == [1, 0]
    copy.close()
    assert world.reader.position() == world.head == 4


def test_an_unknown_topic_stops_the_runner(world: World) -> None:
    """It never skips an event: it says so and stands still."""
    some_history(world)
    world.log.append([Row(0, 5, world.new_id(), 1, "from.the.future.v9", b"{}", world.now + 1, None, "x")])
    with pytest.raises(UnknownTopicError, match=r"from\.the\.future\.v9"):
        run_until(world, lambda: False, batch_size=2)
    assert world.reader.position() == 4


def test_a_history_that_changed_is_read_from_its_beginning(world: World, tmp_path: Path) -> None:
    """After a failover the event at the tracked position may be another one: the tables are made again."""
    _, customer = some_history(world)
    world.project()
    other = RewrittenLog(world, at=4)
    run(other, world.store, decode, lambda: world.reader.position() == 4 and other.reads > 3, lambda _: None)
    copy = live_copy(world.store)
    with pytest.raises(HistoryChangedError):
        Projector(world.log, copy, decode).step(0)
    copy.close()
    found = world.reader.balance(customer, now=world.now).result
    assert found is not None
    assert found.held == 0


def test_a_log_that_lost_its_end_is_read_from_its_beginning(world: World) -> None:
    """After a restore the head may be behind the tracked position."""
    _, customer = some_history(world)
    world.project()
    other = RewrittenLog(world, at=4, cut=True)
    run(other, world.store, decode, lambda: world.reader.position() == 3, lambda _: None)
    found = world.reader.balance(customer, now=world.now).result
    assert found is not None
    assert (found.posted, found.held) == (500, 0)


class RewrittenLog:
    """The world's log, with another event at one position, or ending before it."""

    def __init__(self, world: World, *, at: int, cut: bool = False) -> None:
        self._log = world.log
        self._at = at
        self._cut = cut
        self.reads = 0
        self.aggregate = world.log.aggregate
        self.find = world.log.find

    def head(self, partition: int) -> int:
        return self._at - 1 if self._cut else self._log.head(partition)

    def read(self, partition: int, after: int, limit: int) -> list[Row]:
        self.reads += 1
        rows = self._log.read(partition, after, limit)
        if self._cut:
            return [row for row in rows if row.position < self._at]
        other: dict[str, Any] = {"topic": "engine.started.v1", "state": b'{"epoch":1,"owner":"x"}'}
        return [row._replace(**other) if row.position == self._at else row for row in rows]


def test_two_runners_do_not_count_an_event_twice(world: World) -> None:
    """The one that finds its events projected already gives way."""
    some_history(world)
    first, second = live_copy(world.store), live_copy(world.store)
    late = Projector(world.log, second, decode, batch_size=2)
    late.step(0)
    Projector(world.log, first, decode).step(0)
    with pytest.raises(CopyRetiredError):
        late.step(0)
    assert late.step(0) == 0
    first.close()
    second.close()


def test_servers_that_find_no_tables_agree_on_one_copy(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that comes second takes what the first one made: readers never fall back to empty tables."""
    with closing(open_store(store_url)) as one, closing(open_store(store_url)) as another:
        theirs: list[Copy] = []
        real = one.create

        def meanwhile() -> Copy:
            made = real()
            theirs.append(live_copy(another))
            return made

        monkeypatch.setattr(one, "create", meanwhile)
        ours = live_copy(one)
        assert ours.number == theirs[0].number
        for copy in (ours, *theirs):
            copy.close()
        assert one.sweep() == 0


def test_servers_that_find_another_history_make_one_copy(store_url: str) -> None:
    """Whoever finds its tables wrong replaces those, not what another server has made of the log meanwhile."""
    with closing(open_store(store_url)) as one, closing(open_store(store_url)) as another:
        wrong = live_copy(one)
        copies = [store.create() for store in (one, another)]
        assert one.replace(wrong.number, copies[0])
        assert not another.replace(wrong.number, copies[1])
        assert not another.replace(None, copies[1])
        another.drop(copies[1])
        live = live_copy(another)
        assert live.number == copies[0].number
        for copy in (wrong, copies[0], live):
            copy.close()


def test_tables_that_another_server_has_deleted_are_not_the_live_ones(sqlite_url: str) -> None:
    """Two servers that make the first tables at once: whose are not published last is told so, and goes over."""
    with closing(open_store(sqlite_url)) as one, closing(open_store(sqlite_url)) as another:
        first, second = one.create(), another.create()
        one.publish(first)
        another.publish(second)
        with pytest.raises(CopyRetiredError), first.read() as session:
            runner.tracked(session, 0)
        first.close()
        second.close()


def test_a_runner_goes_over_to_new_tables_while_nothing_happens(world: World, store_url: str) -> None:
    """Tables that another server has made lack what this one projects: it waits for no event to find that out."""
    some_history(world)
    other = open_store(store_url)
    waits: list[float] = []

    def wake(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 1:
            copy = other.create()
            other.publish(copy)
            copy.close()
            assert world.reader.position() == 0

    run(world.log, world.store, decode, lambda: len(waits) >= 4, wake)
    assert world.reader.position() == world.log.head(0)
    other.close()


def test_tables_of_another_version_are_made_again(
    world: World, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release with other tables drops those it finds, and reads the log from its beginning."""
    some_history(world)
    world.project()
    for module in ("copy_files", "postgres"):
        monkeypatch.setattr(f"projections.{module}.SCHEMA_VERSION", schema.SCHEMA_VERSION + 1)
    with closing(Reader(store_url)) as reader:
        with pytest.raises(ProjectionsNotReadyError):
            reader.position()
        run_until(world, lambda: _position(reader) == 4)
        assert reader.position() == 4


def _position(reader: Reader) -> int:
    try:
        return reader.position()
    except ProjectionsNotReadyError:
        return -1


def test_nothing_is_answered_before_there_are_tables(store_url: str) -> None:
    """A reader that comes before the runner says that it cannot know."""
    reader = Reader(store_url)
    with pytest.raises(ProjectionsNotReadyError):
        reader.position()
    reader.close()


def test_lag_is_told_in_events_and_in_age(world: World) -> None:
    """The age is that of the oldest event that is not projected."""
    some_history(world)
    assert lag(world.log, 0, 4, world.now) == Lag(0, 0)
    oldest = world.events[1][0].recorded_at
    assert lag(world.log, 0, 1, world.now + 7) == Lag(3, world.now + 7 - oldest)


def test_readers_in_many_threads_see_whole_states(world: World) -> None:
    """While batches are committed, a balance and its position always belong together."""
    bank, customer = world.open_account(kind=AccountKind.SETTLEMENT), world.open_account()
    for _ in range(60):
        world.transfer(bank, customer, 1)
    world.project(batch_size=2)
    torn: list[str] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            answer = world.reader.mini_statement(customer, now=world.now)
            mini, position = answer.result, answer.positions[0]
            if mini is None or mini.balance.posted != position - 2 or mini.lines[0].position != position:
                torn.append(f"{mini} at {position}")

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(60):
        world.transfer(bank, customer, 1)
        world.project()
    done.set()
    for thread in threads:
        thread.join()
    assert torn == []


def test_a_leaf_hash_holds_every_field() -> None:
    """Changing any field of a row changes its hash, and moving a byte from one field to the next does too."""
    row = Row(1, 2, b"o" * 16, 3, "topic", b"state", START, b"r" * 16, "caller")
    others = [
        row._replace(partition=2),
        row._replace(position=3),
        row._replace(originator_id=b"p" * 16),
        row._replace(originator_version=4),
        row._replace(topic="topics"),
        row._replace(topic="topi", state=b"cstate"),
        row._replace(state=b"stat"),
        row._replace(recorded_at=START + 1),
        row._replace(request_id=None),
        row._replace(caller="caller2"),
    ]
    assert len({leaf_hash(each) for each in [row, *others]}) == len(others) + 1


def test_a_store_needs_a_file_or_postgres() -> None:
    """Any other url is refused with what is expected."""
    for url in ("sqlite://", "sqlite:///:memory:", "mysql://x"):
        with pytest.raises(ValueError, match="projections"):
            open_store(url)
