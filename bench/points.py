"""Points of curves: like results, but with the place on the horizontal axis at which they were measured."""

import json
from typing import NamedTuple

from bench.report import note
from bench.windows import Window, percentile


class Point(NamedTuple):
    """One line of output. The fields' names are the output's."""

    curve: str
    store: str
    at: float
    """Where on the horizontal axis; what that is, the curve says."""
    value: float
    unit: str
    p50_ms: float | None = None
    p99_ms: float | None = None
    p999_ms: float | None = None


def timed(curve: str, store: str, at: float, unit: str, window: Window) -> Point:
    """Return a window's rate, and how long its calls took."""
    found = (percentile(window.latencies_ms, share) for share in (0.5, 0.99, 0.999))
    p50, p99, p999 = (None if time is None else round(time, 3) for time in found)
    return Point(curve, store, at, round(window.rate, 1), unit, p50, p99, p999)


def tell(point: Point) -> None:
    """Print a point, for programs on stdout and for people on stderr."""
    print(json.dumps(point._asdict()), flush=True)
    times = "" if point.p99_ms is None else f"  p50 {point.p50_ms:.1f} ms, p99 {point.p99_ms:.1f} ms"
    note(f"{point.curve:20} {point.store:10} {point.at:>12,.6g} {point.value:>12,.1f} {point.unit}{times}")
