"""``python -m bench.verifying verify DIRECTORY``: verify an export in a process of its own, whose memory is its own.

With ``limit`` in the place of ``verify`` the same events are read, and only their hashing and the decoding of their
JSON is timed: no verifier in one Python process can do with less. Prints a line of JSON.
"""

import json
import sys
from pathlib import Path
from time import perf_counter

from domain.leaves import leaf_hashes
from ledger.audit.export.source import ExportSource
from ledger.audit.verify.verifier import verify
from ledger.log.codec import decode
from scripts.memory import peak_bytes

_KIBIBYTE = 1024


def main(what: str, directory: Path) -> None:
    """Do it, and say how long it took and how much memory the process had at most."""
    source = ExportSource(directory)
    seconds = _verify(source) if what == "verify" else _limit(source)
    print(json.dumps({"events": source.head, "seconds": seconds, "peak_bytes": peak_bytes()}))


def _verify(source: ExportSource) -> float:
    began = perf_counter()
    verdict = verify(source)
    seconds = perf_counter() - began
    if not verdict.ok:
        raise RuntimeError(f"the history that was made does not verify: {verdict.findings.listed()[0]}")
    return seconds


def _limit(source: ExportSource) -> float:
    seconds = 0.0
    for rows in source.rows(0):
        began = perf_counter()
        leaf_hashes(rows)
        for row in rows:
            decode(row.topic, row.state)
        seconds += perf_counter() - began
    return seconds


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
