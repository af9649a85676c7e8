"""Capacity, and three times that: what was taken, what was refused and how, and what the log holds of it afterwards."""

import math
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from ledger.log.api import Log
from tests.chaos.run import percentile
from tests.overload.caller import EXHAUSTED, Heard, Key, Told, key_of, run
from tests.overload.watching import Watch

PROCESSES: Final = 2
TASKS: Final = 16
"""Of each process, while capacity is measured."""
TIMES: Final = 3
"""How many times its capacity a server is offered."""
_POSTED: Final = "transfer.posted.v1"
_PAGE: Final = 4_096
_QUIET: Final = 3
_LEAST_SECONDS: Final = 1.0


class Phase(NamedTuple):
    """What came of one phase."""

    seconds: float
    offered_per_s: float
    accepted_per_s: float
    refusals: Counter[str]


class Held(NamedTuple):
    """What a log holds of what callers were told."""

    lost: int
    """Acknowledged, and not at its place."""
    duplicated: int
    """There more than once."""
    unwanted: int
    """Refused as too many, and there all the same."""


def drive(address: str, accounts: Sequence[int], first: int, seconds: float, batch: int, rate: float) -> list[Heard]:
    """Let callers send for a while, with ``rate`` batches a second or as they are answered; return what they heard.

    ``first`` is the number of the first of the processes.
    """
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(PROCESSES)
    callers = []
    for number in range(first, first + PROCESSES):
        told = Told(address, tuple(accounts), number, seconds, batch, TASKS, rate / PROCESSES)
        answers, answer = context.Pipe(duplex=False)
        process = context.Process(target=run, args=(told, ready, answer), daemon=True)
        process.start()
        answer.close()
        callers.append((process, answers))
    try:
        heard = [answers.recv() for _, answers in callers]
    finally:
        for process, answers in callers:
            answers.close()
            if process.is_alive() and process.exitcode is None:
                process.join(1.0)
                process.kill()
            process.join()
    return heard


def phase(heard: Sequence[Heard], settling: float) -> Phase:
    """Return the rates of a phase, without its first seconds, in which queues fill."""
    begun, ended = max(each.begun for each in heard) + settling, min(each.ended for each in heard)
    seconds = ended - begun
    taken = sum(count for each in heard for at, _, count in each.answered if begun <= at < ended)
    offered = sum(each.sent / (each.ended - each.begun) for each in heard)
    return Phase(seconds, offered, taken / seconds, sum((each.refusals for each in heard), Counter()))


def answer_seconds(heard: Sequence[Heard]) -> float:
    """Return how long 99 of 100 batches that were taken took."""
    return percentile([seconds for each in heard for _, seconds, _ in each.answered], 99)


def recovered(watch: Watch, ended: float, quiet_seconds: float) -> float:
    """Return how long after an instant a call was first answered as in quiet times; infinity for never."""
    soon = max(_QUIET * quiet_seconds, _LEAST_SECONDS)
    served = (each for each in watch.since(ended) if not each.said and each.seconds <= soon)
    return min((each.sent + each.seconds - ended for each in served), default=math.inf)


def await_recovery(watch: Watch, ended: float, quiet_seconds: float, patience: float) -> float:
    """Wait until it is as in quiet times again, and return how long after an instant that was."""
    deadline = time.monotonic() + patience
    while (found := recovered(watch, ended, quiet_seconds)) == math.inf and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def held(log: Log, heard: Iterable[Heard]) -> Held:
    """Compare a log with what callers were told, row by row."""
    told: dict[Key, Sequence[int]] = {}
    refused: set[Key] = set()
    for each in heard:
        told |= each.positions
        refused |= each.refused
    seen: dict[Key, bytearray] = {}
    there = doubled = unwanted = 0
    position = 0
    while rows := log.read(0, position, _PAGE):
        position = rows[-1].position
        for row in rows:
            if row.topic != _POSTED:
                continue
            key, place = key_of(row.originator_id)
            if key in refused:
                unwanted += 1
            positions = told.get(key)
            if positions is None:
                continue
            marks = seen.setdefault(key, bytearray(len(positions)))
            doubled += marks[place]
            marks[place] = 1
            there += positions[place] == row.position
    acknowledged = sum(position > 0 for positions in told.values() for position in positions)
    return Held(acknowledged - there, doubled, unwanted)


def summary(capacity: Phase, overload: Phase, found: Held, growth_mib: float, recovery: float) -> dict[str, float]:
    """Return a run in a line. Refusals are counted by transfers."""
    exhausted = sum(count for said, count in overload.refusals.items() if _told_to_wait(said))
    return {
        "capacity_per_s": round(capacity.accepted_per_s),
        "offered_per_s": round(overload.offered_per_s),
        "accepted_per_s": round(overload.accepted_per_s),
        "ratio": round(overload.accepted_per_s / capacity.accepted_per_s, 2),
        "exhausted": exhausted,
        "other_refusals": overload.refusals.total() - exhausted,
        "lost": found.lost,
        "duplicated": found.duplicated + found.unwanted,
        "rss_growth_mib": round(growth_mib),
        "recovery_s": round(recovery, 1),
    }


def others(refusals: Mapping[str, int]) -> dict[str, int]:
    """Return the refusals that an overloaded server should not give."""
    return {said: count for said, count in refusals.items() if not _told_to_wait(said)}


def _told_to_wait(said: str) -> bool:
    return said.startswith(EXHAUSTED) and not said.endswith("without RetryInfo")
