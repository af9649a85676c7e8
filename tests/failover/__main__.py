"""``python -m tests.failover --programs DIRECTORY``: the primary is killed, cut off, restarted and moved, under load.

Prints how long each took until clients were served again, and as its last line the figures. Ends with 0 when nothing
was lost, doubled or otherwise than it was acknowledged; with 2, and a word how to get it, when something is missing.
"""

import argparse
import json
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Final

from tests.chaos.run import await_work, judged, keep_checkpoint, place
from tests.failover.cluster import Cluster, ClusterWorld
from tests.failover.machines import Machine, runs

_NEEDED: Final = {
    "etcd": "etcd is not installed: apt-get install etcd-server",
    "ip": "ip is not installed: apt-get install iproute2",
    "setpriv": "setpriv is not installed: apt-get install util-linux",
}
_PROCESSES: Final = 2
_TASKS: Final = 10
_CALM_SECONDS: Final = 2.0


def killed(cluster: Cluster, primary: Machine) -> Callable[[], None]:
    """Lose the machine of the primary, with everything on it."""
    primary.kill()
    return lambda: cluster.start(primary)


def cut_off(cluster: Cluster, primary: Machine) -> Callable[[], None]:
    """Pull the cable of the machine of the primary, which goes on alone."""
    primary.cut_off()
    return primary.connect


def restarted(cluster: Cluster, primary: Machine) -> Callable[[], None]:
    """Restart the primary, as an administrator does."""
    cluster.order("restart")
    return lambda: None


def moved(cluster: Cluster, primary: Machine) -> Callable[[], None]:
    """Move the primary to a standby, as an administrator does."""
    cluster.order("switchover")
    return lambda: None


FAILOVERS: Final[Mapping[str, Callable[[Cluster, Machine], Callable[[], None]]]] = {
    "killed": killed,
    "cut off": cut_off,
    "restarted": restarted,
    "moved": moved,
}
"""What happens to the primary; each returns what brings its machine back."""


def main() -> int:
    """Run what the arguments say; return the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # Ends what was started, as Ctrl-C does.
    parser = argparse.ArgumentParser(prog="python -m tests.failover", description=__doc__)
    parser.add_argument("--programs", type=Path, required=True, help="where patroni and patronictl are")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32))
    asked = parser.parse_args()
    missing = [how for program, how in _NEEDED.items() if shutil.which(program) is None]
    if os.geteuid() != 0:
        missing.append("failover needs root, to make machines of their own addresses (network namespaces)")
    elif not runs(asked.programs.absolute() / "patroni"):
        missing.append("PostgreSQL's user cannot run patroni: install it from an interpreter outside root's home")
    for how in missing:
        _say(how)
    if missing:
        return 2
    _say(f"seed {asked.seed}")
    with place() as directory:
        return _run(asked.programs.absolute(), directory, asked.seed)


def _run(programs: Path, directory: Path, seed: int) -> int:
    began = time.monotonic()
    with ClusterWorld(programs, directory, Random(seed)) as there:
        _say(f"the cluster serves after {time.monotonic() - began:.0f} s")
        there.load(_PROCESSES, _TASKS)
        await_work(there, time.monotonic())
        struck: list[float] = []
        kept: list[Path] = []
        for failover in FAILOVERS.values():
            kept += keep_checkpoint(there, directory / f"checkpoint-{len(struck)}")
            primary = there.cluster.primary()
            time.sleep(_CALM_SECONDS)
            struck.append(time.monotonic())
            bring_back = failover(there.cluster, primary)
            await_work(there, time.monotonic() + _CALM_SECONDS)  # What was on its way is no sign of life.
            bring_back()
            there.cluster.await_whole()
            await_work(there, time.monotonic())
        there.settle()
        report = judged(there, list(FAILOVERS), struck, kept)
    seconds = [milliseconds / 1000 for milliseconds in report.unavailable_ms]
    for name, each in zip(FAILOVERS, seconds, strict=True):
        _say(f"the primary was {name}: {each:.1f} s until clients were served again")
    for detail in report.details():
        _say(detail)
    figures = report.figures()
    _say(
        json.dumps(
            {
                "acknowledged": figures["acknowledged"],
                "lost": figures["lost"],
                "duplicated": figures["duplicated"],
                "resume_s": round(max(seconds), 1),
            }
        )
    )
    return 0 if report.well else 1


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
