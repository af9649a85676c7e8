"""``esep check``: whether the tables are what the log makes of them."""

from collections.abc import Sequence
from typing import Final

import msgspec
import typer

from ledger.cli.databases import databases
from ledger.cli.options import AsJson
from ledger.cli.output import console, print_document, table
from ledger.cli.problems import REFUSED, reporting
from ledger.cli.progress import progress
from ledger.log.codec import decode
from projections.check import Difference
from projections.check import check as compare

_SHOWN: Final = 20


def check(as_json: AsJson = False) -> None:  # noqa: FBT002 - typer's way
    """Make the projections again from the log, beside the live ones, and compare. The server may be running."""
    with reporting(as_json=as_json):
        with databases() as (log, store), progress("checking", silent=as_json) as report:
            found = compare(log, store, decode, progress=report)
        if as_json:
            print_document({"ok": not found, "differences": [msgspec.structs.asdict(each) for each in found]})
        elif found:
            _print(found)
        else:
            console().print("[green]The projections are what the log makes of them.[/]")
        if found:
            raise typer.Exit(REFUSED)


def _print(found: Sequence[Difference]) -> None:
    grid = table(f"{len(found)} differences", "table", "key", "expected", "found")
    for each in found[:_SHOWN]:
        grid.add_row(each.table, str(each.key), str(each.expected), str(each.found))
    console().print(grid)
    if len(found) > _SHOWN:
        console().print(f"and {len(found) - _SHOWN} more: --json shows them all.")
    console().print("The log is the truth: `esep rebuild` makes the projections from it again.")
