"""``esep statement``: what was posted to an account, in a period or just lately."""

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import typer
from rich.table import Table

from ledger.cli.authorizations import authorization_table
from ledger.cli.balance import balance_grid
from ledger.cli.connection import DEADLINE_SECONDS, Connection
from ledger.cli.options import Account, AsJson, Server, TlsCa, TlsCert, TlsKey, Token, time_zone
from ledger.cli.output import amount, console, moment, money, now, plain, print_document, table
from ledger.cli.problems import reporting
from protos.esep.v1 import statement_service_pb2 as api
from protos.esep.v1.statement_pb2 import StatementLine

_PAGE: Final = 1000
_PERIOD: Final = timedelta(days=30)


class Axis(StrEnum):
    """Which of a movement's two times counts."""

    RECORDED = "recorded"
    EFFECTIVE = "effective"


_AXES: Final = {
    Axis.RECORDED: api.STATEMENT_AXIS_RECORDED,
    Axis.EFFECTIVE: api.STATEMENT_AXIS_EFFECTIVE,
}

From = Annotated[
    str, typer.Option("--from", metavar="DATE", help="First day, or an ISO time. Default: 30 days before the end.")
]
To = Annotated[str, typer.Option("--to", metavar="DATE", help="Last day, or the ISO time before which. Default: now.")]
ByAxis = Annotated[Axis, typer.Option("--axis", help="By when movements were recorded, or by when they happened.")]
Mini = Annotated[bool, typer.Option("--mini", help="What an ATM prints: the last movements and the open holds.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100, help="Movements of a mini-statement.")]


def statement(
    account: Account,
    start: From = "",
    end: To = "",
    axis: ByAxis = Axis.RECORDED,
    mini: Mini = False,  # noqa: FBT002 - typer's way
    limit: Limit = 10,
    server: Server = "",
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    token: Token = None,
    as_json: AsJson = False,  # noqa: FBT002 - typer's way
) -> None:
    """Show the movements of an account: a period with its opening and closing balance, or the last ones."""
    with reporting(as_json=as_json), Connection(server, tls_ca, tls_cert, tls_key, token) as connection:
        account_id = connection.account_id(account)
        if mini:
            answer = connection.statements.GetMiniStatement(
                api.GetMiniStatementRequest(account_id=account_id, limit=limit), timeout=DEADLINE_SECONDS
            )
            print_document(plain(answer)) if as_json else print_mini_statement(answer, time_zone())
            return
        request = _request(account_id, start, end, axis)
        first, lines = _pages(connection, request)
        if as_json:
            document = plain(first)
            del document["next_page_token"]
            print_document({**document, "lines": [plain(line) for line in lines]})
        else:
            _print_statement(first, lines, time_zone())


def _request(account_id: int, start: str, end: str, axis: Axis) -> api.GetStatementRequest:
    zone = time_zone()
    until = instant(end, zone, days=1) if end else now() + timedelta(microseconds=1)
    since = instant(start, zone) if start else until - _PERIOD
    if since >= until:
        raise typer.BadParameter("the period ends before it starts")
    request = api.GetStatementRequest(account_id=account_id, axis=_AXES[axis], page_size=_PAGE)
    request.period_start.FromDatetime(since)
    request.period_end.FromDatetime(until)
    return request


def instant(text: str, zone: ZoneInfo, *, days: int = 0) -> datetime:
    """Return the time that a text names; of a bare date its midnight in the bank's zone, ``days`` later."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no date such as 2026-11-21 and no ISO 8601 time") from None
    try:
        if parsed.time() == time.min and "T" not in text and " " not in text:
            parsed += timedelta(days=days)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError:
        raise typer.BadParameter(f"{text!r} is beyond the calendar") from None


def _pages(
    connection: Connection, request: api.GetStatementRequest
) -> tuple[api.GetStatementResponse, list[StatementLine]]:
    first = page = connection.statements.GetStatement(request, timeout=DEADLINE_SECONDS)
    lines = list(first.lines)
    while page.next_page_token:
        request.page_token = page.next_page_token
        page = connection.statements.GetStatement(request, timeout=DEADLINE_SECONDS)
        lines += page.lines
    return first, lines


def _print_statement(first: api.GetStatementResponse, lines: list[StatementLine], zone: ZoneInfo) -> None:
    out = console()
    out.print(f"[bold]Account {first.account_id}[/]  as at position {first.position.position}")
    out.print(f"opening {money(first.opening_tyiyn)} {first.currency_code}")
    out.print(line_table("Transactions", lines, zone))
    out.print(f"credits {money(first.total_credits_tyiyn)}   debits {money(first.total_debits_tyiyn)}")
    out.print(f"[bold]closing {money(first.closing_tyiyn)} {first.currency_code}[/]")


def print_mini_statement(answer: api.GetMiniStatementResponse, zone: ZoneInfo) -> None:
    """Print what an ATM would."""
    out = console()
    out.print(f"[bold]Account {answer.balance.account_id}[/]  as at position {answer.position.position}")
    out.print(line_table("Last transactions, newest first", answer.lines, zone))
    if answer.open_authorizations:
        out.print(authorization_table(answer.open_authorizations, zone))
    out.print(balance_grid(answer.balance))


def line_table(title: str, lines: Iterable[StatementLine], zone: ZoneInfo) -> Table:
    """Return movements as a table."""
    grid = table(title, "time", "kind", "counterparty", "amount", "balance", "line", right=("amount", "balance"))
    for line in lines:
        grid.add_row(
            moment(line.record_time, zone),
            line.kind,
            line.counterparty,
            amount(line.amount_tyiyn),
            amount(line.balance_after_tyiyn),
            f"{line.position.position}/{line.leg}",
        )
    return grid
