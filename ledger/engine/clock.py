"""Clocks: the system's, and one that a development server can be told to run ahead."""

import time
from pathlib import Path

from domain.times import SECOND


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Return microseconds since the Unix epoch."""
        return time.time_ns() // 1000


class OffsetClock:
    """The machine's clock plus the whole seconds that stand in a file, for demonstrations and tests.

    The file is read again whenever it changes, so that seven days can pass in a moment.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, ...] = ()
        self._offset = 0

    def now(self) -> int:
        """Return microseconds since the Unix epoch, moved by the offset."""
        try:
            status = self._path.stat()
            # A file that takes another one's place within a tick of the file system's clock has its time.
            stamp: tuple[int, ...] = (status.st_ino, status.st_size, status.st_mtime_ns)
        except FileNotFoundError:
            stamp = ()
        if stamp != self._stamp:
            text = self._path.read_text().strip() if stamp else ""
            self._offset = int(text or "0") * SECOND
            self._stamp = stamp
        return time.time_ns() // 1000 + self._offset
