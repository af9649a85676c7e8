"""The page that `make failover` runs its commands from; the run itself needs root, etcd and minutes."""

import re
from pathlib import Path

import pytest

from tests.failover.cluster import KEEPERS, NAMES, PAGE, Cluster, _whole
from tests.failover.machines import Machine
from tests.operating.page import commands

COMMANDS = {"etcd", "settings", "patroni", "list", "database", "url", "restart", "switchover"}


def test_the_page_has_the_commands_that_are_run() -> None:
    """Under the names by which the cluster asks for them."""
    assert commands(PAGE).keys() == COMMANDS


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_place_in_a_command_is_the_machine_s_own(tmp_path: Path, name: str) -> None:
    """No host, directory or name of the documentation's example is left in what is run."""
    there = [
        Machine(each, f"10.117.1.{place}", "", "", "", tmp_path / each)
        for place, each in enumerate([*NAMES, *KEEPERS], 1)
    ]
    text = Cluster(there, tmp_path)._told(name, there[1])
    assert not re.search(r"\.example|\$NODE|(?<!\w)/etc/esep|/var/lib|/usr/lib/postgresql", text)


@pytest.mark.parametrize(
    ("states", "well"),
    [
        (("Leader running", "Sync Standby streaming", "Replica streaming"), True),
        (("Leader running", "Sync Standby streaming", "Replica running"), False),
        (("Leader running", "Sync Standby streaming"), False),
        (("Leader running", "Replica streaming", "Replica streaming"), False),
        (("Replica running", "Sync Standby streaming", "Replica streaming"), False),
        (("Leader stopped", "Sync Standby streaming", "Replica streaming"), False),
        ((), False),
    ],
)
def test_a_standby_that_does_not_follow_yet_is_waited_for(states: tuple[str, ...], *, well: bool) -> None:
    """The next machine is taken only when the one before is back: two lost at once are more than the page promises."""
    members = [dict(zip(("Role", "State"), each.rsplit(" ", 1), strict=True)) for each in states]
    assert _whole(members) is well
