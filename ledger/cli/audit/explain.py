"""``esep audit explain``: the events that make a figure of an account, with the running sum.

Steps are printed as they come, and kept nowhere: the figure of a busy account is made of millions of them.
"""

import json
import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Annotated, Any, Final, NamedTuple

import grpc
import typer

from domain import ids
from domain.account import AccountOpened
from ledger.audit.export.files import directory_of, partitions_in
from ledger.audit.export.source import ExportSource
from ledger.audit.figures.explain import Figure
from ledger.audit.figures.explain import Step as Told
from ledger.audit.figures.figuring import Explanation, upto
from ledger.audit.source import AccountFigures
from ledger.cli.audit.live import LiveHistory
from ledger.cli.audit.points import FromExport, newest, position_of
from ledger.cli.connection import Connection, account_named
from ledger.cli.options import Account, AsJson, Server, TlsCa, TlsCert, TlsKey, Token, time_zone
from ledger.cli.output import console, money
from ledger.cli.problems import REFUSED, Problem, ProblemError, reporting
from ledger.log.codec import decode
from protos.esep.v1 import audit_service_pb2 as pb
from protos.esep.v1.audit_pb2 import (
    BALANCE_FIGURE_AVAILABLE,
    BALANCE_FIGURE_HELD,
    BALANCE_FIGURE_POSTED,
    BalanceStep,
)
from protos.esep.v1.common_pb2 import AsOf, LogPosition

_PAGE: Final = 1_000
_IN_MEMORY: Final = 1 << 20


class FigureName(StrEnum):
    """A figure of a balance."""

    POSTED = "posted"
    HELD = "held"
    AVAILABLE = "available"


_ASKED: Final = {
    FigureName.POSTED: BALANCE_FIGURE_POSTED,
    FigureName.HELD: BALANCE_FIGURE_HELD,
    FigureName.AVAILABLE: BALANCE_FIGURE_AVAILABLE,
}

Of = Annotated[FigureName, typer.Option("--figure", help="Which figure.")]
When = Annotated[
    str, typer.Option("--as-of", help="A position, an ISO time, or a day: its last moment. Default: the newest.")
]


class Step(NamedTuple):
    """What one event did to the figure; times in microseconds."""

    position: int
    topic: str
    aggregate_id: str
    recorded_at: int
    effective_time: int
    change: int
    sum: int


class Result(NamedTuple):
    """What an explanation ends with; ``figure`` is what the ledger tells, None where an export does not say."""

    sum: int
    lapsed: int
    figure: int | None


Telling = Generator[Step, None, Result]
"""Yields the steps, and ends with what they come to."""


class Explained:
    """An explanation as it is told: its steps, once, and then its result."""

    def __init__(self, account_id: int, figure: FigureName, position: int, telling: Telling) -> None:
        self.account_id = account_id
        self.figure = figure
        self.position = position
        self.result = Result(0, 0, None)
        self._telling = telling

    def steps(self) -> Iterator[Step]:
        """Yield the steps; the result is known when they are through."""
        self.result = yield from self._telling

    @property
    def agrees(self) -> bool | None:
        """Whether steps and figure agree; None where there is no figure to compare with."""
        total, lapsed, told = self.result
        if told is None:
            return None
        return told == total + (lapsed if self.figure is FigureName.AVAILABLE else -lapsed)


def explain(
    account: Account,
    figure: Of = FigureName.POSTED,
    as_of: When = "",
    export: FromExport = None,
    server: Server = "",
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    token: Token = None,
    as_json: AsJson = False,  # noqa: FBT002 - typer's way
) -> None:
    """List every event that makes a figure of an account, oldest first, with the running sum.

    Exit code 1 where the events do not come to the figure that the ledger tells.
    """
    with reporting(as_json=as_json), ExitStack() as stack:
        if export is not None:
            found = _of_export(_exported(export, account), account, figure, as_of)
        else:
            connection = stack.enter_context(Connection(server, tls_ca, tls_cert, tls_key, token))
            found = _of_server(connection, account, figure, as_of)
        _write_document(found) if as_json else _print(found)
        if found.agrees is False:
            raise typer.Exit(REFUSED)


def _of_server(connection: Connection, account: str, figure: FigureName, as_of: str) -> Explained:
    account_id = connection.account_id(account)
    partition = ids.account_partition(account_id)
    try:
        head = newest(connection, partition)
    except grpc.RpcError as error:
        if partition and error.code() is grpc.StatusCode.INVALID_ARGUMENT:
            raise _unknown(account) from None  # The ledger has no such partition.
        raise
    history = LiveHistory(connection.ledger, head, partition=partition)
    position = position_of(as_of, history, end_of_day=True)
    return Explained(account_id, figure, position, _ask(history, account_id, figure, position))


def _ask(history: LiveHistory, account_id: int, figure: FigureName, position: int) -> Telling:
    at = AsOf(position=LogPosition(partition=history.partition, position=position))
    request = pb.ExplainBalanceRequest(account_id=account_id, figure=_ASKED[figure], as_of=at, page_size=_PAGE)
    while True:
        page = history.ask(history.ledger.audit.ExplainBalance, request)
        yield from map(_of_message, page.steps)
        request.page_token = page.next_page_token
        if not request.page_token:
            return Result(page.sum_tyiyn, page.lapsed_tyiyn, page.figure_tyiyn)


def _exported(directory: Path, account: str) -> ExportSource:
    """Return the export of an account's partition."""
    named = account_named(account)
    partition = ids.account_partition(named) if isinstance(named, int) else 0
    if partition and partition not in partitions_in(directory):
        raise _unknown(account)
    return ExportSource(directory_of(directory, partition))


def _of_export(source: ExportSource, account: str, figure: FigureName, as_of: str) -> Explained:
    position, account_id = position_of(as_of, source, end_of_day=True), _account_id(source, account)
    return Explained(account_id, figure, position, _read(source, account_id, figure, position))


def _read(source: ExportSource, account_id: int, figure: FigureName, position: int) -> Telling:
    explanation = Explanation(account_id, Figure[figure.name])
    yield from map(_of_step, explanation.steps(upto(source.rows(0), position)))
    if not explanation.known:
        raise _unknown(str(account_id))
    told = _told(source, account_id, figure) if position == source.head else None
    return Result(explanation.sum, explanation.lapsed, told)


def _told(source: ExportSource, account_id: int, figure: FigureName) -> int:
    for figures in source.figures():
        if figures.account_id == account_id:
            return _figure(figures, figure)
    raise _unknown(str(account_id))


def _figure(figures: AccountFigures, name: FigureName) -> int:
    match name:
        case FigureName.POSTED:
            return figures.posted
        case FigureName.HELD:
            return figures.held
        case FigureName.AVAILABLE:
            return figures.available


def _account_id(source: ExportSource, named: str) -> int:
    """Return the id of an account named by id or as ``bank/number``."""
    account = account_named(named)
    if isinstance(account, int):
        return account
    for rows in source.rows(0):
        for row in rows:
            if row.topic == AccountOpened.TOPIC:
                opened = decode(row.topic, row.state)
                if isinstance(opened, AccountOpened) and (opened.participant, opened.number) == account:
                    return int.from_bytes(row.originator_id, "big")
    raise _unknown(named)


def _unknown(named: str) -> ProblemError:
    advice = "Give the account's id, or bank/number; and a moment at which it was open."
    return ProblemError(Problem("ACCOUNT_NOT_FOUND", f"There is no account {named} then.", advice))


def _of_message(step: BalanceStep) -> Step:
    return Step(
        step.position,
        step.topic,
        step.aggregate_id,
        step.record_time.ToMicroseconds(),
        step.effective_time.ToMicroseconds(),
        step.change_tyiyn,
        step.sum_tyiyn,
    )


def _of_step(step: Told) -> Step:
    row = step.row
    named = ids.format_uuid(row.originator_id)
    return Step(row.position, row.topic, named, row.recorded_at, step.effective_time, step.change, step.sum)


def _write_document(found: Explained) -> None:
    """Print one document, once it is whole: its steps wait in a file where they are many."""
    with SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8") as steps:
        for number, step in enumerate(found.steps()):
            steps.write((",\n    " if number else "\n    ") + json.dumps(_step(step), ensure_ascii=False))
        head = {"account_id": found.account_id, "figure": found.figure.value, "position": found.position}
        total, lapsed, told = found.result
        tail = {"sum_tyiyn": total, "lapsed_tyiyn": lapsed, "figure_tyiyn": told, "agrees": found.agrees}
        sys.stdout.write(json.dumps(head)[:-1] + ', "steps": [')
        steps.seek(0)
        for line in steps:
            sys.stdout.write(line)
        sys.stdout.write("\n  ], " + json.dumps(tail)[1:] + "\n")


def _step(step: Step) -> dict[str, Any]:
    return {
        "position": step.position,
        "topic": step.topic,
        "aggregate_id": step.aggregate_id,
        "record_time": _time(step.recorded_at).isoformat().replace("+00:00", "Z"),
        "effective_time": _time(step.effective_time).isoformat().replace("+00:00", "Z"),
        "change_tyiyn": step.change,
        "sum_tyiyn": step.sum,
    }


def _print(found: Explained) -> None:
    zone = time_zone()
    typer.echo(f"{found.figure.value} of account {found.account_id} as at position {found.position}")
    typer.echo(f"{'position':>12}  {'recorded':19}  {'change':>18}  {'sum':>18}  what, of which aggregate")
    for step in found.steps():
        when = _time(step.recorded_at).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
        figures = f"{money(step.change):>18}  {money(step.sum):>18}"
        typer.echo(f"{step.position:>12}  {when}  {figures}  {step.topic} {step.aggregate_id}")
    total, lapsed, told = found.result
    out = console()
    out.print(f"sum {money(total)}")
    if lapsed:
        out.print(f"lapsed {money(lapsed)}: held by authorisations whose time was over, and whose end comes later")
    if told is None:
        out.print("The export tells figures as of its last position only.")
        return
    verdict = "[green]as the events come to[/]" if found.agrees else "[red]which the events do not come to[/]"
    out.print(f"[bold]{found.figure.value} {money(told)}[/], {verdict}")


def _time(microseconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(microseconds // 1_000_000, UTC).replace(microsecond=microseconds % 1_000_000)
    except (ValueError, OverflowError, OSError):
        advice = "Verify the history with `esep audit verify`."
        raise ProblemError(Problem("HISTORY_BROKEN", f"{microseconds} is no time of an event.", advice)) from None
