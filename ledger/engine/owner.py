"""Who owns a partition: a name for this process, and whether another owner is gone."""

import os
import secrets
import socket
from pathlib import Path

from ledger.log.api import Beat


def this_owner() -> str:
    """Return a name for this engine that no other engine will ever have."""
    return f"{socket.gethostname()}/{_boot()}/{os.getpid()}/{_started(os.getpid())}/{secrets.token_hex(4)}"


def described(owner: str) -> str:
    """Return an owner's name as people read it."""
    parts = owner.split("/")
    return f"process {parts[2]} on {parts[0]}" if len(parts) == 5 else owner  # noqa: PLR2004 - the parts above


def certainly_gone(owner: str) -> bool:
    """Tell whether the owner was a process of this very machine that has ended; False when in doubt."""
    try:
        host, boot, pid, started, _ = owner.split("/")
    except ValueError:
        return False
    if host != socket.gethostname():
        return False
    if boot != _boot():
        return bool(boot) and bool(_boot())
    now_running = _started(int(pid))
    return bool(started) and now_running != started


def is_free(beat: Beat | None, silence: float) -> bool:
    """Tell whether nobody owns a partition, by its last sign of life, which is none, too old, or a dead process's."""
    return beat is None or beat.age_seconds >= silence or certainly_gone(beat.owner)


def _boot() -> str:
    """Return what tells this start of the machine from its others, empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Return when a process started, in the system's own terms; empty when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
