"""The life of every aggregate, and the uniqueness of requests, among more ids than memory holds.

Each event leaves a record (aggregate, version, position), and each request id one of version 0. Sorted, the versions of
an aggregate stand beside one another and must count 1, 2, 3 …, later ones at later positions; and an id that stands
twice with version 0 is a request that was recorded twice. An id may have both: a command that creates something gives
it its own request id, and then either both stand in one event or the column stays empty.
"""

from heapq import heappush, heappushpop
from typing import Any, Final, Self

import numpy as np

from domain.ids import format_uuid
from ledger.audit.verify.findings import MOST_TOLD, Check, Finding, Findings
from ledger.audit.verify.rows import Columns
from ledger.audit.verify.sorted_runs import RECORD, Records, SortedRuns

_HALF: Final = 8


class Chains:
    """Takes in every event, and tells at the end what does not fit. A context manager."""

    def __init__(self, findings: Findings, directory: str | None = None) -> None:
        self._findings = findings
        self._runs = SortedRuns(directory)
        self.aggregates = 0
        self.requests = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._runs.__exit__()

    def add(self, columns: Columns) -> None:
        """Take in events."""
        self._runs.add(columns.originators, columns.versions, columns.positions)
        if columns.requested:
            requests = b"".join(row.request_id or b"" for row in columns.requested)
            positions = np.array([row.position for row in columns.requested], np.int64)
            self._runs.add(requests, np.zeros(len(positions), np.int64), positions)

    def finish(self) -> None:
        """Look at all of them, and tell what was found, the first positions first."""
        worst = _First()
        last = np.zeros(0, RECORD)
        for piece in self._runs.merged():
            if not len(piece):
                continue
            records = np.concatenate((last, piece))
            self._look_at(records, len(last), worst)
            last = records[-1:]
        worst.tell(self._findings)

    def _look_at(self, records: Records, known: int, worst: "_First") -> None:
        """Look at records, of which the first ``known`` (one or none) were looked at before."""
        before, here = records[:-1], records[1:]
        if not known:
            self._look_at_first(records[0], worst)
        same = (before["high"] == here["high"]) & (before["low"] == here["low"])
        versions, follows = here["version"], np.where(same, before["version"] + 1, 1)
        begins = versions == 0
        self.aggregates += int((versions == 1).sum())
        self.requests += int(begins.sum())
        wrong = ~((versions == follows) | (begins & ~same))
        wrong |= same & (before["version"] > 0) & (here["position"] <= before["position"])
        wrong |= same & (before["version"] == 0) & (versions == 1) & (here["position"] != before["position"])
        for index in np.flatnonzero(wrong).tolist():
            worst.add(_finding(here[index], before[index] if same[index] else None))

    def _look_at_first(self, record: Any, worst: "_First") -> None:
        version = int(record["version"])
        self.aggregates += version == 1
        self.requests += version == 0
        if version > 1:
            worst.add(_finding(record, None))


class _First:
    """Keeps the findings of the first positions, and counts all."""

    def __init__(self) -> None:
        self._kept: dict[Check, list[tuple[int, int, Finding]]] = {}
        self._counts: dict[Check, int] = {}

    def add(self, finding: Finding) -> None:
        kept = self._kept.setdefault(finding.check, [])
        self._counts[finding.check] = count = self._counts.get(finding.check, 0) + 1
        entry = (-(finding.position or 0), count, finding)
        if len(kept) < MOST_TOLD:
            heappush(kept, entry)
        else:
            heappushpop(kept, entry)

    def tell(self, findings: Findings) -> None:
        for check, kept in self._kept.items():
            for _, _, finding in sorted(kept, reverse=True):
                findings.add(finding)
            findings.uncounted(check, self._counts[check] - len(kept))


def _finding(record: Any, before: Any) -> Finding:
    version, position = int(record["version"]), int(record["position"])
    halves = (int(record[half]).to_bytes(_HALF, "big") for half in ("high", "low"))
    subject = format_uuid(b"".join(halves))
    if before is None:
        message = f"the first event of the aggregate has version {version}, not 1"
    else:
        earlier, where = int(before["version"]), int(before["position"])
        first, second = sorted((where, position))
        if version == 0:
            message = f"the request is recorded at position {first} and again at {second}"
            return Finding(Check.REQUESTS, message, second, aggregate=subject, field="request_id")
        if earlier == 0:
            message = f"the request is recorded at position {first}, and what has its id begins at {second}"
            return Finding(Check.REQUESTS, message, second, aggregate=subject, field="request_id")
        if version == earlier:
            message = f"the aggregate has two events of version {version}, at the positions {first} and {second}"
            return Finding(Check.VERSIONS, message, second, aggregate=subject, field="originator_version")
        if version != earlier + 1:
            message = f"the aggregate's event after version {earlier} (position {where}) has version {version}"
        else:
            message = f"version {version} stands before version {earlier}, which is at position {where}"
    return Finding(Check.VERSIONS, message, position, aggregate=subject, field="originator_version")
