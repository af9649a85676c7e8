"""``python -m bench.plots FILE…``: draws the curves in files of JSON lines, as other benchmarks print.

Lines of other kinds are passed over. Each picture that there are points for is written as an SVG file.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.points import Point

_DIRECTORY: Final = Path(__file__).parent / "report"
_STYLES: Final = {"p50_ms": ":", "p99_ms": "-", "p999_ms": "--"}

Curves = dict[tuple[str, str], list[Point]]
"""The points of each curve on each store, along the horizontal axis."""


class Picture(NamedTuple):
    """A picture: its file, what its axes say, and what draws it; it is drawn where its curve has points."""

    name: str
    curve: str
    title: str
    across: str
    up: str
    draw: Callable[[Axes, Curves], None]


def read(paths: Iterable[Path]) -> Curves:
    """Return the points that stand in files."""
    found: Curves = defaultdict(list)
    for path in paths:
        for line in path.read_text().splitlines():
            fields: dict[str, Any] = json.loads(line)
            if "curve" in fields:
                found[fields["curve"], fields["store"]].append(Point(**fields))
    return {key: sorted(points, key=lambda point: point.at) for key, points in found.items()}


def draw(curves: Curves, directory: Path) -> list[Path]:
    """Draw every picture that there are points for, and return the files."""
    directory.mkdir(parents=True, exist_ok=True)
    drawn = []
    for picture in _PICTURES:
        if any(curve == picture.curve for curve, _ in curves):
            drawn.append(directory / f"{picture.name}.svg")
            _figure(picture, curves).savefig(drawn[-1], metadata={"Date": None})
    return drawn


def _figure(picture: Picture, curves: Curves) -> Figure:
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    picture.draw(axes, curves)
    axes.set(title=picture.title, xlabel=picture.across, ylabel=picture.up)
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    return figure


def _by_batch_size(axes: Axes, curves: Curves) -> None:
    _values(axes, curves, "batch_size")
    axes.set(xscale="log", yscale="log")


def _by_load(axes: Axes, curves: Curves) -> None:
    for curve, what in (("load", ""), ("load_empty", ", empty method")):
        for (name, store), points in curves.items():
            for percentile, style in _STYLES.items() if name == curve else ():
                times = [getattr(point, percentile) for point in points]
                label = f"{store}{what} {percentile.removesuffix('_ms')}"
                axes.plot([point.at for point in points], times, style, label=label, alpha=0.5 if what else 1)
    axes.set(yscale="log")


def _by_history(axes: Axes, curves: Curves) -> None:
    _values(axes, curves, "history")
    axes.set(xscale="log", ylim=(0, None))


def _by_accounts(axes: Axes, curves: Curves) -> None:
    _values(axes, curves, "memory")
    axes.set(ylim=(0, None))


def _values(axes: Axes, curves: Curves, curve: str) -> None:
    for (name, store), points in curves.items():
        if name == curve:
            axes.plot([point.at for point in points], [point.value for point in points], marker="o", label=store)


_PICTURES: Final = (
    Picture(
        "throughput", "batch_size", "Transfers accepted and durable", "transfers a request", "a second", _by_batch_size
    ),
    Picture(
        "latency",
        "load",
        "How long a transfer takes, from when it was due",
        "share of the rate that 32 callers reach",
        "milliseconds",
        _by_load,
    ),
    Picture(
        "history",
        "history",
        "Transfers in batches of 8,000, as the history grows",
        "transfers in the history",
        "a second",
        _by_history,
    ),
    Picture("memory", "memory", "Memory of a server after its start", "accounts", "MiB", _by_accounts),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw what stands in the files."""
    parser = argparse.ArgumentParser(prog="python -m bench.plots", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--into", type=Path, default=_DIRECTORY)
    chosen = parser.parse_args(arguments)
    mpl.rcParams["svg.hashsalt"] = "esep"  # The same points make the same file.
    drawn = draw(read(chosen.files), chosen.into)
    for path in drawn:
        print(path)
    return 0 if drawn else 1


if __name__ == "__main__":
    sys.exit(main())
