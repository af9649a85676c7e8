"""``esep credits``: pay a file of salaries or pensions, go on where one was interrupted, and report line by line."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import grpc
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from domain.credit import MAX_LINES, Category
from ledger.cli.connection import Connection
from ledger.cli.credit_file import Paying, ReadLine, file_id, new_id, read_lines
from ledger.cli.options import AsJson, Server, TlsCa, TlsCert, TlsKey, Token
from ledger.cli.output import amount, console, money, plain, print_document, table
from ledger.cli.problems import REFUSED, reporting
from ledger.rpc.client import reason
from protos.esep.v1 import account_service_pb2 as accounts
from protos.esep.v1 import credit_pb2
from protos.esep.v1 import credit_service_pb2 as api

SECONDS: Final = 60.0
_CATEGORIES: Final = {
    Category.SALARY: credit_pb2.CREDIT_CATEGORY_SALARY,
    Category.PENSION: credit_pb2.CREDIT_CATEGORY_PENSION,
}

File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE.csv", exists=True, dir_okay=False, help="line,account_number,amount,reference; amounts in som."
    ),
]
Kind = Annotated[Category, typer.Option("--category", help="What the file pays.")]
From = Annotated[str, typer.Option("--from", metavar="ACCOUNT", help="The paying account's id, or bank/number.")]
Payer = Annotated[str, typer.Option("--payer", help="Who pays, as people are told.")]
ReferenceOption = Annotated[str, typer.Option("--reference", help="For lines that have none of their own.")]

credits_: Final = typer.Typer(help="Pay salaries and pensions.", no_args_is_help=True)


@credits_.callback()
def _credits() -> None:
    """Keep ``post`` a command of its own: with one alone, typer would drop its name."""


@credits_.command()
def post(
    file: File,
    category: Kind,
    from_: From,
    payer: Payer,
    reference: ReferenceOption = "",
    server: Server = "",
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    token: Token = None,
    as_json: AsJson = False,  # noqa: FBT002 - typer's way
) -> None:
    """Pay every line of a file, once: send it again after an interruption, and it goes on.

    Beside FILE.csv a file FILE.csv.esep.json is kept: it holds the id under which the ledger knows the file.
    """
    with reporting(as_json=as_json), Connection(server, tls_ca, tls_cert, tls_key, token) as connection:
        account_id = connection.account_id(from_)
        found = connection.accounts.GetAccount(accounts.GetAccountRequest(account_id=account_id), timeout=SECONDS)
        paying = Paying(category, found.account.participant_id, account_id, payer, reference)
        lines = read_lines(file, paying.participant)
        identity = file_id(file, paying, lines)
        _open(connection, identity, paying, lines)
        refused = _post(connection, identity, lines, silent=as_json)
        closed = _close(connection, identity, lines)
        _report(closed, refused, lines, as_json=as_json)
        if refused:
            raise typer.Exit(REFUSED)


def _open(connection: Connection, identity: str, paying: Paying, lines: list[ReadLine]) -> None:
    request = api.OpenCreditFileRequest(
        request_id=identity,
        category=_CATEGORIES[paying.category],
        participant_id=paying.participant,
        account_id=paying.account_id,
        line_count=len(lines),
        sum_tyiyn=sum(line.amount for line in lines),
        payer_name=paying.payer_name,
        reference=paying.reference,
    )
    connection.credits.OpenCreditFile(request, timeout=SECONDS)


def _post(
    connection: Connection, identity: str, lines: list[ReadLine], *, silent: bool
) -> list[credit_pb2.CreditLineRefusal]:
    """Send every line, those that were sent before as well; return those that are not paid."""
    refused: list[credit_pb2.CreditLineRefusal] = []
    with _bar(len(lines), silent=silent) as bar:
        for start in range(0, len(lines), MAX_LINES):
            part = lines[start : start + MAX_LINES]
            request = api.PostCreditLinesRequest(credit_file_id=identity, lines=[line.message() for line in part])
            refused += connection.credits.PostCreditLines(request, timeout=SECONDS).refusals
            bar.update(bar.task_ids[0], advance=len(part))
    return refused


def _close(connection: Connection, identity: str, lines: list[ReadLine]) -> credit_pb2.CreditFile:
    """Close the file, unless it was closed before; return it."""
    request = api.CloseCreditFileRequest(
        request_id=new_id(),
        credit_file_id=identity,
        line_count=len(lines),
        sum_tyiyn=sum(line.amount for line in lines),
    )
    try:
        return connection.credits.CloseCreditFile(request, timeout=SECONDS).credit_file
    except grpc.RpcError as error:
        info = reason(error)  # type: ignore[arg-type] # every error of a call is one
        if info is None or info.reason != "CREDIT_FILE_CLOSED":
            raise
    read = api.GetCreditFileRequest(credit_file_id=identity)
    return connection.credits.GetCreditFile(read, timeout=SECONDS).credit_file


def _report(
    file: credit_pb2.CreditFile,
    refused: list[credit_pb2.CreditLineRefusal],
    lines: list[ReadLine],
    *,
    as_json: bool,
) -> None:
    if as_json:
        print_document({"credit_file": plain(file), "refusals": [plain(each) for each in refused]})
        return
    screen = console()
    by_number = {line.number: line for line in lines}
    if refused:
        grid = table("Not paid", "line", "account", "amount", "reason", "meaning", right=("line", "amount"))
        for each in refused:
            line = by_number[each.line_number]
            named = f"{line.participant}/{line.account_number}"
            grid.add_row(str(line.number), named, amount(line.amount), each.reason, each.message)
        screen.print(grid)
    paid = f"{file.posted_lines} of {len(lines)} lines paid, {money(file.posted_sum_tyiyn)} {file.currency_code}"
    screen.print(f"{file.credit_file_id}: {paid}; {file.refused_lines} refused, {money(file.refused_sum_tyiyn)}")


@contextmanager
def _bar(total: int, *, silent: bool) -> Iterator[Progress]:
    screen = Console(file=sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True, disable=silent or not screen.is_terminal) as bar:
        bar.add_task("lines", total=total)
        yield bar
