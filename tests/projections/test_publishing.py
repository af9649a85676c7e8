"""Publishing copies of the tables: several servers at once, and what fails just then."""

import errno
import fcntl
import os
import threading
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger.log.codec import decode
from projections import postgres, schema
from projections.check import check
from projections.copy_files import CopyFiles
from projections.rebuild import rebuild
from projections.runner import live_copy
from projections.store import Copy, open_store
from tests.projections.test_rebuild import copies
from tests.projections.test_runner import some_history
from tests.projections.world import World, open_world


@pytest.fixture
def history(world: World) -> World:
    """Give a world whose tables are as wrong as they can be: only new ones agree with the log."""
    some_history(world)
    world.project()
    with closing(live_copy(world.store)) as copy, copy.write() as writer:
        writer.one("UPDATE balances SET posted = 1 RETURNING 1")
    return world


def tables(store_url: str) -> set[str]:
    """Return which copies there are, without what stands beside their files."""
    return {name for name in copies(store_url) if "-" not in name}


def test_servers_that_begin_at_once_all_keep_tables(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each finds none and makes a copy of its own: nobody waits for another to end, and all go on with the last."""
    servers = [open_store(store_url) for _ in range(2)]
    assert [server.live() for server in servers] == [None, None]
    made: list[Copy] = []

    def meanwhile(owner: Any, name: str) -> None:
        """Have the other server make its copy while the first one is being made."""
        real = getattr(owner, name)

        def other(*arguments: Any, **options: Any) -> Any:
            monkeypatch.undo()
            making = threading.Thread(target=lambda: made.append(servers[1].create()), daemon=True)
            making.start()
            making.join(30)
            assert made
            return real(*arguments, **options)

        monkeypatch.setattr(owner, name, other)

    if store_url.startswith("sqlite"):
        meanwhile(Path, "touch")
    else:
        meanwhile(schema.metadata, "create_all")
    made.append(servers[0].create())
    for server, copy in zip(servers, reversed(made), strict=True):
        server.publish(copy)
    found = [server.live() for server in servers]
    assert {None if copy is None else copy.number for copy in found} == {made[0].number}
    for each in (*made, *found, *servers):
        assert each is not None
        each.close()


@pytest.mark.parametrize("step", ["exists", "absolute"])
def test_tables_that_are_replaced_while_they_are_opened(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Whoever opens them gets the new ones: taken for missing, they would be replaced by empty ones."""
    store, other = (open_store(sqlite_url) for _ in range(2))
    copies = [other.create()]
    other.publish(copies[0])
    copies.append(other.create())
    real = getattr(Path, step)

    def meanwhile(path: Path) -> Any:
        monkeypatch.undo()
        other.publish(copies[1])
        return real(path)

    monkeypatch.setattr(Path, step, meanwhile)
    live = store.live()
    assert live is not None
    assert live.number == copies[1].number
    for copy in (*copies, live):
        copy.close()
    for server in (store, other):
        server.close()


def test_servers_that_publish_at_once_both_do(store_url: str) -> None:
    """One after the other, whatever the first one has to do before: the second one's copy is live in the end."""
    servers = [open_store(store_url) for _ in range(2)]
    copies = [server.create() for server in servers]
    second = threading.Thread(target=servers[1].publish, args=(copies[1],), daemon=True)
    waited: list[bool] = []

    def before() -> None:
        second.start()
        second.join(0.2)
        waited.append(second.is_alive())

    servers[0].publish(copies[0], before=before)
    second.join(30)
    live = servers[0].live()
    assert waited == [True]
    assert live is not None
    assert live.number == copies[1].number
    for copy in (*copies, live):
        copy.close()
    for server in servers:
        server.close()


def test_old_tables_that_cannot_be_dropped_fail_no_rebuild(
    history: World, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new ones are live by then, and stay so; a sweep drops the old ones."""

    def fail(*_: Any) -> None:
        raise OSError("not now")

    publish = history.store.publish

    def failing(copy: Copy, **options: Any) -> None:
        with monkeypatch.context() as broken:
            broken.setattr(CopyFiles, "_delete", fail)
            broken.setattr(postgres, "_drop", fail)
            publish(copy, **options)

    monkeypatch.setattr(history.store, "publish", failing)
    rebuild(history.log, history.store, decode)
    assert len(tables(store_url)) == 2
    assert check(history.log, history.store, decode) == []
    assert history.store.sweep() == 1
    assert len(tables(store_url)) == 1
    assert history.reader.position() == history.head


def test_new_tables_outlive_what_fails_once_they_are_live(history: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asked for them hears of it, and nobody drops them: the pointer names them, and the old ones are gone."""
    publish = history.store.publish

    def interrupted(copy: Copy, **options: Any) -> None:
        publish(copy, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(history.store, "publish", interrupted)
    with pytest.raises(KeyboardInterrupt):
        rebuild(history.log, history.store, decode)
    assert check(history.log, history.store, decode) == []
    assert history.store.sweep() == 0
    assert history.reader.position() == history.head


def test_what_fails_at_the_pointer_leaves_nothing_over(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a full disk does: the tables that were live stay so, and the new ones go, pointer and all."""
    with open_world(sqlite_url) as world:
        some_history(world)
        world.project()
        folder = Path(sqlite_url.removeprefix("sqlite:///")).parent
        before = {path.name for path in folder.iterdir()}

        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            rebuild(world.log, world.store, decode)
        monkeypatch.undo()
        assert {path.name for path in folder.iterdir()} == before
        assert check(world.log, world.store, decode) == []


@pytest.mark.parametrize("left", [b"", b'{"schema_ver', b"\0" * 32, b"[]", b'{"schema_version": 1}'])
def test_a_pointer_that_names_nothing_is_as_good_as_none(sqlite_url: str, left: bytes) -> None:
    """A power cut may leave one: the tables are made anew, from a log that has all they had."""
    with open_world(sqlite_url) as world:
        some_history(world)
        world.project()
        pointer = Path(sqlite_url.removeprefix("sqlite:///")).with_suffix(".projections.json")
        assert pointer.exists()
        pointer.write_bytes(left)
        assert world.store.live() is None
        world.project()
        assert check(world.log, world.store, decode) == []
        assert world.store.sweep() == 1


def test_a_sweep_keeps_what_is_published_while_it_goes_round(
    history: World, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy is live, and let go, by the time the sweep comes to it."""
    of: Any = CopyFiles if store_url.startswith("sqlite") else import_module("projections.postgres")
    real, copy = of._numbers, history.store.create()
    with closing(open_store(store_url)) as other:

        def meanwhile(*arguments: Any) -> list[int]:
            monkeypatch.undo()
            found: list[int] = real(*arguments)
            assert copy.number in found
            other.publish(copy)
            copy.close()
            return found

        monkeypatch.setattr(of, "_numbers", meanwhile)
        history.store.sweep()
        live = other.live()
        assert live is not None
        live.close()
        assert live.number == copy.number


def test_a_copy_that_is_dropped_is_nobody_elses_till_then(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another server that comes to its lock just as it is deleted takes the next one, which others respect."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    one, another = CopyFiles(path), CopyFiles(path)
    real = fcntl.flock

    def meanwhile(file: int, how: int) -> None:
        monkeypatch.undo()
        assert one.delete_abandoned(1)
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", meanwhile)
    number, held = another.claim()
    assert number == 1
    assert not one.delete_abandoned(number)
    os.close(held)
    assert one.sweep() == 1


def test_tables_that_are_being_deleted_are_nobody_elses_yet(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another server that begins new ones just then takes another number: what comes next is not deleted with them."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    one, another = CopyFiles(path), CopyFiles(path)
    for number in (1, 2):
        made, held = one.claim()
        assert made == number
        os.close(held)
        one.path(number).with_name(f"{one.path(number).name}-wal").touch()
    one.point_at(1)
    real, begun = Path.unlink, []

    def meanwhile(gone: Path, **options: bool) -> None:
        real(gone, **options)
        if gone == one.path(2):
            monkeypatch.undo()
            begun.append(another.claim())

    monkeypatch.setattr(Path, "unlink", meanwhile)
    one.retire(2)
    ((number, held),) = begun
    assert one.sweep() == 0
    assert another.path(number).exists()
    assert {file.name.split(".")[2] for file in path.parent.glob("*.projections.*.*")} == {"1", str(number)}
    os.close(held)


def test_what_is_left_of_tables_half_deleted_is_swept(sqlite_url: str) -> None:
    """A server that was killed between two files leaves the others; their number is not given to new tables."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    files = CopyFiles(path)
    for left in ("-wal", "-shm", "-making"):
        (number, held) = files.claim()
        os.close(held)
        files.path(number).with_name(f"{files.path(number).name}{left}").touch()
        files.path(number).unlink()
    number, held = files.claim()
    assert number == 4
    assert files.sweep() == 3
    os.close(held)
    assert files.sweep() == 1


@pytest.mark.postgres
def test_servers_whose_first_start_is_the_same_moment(postgres_url: str) -> None:
    """The second waits until the first has made what both look for; it failed by a name that was taken."""
    with closing(open_store(postgres_url)) as store, psycopg.connect(postgres_url, autocommit=True) as connection:
        made: list[Copy] = []
        second = threading.Thread(target=lambda: made.append(store.create()), daemon=True)
        with connection.transaction():
            postgres._make_home(connection)
            second.start()
            second.join(0.3)
            assert second.is_alive()
        second.join(30)
        (copy,) = made
        store.drop(copy)
