"""``esep authorizations``: what is, or was, held on an account."""

from collections.abc import Iterable
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import typer
from rich.table import Table

from ledger.cli.connection import DEADLINE_SECONDS, Connection
from ledger.cli.options import Account, AsJson, Server, TlsCa, TlsCert, TlsKey, Token, time_zone
from ledger.cli.output import amount, console, moment, plain, print_document, table
from ledger.cli.problems import reporting
from protos.esep.v1.authorization_pb2 import Authorization, AuthorizationState
from protos.esep.v1.statement_service_pb2 import ListAuthorizationsRequest

_PREFIX: Final = "AUTHORIZATION_STATE_"
_PAGE: Final = 1000

State = Annotated[
    list[str] | None,
    typer.Option(
        "--state",
        help="Only these: open, captured, reversed, expired, declined. May be given several times.",
    ),
]


def authorizations(
    account: Account,
    state: State = None,
    server: Server = "",
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    token: Token = None,
    as_json: AsJson = False,  # noqa: FBT002 - typer's way
) -> None:
    """List the authorisations of an account, newest first. What was posted stands in its statement."""
    with reporting(as_json=as_json), Connection(server, tls_ca, tls_cert, tls_key, token) as connection:
        request = ListAuthorizationsRequest(
            account_id=connection.account_id(account), states=[_state(name) for name in state or ()], page_size=_PAGE
        )
        found: list[Authorization] = []
        while True:
            page = connection.statements.ListAuthorizations(request, timeout=DEADLINE_SECONDS)
            found += page.authorizations
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        if as_json:
            positions = [plain(position) for position in page.positions]
            print_document({"authorizations": [plain(each) for each in found], "positions": positions})
        elif found:
            console().print(authorization_table(found, time_zone()))
        else:
            console().print("No authorisations.")


def authorization_table(found: Iterable[Authorization], zone: ZoneInfo) -> Table:
    """Return authorisations as a table."""
    grid = table(
        "Authorisations",
        "time",
        "merchant",
        "state",
        "authorised",
        "captured",
        "held",
        "until",
        "id",
        right=("authorised", "captured", "held"),
    )
    for each in found:
        state = AuthorizationState.Name(each.state).removeprefix(_PREFIX).lower()
        grid.add_row(
            moment(each.create_time, zone),
            each.merchant_name,
            f"{state}: {each.decline_reason}" if each.decline_reason else state,
            amount(each.authorized_tyiyn),
            amount(each.captured_tyiyn),
            amount(each.remaining_tyiyn),
            moment(each.expire_time, zone) if each.remaining_tyiyn else "",
            each.authorization_id,
        )
    return grid


def _state(name: str) -> AuthorizationState.ValueType:
    try:
        return AuthorizationState.Value(_PREFIX + name.upper())
    except ValueError:
        raise typer.BadParameter(f"{name!r} is none of open, captured, reversed, expired, declined") from None
