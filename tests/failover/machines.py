"""Machines of their own addresses: network namespaces on one bridge, each of which can be killed or cut off."""

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from tests.chaos.postgresql import own, unprivileged

_LAST_NUMBER: Final = 250
_HERE: Final = 254


class Machine(NamedTuple):
    """One of them."""

    name: str
    address: str
    namespace: str
    cable: str
    bridge: str
    directory: Path

    def run(self, command: str, variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Run a command on it, as a user who is not root; what it says is in a file beside its data."""
        with (self.directory / "said").open("ab") as said:
            return subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, *_as_user(), "bash", "-c", command],
                cwd=self.directory,
                env={**variables, "HOME": str(self.directory), "NODE": self.name},
                stdout=said,
                stderr=said,
            )

    def ask(self, command: str, variables: Mapping[str, str], timeout: float) -> str:
        """Run a command on it to its end, and return what it printed. Raises CalledProcessError or TimeoutExpired."""
        done = subprocess.run(
            ["ip", "netns", "exec", self.namespace, "bash", "-c", command],
            cwd=self.directory,
            env={**variables, "HOME": str(self.directory), "NODE": self.name},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=True,
        )
        return done.stdout

    def kill(self) -> None:
        """End everything on it at once, as a power cut does."""
        for pid in _words("ip", "netns", "pids", self.namespace):
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)

    def cut_off(self) -> None:
        """Pull its cable."""
        _do(f"ip link set {self.cable} nomaster")

    def connect(self) -> None:
        """Put its cable back."""
        _do(f"ip link set {self.cable} master {self.bridge}")


@contextmanager
def machines(names: list[str], directory: Path) -> Iterator[list[Machine]]:
    """Give machines that reach each other and this one; root may make them."""
    number = os.getpid() % _LAST_NUMBER
    bridge, network = f"esep{number}", f"10.117.{number}"
    with ExitStack() as stack:
        _do(f"ip link add {bridge} type bridge")
        stack.callback(_do, f"ip link del {bridge}")
        _do(f"ip addr add {network}.{_HERE}/24 dev {bridge}")
        _do(f"ip link set {bridge} up")
        made = []
        for place, name in enumerate(names, start=1):
            namespace, cable = f"esep{number}-{name}", f"esep{number}-{place}"
            one = Machine(name, f"{network}.{place}", namespace, cable, bridge, directory / name)
            own(one.directory)
            _do(f"ip netns add {namespace}")
            stack.callback(_do, f"ip netns del {namespace}")
            stack.callback(one.kill)
            _do(f"ip link add {cable} type veth peer name eth0 netns {namespace}")
            _do(f"ip link set {cable} master {bridge} up")
            inside = f"ip netns exec {namespace} ip"
            _do(f"{inside} addr add {one.address}/24 dev eth0")
            _do(f"{inside} link set eth0 up")
            _do(f"{inside} link set lo up")
            made.append(one)
        yield made


def runs(program: Path) -> bool:
    """Tell whether the user of the machines can run a program."""
    return subprocess.run([*_as_user(), program, "--version"], check=False, capture_output=True).returncode == 0


def _as_user() -> list[str]:
    who = unprivileged()
    return ["setpriv", f"--reuid={who['user']}", f"--regid={who['group']}", "--clear-groups"]


def _do(command: str) -> None:
    subprocess.run(shlex.split(command), check=True, capture_output=True)


def _words(*command: str) -> list[str]:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
