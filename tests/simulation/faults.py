"""What can go wrong, each kind by its name, and how often it does in the course of one seed."""

from collections import Counter
from enum import StrEnum
from random import Random
from typing import Final


class Fault(StrEnum):
    """A kind of fault."""

    COMMIT_LOST = "commit lost"
    """The connection breaks before the commit; nothing is appended."""
    ANSWER_LOST = "answer lost"
    """The commit happens, and its answer does not arrive."""
    LATE_COMMIT = "late commit"
    """The connection breaks, and the database commits some time later all the same."""
    SENT_TWICE = "sent twice"
    """What stands in between sends the append again: the second one's answer is a conflict."""
    SLOW = "slow"
    """A call takes seconds."""
    FULL = "full"
    """For a while there is no room."""
    READ_FAILED = "read failed"
    PARTIAL_READ = "partial read"
    """A read brings fewer rows than there are."""
    CUT_OFF = "cut off"
    """A process does not reach the database for a while, while others do."""
    BEAT_LOST = "beat lost"
    FAILOVER = "failover"
    """Another database server takes over, without whatever nobody was told was committed."""
    CRASH = "crash"
    """A process is killed between any two steps."""
    CRASH_IN_COMMIT = "crash in commit"
    """An engine's process is killed while the database commits."""
    PAUSE = "pause"
    """A process stands still while all others go on."""
    TAKEOVER = "takeover from the living"
    """An engine takes over while the one before it still believes to own the partition."""
    STOP = "stop"
    """An engine is asked to stop, and another one starts."""
    CLOCK = "clock set"
    """The clock of one process is set forward or back."""
    LEAP = "leap"
    """Days pass at once, and holds lapse."""
    SNAPSHOT_DAMAGED = "snapshot damaged"
    MESSAGE_LOST = "message lost"
    """A request, or its answer."""
    MESSAGE_TWICE = "message twice"
    """A request arrives twice."""
    MESSAGE_LATE = "message late"
    """A request, or its answer, takes longer than its client waits."""
    CRASH_IN_PROJECTION = "crash in projection"
    """The projections' process dies between two tables of a transaction."""
    PROJECTOR_CRASH = "projector crash"
    """The projections' process is killed where it waits."""
    REBUILD = "rebuild"
    """The projections are made anew beside the live ones."""


RATES: Final = {
    Fault.COMMIT_LOST: 0.05,
    Fault.ANSWER_LOST: 0.05,
    Fault.LATE_COMMIT: 0.05,
    Fault.SENT_TWICE: 0.04,
    Fault.SLOW: 0.01,
    Fault.FULL: 0.01,
    Fault.READ_FAILED: 0.02,
    Fault.PARTIAL_READ: 0.05,
    Fault.BEAT_LOST: 0.1,
    Fault.SNAPSHOT_DAMAGED: 0.2,
    Fault.MESSAGE_LOST: 0.05,
    Fault.MESSAGE_TWICE: 0.05,
    Fault.MESSAGE_LATE: 0.05,
    Fault.CRASH_IN_COMMIT: 0.02,
    Fault.CRASH_IN_PROJECTION: 0.005,
}
"""How likely a call or message meets the fault, where it can."""

EVERY: Final = {
    Fault.CUT_OFF: 25.0,
    Fault.FAILOVER: 25.0,
    Fault.CRASH: 20.0,
    Fault.PAUSE: 20.0,
    Fault.STOP: 30.0,
    Fault.CLOCK: 20.0,
    Fault.LEAP: 60.0,
    Fault.PROJECTOR_CRASH: 40.0,
    Fault.REBUILD: 120.0,
}
"""Seconds between two of those that happen by themselves, in the mean."""


class Faults:
    """Which kinds a seed has, and how many of each there were."""

    def __init__(self, random: Random, only: frozenset[Fault] | None = None) -> None:
        """Choose: most seeds leave some kinds out, so that the others come further; some double the rest."""
        share = random.choice((0.35, 0.6, 0.85, 1.0))
        chosen = {kind for kind in Fault if random.random() < share}
        self.kinds = frozenset(chosen if only is None else only)
        self.counts: Counter[Fault] = Counter()
        self.calm = False
        """Whether nothing goes wrong any more."""
        self._random = random
        self._often = random.choice((0.5, 1.0, 2.0))

    def strikes(self, kind: Fault) -> bool:
        """Tell whether the fault is met now; counted when it is."""
        if self.calm or kind not in self.kinds or self._random.random() >= RATES[kind] * self._often:
            return False
        self.counts[kind] += 1
        return True

    def next_in(self, kind: Fault) -> float:
        """Return in how many seconds the next fault of a kind that comes by itself is due."""
        return self._random.expovariate(self._often / EVERY[kind])

    def happened(self, kind: Fault) -> None:
        self.counts[kind] += 1
