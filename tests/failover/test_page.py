"""The page that `make failover` runs its commands from; the run itself needs root, etcd and minutes."""

import re
from pathlib import Path

import pytest

from tests.failover.cluster import NAMES, PAGE, Cluster
from tests.failover.machines import Machine
from tests.operating.page import commands

COMMANDS = {"etcd", "settings", "patroni", "list", "database", "url", "restart", "switchover"}


def test_the_page_has_the_commands_that_are_run() -> None:
    """Under the names by which the cluster asks for them."""
    assert commands(PAGE).keys() == COMMANDS


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_place_in_a_command_is_the_machine_s_own(tmp_path: Path, name: str) -> None:
    """No host, directory or name of the documentation's example is left in what is run."""
    there = [Machine(each, f"10.117.1.{place}", "", "", "", tmp_path / each) for place, each in enumerate(NAMES, 1)]
    text = Cluster(there, tmp_path)._told(name, there[1])
    assert not re.search(r"\.example|\$NODE|(?<!\w)/etc/esep|/var/lib|/usr/lib/postgresql", text)
