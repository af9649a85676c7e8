"""The first look at rows: what is no event at all is told and left out; the rest comes in columns for the other checks.

A row of a log that somebody has changed may hold anything. Whatever comes behind this place may rely on its kinds and
ranges, and on positions that increase by one, except for those that were told to be missing.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from domain.ids import format_uuid
from domain.ports import Row
from ledger.audit.verify.findings import Check, Finding, Findings

_ID_BYTES: Final = 16
_LARGEST: Final = 2**63 - 1
_LAST_VERSION: Final = 2**31 - 1
_FIELDS: Final = Row._fields
_POSITION: Final = _FIELDS.index("position")
_KINDS: Final = (int, int, bytes, int, str, bytes, int, bytes | None, str)

Numbers = np.ndarray[Any, np.dtype[np.int64]]


class Columns(NamedTuple):
    """Rows that follow one another, and what stands in them, column by column."""

    rows: Sequence[Row]
    partitions: set[int]
    positions: Numbers
    versions: Numbers
    times: Numbers
    originators: bytes
    requested: Sequence[Row]
    """Those that bear a request id."""


class RowCheck:
    """Looks at the form of every row, and at positions and recorded times."""

    def __init__(self, partition: int, after: int, recorded_at: int, findings: Findings) -> None:
        """Begin behind a position, and after the time at which it was recorded."""
        self._partition = partition
        self._findings = findings
        self.position = after
        self.recorded_at = recorded_at
        self.count = 0

    def columns(self, rows: Sequence[Row]) -> Columns:
        """Return the rows that can be looked at further."""
        self.count += len(rows)
        columns = _columns(rows)
        if columns is None or not self._plain(columns):
            columns = _columns(self._sifted(rows))
            if columns is None:
                raise AssertionError("rows were looked at, and cannot be put in columns")
        if columns.rows:
            self._check_times(columns)
            self.position = max(self.position, columns.rows[-1].position)  # Behind it stands what is no event.
            self.recorded_at = columns.rows[-1].recorded_at
        return columns

    def _plain(self, columns: Columns) -> bool:
        """Tell whether no row needs to be looked at by itself."""
        expected = np.arange(self.position + 1, self.position + 1 + len(columns.rows))
        return columns.partitions <= {self._partition} and bool((columns.positions == expected).all())

    def _sifted(self, rows: Sequence[Row]) -> list[Row]:
        kept, last = [], self.position
        for row in rows:
            wrong = misfit(row)
            if wrong is not None:
                at = last + 1
                message = f"the row that comes after position {last} has no {wrong} that an event can have"
                self._findings.add(Finding(Check.ROWS, message, position=at, field=wrong))
                if wrong == "position":
                    continue
            elif row.partition != self._partition:
                message = f"the event is of partition {row.partition}, not of {self._partition}"
                self._tell(Check.ROWS, message, row, "partition")
            if row.position <= last:
                message = f"the event of position {row.position} comes after the one of position {last}"
                self._findings.add(Finding(Check.POSITIONS, message, position=row.position, field="position"))
                continue
            if row.position > last + 1:
                message = f"no event has position {last + 1}: after {last} comes {row.position}"
                missing = Finding(Check.POSITIONS, message, last + 1, row.position - 1, field="position")
                self._findings.add(missing)
            last = row.position
            if wrong is None:
                kept.append(row)
        self.position = max(self.position, last)
        return kept

    def _check_times(self, columns: Columns) -> None:
        before = np.concatenate((np.array([self.recorded_at]), columns.times[:-1]))
        late = np.flatnonzero(columns.times <= before)
        for index in late.tolist():
            row = columns.rows[index]
            message = f"it was recorded at {row.recorded_at}, not later than the one before it, {before[index]}"
            self._tell(Check.TIMES, message, row, "recorded_at")

    def _tell(self, check: Check, message: str, row: Row, field: str) -> None:
        aggregate = format_uuid(row.originator_id)
        self._findings.add(Finding(check, message, row.position, aggregate=aggregate, field=field))


def misfit(row: Row) -> str | None:
    """Return the field that no event can have so, None where all are well."""
    for name, value, kind in zip(_FIELDS, row, _KINDS, strict=True):
        if not isinstance(value, kind) or isinstance(value, bool):
            return name
    if not 1 <= row.position <= _LARGEST:
        return "position"
    if not 0 <= row.partition < 1 << 16:
        return "partition"
    if len(row.originator_id) != _ID_BYTES:
        return "originator_id"
    if not 1 <= row.originator_version <= _LAST_VERSION:
        return "originator_version"
    if not 0 <= row.recorded_at <= _LARGEST:
        return "recorded_at"
    if row.request_id is not None and len(row.request_id) != _ID_BYTES:
        return "request_id"
    return None


def _columns(rows: Sequence[Row]) -> Columns | None:
    """Return the rows in columns, None where some row cannot be put there."""
    if not rows:
        empty = np.zeros(0, np.int64)
        return Columns(rows, set(), empty, empty, empty, b"", ())
    each = tuple(zip(*rows, strict=True))
    for values, kind in zip(each, _KINDS, strict=True):
        if any(not issubclass(found, kind) for found in set(map(type, values))):
            return None
    partitions, positions, originators, versions, _, _, times, requests, _ = each
    asked = set(map(len, filter(None, requests)))
    if set(map(len, originators)) != {_ID_BYTES} or not asked <= {_ID_BYTES} or b"" in requests:
        return None
    if min(versions) < 1 or max(versions) > _LAST_VERSION or min(times) < 0 or max(times) > _LARGEST:
        return None
    if min(positions) < 1 or max(positions) > _LARGEST:
        return None
    return Columns(
        rows,
        set(partitions),
        np.array(positions, np.int64),
        np.array(versions, np.int64),
        np.array(times, np.int64),
        b"".join(originators),
        [row for row in rows if row.request_id is not None] if asked else (),
    )
