"""Two servers that own a partition each, beside one that owns the only one; one transfer in ten crosses.

The same number of batches of 8,000 from four callers goes to one server, or half of it to each of two over one
database. Counted are transfers accepted, and transfers until every projection has caught up and none is in transit any
more. A third kind of window, in which nothing crosses, tells what a crossing transfer costs.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple

from bench import report
from bench.ledger import CALL_SECONDS, Ledger
from bench.report import Result, result
from bench.server import serve
from bench.session import BATCH, CALLERS, SEED, Session, Workload
from bench.stores import POSTGRESQL
from bench.windows import Window, alternate, compare
from protos.esep.v1.account_pb2 import ACCOUNT_KIND_CLEARING
from protos.esep.v1.statement_service_pb2 import GetTrialBalanceRequest
from protos.esep.v1.transfer_service_pb2 import CreateTransfersRequest

_ACCEPTED = "partitions_2_processes"
_ARRIVED = "partitions_2_processes_arrived"
_ONE = "one_process"
_CROSSING = 10
"""One in so many transfers crosses."""
_LOOK_SECONDS = 0.02


def measure(session: Session) -> Iterator[Result]:
    """Compare two processes with one, and what crosses with what stays."""
    with ExitStack() as started:
        one = started.enter_context(_one(session))
        two = started.enter_context(_two(session))
        count = max(2, session.scale.batches // 2 * 2)

        def alone() -> Window:
            requests = one.requests().batches(count, BATCH)
            return _with_arrival(one.batches(requests, CALLERS), one)

        taken = alternate(session.scale.rounds, alone, lambda: two.send(count, _CROSSING), lambda: two.send(count, 0))
    store, beside_one = session.store.name, [(crossing, alone) for alone, crossing, _ in taken]
    yield result(_ACCEPTED, store, "transfers/s", _ONE, compare(beside_one))
    arrived = compare(beside_one, lambda window: window.caught_up_rate)
    yield result(_ARRIVED, store, "transfers/s", _ONE, arrived._replace(p50_ms=None, p99_ms=None))
    costs = sorted(
        (crossing.caught_up_seconds - staying.caught_up_seconds) / (crossing.operations / _CROSSING)
        for _, crossing, staying in taken
    )
    report.note(f"a crossing transfer costs {costs[len(costs) // 2] * 1e6:.0f} µs more than one that stays")


class _Two(NamedTuple):
    """Two servers, each with the accounts of its own partition."""

    ledgers: tuple[Ledger, Ledger]

    def send(self, count: int, crossing: int) -> Window:
        """Send half of the batches to each server; of each, one transfer in ``crossing`` to the other's accounts."""
        halves = [self._requests(here, count // 2, crossing) for here in (0, 1)]
        with ThreadPoolExecutor(2) as both:
            windows = list(both.map(_send, self.ledgers, halves))
        merged = Window(
            sum(window.operations for window in windows),
            max(window.seconds for window in windows),
            [latency for window in windows for latency in window.latencies_ms],
            max(window.caught_up_seconds for window in windows),
        )
        return _with_arrival(merged, *self.ledgers)

    def _requests(self, here: int, count: int, crossing: int) -> list[CreateTransfersRequest]:
        requests, others = self.ledgers[here].requests().batches(count, BATCH), self.ledgers[1 - here].accounts
        for request in requests if crossing else ():
            for number, transfer in enumerate(request.transfers):
                if number % crossing == 0:
                    transfer.credit_account_id = others[number % len(others)]
        return requests


def _send(ledger: Ledger, requests: list[CreateTransfersRequest]) -> Window:
    return ledger.batches(requests, CALLERS // 2)


def _with_arrival(window: Window, *ledgers: Ledger) -> Window:
    """Return a window with the time until nothing is in transit either, as any server's tables tell of all."""
    began = time.perf_counter()
    while len(ledgers) > 1 and _in_transit(ledgers[0]):
        time.sleep(_LOOK_SECONDS)
    return window._replace(caught_up_seconds=window.caught_up_seconds + time.perf_counter() - began)


def _in_transit(ledger: Ledger) -> bool:
    async def ask() -> int:
        answer = await ledger.client.statements.GetTrialBalance(GetTrialBalanceRequest(), timeout=CALL_SECONDS)
        return sum(line.posted_tyiyn for line in answer.lines if line.kind == ACCOUNT_KIND_CLEARING)

    return bool(ledger.run(ask()))


@contextmanager
def _one(session: Session) -> Iterator[Ledger]:
    directory = Path(mkdtemp(dir=session.store.directory))
    with serve(session.store.new("one"), directory) as server, Ledger(server.address, SEED) as ledger:
        ledger.prepare(session.scale.accounts)
        yield ledger


@contextmanager
def _two(session: Session) -> Iterator[_Two]:
    url, directory = session.store.new("two"), Path(mkdtemp(dir=session.store.directory))
    shared = {
        "ESEP_PARTITION_COUNT": "2",
        "ESEP_MASTER_KEYS_FILE": str(directory / "master-keys.json"),
        "ESEP_CHECKPOINT_KEYS_FILE": str(directory / "checkpoint-keys.json"),
    }
    with ExitStack() as started:
        ledgers = []
        for partition in (0, 1):
            server = started.enter_context(serve(url, directory, ESEP_PARTITIONS=str(partition), **shared))
            ledger = started.enter_context(Ledger(server.address, SEED, partition))
            ledger.prepare(session.scale.accounts)
            ledgers.append(ledger)
        yield _Two((ledgers[0], ledgers[1]))


WORKLOAD = Workload((_ACCEPTED, _ARRIVED), measure, stores=(POSTGRESQL,))
