"""Verifying an export, beside hashing its events and decoding their JSON and nothing more. No server and no store.

Each run is a process of its own. The rate counts from the first event to the verdict, the reading of the files
included. The memory is the most that the process ever had: of a history ten times as long, beside the shorter one, with
the same accounts. They should be the same.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from typing import Any

from bench.histories import History, exported
from bench.report import Result, result
from bench.session import Session, Workload
from bench.stores import SQLITE
from bench.windows import Compared, Window, alternate, compare

_RATE = "verify_offline"
_MEMORY = "verify_offline_memory"
_EVENTS_AN_ACCOUNT = 10
_LONGER = 10
_MEBIBYTE = 1 << 20


def measure(session: Session) -> Iterator[Result]:
    """Compare the rate with its limit, and the memory of a long history with that of a short one."""
    accounts = session.scale.accounts
    events = _EVENTS_AN_ACCOUNT * accounts
    directory = session.store.directory / "exported"
    short, long = directory / "short", directory / "long"
    directory.mkdir()
    try:
        exported(History(accounts, events), short)
        exported(History(accounts, _LONGER * events), long)
        pairs = alternate(session.scale.rounds, lambda: _run("verify", short), lambda: _run("limit", short))
        yield result(_RATE, session.store.name, "events/s", "hash_and_decode", compare(pairs))
        peaks = [_told("verify", each)["peak_bytes"] / _MEBIBYTE for each in (long, short)]
        compared = Compared(peaks[0], peaks[1], peaks[0] / peaks[1], None, None)
        yield result(_MEMORY, session.store.name, "MiB", "a_tenth_of_the_events", compared)
    finally:
        rmtree(directory)


def _run(what: str, directory: Path) -> Window:
    told = _told(what, directory)
    return Window(told["events"], told["seconds"])


def _told(what: str, directory: Path) -> Any:
    command = [sys.executable, "-m", "bench.verifying", what, str(directory)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


WORKLOAD = Workload((_RATE, _MEMORY), measure, stores=(SQLITE,))
"""The workload."""
