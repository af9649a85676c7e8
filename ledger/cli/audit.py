"""``esep audit``: the history taken along, compared and explained, for auditors."""

from typing import Final

import typer

from ledger.cli.audit_checkpoint import checkpoint
from ledger.cli.audit_export import export
from ledger.cli.audit_verify import verify

audit: Final = typer.Typer(
    help="Take the history along, compare it, and see what makes a figure.", no_args_is_help=True
)


@audit.callback()
def _audit() -> None:
    """Keep every command under its own name, also where there is one alone."""


audit.command()(checkpoint)
audit.command()(export)
audit.command()(verify)
