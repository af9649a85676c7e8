"""A store that is closed, or at which something fails, leaves no connection open."""

import sqlite3
from typing import Any

import psycopg
import pytest

from ledger.log.codec import decode
from projections.check import check
from projections.runner import live_copy
from projections.schema import metadata
from projections.store import Store, open_store
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
    with pytest.raises((sqlite3.OperationalError, psycopg.OperationalError), match="closed"):
        store.question(lambda session: session.one("SELECT 1"))
    assert opened.left() == 0
    store.close()


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
    monkeypatch.setattr(store, "publish", fail)
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
