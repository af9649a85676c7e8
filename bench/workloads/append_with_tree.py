"""Appends to the log alone, with the tree that each of them grows and without: of 8,000 events, of 100 and of one.

No server: a log of each kind in this process, over databases of their own, takes the same kind of events, transfers
with states of 220 bytes, in the batches of one writer. What is timed is the call that makes them durable.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from random import Random

from bench.report import Result, result
from bench.requests import Ids
from bench.session import BATCH, SEED, Session, Workload
from bench.treeless import hashed_beside, open_treeless
from bench.windows import Window, alternate, compare
from domain.ports import Row
from ledger.log.api import Log
from ledger.log.factory import open_log

_SIZES = {"append_with_tree": BATCH, "append_with_tree_of_100": 100, "append_with_tree_of_1": 1}
_AGAINST = "append_without_tree"
_CALLS = {BATCH: 12, 100: 60, 1: 200}
"""Appends in a window. Of the largest, SQLite brings every twelfth from its write-ahead log into the file."""
_WINDOWS = 3
"""As many times as there are windows of other workloads: they are short, and a neighbour is disturbed by the same."""
_MOST_WARM_SECONDS = 10.0


class _Writer:
    """Appends made-up transfers to one log."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._ids = Ids()
        self._random = Random(SEED)
        self._position = 0

    def warm(self, *, ready: Callable[[], bool] = lambda: True) -> None:
        """Append until the log has done what it does once, and has started what it starts for large batches."""
        deadline = time.monotonic() + _MOST_WARM_SECONDS
        self._log.append(self._rows(BATCH))
        while not ready() and time.monotonic() < deadline:
            time.sleep(0.1)
            self._log.append(self._rows(BATCH))

    def write(self, size: int) -> Window:
        """Append batches of one size, made ready beforehand."""
        batches = [self._rows(size) for _ in range(_CALLS[size])]
        latencies = []
        began = time.perf_counter()
        for rows in batches:
            started = time.perf_counter()
            self._log.append(rows)
            latencies.append((time.perf_counter() - started) * 1000)
        return Window(size * len(batches), time.perf_counter() - began, latencies)

    def _rows(self, count: int) -> list[Row]:
        first = self._position + 1
        self._position += count
        now = time.time_ns() // 1000
        digits = self._random.randbytes(24 * count).hex()
        amounts = self._random.choices(range(1, 10_000_00), k=count)
        return [
            Row(
                0,
                first + each,
                made,
                1,
                "transfer.posted.v1",
                _state(amounts[each], digits[48 * each :][:48]),
                now + each,
                None,
                "bank",
            )
            for each, made in enumerate(self._ids.values(count))
        ]


def measure(session: Session) -> Iterator[Result]:
    """Compare appends with the tree and without."""
    store = session.store
    with (
        closing(open_log(store.new("tree"))) as log,
        closing(open_treeless(store.new("treeless"), store.name)) as treeless,
    ):
        grown, bare = _Writer(log), _Writer(treeless)
        grown.warm(ready=partial(hashed_beside, log))
        bare.warm()
        for name, size in _SIZES.items():
            pairs = alternate(_WINDOWS * session.scale.rounds, partial(grown.write, size), partial(bare.write, size))
            yield result(name, store.name, "events/s", _AGAINST, compare(pairs))


def _state(amount: int, digits: str) -> bytes:
    return (
        f'{{"debit_account":4294967297,"credit_account":4294967298,"amount":{amount},"currency":"KGS","kind":"transfer",'
        f'"reference":"{digits[:16]}","effective_time":1700000000000000,"fingerprint":"{digits[16:]}"}}'
    ).encode()


WORKLOAD = Workload(tuple(_SIZES), measure)
