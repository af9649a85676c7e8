"""``esep audit diff``: what changed between two moments, on a live server or in an export."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Annotated, Any, Final, NamedTuple

import typer

from domain.money import SOM
from ledger.audit.export.files import directory_of
from ledger.audit.export.source import ExportSource, sources
from ledger.audit.figures.differences import (
    AccountChange,
    Difference,
    Events,
    compare,
    from_the_beginning,
    together,
    unlike,
)
from ledger.audit.figures.figuring import event_of
from ledger.cli.audit.live import LiveHistory
from ledger.cli.audit.points import FromExport, is_position, newest, position_of
from ledger.cli.connection import DEADLINE_SECONDS, Connection
from ledger.cli.options import AsJson, Server, TlsCa, TlsCert, TlsKey, Token
from ledger.cli.output import amount, console, print_document, table, told
from ledger.cli.problems import REFUSED, USAGE, Problem, ProblemError, reporting
from protos.esep.v1.statement_service_pb2 import GetTrialBalanceRequest

_SHOWN: Final = 50

From = Annotated[str, typer.Argument(metavar="FROM", help="A position, an ISO time, or a day: its first moment.")]
To = Annotated[
    str, typer.Argument(metavar="TO", help="A position, an ISO time, or a day: its last moment. Default: the newest.")
]


Partition = Annotated[
    int | None,
    typer.Option(
        "--partition",
        metavar="NUMBER",
        min=0,
        help="Of a ledger of several partitions, this one alone. Without it all of them, and moments are times.",
    ),
]


class Part(NamedTuple):
    """What changed in one partition."""

    partition: int
    found: Difference


def diff(
    start: From,
    end: To = "",
    partition: Partition = None,
    export: FromExport = None,
    server: Server = "",
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    token: Token = None,
    as_json: AsJson = False,  # noqa: FBT002 - typer's way
) -> None:
    """Show which accounts changed between two moments and by how much, and what happened in between.

    Exit code 1 where the sums do not tie out.
    """
    with reporting(as_json=as_json), ExitStack() as stack:
        if export is not None:
            exported = sources(export) if partition is None else [ExportSource(directory_of(export, partition))]
            _check_times(len(exported), start, end)
            parts = [Part(source.partition, _of_export(source, start, end)) for source in exported]
        else:
            connection = stack.enter_context(Connection(server, tls_ca, tls_cert, tls_key, token))
            wanted = [partition] if partition is not None else range(_count(connection))
            _check_times(len(wanted), start, end)
            parts = [Part(each, _of_server(connection, each, start, end)) for each in wanted]
        print_document(_document(parts)) if as_json else _print(parts)
        if any(each.found.disagreements for each in parts):
            raise typer.Exit(REFUSED)


def _count(connection: Connection) -> int:
    """Return how many partitions the ledger has; raises grpc.RpcError."""
    request = GetTrialBalanceRequest()
    answer = connection.ledger.statements.GetTrialBalance(request, timeout=DEADLINE_SECONDS)
    return 1 + max((each.partition for each in answer.positions), default=0)


def _check_times(partitions: int, start: str, end: str) -> None:
    """Raise ProblemError for a position where there are several partitions, each of which has one."""
    for named in (start, end):
        if partitions > 1 and is_position(named):
            message = f"{named} is a position, and each of the ledger's {partitions} partitions has one."
            raise ProblemError(Problem("INVALID_ARGUMENT", message, "Give --partition, or times."), USAGE)


def _of_export(source: ExportSource, start: str, end: str) -> Difference:
    first, last = _bounds(source, start, end)
    found, after = from_the_beginning(source.rows(0), first, last)
    if last == source.head:
        found.disagreements.extend(unlike(source.figures(), after))
    return found


def _of_server(connection: Connection, partition: int, start: str, end: str) -> Difference:
    history = LiveHistory(connection.ledger, newest(connection, partition), partition=partition)
    first, last = _bounds(history, start, end)
    events = Events()
    for rows in LiveHistory(connection.ledger, last, partition=partition).rows(first):
        for row in rows:
            events.add(row, event_of(row))
    return compare(first, last, history.figures_at(first), history.figures_at(last), events)


def _bounds(history: LiveHistory | ExportSource, start: str, end: str) -> tuple[int, int]:
    first = position_of(start, history, end_of_day=False)
    last = position_of(end, history, end_of_day=True)
    if first > last:
        message = f"{start} is position {first}, later than position {last}."
        raise ProblemError(Problem("INVALID_ARGUMENT", message, "Name the earlier moment first."), USAGE)
    return first, last


def _document(parts: Sequence[Part]) -> dict[str, Any]:
    positions = [
        {"partition": each.partition, "from_position": each.found.first, "to_position": each.found.last}
        for each in parts
    ]
    if len(parts) > 1:
        return {"partitions": positions} | _changes(together([each.found for each in parts]))
    (only,) = parts
    named = {"partition": only.partition} if only.partition else {}
    return named | {"from_position": only.found.first, "to_position": only.found.last} | _changes(only.found)


def _changes(found: Difference) -> dict[str, Any]:
    return {
        "events": found.events,
        "events_by_topic": found.topics,
        "opened_account_ids": found.opened,
        "closed_account_ids": found.closed,
        "accounts": [_account(each) for each in found.accounts],
        "sums": [
            {
                "currency_code": each.currency,
                "posted_tyiyn": each.posted,
                "held_tyiyn": each.held,
                "available_tyiyn": each.available,
                "moved_tyiyn": each.moved,
            }
            for each in found.sums
        ],
        "disagreements": found.disagreements,
    }


def _account(change: AccountChange) -> dict[str, Any]:
    before, after = change.before, change.after
    figures = {
        name: {
            "before": None if before is None else getattr(before, name),
            "after": getattr(after, name),
            "change": getattr(change, name),
        }
        for name in ("posted", "held", "available")
    }
    return {
        "account_id": change.account_id,
        "participant_id": after.participant,
        "kind": after.kind,
        "currency_code": after.currency,
        **{f"{name}_tyiyn": value for name, value in figures.items()},
    }


def _print(parts: Sequence[Part]) -> None:
    out = console()
    for number, part in parts:
        where = f"Partition {number}: from" if len(parts) > 1 or number else "From"
        out.print(f"[bold]{where} position {part.first} to position {part.last}[/]  {part.events} events")
    found = parts[0].found if len(parts) == 1 else together([each.found for each in parts])
    _print_accounts(found)
    sums = table(
        "Sums", "currency", "posted", "held", "available", "moved", right=("posted", "held", "available", "moved")
    )
    for each in found.sums:
        sums.add_row(told(each.currency), *map(amount, (each.posted, each.held, each.available, each.moved)))
    out.print(sums)
    topics = table("Events", "topic", "count", right=("count",))
    for topic, count in found.topics.items():
        topics.add_row(told(topic), str(count))
    out.print(topics)
    for wrong in found.disagreements[:_SHOWN]:
        out.print(f"[red]{told(wrong)}[/]")
    if not found.disagreements:
        out.print("[green]The sums tie out.[/]")


def _print_accounts(found: Difference) -> None:
    out, opened, closed = console(), set(found.opened), set(found.closed)
    right = ("posted", "held", "available")
    grid = table(f"{len(found.accounts)} accounts changed", "account", "bank", "kind", *right, "", right=right)
    shown = sorted(found.accounts, key=lambda each: (-abs(each.posted), each.account_id))[:_SHOWN]
    for each in shown:
        words = [word for word, among in (("opened", opened), ("closed", closed)) if each.account_id in among]
        if each.after.currency != SOM:
            words.append(told(each.after.currency))
        figures = map(amount, (each.posted, each.held, each.available))
        grid.add_row(str(each.account_id), told(each.after.participant), each.after.kind, *figures, " ".join(words))
    out.print(grid)
    if len(found.accounts) > len(shown):
        out.print(f"and {len(found.accounts) - len(shown)} more: --json shows them all.")
