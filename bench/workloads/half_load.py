"""Half of what the ledger can take, one transfer a call: how long callers wait, and how soon reads reflect it.

Calls come when they are due, not when earlier ones were answered, and are timed from then on (an open loop: a caller
who waits behind somebody slow is counted as late). Half is half of what 32 callers reached just before, in this run.

- ``transfers_half_load``: the 99th percentile of a transfer's time, beside that of the empty method at the same rate
  plus that of a bare commit alongside: what gRPC and the disk take by themselves.
- ``projection_lag_p99_ms``: the 99th percentile of the time from a transfer's answer until a read that must reflect it
  is answered, the read's own time included, beside 250 ms.
"""

from collections.abc import Iterator, Sequence
from statistics import median

from bench.commits import commits
from bench.report import Result
from bench.session import Session, Workload
from bench.windows import Window, alternate, percentile

_LATENCY, _LAG = "transfers_half_load", "projection_lag_p99_ms"
_CALLERS = 32
_FOLLOWED = 10
_LAG_MS = 250.0


def measure(session: Session) -> Iterator[Result]:
    """Compare times at half load with what they are made of, and lags with what they may be."""
    ledger, calls, store = session.ledger, session.scale.calls, session.store
    requests = ledger.requests()
    half = median(ledger.single(requests.single(calls), _CALLERS).rate for _ in range(session.scale.rounds)) / 2
    committed: list[float] = []

    def transfers() -> Window:
        return ledger.paced_transfers(requests.single(calls), half)

    def empty() -> Window:
        with commits(store.new("commits")) as times:
            window = ledger.paced_empty(requests.single(calls), half)
        committed.append(_p99(times))
        return window

    pairs = alternate(session.scale.rounds, transfers, empty)
    ours = [_p99(window.latencies_ms) for window, _ in pairs]
    theirs = [_p99(window.latencies_ms) + commit for (_, window), commit in zip(pairs, committed, strict=True)]
    ratio = median(our / their for our, their in zip(ours, theirs, strict=True))
    yield _result(_LATENCY, store.name, median(ours), "empty_call_and_commit", median(theirs), ratio)
    lags = [
        _p99(ledger.paced_lags(requests.single(calls), half, _FOLLOWED).latencies_ms)
        for _ in range(session.scale.rounds)
    ]
    yield _result(_LAG, store.name, median(lags), "limit", _LAG_MS, median(lags) / _LAG_MS)


def _p99(times: Sequence[float]) -> float:
    found = percentile(times, 0.99)
    if found is None:
        raise ValueError("nothing was timed")
    return found


def _result(name: str, store: str, value: float, against: str, against_value: float, ratio: float) -> Result:
    p99_ms = round(value, 3)
    return Result(name, store, p99_ms, "ms (p99)", against, round(against_value, 3), round(ratio, 3), None, p99_ms)


WORKLOAD = Workload((_LATENCY, _LAG), measure)
