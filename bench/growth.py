"""``python -m bench.growth``: what a ledger costs as it grows; a line of JSON for each result.

A ledger of a million accounts takes ten million events, half of them to one of these accounts. Its history of accounts
is made from nothing; everything after that goes through the server, as callers send it:

- ``start_1000000_accounts``: seconds from starting the server until it answers, from its snapshot, beside 10 s;
- ``memory_per_account``: bytes of the server's memory for each account beyond the first hundred thousand, beside 200;
- ``growth_of_history``: transfers a second in batches of 8,000 over a million events, at ten million events of history,
  beside the same at one million; each of the two is first divided by what the driver alone reaches just then;
- ``growth_random_ids``: the same at ten million events with random ids, beside time-ordered ones;
- ``growth_of_an_account``: mini-statements a second of the account with five million entries, beside others.

Points of two curves come along: ``history``, the rate at every million transfers, and ``memory``, by accounts.

``SCALE=100`` divides every size by a hundred.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from statistics import median
from tempfile import mkdtemp
from time import perf_counter
from typing import Final, NamedTuple

from bench import points, report
from bench.histories import History
from bench.ledger import Ledger
from bench.points import Point
from bench.reference import open_reference
from bench.report import Result
from bench.requests import Requests
from bench.server import Server, serve
from bench.session import BATCH, CALLERS, SEED
from bench.stores import STORES, Store, open_store
from bench.windows import Window, alternate, compare
from domain.ids import account_id
from ledger.log.factory import open_log
from ledger.rpc.settings import MEBIBYTE
from scripts.memory import resident_bytes

_ACCOUNTS: Final = 1_000_000
_FIRST: Final = 100_000
_EARLY, _LATE, _WINDOW = 1_000_000, 10_000_000, 1_000_000
_START_SECONDS: Final = 10.0
_ACCOUNT_BYTES: Final = 200.0
_AT_ONCE: Final = 24
"""Batches that are sent before the projections are waited for."""
_CALLS: Final = 3_000
_ROUNDS: Final = 5
_STARTS: Final = 3


class Sizes(NamedTuple):
    """How far a ledger grows."""

    accounts: int
    first: int
    early: int
    late: int
    window: int

    @classmethod
    def divided(cls, by: int) -> "Sizes":
        """Return the sizes, all divided by a number."""
        return cls(*(max(BATCH, size // by) for size in (_ACCOUNTS, _FIRST, _EARLY, _LATE, _WINDOW)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Grow a ledger on each store."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--store", action="append", choices=STORES, help="on this store only")
    sizes = Sizes.divided(int(os.environ.get("SCALE") or 1))
    for name in parser.parse_args(arguments).store or STORES:
        with open_store(name) as store:
            for found in grown(store, sizes):
                points.tell(found) if isinstance(found, Point) else report.tell(found)
    return 0


def grown(store: Store, sizes: Sizes) -> Iterator[Result | Point]:
    """Grow one ledger, and yield what it costs on the way."""
    _, few = _started(_opened(store, sizes.first), Path(mkdtemp(dir=store.directory)))
    url, directory = _opened(store, sizes.accounts), Path(mkdtemp(dir=store.directory))
    seconds, many = _started(url, directory)
    for accounts, memory in ((sizes.first, few), (sizes.accounts, many)):
        yield Point("memory", store.name, accounts, round(memory / MEBIBYTE, 1), "MiB")
    yield _result(f"start_{sizes.accounts}_accounts", store, seconds, "s", "limit", _START_SECONDS)
    each = (many - few) / max(1, sizes.accounts - sizes.first)
    yield _result("memory_per_account", store, each, "bytes", "limit", _ACCOUNT_BYTES)
    with serve(url, directory) as server, Ledger(server.address, SEED) as ledger:
        ledger.wait_until_serving()
        ledger.accounts = [account_id(0, index) for index in range(1, sizes.accounts + 1)]
        growing = _Growing(store, ledger, sizes)
        yield from growing.upto(sizes.early)
        early, early_driver = growing.window(), growing.driver()
        yield from growing.upto(sizes.late)
        late, late_driver = growing.window(), growing.driver()
        ratio = (late.rate / late_driver.rate) / (early.rate / early_driver.rate)
        yield _compared("growth_of_history", store, late, "at_1_000_000_events", early, ratio)
        random = growing.window(ordered=False)
        yield _compared("growth_random_ids", store, random, "time_ordered_ids", late, random.rate / late.rate)
        yield growing.hot_account()
        _check_running(server)


class _Growing:
    """A ledger on its way."""

    def __init__(self, store: Store, ledger: Ledger, sizes: Sizes) -> None:
        self._store = store
        self._ledger = ledger
        self._sizes = sizes
        self._hot, *others = ledger.accounts
        self._requests = Requests(others, SEED)
        self._sent = 0

    def upto(self, transfers: int) -> Iterator[Point]:
        """Send transfers, half of them to one account, until there are so many; yield how fast they went in."""
        while self._sent < transfers:
            sent = self._sending(min(self._sizes.window, transfers - self._sent))
            yield Point("history", self._store.name, self._sent, round(sent.rate, 1), "transfers/s")

    def window(self, *, ordered: bool = True) -> Window:
        """Send a window's transfers."""
        return self._sending(self._sizes.window, ordered=ordered)

    def driver(self) -> Window:
        """Write as many rows with the driver alone, into an empty table."""
        with open_reference(self._store.new("reference")) as reference:
            return reference.write(-(-self._sizes.window // BATCH) * BATCH)

    def hot_account(self) -> Result:
        """Compare mini-statements of the account with the most entries with those of others."""
        others = self._ledger.accounts[1 : 1 + _CALLS]
        pairs = alternate(
            _ROUNDS,
            lambda: self._ledger.mini_statements([self._hot] * len(others), 32),
            lambda: self._ledger.mini_statements(others, 32),
        )
        return report.result("growth_of_an_account", self._store.name, "calls/s", "other_accounts", compare(pairs))

    def _sending(self, transfers: int, *, ordered: bool = True) -> Window:
        """Send so many transfers, a few batches at a time, each of them with the projections caught up."""
        done, seconds = 0, 0.0
        while done < transfers:
            part = self._send(min(_AT_ONCE, -(-(transfers - done) // BATCH)), ordered=ordered)
            done, seconds = done + part.operations, seconds + part.seconds
        return Window(done, seconds)

    def _send(self, count: int, *, ordered: bool = True) -> Window:
        hot = count // 2
        made = self._requests.batches(count - hot, BATCH, ordered=ordered)
        made += self._requests.batches(hot, BATCH, credit=self._hot, ordered=ordered)
        self._sent += count * BATCH
        return self._ledger.batches(made, CALLERS)


def _opened(store: Store, accounts: int) -> str:
    """Return the url of a ledger with so many accounts, made by nobody's deciding."""
    url = store.new("growth")
    with closing(open_log(url)) as log:
        for rows in History(accounts, accounts).rows(0):
            log.append(rows)
    return url


def _started(url: str, directory: Path) -> tuple[float, int]:
    """Return how long a server takes to start from its snapshot, and the bytes of memory that it has then."""
    with serve(url, directory) as server, Ledger(server.address, SEED) as ledger:
        ledger.wait_until_serving()
        ledger.wait_for_projections()
    seconds, memory = [], []
    for _ in range(_STARTS):
        began = perf_counter()
        with serve(url, directory) as server, Ledger(server.address, SEED) as ledger:
            ledger.wait_until_serving()
            seconds.append(perf_counter() - began)
            memory.append(resident_bytes(server.pid))
    return median(seconds), min(memory)


def _check_running(server: Server) -> None:
    if not server.running:
        raise RuntimeError(f"the server has ended; its last words:\n{server.last_words()}")


def _compared(name: str, store: Store, ours: Window, against: str, theirs: Window, ratio: float) -> Result:
    rates = round(ours.rate, 1), round(theirs.rate, 1)
    return Result(name, store.name, rates[0], "transfers/s", against, rates[1], round(ratio, 3), None, None)


def _result(name: str, store: Store, value: float, unit: str, against: str, limit: float) -> Result:
    return Result(name, store.name, round(value, 3), unit, against, limit, round(value / limit, 3), None, None)


if __name__ == "__main__":
    sys.exit(main())
