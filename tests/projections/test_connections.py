"""A store that is closed, or at which something fails, leaves no connection open."""

from typing import Any

import psycopg
import pytest

from ledger.log.codec import decode
from projections.check import check
from projections.rebuild import rebuild
from projections.runner import live_copy
from projections.schema import metadata
from projections.store import ProjectionsUnreachableError, Session, Store, open_store
from tests.connections import Connections, opened
from tests.projections.world import World

__all__ = ["opened"]


class Failure(Exception):
    """What a test makes happen."""


def fail(*_: Any, **__: Any) -> None:
    """Fail."""
    raise Failure


@pytest.fixture
def store(world: World, store_url: str) -> Store:
    """Give a store with tables, at which nobody has asked anything yet."""
    world.project()
    return open_store(store_url)


def test_a_closed_store_is_not_asked(store: Store, opened: Connections) -> None:
    """Not even by a thread that has had no connection before: nobody would close it."""
    store.close()
    with pytest.raises(ProjectionsUnreachableError, match="closed"):
        store.question(lambda session: session.one("SELECT 1"))
    assert opened.left() == 0
    store.close()


def test_a_store_that_is_closed_just_before_it_is_asked(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has a connection in hand already is told the same."""
    reader = store._reader  # type: ignore[attr-defined]

    def closed_meanwhile() -> Any:
        session = reader()
        store.close()
        return session

    monkeypatch.setattr(store, "_reader", closed_meanwhile)
    with pytest.raises(ProjectionsUnreachableError, match="closed"):
        store.question(lambda session: session.one("SELECT 1"))


def test_a_copy_that_cannot_be_made(store: Store, opened: Connections, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is nobody's from then on: the next one waits for nothing."""
    with monkeypatch.context() as broken:
        broken.setattr(metadata, "create_all", fail)
        with pytest.raises(Failure):
            store.create()
    assert opened.left() == 0
    store.sweep()
    store.drop(store.create())
    assert opened.left() == 0


def test_a_copy_that_cannot_be_published(store_url: str, opened: Connections, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of all is not either."""
    store = open_store(store_url)
    monkeypatch.setattr(store, "replace", fail)
    with pytest.raises(Failure):
        live_copy(store)
    assert opened.left() == 0
    assert store.sweep() == 1


def test_a_check_without_room_for_its_copy(
    world: World, store: Store, opened: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The live tables are let go as well."""
    monkeypatch.setattr(store, "create", fail)
    with pytest.raises(Failure):
        check(world.log, store, decode)
    assert opened.left() == 0


def test_a_rebuild_that_fails_at_the_live_tables(
    world: World, store: Store, opened: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are let go, and the copy that was begun is dropped."""
    monkeypatch.setattr("projections.rebuild.begin_like", fail)
    with pytest.raises(Failure):
        rebuild(world.log, store, decode)
    assert opened.left() == 0


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (psycopg.OperationalError("gone"), ProjectionsUnreachableError),
        (psycopg.InterfaceError("gone"), ProjectionsUnreachableError),
        (psycopg.InternalError("gone"), ProjectionsUnreachableError),
        (OSError("no more files"), ProjectionsUnreachableError),
        (psycopg.ProgrammingError("a mistake"), psycopg.ProgrammingError),
    ],
)
def test_a_connection_at_which_something_failed_is_given_up(
    postgres_url: str, error: Exception, told: type[Exception]
) -> None:
    """Whatever PostgreSQL's driver raised: a database that is away is told from a mistake."""
    store = open_store(postgres_url)
    live_copy(store).close()

    def fail(_: Session) -> None:
        raise error

    before = store.question(lambda session: session.one("SELECT pg_backend_pid()"))
    with pytest.raises(told, match=str(error)):
        store.question(fail)
    assert store.question(lambda session: session.one("SELECT pg_backend_pid()")) != before
    store.close()
