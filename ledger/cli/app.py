"""The commands put together."""

from typing import Final

import typer

from ledger.cli.archive import archive
from ledger.cli.audit.commands import audit
from ledger.cli.authorizations import authorizations
from ledger.cli.balance import balance
from ledger.cli.bench import bench
from ledger.cli.check import check
from ledger.cli.credits import credits_
from ledger.cli.keys import forget, rekey
from ledger.cli.qr import qr
from ledger.cli.rebuild import rebuild
from ledger.cli.receipt import receipt
from ledger.cli.serve import serve
from ledger.cli.statement import statement
from ledger.cli.status import status

EPILOG: Final = "Exit codes: 0 all is well; 1 refused, not answered, or something differs; 2 misused."

app: Final = typer.Typer(
    name="esep",
    help="Esep, a ledger: serve it, ask it, check it. Settings come from ESEP_* variables and esep.toml.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for command in (
    serve,
    status,
    balance,
    statement,
    authorizations,
    receipt,
    check,
    rebuild,
    rekey,
    forget,
    archive,
    bench,
):
    app.command(epilog=EPILOG)(command)
app.add_typer(audit, name="audit")
app.add_typer(qr, name="qr")
app.add_typer(credits_, name="credits")


def run() -> None:
    """Run the command that the arguments name."""
    app(prog_name="esep")
