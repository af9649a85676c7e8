"""``esep audit``: the history taken along, compared and explained, for auditors."""

from typing import Final

import typer

from ledger.cli.audit_diff import diff
from ledger.cli.audit_explain import explain
from ledger.cli.audit_export import export

audit: Final = typer.Typer(
    help="Take the history along, compare it, and see what makes a figure.", no_args_is_help=True
)

for command in (export, diff, explain):
    audit.command()(command)
