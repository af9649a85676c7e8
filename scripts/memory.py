"""How much memory a process has, as Linux tells it."""

from pathlib import Path
from typing import Final

_KIBIBYTE: Final = 1_024


def resident_bytes(process: int) -> int:
    """Return the memory that a process has; raises OSError where there is no such process."""
    return _told(str(process), "VmRSS:")


def peak_bytes(process: int | None = None) -> int:
    """Return the most memory that a process has had, by default this one; raises OSError where there is none.

    Of that process alone: ``getrusage`` would tell what the one had that started it.
    """
    return _told("self" if process is None else str(process), "VmHWM:")


def _told(process: str, name: str) -> int:
    status = Path(f"/proc/{process}/status").read_text("ascii", "replace")
    (size,) = (line.split()[1] for line in status.splitlines() if line.startswith(name))
    return int(size) * _KIBIBYTE
