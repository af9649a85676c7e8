"""``esep audit``: the history taken along, verified, compared and explained, for auditors."""

from typing import Final

import typer

from ledger.cli.audit.checkpoint import checkpoint
from ledger.cli.audit.diff import diff
from ledger.cli.audit.explain import explain
from ledger.cli.audit.export import export
from ledger.cli.audit.verify import verify

audit: Final = typer.Typer(
    help="Take the history along, verify it, compare it, and see what makes a figure.", no_args_is_help=True
)

for command in (checkpoint, export, verify, diff, explain):
    audit.command()(command)
