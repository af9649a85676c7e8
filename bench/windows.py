"""Alternating windows: the only comparison that survives a machine on which something else runs as well.

What is measured and what it stands against take turns (A B A B …), so that whatever slows the machine down slows
both. A pair of neighbouring windows gives a ratio; what is reported is the median of the pairs' ratios, beside
the medians of both rates. No window is thrown away.
"""

import gc
from collections.abc import Callable, Iterable, Sequence
from math import ceil
from statistics import median
from typing import NamedTuple


class Window(NamedTuple):
    """What was done in one window. ``seconds`` end with the last answer."""

    operations: int
    seconds: float
    latencies_ms: Sequence[float] = ()
    caught_up_seconds: float = 0.0
    """From the same start until every projection had caught up as well; 0 where nobody waited for that."""

    @property
    def rate(self) -> float:
        """Operations a second."""
        return self.operations / self.seconds

    @property
    def caught_up_rate(self) -> float:
        """Operations a second until every projection had caught up."""
        return self.operations / self.caught_up_seconds


Measure = Callable[[], Window]
Rate = Callable[[Window], float]


class Compared(NamedTuple):
    """The medians of a comparison."""

    value: float
    against_value: float
    ratio: float
    p50_ms: float | None
    p99_ms: float | None


def alternate(rounds: int, *measures: Measure) -> list[tuple[Window, ...]]:
    """Take windows in turns, and return them round by round."""
    gc.collect()
    gc.freeze()  # What is there already need not be looked through again before every window.
    try:
        return [tuple(_undisturbed(measure) for measure in measures) for _ in range(rounds)]
    finally:
        gc.unfreeze()


def compare(
    pairs: Iterable[tuple[Window, ...]], rate: Rate = lambda window: window.rate, against: Rate | None = None
) -> Compared:
    """Return the medians of the rates, of their ratios pair by pair, and percentiles over every window's calls."""
    against, pairs = against or rate, list(pairs)
    values = [(rate(first), against(second)) for first, second in pairs]
    latencies = [latency for first, _ in pairs for latency in first.latencies_ms]
    return Compared(
        value=median(value for value, _ in values),
        against_value=median(other for _, other in values),
        ratio=median(value / other for value, other in values),
        p50_ms=median(latencies) if latencies else None,
        p99_ms=percentile(latencies, 0.99),
    )


def percentile(times: Sequence[float], share: float) -> float | None:
    """Return the time within which this share of all calls was answered, None where there were none (nearest rank)."""
    return sorted(times)[ceil(share * len(times)) - 1] if times else None


def _undisturbed(measure: Measure) -> Window:
    """Take a window in which Python's garbage collector does not run: it would meet the requests kept for it."""
    gc.collect()
    gc.disable()
    try:
        return measure()
    finally:
        gc.enable()
