"""``python -m tests.chaos``: so many faults on one store or on both, and what was lost.

Prints what struck and, as the last line of each store, its figures. Ends with 0 when nothing was lost, doubled or
otherwise than it was acknowledged, and no server, client or audit met what it should not have.
"""

import argparse
import json
import secrets
import signal
import sys
from collections.abc import Iterable
from random import Random
from typing import Final

from tests.chaos.disk import may_mount
from tests.chaos.faults import FAULTS, kinds_for
from tests.chaos.run import Plan, Report, place, planned, play
from tests.chaos.world import POSTGRESQL, SQLITE

FAULTS_A_RUN: Final = 200
MEGABYTES: Final = 1_024


def main() -> int:
    """Run what the arguments say; return the exit status."""
    asked = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # Ends what was started, as Ctrl-C does.
    seed = secrets.randbelow(1 << 32) if asked.seed is None else asked.seed
    stores = [asked.store] if asked.store else [SQLITE, POSTGRESQL]
    if "disk_full" not in asked.without and not may_mount():
        _say("disk_full needs root, to mount a small disk: run as root, or leave it out with --without disk_full")
        return 2
    return max([_run(store, asked.faults, seed, asked.only or kinds_for(store), asked.without) for store in stores])


def _run(store: str, faults: int, seed: int, only: Iterable[str], without: Iterable[str]) -> int:
    kinds = [kind for kind in only if kind in kinds_for(store) and kind not in without]
    _say(f"{store}: {faults} faults, seed {seed}")
    megabytes = MEGABYTES if "disk_full" in kinds else 0
    plan = Plan(store, planned(kinds, faults, Random(seed)), seed, megabytes)
    with place() as directory:
        report = play(plan, directory, _say)
    _tell(report)
    return 0 if report.well else 1


def _tell(report: Report) -> None:
    _say(", ".join(f"{kind} {count}" for kind, count in sorted(report.struck.items())))
    for detail in report.details():
        _say(detail)
    _say(json.dumps(report.figures()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--store", choices=[SQLITE, POSTGRESQL], help="default: both")
    parser.add_argument("--faults", type=int, default=FAULTS_A_RUN, help="on each store")
    parser.add_argument("--seed", type=int, help="default: a new one, which is printed")
    parser.add_argument("--only", nargs="+", choices=FAULTS, help="these kinds alone")
    parser.add_argument("--without", nargs="+", choices=FAULTS, default=[], help="not these kinds")
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
