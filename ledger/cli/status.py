"""``esep status``: whether the server serves, who decides, and how far the tables are behind.

Health and the position that answers reflect come from the server; who owns the log, its head and the lag come from
the databases of the settings, where they can be reached from here.
"""

from typing import Any, Final

import grpc
import typer
from grpc_health.v1 import health_pb2, health_pb2_grpc
from rich.table import Table

from domain.aggregate import fold
from domain.engine import ENGINE_ID, EngineLife
from domain.times import SECOND
from ledger.cli.connection import DEADLINE_SECONDS, Connection
from ledger.cli.databases import databases
from ledger.cli.options import AsJson, Server, TlsCa, TlsCert, TlsKey, Token
from ledger.cli.output import console, now, plain, print_document
from ledger.cli.problems import REFUSED, ProblemError, problem_of, reporting
from ledger.engine.lookup import history
from ledger.log.api import Log
from ledger.log.errors import LogError
from ledger.rpc.client import SERVICES
from projections.queries import Reader
from projections.runner import lag
from protos.esep.v1.statement_service_pb2 import GetTrialBalanceRequest

PARTITION: Final = 0
_SERVING: Final = "SERVING"


def status(
    server: Server = "",
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    token: Token = None,
    as_json: AsJson = False,  # noqa: FBT002 - typer's way
) -> None:
    """Show the server's health, its mode, the log's head and epoch, and the lag of the projections."""
    with reporting(as_json=as_json):
        with Connection(server, tls_ca, tls_cert, tls_key, token) as connection:
            answered = _ask(connection)
        document = {"server": answered, "database": _look() if not server else None}
        if as_json:
            print_document(document)
        else:
            console().print(_grid(document))
        if answered["health"] != _SERVING:
            raise typer.Exit(REFUSED)


def _ask(connection: Connection) -> dict[str, Any]:
    health: Any = health_pb2_grpc.HealthStub(connection.channel)  # Its annotations leave out the methods.
    services = {}
    for name in ("", *SERVICES):
        answer = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=DEADLINE_SECONDS)
        services[name] = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    whole = services.pop("")
    found: dict[str, Any] = {
        "address": connection.address,
        "health": whole,
        "mode": "owner" if whole == _SERVING else "standby, starting or stopping",
        "services": services,
    }
    try:
        books = connection.statements.GetTrialBalance(GetTrialBalanceRequest(), timeout=DEADLINE_SECONDS)
    except grpc.RpcError as error:
        return {**found, "positions": [], "problem": problem_of(error)._asdict()}
    return {**found, "positions": [plain(position) for position in books.positions]}


def _look() -> dict[str, Any] | None:
    """Return what the databases say, None where they are not to be reached from here."""
    try:
        with databases() as (log, store):
            position = Reader(store).position(PARTITION)
            behind = lag(log, PARTITION, position, int(now().timestamp() * SECOND))
            beat = log.last_beat(PARTITION)
            return {
                "partition": PARTITION,
                "head": log.head(PARTITION),
                "epoch": _life(log).epoch,
                "owner": None if beat is None else beat.owner,
                "owner_silent_seconds": None if beat is None else round(beat.age_seconds, 1),
                "projected": position,
                "lag_events": behind.events,
                "lag_seconds": behind.age / SECOND,
            }
    except (ProblemError, LogError, OSError):
        return None


def _life(log: Log) -> EngineLife:
    rows = log.aggregate(PARTITION, ENGINE_ID)
    life = fold(history(rows)) if rows else None
    return life if isinstance(life, EngineLife) else EngineLife()


def _grid(document: dict[str, Any]) -> Table:
    grid = Table.grid(padding=(0, 2))
    server, database = document["server"], document["database"]
    colour = "green" if server["health"] == _SERVING else "red"
    grid.add_row("server", server["address"])
    grid.add_row("health", f"[{colour}]{server['health']}[/]")
    grid.add_row("mode", server["mode"])
    for name, health in server["services"].items():
        if health != server["health"]:
            grid.add_row(name, health)
    if "problem" in server:
        grid.add_row("questions", f"{server['problem']['reason']}: {server['problem']['message']}")
    for at in server["positions"]:
        grid.add_row("answers as at", f"position {at['position']}, partition {at['partition']}")
    if database is None:
        grid.add_row("database", "not looked at from here")
        return grid
    grid.add_row("head", f"position {database['head']}")
    silent = database["owner_silent_seconds"]
    grid.add_row("owner", "none" if silent is None else f"{database['owner']}, last heard {silent} s ago")
    grid.add_row("epoch", str(database["epoch"]))
    grid.add_row("projections", f"{database['lag_events']} events behind, {database['lag_seconds']:.1f} s")
    return grid
