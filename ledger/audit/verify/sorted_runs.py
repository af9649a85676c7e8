"""Sorting more records than memory holds: sorted runs in a temporary file, merged a piece at a time.

Memory is bounded by the size of one run, whatever the number of records: 2 MB for as many millions as the disk takes.
"""

import os
import tempfile
from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple, Self

import numpy as np

RECORD: Final = np.dtype([("high", "<u8"), ("low", "<u8"), ("version", "<i8"), ("position", "<i8")])
"""An id of 16 bytes in two halves, a version and a position: the order in which records are sorted."""
RUN: Final = 1 << 15
_LEAST: Final = 64
_KEYS: Final = ("high", "low", "version", "position")
_SIDES: Final[tuple[Literal["left", "right"], ...]] = ("left", "right")

Records = np.ndarray[Any, np.dtype[Any]]
Key = tuple[int, int, int, int]


class _Run(NamedTuple):
    """Where the rest of a run stands in the file."""

    begins: int
    ends: int


class SortedRuns:
    """Takes records in any order and returns them sorted. A context manager, whose file is gone when it ends."""

    def __init__(self, directory: str | None = None, *, run: int = RUN) -> None:
        """Sort ``run`` records at a time; the file is made in ``directory``, by default where temporary files are."""
        self._file = tempfile.TemporaryFile(dir=directory, prefix="esep-verify-")  # noqa: SIM115 - closed by __exit__
        self._pending = np.zeros(run, RECORD)
        self._count = 0
        self._runs: list[_Run] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, ids: bytes, versions: Records, positions: Records) -> None:
        """Take records in: ids one after another, and a version and a position for each."""
        halves = np.frombuffer(ids, ">u8")
        done = 0
        while done < len(versions):
            size = min(len(versions) - done, len(self._pending) - self._count)
            place = self._pending[self._count : self._count + size]
            place["high"] = halves[2 * done : 2 * (done + size) : 2]
            place["low"] = halves[2 * done + 1 : 2 * (done + size) : 2]
            place["version"] = versions[done : done + size]
            place["position"] = positions[done : done + size]
            done, self._count = done + size, self._count + size
            if self._count == len(self._pending):
                self._spill()

    def merged(self) -> Iterator[Records]:
        """Yield everything that was taken in, sorted, a piece at a time. Nothing may be added any more."""
        if not self._runs:
            yield _sorted(self._pending[: self._count])
            return
        self._spill()
        size = max(_LEAST, len(self._pending) // len(self._runs))
        self._pending = np.zeros(0, RECORD)
        rest = list(self._runs)
        buffers = [self._fill(rest, run, size) for run in range(len(rest))]
        while buffers:
            open_ends = [_key(buffers[run], -1) for run in range(len(rest)) if rest[run].begins < rest[run].ends]
            bound = min(open_ends, default=None)
            taken: list[Records] = []
            for run, buffer in enumerate(buffers):
                if bound is None or _key(buffer, 0) <= bound:
                    count = len(buffer) if bound is None else _upto(buffer, bound)
                    taken.append(buffer[:count])
                    buffers[run] = buffer[count:] if count < len(buffer) else self._fill(rest, run, size)
            yield _sorted(np.concatenate(taken))
            left = [run for run, buffer in enumerate(buffers) if len(buffer)]
            buffers, rest = [buffers[run] for run in left], [rest[run] for run in left]

    def _spill(self) -> None:
        if self._count:
            begins = self._runs[-1].ends if self._runs else 0
            data = _sorted(self._pending[: self._count]).tobytes()
            self._file.write(data)
            self._file.flush()
            self._runs.append(_Run(begins, begins + len(data)))
            self._count = 0

    def _fill(self, rest: list[_Run], run: int, size: int) -> Records:
        begins, ends = rest[run]
        length = min(size * RECORD.itemsize, ends - begins)
        rest[run] = _Run(begins + length, ends)
        return np.frombuffer(os.pread(self._file.fileno(), length, begins), RECORD)


def _sorted(records: Records) -> Records:
    return records[np.lexsort(tuple(records[key] for key in reversed(_KEYS)))]


def _key(records: Records, at: int) -> Key:
    key: Key = records[at].item()
    return key


def _upto(records: Records, bound: Key) -> int:
    """Return how many of sorted records are not past a key."""
    low, high = 0, len(records)
    for name, value in zip(_KEYS, bound, strict=True):
        column = records[name][low:high]
        wanted = column.dtype.type(value)  # A bare number would make both sides floats, which are not exact.
        first, last = (int(np.searchsorted(column, wanted, side=side)) for side in _SIDES)
        low, high = low + first, low + last
    return high
