"""A disk that can be filled: a small file system in memory, mounted for the length of a run.

Only root may mount one, so whoever wants full disks without being root is told so.
"""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_BALLAST: Final = "ballast"
_PIECE: Final = 1 << 26
_LEAST: Final = 1 << 12


class NotRootError(Exception):
    """A disk cannot be filled by this user."""


class Disk:
    """A directory, and a file that takes all the room beside what stands in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._ballast = directory / _BALLAST

    def fill(self) -> None:
        """Leave no room."""
        taken, piece = 0, _PIECE
        with self._ballast.open("wb") as file:
            while piece >= _LEAST:
                try:
                    os.posix_fallocate(file.fileno(), taken, piece)
                    taken += piece
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    piece //= 2

    def free(self) -> None:
        """Make room again."""
        self._ballast.unlink(missing_ok=True)


def may_mount() -> bool:
    """Tell whether disks can be filled here."""
    return os.geteuid() == 0


@contextmanager
def small_disk(directory: Path, megabytes: int) -> Iterator[Disk]:
    """Mount a disk of this size at a new directory. Raises NotRootError."""
    if not may_mount():
        raise NotRootError("filling a disk needs root, to mount a small one: run as root, or leave out disk_full")
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(directory)], check=True)
    try:
        yield Disk(directory)
    finally:
        # Lazily: a process that dies later than it should must not keep it.
        subprocess.run(["umount", "--lazy", str(directory)], check=True)
