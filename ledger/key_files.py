"""Files of keys: nobody but their owner may read them, and a new one is there as a whole or not at all."""

import json
import os
import stat
from pathlib import Path
from typing import Final

_OPEN_TO_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class OpenToOthersError(Exception):
    """Others than its owner may read or change the file."""


def read_keys(path: Path) -> bytes:
    """Return the content; raises FileNotFoundError or OpenToOthersError."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_mode & _OPEN_TO_OTHERS:
            raise OpenToOthersError(f"{path} is open to others than its owner: chmod 600 it")
        return file.read()


def readable_by_all(path: Path) -> bool:
    """Tell whether everybody on this machine may read the file; raises OSError.

    For keys that another program keeps, which may be of a group of its own; our own are for their owner alone.
    """
    return bool(path.stat().st_mode & stat.S_IROTH)


def write_keys(path: Path, content: object) -> None:
    """Write a file that must not exist yet, as JSON, durably; raises FileExistsError."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(number, "w", encoding="ascii") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
