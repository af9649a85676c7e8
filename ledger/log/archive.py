"""The archive: where the states of old events stand that the database does not hold any more, and how they are read.

What is archived stands in *segments*, immutable files that the log's table ``segments`` names with their hashes. A row
whose state was moved keeps everything else in the database: its place, ids, kind, time and caller. So the constraints
of the log hold as ever, look-ups by id find it, and only whoever reads its state is led here, by the position. An
archived row has an empty state in the database; which segment holds it, the same connection is asked.

A segment is read whole, hashed, and answered from those very bytes, so that what has been changed on the disk, at any
time, is never told: it is an error that names the file.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from operator import itemgetter
from pathlib import Path
from stat import S_ISREG
from typing import Final, NamedTuple

from domain.ports import Row
from ledger.log.errors import SegmentUnreadable
from ledger.log.merkle import Frontier
from ledger.log.pages import FEWEST
from ledger.log.parquet import ADVICE, Loaded

_MOST_BYTES: Final = 64 << 20
"""Of segments that are kept in memory, as they stand in their files."""
_MOST_GROUPS: Final = 16
"""Groups of rows that are kept decoded: each has a thousand events, or a megabyte."""

_state = itemgetter(Row._fields.index("state"))


class Place(NamedTuple):
    """A segment as a reader needs it: which positions it holds, and what its file must be."""

    first: int
    last: int
    file: str
    size: int
    sha256: bytes


class Segment(NamedTuple):
    """A segment as the log records it."""

    partition: int
    first: int
    last: int
    file: str
    size: int
    sha256: bytes
    tree: Frontier
    """Over all events up to the last."""

    @property
    def place(self) -> Place:
        """What a reader needs of it."""
        return Place(self.first, self.last, self.file, self.size, self.sha256)


PlaceOf = Callable[[int], Place | None]
"""Tells which segment holds a position, asking the connection that has read the row."""


class Archive:
    """Reads the segments in a directory; for any thread."""

    def __init__(self, directory: Path | None) -> None:
        """Take where they stand; None when nobody has said."""
        self.directory = directory
        self._reading = threading.Lock()
        self._loaded: OrderedDict[bytes, Loaded] = OrderedDict()
        self._groups: OrderedDict[tuple[bytes, int], list[Row]] = OrderedDict()

    def whole(self, rows: list[Row], place_of: PlaceOf, most: int | None = None) -> list[Row]:
        """Return rows as they were recorded, those that are archived with their states.

        The database knows nothing of the lengths of those: the rows end where they come to ``most`` bytes. Raises
        SegmentUnreadable.
        """
        if all(map(_state, rows)):
            return rows
        found: list[Row] = []
        place: Place | None = None
        taken = 0
        for row in rows:
            if most is not None and taken >= most and len(found) >= FEWEST:
                break
            if row.state:
                found.append(row)
                taken += len(row.state)
                continue
            if place is None or not place.first <= row.position <= place.last:
                place = place_of(row.position)
            # An event that was recorded with an empty state, as a library's may be, is nowhere else.
            archived = place is not None and place.first <= row.position <= place.last
            found.append(self._recorded(row, place) if place is not None and archived else row)
            taken += len(found[-1].state)
        return found

    def check(self, place: Place) -> Loaded:
        """Return a segment that was read anew and is what was recorded of it; raises SegmentUnreadable."""
        try:
            return self._read(place)
        except ImportError:
            raise self._unreadable(place, f"reading it needs pyarrow: {ADVICE}") from None
        except FileNotFoundError:
            raise self._unreadable(place, "it is missing") from None
        except OSError as error:
            raise self._unreadable(place, error.strerror or type(error).__name__) from None
        except ValueError as error:
            raise self._unreadable(place, str(error)) from None

    def _read(self, place: Place) -> Loaded:
        if self.directory is None:
            raise ValueError("nothing says where the archive is: set ESEP_ARCHIVE")
        data = _contents(self.directory / place.file, place.size)
        if sha256(data).digest() != place.sha256:
            raise ValueError(f"it is not what was archived: {len(data)} bytes with another SHA-256")
        loaded = Loaded(data)
        if len(loaded) != place.last - place.first + 1:
            raise ValueError(f"it holds {len(loaded)} events")
        return loaded

    def _recorded(self, row: Row, place: Place) -> Row:
        """Return an archived event, if everything that the database still says of it is said there too."""
        with self._reading:
            group, index = self._loaded_of(place).group_of(row.position - place.first)
            stored = self._group(place, group)[index]
        if stored._replace(state=b"") != row:
            raise self._unreadable(place, f"its event {row.position} is not the one that the log holds")
        return stored

    def _loaded_of(self, place: Place) -> Loaded:
        loaded = self._loaded.get(place.sha256)
        if loaded is None:
            loaded = self.check(place)
            self._loaded[place.sha256] = loaded
            while len(self._loaded) > 1 and sum(each.size for each in self._loaded.values()) > _MOST_BYTES:
                self._loaded.popitem(last=False)
        self._loaded.move_to_end(place.sha256)
        return loaded

    def _group(self, place: Place, group: int) -> list[Row]:
        key = place.sha256, group
        rows = self._groups.get(key)
        if rows is None:
            try:
                rows = self._loaded_of(place).group(group)
            except ValueError as error:
                raise self._unreadable(place, str(error)) from None
            self._groups[key] = rows
            while len(self._groups) > _MOST_GROUPS:
                self._groups.popitem(last=False)
        self._groups.move_to_end(key)
        return rows

    def _unreadable(self, place: Place, why: str) -> SegmentUnreadable:
        return SegmentUnreadable(place.file, f"the archive's segment {place.file} cannot be read: {why}")


def _contents(path: Path, size: int) -> bytes:
    """Return what stands in a file of so many bytes; raises OSError, or ValueError when it is anything else.

    Whatever somebody has put in its place, nobody waits for the other end of a pipe, and no more is read than was
    archived.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
        there = os.fstat(file.fileno())
        if not S_ISREG(there.st_mode):
            raise ValueError("it is no file")
        if there.st_size != size:
            raise ValueError(f"it is not what was archived: {there.st_size} bytes, not {size}")
        return file.read(size)
