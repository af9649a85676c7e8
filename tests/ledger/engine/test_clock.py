"""The clock of a development server, which runs ahead as a file says."""

import os
from pathlib import Path
from time import time

from ledger.engine.clock import OffsetClock
from scripts.demo_server import ServerClock

HOUR = 3_600


def ahead(clock: OffsetClock) -> int:
    """Return by how many hours a clock is ahead of the machine's."""
    return round((clock.now() / 1_000_000 - time()) / HOUR)


def test_an_offset_counts_though_its_file_seems_no_newer(tmp_path: Path) -> None:
    """Two that are written within a tick of the file system's clock have the same time, and both count."""
    file = tmp_path / "clock"
    told, clock = ServerClock(file), OffsetClock(file)
    found = [ahead(clock)]
    for _ in range(3):
        told.advance(HOUR)
        os.utime(file, ns=(0, 0))
        found.append(ahead(clock))
    file.unlink()
    assert [*found, ahead(clock)] == [0, 1, 2, 3, 0]
