"""Archiving: what is moved is proven first, is read as before, and whoever is killed at any point goes on."""

import gc
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from unittest.mock import patch

import pyarrow.parquet as pq
import pytest
from sqlalchemy import event, text

from domain.leaf import leaf_hash
from domain.ports import Row
from ledger.audit.archiving import moves, signed_tree
from ledger.audit.export.files import WholeFile, alone
from ledger.audit.export.format import ExportError
from ledger.audit.signing.keys import SigningKey, SigningKeys, Validity
from ledger.log.api import ArchivingLog, Kept
from ledger.log.errors import LogUnavailable, SegmentRefused, SegmentUnreadable
from ledger.log.factory import open_log, open_tables
from ledger.log.housekeeping import Housekeeping
from ledger.log.pages import MOST_BYTES
from ledger.log.parquet import dump
from tests.ledger.audit.old_events import (
    COUNT,
    ORIGIN,
    PER_FILE,
    UPTO,
    checkpoint_of,
    recorded,
    run,
    seen,
    stored_states,
)
from tests.ledger.log.rows import id_of, row

PATIENCE = 20.0
CHANGED = b'{"amount":-1}'
STEPS = 40
"""Steps of an archiving of two segments that are tried one by one; there are more."""


class KilledError(BaseException):
    """Stands for the end of the process: nobody catches it."""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def log(store_url: str, directory: Path) -> Iterator[ArchivingLog]:
    """Give a log of events, once for each kind of store."""
    with closing(open_log(store_url, directory)) as opened:
        opened.append(recorded())
        yield opened


def anew(store_url: str, directory: Path) -> ArchivingLog:
    """Open a log as another process would, which has read nothing yet."""
    return open_log(store_url, directory)


def test_what_is_archived_is_read_as_before(log: ArchivingLog, store_url: str, directory: Path) -> None:
    """Rows, aggregates and ids are answered alike by whoever reads, while the database holds no moved state."""
    before = seen(log, recorded())
    made = run(log, recorded(), directory)
    assert [(each.segment.first, each.segment.last) for each in made] == [
        (first, min(first + PER_FILE - 1, UPTO)) for first in range(1, UPTO + 1, PER_FILE)
    ]
    with closing(anew(store_url, directory)) as other:
        for reader in (log, other):
            assert seen(reader, recorded()) == before
    states = stored_states(store_url)
    assert {position for position, state in states.items() if not state} == {
        each.position for each in recorded() if each.position <= UPTO and not each.topic.startswith("account")
    }
    assert sum(each.moved for each in made) == sum(len(each.state) for each in recorded() if not states[each.position])


def test_appends_and_archiving_go_on_afterwards(log: ArchivingLog, store_url: str, directory: Path) -> None:
    """A log whose beginning is archived takes further events, and archives them in turn, under the same tree."""
    run(log, recorded(), directory)
    whole = recorded(2 * COUNT)
    log.append(whole[COUNT:])
    run(log, whole, directory, upto=2 * COUNT - 1)
    with closing(anew(store_url, directory)) as other:
        assert other.read(0, 0, 1_000) == whole
        assert other.tree(0).root == checkpoint_of(whole).root
        assert other.segments(0)[-1].last == 2 * COUNT - 1


def test_another_owner_takes_over_behind_what_is_archived(log: ArchivingLog, directory: Path) -> None:
    """The event that a new owner begins after is looked at as it was recorded."""
    run(log, recorded(), directory, upto=COUNT - 1)
    log.take_over([row(COUNT + 1)], tail=leaf_hash(recorded()[-1]))
    assert log.head(0) == COUNT + 1


def test_archiving_what_is_archived_changes_nothing(log: ArchivingLog, directory: Path) -> None:
    """Called again, and with an earlier position, it moves nothing and leaves the files as they are."""
    run(log, recorded(), directory)
    files = {path.name: path.read_bytes() for path in directory.iterdir()}
    assert run(log, recorded(), directory) == []
    assert run(log, recorded(), directory, upto=10) == []
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == files


def test_a_segment_proves_itself_to_any_reader_of_parquet(log: ArchivingLog, directory: Path) -> None:
    """Its columns are whole events, and each one's leaf hash stands beside it."""
    made = run(log, recorded(), directory)
    found = [each for one in made for each in pq.read_table(directory / one.segment.file).to_pylist()]
    assert [each["state"] for each in found] == [each.state for each in recorded()[:UPTO]]
    assert [each["leaf_hash"] for each in found] == [leaf_hash(each) for each in recorded()[:UPTO]]
    assert [each["request_id"] for each in found] == [each.request_id for each in recorded()[:UPTO]]


def test_what_is_read_at_once_keeps_its_bound(store_url: str, directory: Path) -> None:
    """Large events that are archived come as few at a time as large ones that are not, and all of them come."""
    rows = [row(position, topic="bulk.posted.v1", state=b"%07d" % position * 150_000) for position in range(1, 91)]
    with closing(open_log(store_url, directory)) as log:
        for start in range(0, len(rows), 30):
            log.append(rows[start : start + 30])
        made = run(log, rows, directory, upto=89, per_file=1_000)
        assert len(made) > 1  # A segment is bounded in bytes as well.
        position = 0
        while found := log.read(0, position, 1_000):
            assert sum(len(each.state) for each in found[:-1]) < MOST_BYTES
            assert found == rows[position : position + len(found)]
            position = found[-1].position
        assert position == len(rows)


# Killed.


def _steps(log: ArchivingLog, stack: ExitStack, count: Callable[[], None]) -> None:
    """Count every step that changes a disk or the database, before it is made and after it."""

    def around(owner: object, name: str) -> None:
        real = getattr(owner, name)

        def counted(*arguments: object, **named: object) -> object:
            count()
            answer = real(*arguments, **named)
            count()
            return answer

        stack.enter_context(patch.object(owner, name, counted))

    for owner, name in ((os, "fsync"), (Path, "replace"), (WholeFile, "write"), (Path, "unlink"), (Path, "mkdir")):
        around(owner, name)
    around(log, "archive")
    assert isinstance(log, Housekeeping)
    engine = log._engine

    def counting(*_: object) -> None:
        count()

    event.listen(engine, "before_cursor_execute", counting)
    event.listen(engine, "after_cursor_execute", counting)
    stack.callback(event.remove, engine, "before_cursor_execute", counting)
    stack.callback(event.remove, engine, "after_cursor_execute", counting)


def _killed(store_url: str, directory: Path, step: int, per_file: int) -> bool:
    """Archive in a process that ends at a step, unless it is done before; tell whether it ended so."""
    left = step

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise KilledError

    killed = False
    with closing(open_log(store_url, directory)) as doomed, ExitStack() as stack:
        _steps(doomed, stack, count)
        try:
            run(doomed, recorded(), directory, per_file=per_file)
        except KilledError:
            killed = True
    gc.collect()  # Whatever connection it had ends with it.
    return killed


def test_killed_at_every_step_and_called_again(log: ArchivingLog, store_url: str, directory: Path) -> None:
    """Wherever it ends, all events are read as before; called again until it is done, everything is archived."""
    before = seen(log, recorded())
    step = 1
    while _killed(store_url, directory, step, per_file=20):
        with closing(anew(store_url, directory)) as other:
            assert seen(other, recorded()) == before, step
            _check_archived(other, store_url, directory)
        step += 1
    assert step > STEPS // 2
    assert log.segments(0)[-1].last == UPTO
    assert seen(log, recorded()) == before


def _check_archived(log: ArchivingLog, store_url: str, directory: Path) -> None:
    """Check that what lost its state is archived, and nothing else, and that every segment stands whole."""
    archived = log.segments(0)
    upto = archived[-1].last if archived else 0
    emptied = {position for position, state in stored_states(store_url).items() if not state}
    assert emptied == {each.position for each in recorded() if each.position <= upto and moves(each.topic)}
    for each in archived:
        assert (directory / each.file).stat().st_size == each.size


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_killed_once_and_called_again(sqlite_url: str, directory: Path, step: int) -> None:
    """From an untouched log, ended at this step, the next call does the rest and leaves nothing half-done."""
    with closing(open_log(sqlite_url, directory)) as log:
        log.append(recorded())
    assert _killed(sqlite_url, directory, step, per_file=25)
    with closing(anew(sqlite_url, directory)) as other:
        _check_archived(other, sqlite_url, directory)
        assert other.read(0, 0, 1_000) == recorded()
        run(other, recorded(), directory, per_file=25)
        assert other.segments(0)[-1].last == UPTO
        assert other.read(0, 0, 1_000) == recorded()
        assert not [path for path in directory.iterdir() if path.name.startswith(".")]


def test_files_are_durable_before_anything_is_moved(log: ArchivingLog, directory: Path) -> None:
    """The directory's own name, each file, and its name are synchronised before the log hears of a segment."""
    told: list[str] = []
    real_fsync, real_archive = os.fsync, log.archive

    def fsync(number: int) -> None:
        told.append(Path(f"/proc/self/fd/{number}").readlink().name)
        real_fsync(number)

    def move(*arguments: object) -> None:
        told.append("moved")
        real_archive(*arguments)  # type: ignore[arg-type] # as it was called

    with patch.object(os, "fsync", fsync), patch.object(log, "archive", move):
        (made,) = run(log, recorded(), directory, per_file=100)
    assert told == [directory.parent.name, f".{made.segment.file}", directory.name, "moved"]


def test_an_answer_that_was_lost_is_looked_for(log: ArchivingLog, directory: Path) -> None:
    """A database that moved a segment, and did not say so, is not asked to move it again."""
    real, calls = log.archive, 0

    def lost(*arguments: object) -> None:
        nonlocal calls
        calls += 1
        real(*arguments)  # type: ignore[arg-type] # as it was called
        if calls == 1:
            raise LogUnavailable("the answer did not arrive")

    with patch.object(log, "archive", lost), patch("time.sleep"):
        made = run(log, recorded(), directory)
    assert calls == len(made)
    assert log.read(0, 0, 1_000) == recorded()


def test_a_database_that_never_answers_is_given_up(log: ArchivingLog, directory: Path) -> None:
    """Nothing is said to be moved then; called again when it answers, all is."""
    away = patch.object(log, "archive", side_effect=LogUnavailable("gone"))
    with away as asked, patch("time.sleep"), pytest.raises(LogUnavailable):
        run(log, recorded(), directory)
    assert asked.call_count > 1
    assert log.segments(0) == []
    run(log, recorded(), directory)
    assert log.segments(0)[-1].last == UPTO


def test_what_was_written_otherwise_is_not_moved(log: ArchivingLog, store_url: str, directory: Path) -> None:
    """A file is compared with the events that it was written from before anything else is asked of it."""

    def otherwise(rows: Sequence[Row]) -> bytes:
        return dump([each._replace(caller="nobody") for each in rows])

    with patch("ledger.audit.archiving.dump", otherwise), pytest.raises(ExportError) as refused:
        run(log, recorded(), directory)
    assert refused.value.reason == "SEGMENT_DIFFERS"
    _check_archived(log, store_url, directory)
    assert log.segments(0) == []


def test_two_at_once(log: ArchivingLog, directory: Path) -> None:
    """While one archives into a directory, another one is refused."""
    with alone(directory, "archive"), pytest.raises(ExportError) as refused:
        run(log, recorded(), directory)
    assert refused.value.reason == "ARCHIVE_RUNNING"


# What is wrong is refused.


@pytest.mark.parametrize("damage", ["missing", "empty", "cut off", "changed", "another", "directory", "endless"])
def test_a_damaged_segment_is_named(log: ArchivingLog, store_url: str, directory: Path, damage: str) -> None:
    """Whatever is in it is answered by an error with its name; what is elsewhere is answered as before."""
    made = [each.segment for each in run(log, recorded(), directory)]
    path = directory / made[1].file
    content = path.read_bytes()
    path.unlink()
    match damage:
        case "empty":
            path.write_bytes(b"")
        case "cut off":
            path.write_bytes(content[:-1])
        case "changed":
            path.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
        case "another":
            path.write_bytes((directory / made[2].file).read_bytes())
        case "directory":
            path.mkdir()
        case "endless":
            path.touch()
            os.truncate(path, 1 << 40)
        case _:
            assert damage == "missing"
    with closing(anew(store_url, directory)) as other:
        first, last = made[1].first, made[1].last
        questions: list[Callable[[], list[Row]]] = [
            lambda: other.read(0, first - 1, 2),
            lambda: other.read(0, 0, 1_000),
            lambda: other.read(0, last - 2, 2),
            lambda: other.aggregate(0, id_of(2)),
        ]
        for work in questions:
            with pytest.raises(SegmentUnreadable, match=made[1].file) as unreadable:
                work()
            assert unreadable.value.segment == made[1].file
        assert other.read(0, 0, first - 1) == recorded()[: first - 1]
        assert other.read(0, last, 1_000) == recorded()[last:]
        assert other.aggregate(0, id_of(1)) == log.aggregate(0, id_of(1))  # It lives on, and kept its states.
        requests = [each.request_id for each in recorded()[first - 1 : last] if each.request_id is not None]
        assert len(other.find(0, requests)) == len(requests) > 0
        if damage in ("missing", "empty", "cut off", "directory", "endless"):
            with pytest.raises(ExportError, match=made[1].file) as missing:
                run(other, recorded(), directory, upto=UPTO + 5)
            assert missing.value.reason == "SEGMENT_MISSING"
        path.rmdir() if damage == "directory" else path.unlink(missing_ok=True)
        path.write_bytes(content)
        assert other.read(0, 0, 1_000) == recorded()


def test_a_pipe_is_no_segment(log: ArchivingLog, store_url: str, directory: Path) -> None:
    """Nobody waits for what somebody may write into a pipe that stands in a segment's place."""
    path = directory / run(log, recorded(), directory)[0].segment.file
    path.unlink()
    os.mkfifo(path)
    told: list[SegmentUnreadable] = []

    def read() -> None:
        try:
            other.read(0, 0, 1)
        except SegmentUnreadable as unreadable:
            told.append(unreadable)

    with closing(anew(store_url, directory)) as other:
        reading = threading.Thread(target=read)
        reading.start()
        reading.join(PATIENCE)
        if reading.is_alive():  # Let it go.
            os.close(os.open(path, os.O_WRONLY))
            pytest.fail("it was waited for")
    assert "it is no file" in str(told[0])


def test_nobody_has_said_where_the_archive_is(log: ArchivingLog, store_url: str, directory: Path) -> None:
    """The error says which setting is missing."""
    run(log, recorded(), directory)
    with closing(open_log(store_url)) as other, pytest.raises(SegmentUnreadable, match="set ESEP_ARCHIVE"):
        other.read(0, 0, 1)


@pytest.mark.parametrize("change", ["caller = 'nobody'", "recorded_at = recorded_at + 1", "topic = 'bulk.posted.v2'"])
def test_a_row_that_is_not_the_archived_one_is_told(
    log: ArchivingLog, store_url: str, directory: Path, change: str
) -> None:
    """What the database still says of an archived event must be what its segment says."""
    run(log, recorded(), directory)
    execute(store_url, f"UPDATE events SET {change} WHERE position = 12")  # noqa: S608 - of this test
    with closing(anew(store_url, directory)) as other, pytest.raises(SegmentUnreadable, match="its event 12 is not"):
        other.read(0, 11, 1)


@pytest.mark.parametrize("position", [9, UPTO])
def test_what_the_checkpoint_does_not_prove_is_not_moved(
    log: ArchivingLog, store_url: str, directory: Path, position: int
) -> None:
    """An event that was changed in the database stays there, with all that would be moved with it and after it."""
    run(log, recorded(), directory, upto=4)
    execute(store_url, "UPDATE events SET state = :state WHERE position = :position", position=position, state=CHANGED)
    assert differs(log, recorded(), directory)
    with closing(anew(store_url, directory)) as other:
        assert other.read(0, 0, 1_000) == changed(position)
        _check_archived(other, store_url, directory)


def test_nothing_more_is_moved_under_a_checkpoint_of_another_beginning(
    log: ArchivingLog, store_url: str, directory: Path
) -> None:
    """What is archived already must be the beginning of what was signed as well."""
    run(log, recorded(), directory, upto=4)
    assert differs(log, changed(1), directory)
    with closing(anew(store_url, directory)) as other:
        assert other.read(0, 0, 1_000) == recorded()
        _check_archived(other, store_url, directory)


def changed(position: int) -> list[Row]:
    """Return the events with another state of one of them."""
    return [each._replace(state=CHANGED) if each.position == position else each for each in recorded()]


def differs(log: ArchivingLog, signed: list[Row], directory: Path) -> bool:
    """Archive against a checkpoint of these rows; tell whether the log's are found to be others."""
    with pytest.raises(ExportError) as refused:
        run(log, signed, directory)
    return refused.value.reason == "HISTORY_DIFFERS"


def test_segments_that_do_not_fit_are_refused(log: ArchivingLog, store_url: str, directory: Path) -> None:
    """One that leaves a gap, is repeated, holds the last event or other numbers of events moves nothing."""
    made = [each.segment for each in run(log, recorded(), directory, upto=16)]
    before = stored_states(store_url)
    topics = ["transfer.posted.v1"]
    for wrong, count, why in (
        (made[-1], 3, "does not follow that"),
        (made[-1]._replace(first=18, last=20), 2, "does not follow that"),
        (made[-1]._replace(first=17, last=COUNT), 18, "is not followed by another event"),
        (made[-1]._replace(first=17, last=20), 99, "2 events, not 99"),
        (made[-1]._replace(first=17, last=20), 1, "2 events, not 1"),
    ):
        with pytest.raises(SegmentRefused, match=why):
            log.archive(wrong, topics, count)
    assert stored_states(store_url) == before
    assert [each.file for each in log.segments(0)] == [each.file for each in made]


def test_events_without_a_state_are_what_they_are(store_url: str, directory: Path) -> None:
    """An event that was recorded empty is read as such, archived or not."""
    rows = [row(position, state=b"" if position % 2 else b"{}") for position in range(1, 31)]
    with closing(open_log(store_url, directory)) as log:
        log.append(rows)
        assert log.read(0, 0, 100) == rows
        run(log, rows, directory, upto=20)
        assert log.read(0, 0, 100) == rows


def test_only_a_checkpoint_of_ones_own_is_believed(log: ArchivingLog) -> None:
    """None, one under another key, and one of another ledger: nothing is archived on such words."""
    keys, others = (SigningKeys([SigningKey(bytes([seed]) * 32, Validity())]) for seed in (1, 2))
    verifiers = [key.verifier(ORIGIN) for key in keys.keys]

    def reason() -> str:
        with pytest.raises(ExportError) as refused:
            signed_tree(log, 0, "esep.kg/test", verifiers)
        return refused.value.reason

    assert reason() == "NO_CHECKPOINT"
    right = checkpoint_of(recorded())
    log.keep_checkpoint(0, Kept(COUNT - 2, str(others.sign(ORIGIN, right.text(), 0)), 1))
    assert reason() == "CHECKPOINT_NOT_SIGNED"
    other = right._replace(origin="esep.kg/other/0")
    log.keep_checkpoint(0, Kept(COUNT - 1, str(keys.sign(ORIGIN, other.text(), 0)), 1))
    assert reason() == "CHECKPOINT_OF_ANOTHER"
    shorter = checkpoint_of(recorded(COUNT - 2))
    log.keep_checkpoint(0, Kept(COUNT, str(keys.sign(ORIGIN, shorter.text(), 0)), 1))
    assert reason() == "CHECKPOINT_OF_ANOTHER"
    right = checkpoint_of(recorded(COUNT + 1))
    log.keep_checkpoint(0, Kept(COUNT + 1, str(keys.sign(ORIGIN, right.text(), 0)), 1))
    assert signed_tree(log, 0, "esep.kg/test", verifiers) == right


def execute(store_url: str, statement: str, **values: object) -> None:
    """Change the database behind the log's back."""
    engine = open_tables(store_url)
    with engine.begin() as connection:
        connection.execute(text(statement), values)
    engine.dispose()
