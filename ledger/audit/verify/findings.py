"""What a verification finds wrong, and where: the first places of each kind are told, all of them are counted."""

from enum import StrEnum
from typing import Final

import msgspec

MOST_TOLD: Final = 10
"""Findings of one kind that are told; more are counted."""


class Check(StrEnum):
    """What is looked at."""

    SOURCE = "source"
    """The history can be read to its end."""
    ROWS = "rows"
    """Every field of an event is of its kind, and the partition is the one."""
    POSITIONS = "positions"
    """Positions count 1, 2, 3 … without gaps."""
    TIMES = "recorded_times"
    """Recorded time increases strictly."""
    LEAVES = "leaf_hashes"
    """Every event has the hash that the tiles say."""
    ROOTS = "roots"
    """The tree over the events has the root that each of the ledger's checkpoints says."""
    CHECKPOINTS = "checkpoints"
    """The ledger's checkpoints are signed by a known key and follow one another."""
    KEPT = "kept_checkpoints"
    """The history is the one whose checkpoints the auditor kept."""
    WITNESSES = "witnesses"
    """What stands under a checkpoint as a witness's cosignature is one."""
    VERSIONS = "versions"
    """The events of each aggregate count 1, 2, 3 … in the order of the log."""
    REQUESTS = "request_ids"
    """No request is recorded twice."""
    EVENTS = "events"
    """Every event is of a known kind and can be read."""
    MONEY = "money"
    """Every movement debits what it credits, between two known accounts of one currency."""
    HOLDS = "holds"
    """What is held is what the open authorisations hold, and nothing lets go of more than is held."""
    FOLD = "fold"
    """The domain's own books have the figures that follow from what stands in the events."""
    FIGURES = "figures"
    """The ledger answers the figures that follow from the events."""
    CROSSINGS = "crossings"
    """What arrived from another partition was sent there, and clearing accounts hold what crossed and nothing else."""


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that is not as it must be. ``position`` is the first one that it is about, ``upto`` the last."""

    check: Check
    message: str
    position: int | None = None
    upto: int | None = None
    aggregate: str | None = None
    field: str | None = None
    account: int | None = None


class Findings:
    """Collects findings, the first of each kind whole."""

    def __init__(self) -> None:
        self._told: dict[Check, list[Finding]] = {}
        self.counts: dict[Check, int] = {}

    def add(self, finding: Finding) -> None:
        """Take one in."""
        told = self._told.setdefault(finding.check, [])
        self.counts[finding.check] = self.counts.get(finding.check, 0) + 1
        if len(told) < MOST_TOLD:
            told.append(finding)

    def uncounted(self, check: Check, more: int) -> None:
        """Count further ones that are not told."""
        if more:
            self.counts[check] = self.counts.get(check, 0) + more

    def of(self, check: Check) -> list[Finding]:
        """Return what was found of one kind."""
        return list(self._told.get(check, ()))

    def __bool__(self) -> bool:
        return bool(self.counts)

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.counts.values())

    def listed(self) -> list[Finding]:
        """Return those that are told, by their position; those that are about no event first."""
        everything = [finding for check in Check for finding in self._told.get(check, ())]
        return sorted(everything, key=lambda finding: finding.position or finding.upto or 0)


def reason_of(error: Exception) -> str:
    """Return what kept something from being read, in one line."""
    details = getattr(error, "details", None)  # A call's error says more of itself than a finding has room for.
    text = str(details() if callable(details) else error)
    return (text.splitlines() or [type(error).__name__])[0]
