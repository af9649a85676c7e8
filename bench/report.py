"""Results: one JSON object a line on stdout, the same for people on stderr."""

import json
import sys
from typing import NamedTuple

from bench.windows import Compared


class Result(NamedTuple):
    """One line of output. The fields' names are the output's."""

    workload: str
    store: str
    value: float
    unit: str
    against: str
    against_value: float
    ratio: float
    p50_ms: float | None
    p99_ms: float | None


def result(workload: str, store: str, unit: str, against: str, compared: Compared) -> Result:
    """Return a comparison as it is reported."""
    return Result(
        workload=workload,
        store=store,
        value=round(compared.value, 1),
        unit=unit,
        against=against,
        against_value=round(compared.against_value, 1),
        ratio=round(compared.ratio, 3),
        p50_ms=_milliseconds(compared.p50_ms),
        p99_ms=_milliseconds(compared.p99_ms),
    )


def line(reported: Result) -> str:
    """Return the line of JSON."""
    return json.dumps(reported._asdict())


def tell(reported: Result) -> None:
    """Print a result, for programs on stdout and for people on stderr."""
    print(line(reported), flush=True)
    latency = "" if reported.p50_ms is None else f"  p50 {reported.p50_ms:.1f} ms, p99 {reported.p99_ms:.1f} ms"
    note(
        f"{reported.workload:36} {reported.store:10} {reported.value:>11,.0f} {reported.unit:12}"
        f" {reported.ratio:>7.2f} x {reported.against} ({reported.against_value:,.0f}){latency}"
    )


def note(text: str) -> None:
    """Tell people something."""
    print(text, file=sys.stderr, flush=True)


def _milliseconds(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
