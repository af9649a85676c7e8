"""Each kind of fault once, under load: ``make chaos`` strikes hundreds of times."""

import secrets
from random import Random

import pytest

from tests.chaos.comparison import Findings
from tests.chaos.disk import may_mount
from tests.chaos.faults import kinds_for
from tests.chaos.run import Plan, place, play
from tests.chaos.world import POSTGRESQL, SQLITE

MEGABYTES = 256
ONLY_DATABASE = frozenset(kinds_for(POSTGRESQL)) - frozenset(kinds_for(SQLITE))
ON_POSTGRESQL = [*sorted(ONLY_DATABASE), "server_killed", "owner_lost"]
"""The others are tried on SQLite."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("store", "kinds"),
    [
        (SQLITE, [kind for kind in kinds_for(SQLITE) if kind != "disk_full"]),
        pytest.param(POSTGRESQL, ON_POSTGRESQL, marks=pytest.mark.postgres),
    ],
)
def test_no_fault_loses_or_doubles_what_was_acknowledged(store: str, kinds: list[str]) -> None:
    """Whatever strikes, what clients were told stands in the history once, and the history verifies."""
    survives(store, kinds, megabytes=0)


@pytest.mark.slow
@pytest.mark.skipif(not may_mount(), reason="filling a disk needs root, to mount a small one")
@pytest.mark.parametrize("store", [SQLITE, pytest.param(POSTGRESQL, marks=pytest.mark.postgres)])
def test_a_full_disk_loses_nothing(store: str) -> None:
    """The ledger goes on by itself when there is room again, and after a restart."""
    survives(store, ["disk_full", "server_killed", "disk_full"], megabytes=MEGABYTES)


def survives(store: str, kinds: list[str], *, megabytes: int) -> None:
    seed = secrets.randbelow(1 << 32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    order = Random(seed).sample(kinds, len(kinds))
    with place() as directory:
        report = play(Plan(store, order, seed, megabytes), directory, print)
    assert report.acknowledged
    assert report.oddities == []
    assert report.findings == Findings([], [], [], [])
