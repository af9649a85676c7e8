"""A question takes no longer than whoever asked it waits."""

import threading
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import pytest

from projections.store import ProjectionsUnreachableError, QuestionOutOfTimeError, Session, open_store
from tests.endless import GIVEN_SECONDS, SOON_SECONDS, endless, seconds_from_now
from tests.projections.world import World


@pytest.mark.parametrize("way", ["question", "snapshot"])
def test_a_long_question_ends_in_the_database(world: World, store_url: str, way: str) -> None:
    """A question that outlasts its time is ended, and the same thread can ask again at once."""
    world.project()
    ask = getattr(world.reader._store, way)
    began = monotonic()
    with world.reader.within(seconds_from_now(GIVEN_SECONDS)), pytest.raises(QuestionOutOfTimeError):
        ask(lambda session: session.one(endless(store_url)))
    assert monotonic() - began < SOON_SECONDS
    with world.reader.within(seconds_from_now(SOON_SECONDS)):
        assert ask(lambda session: session.one("SELECT 1")) == (1,)
    assert ask(lambda session: session.one("SELECT 1")) == (1,)


def test_many_short_questions_are_one_long(world: World) -> None:
    """A question of many statements ends when its time does, however short each of them is."""
    world.project()

    def work(session: Session) -> None:
        while True:
            session.one(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 99999) SELECT 1 FROM n"
            )

    with world.reader.within(seconds_from_now(GIVEN_SECONDS)), pytest.raises(QuestionOutOfTimeError):
        world.reader._store.snapshot(work)


def test_nothing_is_asked_without_time(world: World) -> None:
    """Whoever has no time left is not asked for."""
    world.project()
    with world.reader.within(seconds_from_now(-1)), pytest.raises(QuestionOutOfTimeError):
        world.reader.positions()


@pytest.mark.parametrize("way", ["question", "snapshot"])
def test_closing_ends_what_is_being_asked(world: World, store_url: str, way: str) -> None:
    """A connection is not taken from under a thread that works with it: its question ends first, with an error."""
    world.project()
    store = open_store(store_url)
    asking = threading.Event()

    def work(session: Session) -> None:
        asking.set()
        session.one(endless(store_url))

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(getattr(store, way), work)
        assert asking.wait(SOON_SECONDS)
        store.close()
        with pytest.raises(ProjectionsUnreachableError):
            asked.result(SOON_SECONDS)
