"""Three machines and three of etcd set up as the documentation says, and a world whose database they are."""

import json
import os
import re
import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any, Final

from scripts.demo_server import ROOT
from tests.chaos.disk import Disk
from tests.chaos.postgresql import binaries
from tests.chaos.world import POSTGRESQL, World
from tests.failover.machines import Machine, machines
from tests.operating.page import commands

PAGE: Final = ROOT / "docs" / "operating" / "high-availability.md"
NAMES: Final = ["db1", "db2", "db3"]
KEEPERS: Final = ["etcd1", "etcd2", "etcd3"]
WHOLE_SECONDS: Final = 300.0
_ASK_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.5
_HOST: Final = re.compile(r"\b((?:db|etcd)\d)\.example\b")


class Cluster:
    """The machines, and what is run on them."""

    def __init__(self, there: list[Machine], programs: Path) -> None:
        self.machines = [machine for machine in there if machine.name in NAMES]
        self._keepers = [machine for machine in there if machine.name in KEEPERS]
        self._page = commands(PAGE)
        self._addresses = {machine.name: machine.address for machine in there}
        path = os.pathsep.join([str(programs), str(binaries()), os.environ["PATH"]])
        self._variables: Mapping[str, str] = {"PATH": path, "LANG": "C.UTF-8"}

    @property
    def url(self) -> str:
        """The url of Esep's database."""
        return self._told("url", self.machines[0]).partition("=")[2].strip()

    def create(self) -> None:
        """Start everything, and make Esep's database."""
        for keeper in self._keepers:
            self._begin("etcd", keeper)
        for machine in self.machines:
            machine.ask(self._told("settings", machine), self._variables, _ASK_SECONDS)
            self.start(machine)
        self.await_whole()
        first = self.machines[0]
        first.ask(self._told("database", first), self._variables, _ASK_SECONDS)

    def start(self, machine: Machine) -> None:
        """Start what runs on a machine, as its supervisor does when it comes up."""
        self._begin("patroni", machine)

    def members(self) -> list[dict[str, Any]]:
        """Return what Patroni says of its members, as the first machine knows that answers; nothing when none does."""
        for machine in self.machines:
            try:
                said = machine.ask(self._told("list", machine), self._variables, _ASK_SECONDS)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
                continue
            found: list[dict[str, Any]] = json.loads(said)
            return found
        return []

    def primary(self) -> Machine:
        """Return the machine whose PostgreSQL is the primary."""
        names = [member["Member"] for member in self.members() if member["Role"] == "Leader"]
        return next(machine for machine in self.machines if machine.name in names)

    def order(self, name: str) -> None:
        """Run an administrator's command, on a machine that is not the primary."""
        primary = self.primary()
        other = next(machine for machine in self.machines if machine is not primary)
        other.ask(self._told(name, other), self._variables, _ASK_SECONDS)

    def await_whole(self) -> None:
        """Wait until every member does what it is there for. Raises TimeoutError."""
        deadline = time.monotonic() + WHOLE_SECONDS
        while not _whole(members := self.members()):
            if time.monotonic() > deadline:
                said = "\n".join(
                    (each.directory / "said").read_text(errors="replace")[-1500:] for each in self.machines
                )
                raise TimeoutError(f"the cluster is not whole: {members}\n{said}")
            time.sleep(_POLL_SECONDS)

    def _begin(self, name: str, machine: Machine) -> None:
        machine.run(f"exec {self._told(name, machine).strip()}", self._variables)

    def _told(self, name: str, machine: Machine) -> str:
        """Return a command of the page with this machine's places in it."""
        text = self._page[name].replace("$NODE", machine.name)
        for place in ("/var/lib/esep", "/etc/esep"):
            text = text.replace(place, str(machine.directory))
        text = text.replace("/usr/lib/postgresql/18/bin", str(binaries()))
        return _HOST.sub(lambda found: self._addresses[found[1]], text)


def _whole(members: list[dict[str, Any]]) -> bool:
    """Tell whether one leads and all the others follow it: a standby that runs may yet have to be rewound."""
    roles = {member["Role"] for member in members}
    well = all(member["State"] == ("running" if member["Role"] == "Leader" else "streaming") for member in members)
    return well and len(members) == len(NAMES) and {"Leader", "Sync Standby"} <= roles


class ClusterWorld(World):
    """A world whose database is a cluster; Patroni is among these programs."""

    cluster: Cluster

    def __init__(self, programs: Path, directory: Path, chance: Random) -> None:
        super().__init__(POSTGRESQL, directory, Disk(directory), chance)
        self._programs = programs

    def start_database(self, stack: ExitStack) -> str:
        """Set up the cluster, and return the url of its database."""
        self.cluster = Cluster(stack.enter_context(machines([*NAMES, *KEEPERS], self.directory)), self._programs)
        self.cluster.create()
        return self.cluster.url
