"""``esep audit``: the history taken along, verified, compared and explained, for auditors."""

from typing import Final

import typer

from ledger.cli.audit_checkpoint import checkpoint
from ledger.cli.audit_diff import diff
from ledger.cli.audit_explain import explain
from ledger.cli.audit_export import export
from ledger.cli.audit_verify import verify

audit: Final = typer.Typer(
    help="Take the history along, verify it, compare it, and see what makes a figure.", no_args_is_help=True
)

for command in (checkpoint, export, verify, diff, explain):
    audit.command()(command)
