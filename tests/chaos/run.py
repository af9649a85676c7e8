"""One run: faults one after another under load, each survived before the next; then the comparison."""

import math
import shutil
import tempfile
import time
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import grpc

from protos.esep.v1.audit_service_pb2 import GetCheckpointRequest
from scripts.demo_client import connect_plainly
from tests.chaos.comparison import Findings, compare
from tests.chaos.faults import FAULTS
from tests.chaos.history import esep, export, posted, recorded, unverified
from tests.chaos.world import World, world

PROCESSES: Final = 2
TASKS: Final = 10
"""Of each process."""
ALIVE: Final = 20
"""Acknowledgements after a fault by which the ledger is said to have survived it."""
_CHECKPOINT_EVERY: Final = 5
_SHOWN: Final = 10
_CALL_SECONDS: Final = 5.0


class Plan(NamedTuple):
    """What a run does."""

    store: str
    kinds: Sequence[str]
    """The kinds of the faults, in their order."""
    seed: int
    megabytes: int
    """The size of the disk that can be filled, 0 for none."""
    processes: int = PROCESSES
    """How many processes of clients there are."""


class Report(NamedTuple):
    """What came of a run."""

    struck: Counter[str]
    acknowledged: int
    unavailable_ms: list[float]
    """For each fault, the longest time without an acknowledgement until the next one."""
    findings: Findings
    oddities: list[str]

    @property
    def well(self) -> bool:
        """Whether nothing was found."""
        return not self.findings.any and not self.oddities

    def details(self) -> Iterator[str]:
        """Say what was found, the first few of each kind."""
        for name, found in self.findings._asdict().items():
            yield from (f"{name}: {each}" for each in found[:_SHOWN])
        yield from (f"odd: {oddity}" for oddity in self.oddities[:_SHOWN])

    def figures(self) -> dict[str, int]:
        """Return the run in a line. What stands otherwise than it was acknowledged is lost."""
        return {
            "faults": self.struck.total(),
            "acknowledged": self.acknowledged,
            "lost": len(self.findings.lost) + len(self.findings.changed),
            "duplicated": len(self.findings.duplicated),
            "unavailable_ms_p99": round(percentile(self.unavailable_ms, 99)),
        }


@contextmanager
def place() -> Iterator[Path]:
    """Give a directory for a run, which is gone afterwards: its path is short, as sockets want, and open to pass."""
    directory = Path(tempfile.mkdtemp(prefix="esep-chaos-"))
    directory.chmod(0o711)  # PostgreSQL's own user passes through.
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def planned(kinds: Sequence[str], faults: int, chance: Random) -> list[str]:
    """Return so many kinds of faults, each kind at least once where there is room, the others by their weights."""
    each = chance.sample(kinds, len(kinds))[:faults]
    more = chance.choices(kinds, [FAULTS[kind].weight for kind in kinds], k=faults - len(each))
    return chance.sample([*each, *more], faults)


def play(plan: Plan, directory: Path, say: Callable[[str], None]) -> Report:
    """Strike as planned, and compare."""
    chance = Random(plan.seed)
    with world(plan.store, directory, chance, megabytes=plan.megabytes) as there:
        there.load(plan.processes, TASKS)
        struck: list[float] = []
        kept: list[Path] = []
        await_work(there, time.monotonic())
        for number, kind in enumerate(plan.kinds):
            if number % _CHECKPOINT_EVERY == 0:
                kept += keep_checkpoint(there, directory / f"checkpoint-{number}")
            time.sleep(chance.uniform(0.0, 0.3))
            struck.append(time.monotonic())
            FAULTS[kind].strike(there)
            ended = time.monotonic()
            await_work(there, ended)
            lasted, more = ended - struck[-1], time.monotonic() - ended
            say(f"{number + 1} {kind}: {lasted:.1f} s, and {more:.1f} s until it went on")
        there.settle()
        return judged(there, plan.kinds, struck, kept)


def judged(there: World, kinds: Sequence[str], struck: Sequence[float], kept: Sequence[Path]) -> Report:
    """Compare a settled world with its history, struck at these instants by faults of these kinds."""
    there.until(lambda: there.active.runs and there.active.health() == "SERVING", "the server does not serve")
    environment = there.active.environment
    exported = there.directory / "history"
    export(environment, exported)
    oddities = list(there.oddities)
    if found := unverified(environment, exported, kept):
        oddities.append(f"the history does not verify\n{found}")
    checked = esep(environment, "check")
    if checked.status:
        oddities.append(f"the projections are not what the log makes of them\n{checked.text}")
    journals = there.journals
    findings = compare(
        journals.intents, journals.acknowledged, list(recorded(exported)), there.opening, posted(exported)
    )
    answered = sorted(each.at for each in journals.acknowledged)
    return Report(
        Counter(kinds),
        len({each.id for each in journals.acknowledged}),
        unavailable(struck, answered),
        findings,
        oddities,
    )


def unavailable(struck: Sequence[float], answered: Sequence[float]) -> list[float]:
    """Return, for each fault, the longest time in milliseconds without an answer until the next fault. Both ascend."""
    ends = [*struck[1:], math.inf]
    found = []
    for began, end in zip(struck, ends, strict=True):
        within = answered[bisect_left(answered, began) : bisect_right(answered, end)]
        times = [began, *within]
        found.append(1000 * max((after - before for before, after in pairwise(times)), default=0.0))
    return found


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the smallest value that so many per cent of the values do not exceed; 0 without values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else 0.0


def await_work(there: World, since: float) -> None:
    """Wait until clients are served again, after an instant of the monotonic clock. Raises TimeoutError."""
    there.until(lambda: there.acknowledged_since(since) >= ALIVE, "nothing is acknowledged")


def keep_checkpoint(there: World, path: Path) -> list[Path]:
    """Keep a signed checkpoint, if the ledger gives one now."""
    with connect_plainly(there.active.address) as ledger:
        try:
            answer = ledger.audit.GetCheckpoint(GetCheckpointRequest(), timeout=_CALL_SECONDS)
        except grpc.RpcError:
            return []
    path.write_text(answer.checkpoint.note, encoding="utf-8")
    return [path]
