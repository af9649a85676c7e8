"""``esep audit diff``: what changed between two moments, on a live server or in an export."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from domain.money import SOM
from ledger.audit.export.source import ExportSource
from ledger.audit.figures.differences import AccountChange, Difference, Events, compare, from_the_beginning, unlike
from ledger.audit.figures.figuring import event_of
from ledger.cli.audit.live import LiveHistory
from ledger.cli.audit.points import FromExport, newest, position_of
from ledger.cli.connection import Connection
from ledger.cli.options import AsJson, Server, TlsCa, TlsCert, TlsKey, Token
from ledger.cli.output import amount, console, print_document, table, told
from ledger.cli.problems import REFUSED, USAGE, Problem, ProblemError, reporting

_SHOWN: Final = 50

From = Annotated[str, typer.Argument(metavar="FROM", help="A position, an ISO time, or a day: its first moment.")]
To = Annotated[
    str, typer.Argument(metavar="TO", help="A position, an ISO time, or a day: its last moment. Default: the newest.")
]


def diff(
    start: From,
    end: To = "",
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
            found = _of_export(export, start, end)
        else:
            connection = stack.enter_context(Connection(server, tls_ca, tls_cert, tls_key, token))
            found = _of_server(connection, start, end)
        print_document(_document(found)) if as_json else _print(found)
        if found.disagreements:
            raise typer.Exit(REFUSED)


def _of_export(directory: Path, start: str, end: str) -> Difference:
    source = ExportSource(directory)
    first, last = _bounds(source, start, end)
    found, after = from_the_beginning(source.rows(0), first, last)
    if last == source.head:
        found.disagreements.extend(unlike(source.figures(), after))
    return found


def _of_server(connection: Connection, start: str, end: str) -> Difference:
    history = LiveHistory(connection.ledger, newest(connection))
    first, last = _bounds(history, start, end)
    events = Events()
    for rows in LiveHistory(connection.ledger, last).rows(first):
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


def _document(found: Difference) -> dict[str, Any]:
    return {
        "from_position": found.first,
        "to_position": found.last,
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


def _print(found: Difference) -> None:
    out = console()
    out.print(f"[bold]From position {found.first} to position {found.last}[/]  {found.events} events")
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
