"""Locks that servers of one SQLite ledger have between each other about the files of projections.

They end with the process that holds them, whatever becomes of it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def hold(path: Path) -> int | None:
    """Hold a copy as one that is being made, for as long as the returned file is open and this process lives.

    None where somebody else holds it.
    """
    held = os.open(_lock_path(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        return None
    return held


def abandoned(path: Path) -> bool:
    """Tell whether nobody holds a copy as one that is being made."""
    try:
        held = os.open(_lock_path(path), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(held)
    return True


@contextmanager
def publishing(directory: Path) -> Iterator[None]:
    """Wait until nobody else publishes a copy in a directory, and keep others from it for the length of the block."""
    held = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _lock_path(path: Path) -> Path:
    return path.with_name(f"{path.name}-making")
