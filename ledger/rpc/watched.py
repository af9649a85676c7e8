"""Files of keys that are read again when they change, so that keys are replaced while the server runs.

A file is looked at no oftener than once a second, and read only when it is another one than before. What cannot be
read, or does not hold what it should, is said in the log and leaves what was read last in force: a file that is being
written, or a certificate that has come before its key, must not stop a server that works.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Final, Generic, TypeVar

import structlog

LOOK_SECONDS: Final = 1.0
T = TypeVar("T")
Marks = tuple[tuple[int, int, int], ...]

log = structlog.get_logger("esep.rpc")


class Watched(Generic[T]):
    """What stands in some files, as new as they are. Safe to use from several threads."""

    def __init__(self, files: Sequence[Path], read: Callable[[], T], *, look_seconds: float = LOOK_SECONDS) -> None:
        """Read them for the first time; raises what ``read`` raises: OSError, or ValueError saying what is wrong."""
        self._files = files
        self._read = read
        self._look_seconds = look_seconds
        self._lock = Lock()
        self._seen = _marks(files)  # Before they are read: what changes meanwhile is read again.
        self._value = read()
        self._look_at = monotonic() + look_seconds

    def current(self) -> T:
        """Return what was read last, after looking whether that is still what there is."""
        if monotonic() >= self._look_at and self._lock.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._lock.release()
        return self._value

    def newest(self) -> T:
        """Return what there is now, however short a time ago it was looked at; blocks while another thread looks."""
        with self._lock:
            self._look()
        return self._value

    def _look(self) -> None:
        self._look_at = monotonic() + self._look_seconds
        names = [str(file) for file in self._files]
        try:
            marks = _marks(self._files)
            if marks == self._seen:
                return
            self._value = self._read()
            self._seen = marks
        except (OSError, ValueError) as error:
            log.error("keys.not_read", files=names, problem=str(error))  # noqa: TRY400 - the problem says it all
        else:
            log.info("keys.replaced", files=names)


def _marks(files: Sequence[Path]) -> Marks:
    """Return what changes when a file is written or another one takes its place."""
    found = (file.stat() for file in files)
    return tuple((status.st_ino, status.st_size, status.st_mtime_ns) for status in found)
