"""``python -m bench.commits URL``: bare commits beside whatever else goes on, one row each, until stdin is closed.

It is a process of its own, so that its times are the database's and not those of a busy interpreter: a row of 150 bytes
into a table of its own, durable before the next, some fifty a second, and one at least. Their times in milliseconds are
printed at the end, as a JSON array.
"""

import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.reference import open_reference

_PAUSE_SECONDS = 0.02
_STOP_SECONDS = 60.0


@contextmanager
def commits(url: str) -> Iterator[list[float]]:
    """Commit alongside the block; the list holds the times, in milliseconds, once the block has ended."""
    times: list[float] = []
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.commits", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        if process.stdout is None or process.stdout.readline() != "ready\n":
            raise RuntimeError("the bare commits did not begin")
        yield times
        told, _ = process.communicate(timeout=_STOP_SECONDS)
    times += json.loads(told)


def main(url: str) -> None:
    """Commit until nobody listens any more."""
    times: list[float] = []
    with open_reference(url) as reference:
        reference.commit()
        print("ready", flush=True)
        while not times or not select.select([sys.stdin], [], [], _PAUSE_SECONDS)[0]:
            started = time.perf_counter()
            reference.commit()
            times.append((time.perf_counter() - started) * 1000)
    print(json.dumps(times))


if __name__ == "__main__":
    main(sys.argv[1])
