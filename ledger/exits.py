"""With which status a server ends, for the supervisor that decides whether to start it again (see sysexits.h)."""

import sys
from typing import Final

from pydantic import ValidationError

from ledger.log.errors import LogError, LogUnavailable, StorageFull
from ledger.settings import complaints
from ledger.vault.errors import VaultError, VaultUnavailable

BROKEN: Final = 70
"""It cannot go on (EX_SOFTWARE)."""
UNREACHABLE: Final = 75
"""It cannot start now, because its database does not answer or has no room (EX_TEMPFAIL)."""
UNUSABLE: Final = 78
"""It cannot start with these settings (EX_CONFIG): trying again would not help."""

CANNOT_START: Final = (LogError, VaultError, OSError, ValidationError, ValueError)
"""What keeps a server from starting without being a defect."""
_NOW: Final = (LogUnavailable, StorageFull, VaultUnavailable)


def cannot_start(error: Exception) -> int:
    """Say why a server cannot start, and return the status with which it ends."""
    passing = isinstance(error, _NOW)
    sys.stderr.write(f"esep: cannot start{' now' if passing else ''}: {complaints(error)}\n")
    return UNREACHABLE if passing else UNUSABLE
