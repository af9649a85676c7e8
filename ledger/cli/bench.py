"""``esep bench``: measure, where the benchmarks are installed."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from ledger.cli.problems import Problem, ProblemError, reporting

Arguments = Annotated[list[str] | None, typer.Argument(help="Passed on to the benchmarks.")]


def bench(arguments: Arguments = None) -> None:
    """Measure this machine. Needs a checkout: the benchmarks are not installed with the program."""
    with reporting(as_json=False):
        # An installed program does not look into the directory it is called from; the child does.
        if find_spec("bench") is None and not Path("bench", "__main__.py").is_file():
            message = "The benchmarks are not part of an installed program."
            advice = "Run `make bench` in a checkout, or `esep bench` from its top directory."
            raise ProblemError(Problem("BENCH_NOT_FOUND", message, advice))
        done = subprocess.run([sys.executable, "-m", "bench", *(arguments or ())], check=False)  # noqa: S603 - our own
        raise typer.Exit(done.returncode)
