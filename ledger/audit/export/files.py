"""Files of an export on the disk: each appears whole or not at all, for its owner's eyes only.

A file is written under a temporary name, made durable, and renamed; then the directory is made durable as well. Whoever
is killed in between leaves a file whose name begins with a dot, and nothing else.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ledger.audit.export.format import TEMPORARY, ExportError, Written

_FILE_MODE: Final = 0o600
_DIRECTORY_MODE: Final = 0o700
_AT_ONCE: Final = 1 << 20
_PARTITION: Final = "partition-"
_KEPT: Final = "What was written as a whole is kept: the same command goes on behind it."
_REFUSALS: Final = {
    errno.ENOSPC: ("DISK_FULL", f"Make room. {_KEPT}"),
    errno.EDQUOT: ("DISK_FULL", f"Make room. {_KEPT}"),
    errno.EACCES: ("DIRECTORY_CLOSED", "Name a directory in which this user may write, or let it."),
    errno.EPERM: ("DIRECTORY_CLOSED", "Name a directory in which this user may write, or let it."),
    errno.EROFS: ("DIRECTORY_CLOSED", "Name a directory on a disk that can be written."),
    errno.ENOENT: ("DIRECTORY_MISSING", "Make the directory in which it is to be first."),
    errno.ENOTDIR: ("NO_DIRECTORY", "Name a directory."),
    errno.EEXIST: ("NO_DIRECTORY", "Name a directory."),
}
"""By the system's number: why nothing could be written or read, and what to do."""


class WholeFile:
    """A file in the making. A context manager: what was not finished is taken away."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.with_name(f"{TEMPORARY}{path.name}")
        self._digest = sha256()
        self._size = 0
        self.written: Written | None = None
        """What was written, once the file is finished."""
        number = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _FILE_MODE)
        self._file = os.fdopen(number, "wb", buffering=0)

    @property
    def closed(self) -> bool:
        """Whether nothing can be written any more."""
        return self._file.closed

    def write(self, data: bytes) -> int:
        """Add to it."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._digest.update(data)
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        """Return how much was written."""
        return self._size

    def flush(self) -> None:
        """Do nothing: what is written is not buffered here."""

    def finish(self) -> Written:
        """Make it durable under its own name."""
        os.fsync(self._file.fileno())
        self._file.close()
        self._temporary.replace(self._path)
        sync_directory(self._path.parent)
        self.written = Written(self._path.name, self._size, self._digest.hexdigest())
        return self.written

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._file.closed:
            self._file.close()
            self._temporary.unlink(missing_ok=True)


def write_file(path: Path, content: bytes) -> Written:
    """Write a small file."""
    with WholeFile(path) as file:
        file.write(content)
        return file.finish()


def append_line(path: Path, line: bytes) -> None:
    """Add a line to a file, which may be new, durably."""
    new = not path.exists()
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _FILE_MODE)
    with os.fdopen(number, "wb") as file:
        file.write(line + b"\n")
        file.flush()
        os.fsync(number)
    if new:
        sync_directory(path.parent)


def digest_of(path: Path) -> Written:
    """Return what stands on the disk; raises OSError."""
    digest, size = sha256(), 0
    with path.open("rb") as file:
        while data := file.read(_AT_ONCE):
            digest.update(data)
            size += len(data)
    return Written(path.name, size, digest.hexdigest())


def sync_directory(directory: Path) -> None:
    """Make names in a directory durable."""
    number = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def damaged(path: Path, what: str) -> ExportError:
    """Return the error of a file that does not hold what it should."""
    return ExportError("EXPORT_DAMAGED", f"{path}: {what}.", "Take a good copy, or export again to another directory.")


def directory_of(directory: Path, partition: int) -> Path:
    """Return where a partition stands in an export: partition 0 in the directory itself, each other one in its own."""
    return directory / f"{_PARTITION}{partition}" if partition else directory


def partitions_in(directory: Path) -> list[int]:
    """Return the partitions other than 0 that an export holds, in order."""
    names = (path.name.removeprefix(_PARTITION) for path in directory.glob(f"{_PARTITION}*") if path.is_dir())
    return sorted(int(name) for name in names if name.isascii() and name.isdecimal() and name == str(int(name)) != "0")


@contextmanager
def filing(directory: Path) -> Iterator[None]:
    """Say in words what a disk refuses inside; raises ExportError."""
    try:
        yield
    except OSError as error:
        reason, advice = _REFUSALS.get(error.errno or 0, ("DISK_FAILED", "Look into the system's log."))
        where = error.filename or directory
        raise ExportError(reason, f"{where}: {error.strerror or error}.", advice) from None


@contextmanager
def alone(directory: Path, what: str, advice: str = "Wait for it.") -> Iterator[None]:
    """Keep others from writing to a directory, which is made if it is not there; raises ExportError.

    ``what`` they do there is named, with what whoever comes second can do.
    """
    directory.mkdir(_DIRECTORY_MODE, exist_ok=True)
    number = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ExportError(f"{what.upper()}_RUNNING", f"Another {what} to {directory} is running.", advice) from None
        yield
    finally:
        os.close(number)
