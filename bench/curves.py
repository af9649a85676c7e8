"""``python -m bench.curves``: how rates go with the size of a batch, and times with the load; a line of JSON a point.

- ``batch_size``: transfers a second by how many of them one request carries, from one (32 callers) to 8,000 (four);
- ``load``: how long ``CreateTransfer`` takes by the share of the rate that 32 callers reach together: calls come when
  they are due, whether or not others were answered, and are timed from then on;
- ``load_empty``: the same of the method that does nothing, at the same rates.

``QUICK=1`` takes fewer calls.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final

from bench import points
from bench.ledger import Ledger
from bench.points import Point, timed
from bench.session import FULL, QUICK, Scale, Session
from bench.stores import STORES, open_store
from bench.windows import Window

_SIZES: Final = (1, 10, 100, 1_000, 8_000)
_SHARES: Final = (0.1, 0.25, 0.5, 0.75, 0.9)
_CALLERS: Final = 32
_AT_ONCE: Final = 32_000
"""Transfers that are under way together, as far as so many callers may."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every curve on each store."""
    parser = argparse.ArgumentParser(prog="python -m bench.curves", description=__doc__)
    parser.add_argument("--store", action="append", choices=STORES, help="on this store only")
    scale = QUICK if os.environ.get("QUICK") else FULL
    for name in parser.parse_args(arguments).store or STORES:
        for point in curves(name, scale):
            points.tell(point)
    return 0


def curves(name: str, scale: Scale) -> Iterator[Point]:
    """Yield the points of every curve on one store."""
    with open_store(name) as store, Session(store, scale) as session:
        ledger = session.ledger
        for size in _SIZES:
            yield timed("batch_size", name, size, "transfers/s", _batches(ledger, size, scale))
        requests = ledger.requests()
        saturation = median(ledger.single(requests.single(scale.calls), _CALLERS).rate for _ in range(scale.rounds))
        for share in _SHARES:
            rate = saturation * share
            window = ledger.paced_transfers(requests.single(scale.calls), rate)
            yield timed("load", name, share, "transfers/s", window)
            yield timed("load_empty", name, share, "calls/s", ledger.paced_empty(requests.single(scale.calls), rate))


def _batches(ledger: Ledger, size: int, scale: Scale) -> Window:
    """Return the middle window of transfers in batches of one size."""
    requests = ledger.requests()
    callers = max(4, min(_CALLERS, _AT_ONCE // size))
    count = max(2 * callers, min(scale.calls, scale.batches * 8_000 // size))
    if size == 1:
        windows = [ledger.single(requests.single(count), callers) for _ in range(scale.rounds)]
    else:
        windows = [ledger.batches(requests.batches(count, size), callers) for _ in range(scale.rounds)]
    return sorted(windows, key=lambda window: window.rate)[len(windows) // 2]


if __name__ == "__main__":
    sys.exit(main())
