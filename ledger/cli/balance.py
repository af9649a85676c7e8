"""``esep balance``: what an account has."""

from rich.table import Table

from ledger.cli.connection import DEADLINE_SECONDS, Connection
from ledger.cli.options import Account, AsJson, Server, TlsCa, TlsCert, TlsKey, Token
from ledger.cli.output import amount, console, plain, print_document
from ledger.cli.problems import reporting
from protos.esep.v1.statement_pb2 import Balance
from protos.esep.v1.statement_service_pb2 import GetBalanceRequest


def balance(
    account: Account,
    server: Server = "",
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    token: Token = None,
    as_json: AsJson = False,  # noqa: FBT002 - typer's way
) -> None:
    """Show what an account has: posted, held and available."""
    with reporting(as_json=as_json), Connection(server, tls_ca, tls_cert, tls_key, token) as connection:
        request = GetBalanceRequest(account_id=connection.account_id(account))
        answer = connection.statements.GetBalance(request, timeout=DEADLINE_SECONDS)
        if as_json:
            print_document(plain(answer))
            return
        console().print(f"[bold]Account {answer.balance.account_id}[/]  as at position {answer.position.position}")
        console().print(balance_grid(answer.balance))


def balance_grid(found: Balance) -> Table:
    """Return a balance as a small sum."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column()
    grid.add_column(justify="right", no_wrap=True)
    grid.add_row("posted", amount(found.posted_tyiyn), found.currency_code)
    grid.add_row("held", amount(-found.held_tyiyn), found.currency_code)
    if found.overdraft_limit_tyiyn:
        grid.add_row("overdraft limit", amount(found.overdraft_limit_tyiyn), found.currency_code)
    if found.minimum_balance_tyiyn:
        grid.add_row("minimum balance", amount(-found.minimum_balance_tyiyn), found.currency_code)
    grid.add_row("[bold]available[/]", amount(found.available_tyiyn), found.currency_code)
    return grid
