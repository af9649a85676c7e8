"""Too much for a server, in small: ``make overload`` offers three times its capacity for a minute."""

from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from ledger.log.factory import open_log
from tests.overload.caller import Heard
from tests.overload.load import Held, drive, held, others
from tests.overload.misbehaving import MISBEHAVING, misbehave
from tests.overload.run import prepared

TENTH = 0.1
REFUSED = "RESOURCE_EXHAUSTED QUEUE_FULL"
SAID = {
    "slow_streams": {"OPEN"},
    "idle_streams": {"OPEN", "TOO_MANY_STREAMS"},
    "stuck_clients": {"OPEN"},
    "large_messages": {"RESOURCE_EXHAUSTED"},
    "compression_bombs": {"UNIMPLEMENTED"},
}
"""What misbehaving clients may be answered. Those that say nothing are waited for elsewhere."""


@pytest.mark.slow
def test_who_is_too_many_is_told_to_wait_and_nothing_of_it_is_recorded(tmp_path: Path) -> None:
    """Those who are served are served once, and the others are told when to come back, however many they are."""
    with prepared(tmp_path, 4, max_queued="200") as there, there.watch() as watch:
        heard = drive(there.server.address, there.accounts, 0, seconds=2.0, batch=100, rate=0.0)
        heard += drive(there.server.address, there.accounts, 2, seconds=2.0, batch=100, rate=200.0)
        with closing(open_log(there.url)) as log:
            assert held(log, heard) == Held(0, 0, 0)
            assert held(log, map(otherwise, heard)) != Held(0, 0, 0)
        there.server.wait_until_serving()
    refusals = sum((each.refusals for each in heard), Counter())
    assert refusals[REFUSED] > 0
    assert set(others(refusals)) <= {"DEADLINE_EXCEEDED DEADLINE_EXCEEDED without RetryInfo"}
    assert sum(count for each in heard for _, _, count in each.answered) > 0
    assert {each.said for each in watch.answers} <= {"", "QUEUE_FULL"}


def otherwise(heard: Heard) -> Heard:
    """Return what a process might have heard from a server that loses things."""
    return heard._replace(positions={key: [each + 1 for each in found] for key, found in heard.positions.items()})


@pytest.mark.slow
@pytest.mark.parametrize("kind", SAID)
def test_who_misbehaves_harms_nobody_else(tmp_path: Path, kind: str) -> None:
    """Others are served meanwhile, and the server does not grow by what is thrown at it."""
    with prepared(tmp_path, 4, max_streams="50") as there:
        line, wrong = misbehave(kind, there, TENTH if "streams" in kind else TENTH / 2)
    assert wrong == []
    assert set(line["said"]) <= SAID[kind]


def test_every_kind_is_tried() -> None:
    """Here in small, or by connections that fall silent."""
    assert set(MISBEHAVING) == {*SAID, "half_open_connections"}
