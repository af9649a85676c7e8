"""``esep qr decode``: what a scanned text says."""

from typing import Annotated

import msgspec
import typer

from domain.qr import QrProblem, read
from ledger.cli.options import AsJson
from ledger.cli.output import print_document
from ledger.cli.problems import REFUSED, Problem, ProblemError, reporting

Link = Annotated[
    str, typer.Argument(metavar="LINK", help="The text as it was scanned: a link with #, or an EMV payload.")
]


def decode(link: Link, as_json: AsJson = False) -> None:  # noqa: FBT002 - typer's way
    """Show what a code says as one JSON document, or why it is none. The hash is no proof of who made it."""
    with reporting(as_json=as_json):
        found = read(link)
        if not isinstance(found, QrProblem):
            print_document(msgspec.to_builtins(found))
            return
        reason, advice = found.reason.name, found.reason.value.advice
        if not as_json:
            raise ProblemError(Problem(reason, found.message, advice))
        place = {"path": found.path, "offset": found.offset}
        print_document({"error": {"reason": reason, "message": found.message, "advice": advice, **place}})
        raise typer.Exit(REFUSED)
