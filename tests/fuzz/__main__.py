"""``make fuzz``: for so many seconds, a server in a process of its own is called with what nobody has thought of.

Prints one JSON object, ``{"calls", "internal", "leaks"}``; the exit status is 0 when the last two are 0, every other
answer was a refusal of ours, the server serves at the end, and its memory has not grown by more than what was recorded
explains. Then the parsers are fuzzed for half as long. What was wrong is told on standard error, with the request.
"""

import argparse
import json
import logging
import sys
import tempfile
from contextlib import suppress
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Final

import structlog

from scripts.demo_server import ServerProcess
from scripts.memory import resident_bytes
from tests.fuzz import parsers
from tests.fuzz.calls import Fuzzer
from tests.rpc.world import World
from tests.security.scenes import OTHER_BANK, OWN_BANK, Scene, make_scene

EXAMPLES: Final = 6
"""Requests of a method in one round over all of them."""
UNLIMITED: Final = {
    "ESEP_TRIES_PER_MINUTE": "1e9",
    "ESEP_LOOKUPS_PER_MINUTE": "1e9",
    "ESEP_CALLER_CALLS_PER_SECOND": "0",
}
MEBIBYTE: Final = 1 << 20
SPARE_BYTES: Final = 64 * MEBIBYTE
BYTES_A_CALL: Final = 4_096
"""What a call may leave in memory: an account, a customer or a card that it made, and the ids of its request."""


def main() -> int:
    """Fuzz, report, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory(prefix="esep-fuzz-") as name:
        fine = _fuzz_calls(Path(name), given.seconds * 2 / 3, given.seed)
    return 0 if parsers.fuzz(given.seconds / 3) == 0 and fine else 1


def _fuzz_calls(directory: Path, seconds: float, seed: int) -> bool:
    own, foreign = _scenes(directory)
    with ServerProcess(directory, UNLIMITED) as server:
        server.start()
        fuzzer = Fuzzer(server.address, own, foreign)
        ends = monotonic() + seconds
        fuzzer.round(seed, EXAMPLES)  # All methods at least once, however short the time.
        warm, before = fuzzer.calls, _memory(server.pid)
        for number in count(seed + 1):
            if monotonic() >= ends:
                break
            fuzzer.round(number, EXAMPLES, ends)
        grown = _memory(server.pid) - before
        fuzzer.close()
        serving = server.health() == "SERVING"
        server.stop()
    allowed = SPARE_BYTES + BYTES_A_CALL * (fuzzer.calls - warm)
    for problem in fuzzer.problems:
        sys.stderr.write(f"{problem}\n\n")
    sys.stderr.write(f"answers: {dict(fuzzer.codes)}\n")
    sys.stderr.write(f"memory: {grown / MEBIBYTE:+.1f} MiB in {fuzzer.calls - warm} calls\n")
    if not serving:
        sys.stderr.write("the server does not serve at the end\n")
    if grown > allowed:
        sys.stderr.write(f"memory has grown by more than {allowed / MEBIBYTE:.0f} MiB\n")
    sys.stdout.write(json.dumps({"calls": fuzzer.calls, "internal": fuzzer.internal, "leaks": fuzzer.leaks}) + "\n")
    sys.stdout.flush()
    return serving and not fuzzer.problems and grown <= allowed


def _scenes(directory: Path) -> tuple[Scene, Scene]:
    """Make things of two banks in the files of the server that is to be started."""
    with World(directory) as world:
        return make_scene(world, OWN_BANK), make_scene(world, OTHER_BANK)


def _memory(pid: int) -> int:
    """Return the bytes of memory that a process has; 0 where there is none any more."""
    with suppress(OSError):
        return resident_bytes(pid)
    return 0


if __name__ == "__main__":
    sys.exit(main())
