"""``esep rebuild``: make the tables for questions again from the log."""

from ledger.cli.databases import databases
from ledger.cli.options import AsJson
from ledger.cli.output import console, print_document
from ledger.cli.problems import reporting
from ledger.cli.progress import progress
from ledger.log.codec import decode
from projections.rebuild import rebuild as make_again


def rebuild(as_json: AsJson = False) -> None:  # noqa: FBT002 - typer's way
    """Make the projections again beside the live ones, then put them in their place. The server may be running."""
    with reporting(as_json=as_json), databases() as (log, store):
        with progress("rebuilding", silent=as_json) as report:
            reached: dict[int, int] = {}

            def note(partition: int, position: int, head: int) -> None:
                reached[partition] = position
                report(partition, position, head)

            make_again(log, store, decode, partitions=range(log.partitions()), progress=note)
        if as_json:
            positions = [{"partition": partition, "position": position} for partition, position in reached.items()]
            print_document({"ok": True, "positions": positions})
        else:
            console().print(f"[green]Rebuilt from {sum(reached.values())} events.[/]")
