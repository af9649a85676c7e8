"""Request ids made by clocks that are ahead of the ledger's."""

from collections.abc import Iterator

import msgspec
import pytest

from domain.account import FreezeAccount
from domain.transfer import CreateTransfer
from ledger.engine.requests import SKEW, RecentRequests
from ledger.engine.settings import EngineSettings
from ledger.engine.tickets import Accepted, Repeated
from ledger.log.api import Log
from tests.ledger.engine.world import BRISK, SECOND, START, Desk, HandClock, Ids

TINY = 4
FORGETFUL = msgspec.structs.replace(BRISK, recent_requests=TINY)
AHEAD = 30 * SECOND


def frozen_ahead(desk: Desk) -> tuple[bytes, int, int]:
    """Freeze an account under an id made ahead of the ledger's clock; return the id and two other accounts."""
    cash, one, frozen = desk.open("cash"), desk.open(), desk.open()
    request = desk.ids.recent(age=-AHEAD)
    assert isinstance(desk.ask(FreezeAccount(account_id=frozen, debits=True), request), Accepted)
    return request, cash, one


def let_pass(desk: Desk, cash: int, one: int) -> None:
    """Let the clock come past the ids made ahead, and more requests than the engine keeps in memory."""
    for _ in range(3 * TINY):
        desk.clock.advance(AHEAD // TINY // 2)
        desk.ask(desk.transfer(cash, one, 1))


@pytest.fixture(params=[FORGETFUL, BRISK], ids=["forgetful", "usual"])
def settings(request: pytest.FixtureRequest) -> EngineSettings:
    chosen: EngineSettings = request.param
    return chosen


@pytest.fixture
def forgetful(log: Log, clock: HandClock, settings: EngineSettings) -> Iterator[Desk]:
    desk = Desk(log, clock, settings=settings).serving()
    yield desk
    desk.stop()


def test_an_id_made_ahead_is_recognised_for_ever(forgetful: Desk) -> None:
    """An id made ahead of the clock is never taken for new, for a command of another kind either."""
    request, cash, one = frozen_ahead(forgetful)
    let_pass(forgetful, cash, one)
    assert isinstance(forgetful.ask(CreateTransfer(request, cash, one, 500)), Repeated)
    each = forgetful.ask_many([CreateTransfer(request, cash, one, 500), forgetful.transfer(cash, one, 1)])
    assert [index for index, _ in each.repeated] == [0]


def test_an_id_made_ahead_is_recognised_after_a_restart(log: Log, clock: HandClock, settings: EngineSettings) -> None:
    """A snapshot keeps the ids made ahead of the clock, or the log is asked about them."""
    desk = Desk(log, clock, settings=settings, seed=1).serving()
    request, cash, one = frozen_ahead(desk)
    desk.stop()
    desk = Desk(log, clock, settings=settings, seed=2).serving()
    clock.advance(2 * AHEAD)
    outcome = desk.ask(CreateTransfer(request, cash, one, 500))
    desk.stop()
    assert isinstance(outcome, Repeated)


def test_a_generation_that_began_behind_an_undo_begins_where_it_went_back_to() -> None:
    """The index is complete from there on, so that a look-up at that position is recent enough."""
    recent = RecentRequests(4, since=0, position=10)
    recent.went_back(7)
    assert recent.floor == 7
    for position in (8, 9, 10, 11):
        recent.add(position.to_bytes(16, "big"), position, START)
        recent.roll(START, position)
    assert recent.floor == 9
    recent.went_back(10)
    assert recent.floor == 9
    recent.went_back(8)
    for position in (9, 10):
        recent.add(position.to_bytes(16, "little"), position, START)
        recent.roll(START, position)
    assert recent.floor == 8


def test_more_ids_ahead_than_are_kept_are_looked_up() -> None:
    """When too many ids are ahead to be kept, no id up to the latest of them is new without a look."""
    clock = HandClock()
    ids = Ids(clock)
    recent = RecentRequests(TINY, since=START - SECOND, position=1)
    made_ahead = [ids.recent(age=-AHEAD) for _ in range(2 * TINY)]
    for position, request in enumerate(made_ahead, 2):
        recent.add(request, position, START)
        recent.roll(START, position)
    clock.advance(AHEAD)
    recent.roll(clock.now(), 20)
    forgotten = [request for request in made_ahead if not recent.find(request)]
    assert forgotten
    assert not any(recent.is_new(request, clock.now()) for request in forgotten)
    clock.advance(2 * SKEW)
    assert recent.is_new(ids.recent(), clock.now())
    restored = RecentRequests(TINY, since=START, position=20, ahead=recent.ahead(START))
    assert not any(restored.is_new(request, clock.now()) for request in forgotten)
