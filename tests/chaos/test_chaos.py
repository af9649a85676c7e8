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
ON_SQLITE = [kind for kind in kinds_for(SQLITE) if may_mount() or kind != "disk_full"]
ON_POSTGRESQL = [kind for kind in kinds_for(POSTGRESQL) if kind not in kinds_for(SQLITE)]
"""Of the others, those that depend on the database as well: the rest is tried on SQLite."""
if may_mount():
    ON_POSTGRESQL.append("disk_full")


def test_disks_are_filled() -> None:
    """The full disks of this module are left out where they cannot be mounted."""
    if not may_mount():
        pytest.skip("filling a disk needs root, to mount a small one: disk_full is left out")
    assert "disk_full" in ON_SQLITE
    assert "disk_full" in ON_POSTGRESQL


@pytest.mark.slow
@pytest.mark.parametrize(
    ("store", "kinds"), [(SQLITE, ON_SQLITE), pytest.param(POSTGRESQL, ON_POSTGRESQL, marks=pytest.mark.postgres)]
)
def test_no_fault_loses_or_doubles_what_was_acknowledged(store: str, kinds: list[str]) -> None:
    """Whatever strikes, what clients were told stands in the history once, and the history verifies."""
    seed = secrets.randbelow(1 << 32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    order = Random(seed).sample(kinds, len(kinds))
    with place() as directory:
        report = play(Plan(store, order, seed, MEGABYTES if "disk_full" in kinds else 0, processes=1), directory, print)
    assert report.acknowledged
    assert report.oddities == []
    assert report.findings == Findings([], [], [], [])
