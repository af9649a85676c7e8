"""A bar for work that walks a log, shown to people only."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from projections.rebuild import Progress as Report

_COLUMNS: Final = (
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    TextColumn("events"),
    TimeRemainingColumn(),
)


@contextmanager
def progress(title: str, *, silent: bool) -> Iterator[Report]:
    """Give a function that is told how far the work has come, and show that while it goes on."""
    console = Console(file=sys.stderr)
    with Progress(*_COLUMNS, console=console, transient=True, disable=silent or not console.is_terminal) as bars:
        tasks: dict[int, TaskID] = {}

        def report(partition: int, reached: int, head: int) -> None:
            if partition not in tasks:
                tasks[partition] = bars.add_task(f"{title} partition {partition}")
            bars.update(tasks[partition], completed=reached, total=max(head, reached))

        yield report
