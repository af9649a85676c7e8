"""Requests are taken in more slowly while the projections are too far behind, and a light load is not held up."""

import threading

import pytest

from ledger.engine.pace import delay
from tests.ledger.engine.world import Desk


@pytest.mark.parametrize(
    ("events", "behind", "seconds"),
    [
        (8_192, 0.0, 0.0),
        (8_192, 5.0, 0.0),
        (1_000, 5.5, 0.01),
        (1_000, 10.0, 0.1),
        (1_000, 15.0, 0.2),
        (1_000, 86_400.0, 0.2),
        (1, 86_400.0, 0.000_2),
        (100_000, 86_400.0, 1.0),
    ],
)
def test_the_further_behind_the_longer_each_event_waits(events: int, behind: float, seconds: float) -> None:
    """Nothing waits within the bound of 5 s; no event waits longer than 0.2 ms, and nothing taken at once than 1 s."""
    assert delay(events, behind, 5.0) == pytest.approx(seconds)


def test_an_engine_slows_down_while_its_projections_are_behind(desk: Desk) -> None:
    """A thousand transfers wait a fifth of a second, one waits next to nothing, and none is refused."""
    bank, customer = desk.open("settlement"), desk.open()
    pauses: list[float] = []
    wait = desk.engine.pause

    def pause(seconds: float) -> None:
        if threading.current_thread().name.startswith("esep-decide"):
            pauses.append(seconds)
        else:
            wait(seconds)

    desk.engine.pause = pause  # type: ignore[method-assign]
    desk.ask(desk.transfer(bank, customer, 1))
    assert pauses == []
    desk.engine.projections_behind = 3_600.0
    desk.ask(desk.transfer(bank, customer, 1))
    desk.ask_many([desk.transfer(bank, customer, 1) for _ in range(1_000)])
    assert [pause for pause in pauses if pause] == pytest.approx([0.000_2, 0.2])
    assert desk.posted(customer) == 1_002


def test_an_engine_that_waits_can_be_stopped(desk: Desk) -> None:
    """Stopping does not wait for projections; what was taken in is answered."""
    bank, customer = desk.open("settlement"), desk.open()
    desk.engine.projections_behind = 3_600.0
    answers = [desk.start(desk.transfer(bank, customer, 1)) for _ in range(10)]
    desk.stop()
    assert [answer().position > 0 for answer in answers] == [True] * 10
