"""Moments of a history as commands name them: a position, or a time."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from ledger.audit.export.source import ExportSource
from ledger.cli.audit.live import LiveHistory
from ledger.cli.connection import DEADLINE_SECONDS, Connection
from ledger.cli.options import time_zone
from ledger.cli.problems import REFUSED, Problem, ProblemError
from ledger.cli.statement import instant
from protos.esep.v1 import audit_service_pb2 as pb

_SECOND: Final = 1_000_000
_MOST_DIGITS: Final = 19
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

FromExport = Annotated[
    Path | None,
    typer.Option("--export", metavar="DIRECTORY", file_okay=False, help="Read this export, and ask no server."),
]


def newest(connection: Connection, partition: int = 0) -> int:
    """Return the last position of a partition; raises grpc.RpcError."""
    request = pb.ListAccountFiguresRequest(partition=partition, page_size=1)
    answer = connection.ledger.audit.ListAccountFigures(request, timeout=DEADLINE_SECONDS)
    return answer.position.position


def position_of(named: str, history: LiveHistory | ExportSource, *, end_of_day: bool) -> int:
    """Return the position that a moment names: of a time, the last one recorded at or before it.

    A bare date is its first moment, or with ``end_of_day`` its last; nothing is the newest position. Raises
    ProblemError for a position that is not there.
    """
    if not named:
        return history.head
    if not is_position(named):
        return min(history.position_at(_microseconds(named, end_of_day=end_of_day)), history.head)
    position = int(named[:_MOST_DIGITS])
    if position > history.head or len(named) > _MOST_DIGITS:
        message = f"Position {named[:_MOST_DIGITS]} is later than the last one, {history.head}."
        raise ProblemError(Problem("POSITION_IN_FUTURE", message, "Name an earlier position, or a time."), REFUSED)
    return position


def is_position(named: str) -> bool:
    """Tell whether a moment is named by a position."""
    return named.isascii() and named.isdecimal()


def _microseconds(text: str, *, end_of_day: bool) -> int:
    time = instant(text, time_zone(), days=int(end_of_day)) - _EPOCH
    whole = (time.days * 86_400 + time.seconds) * _SECOND + time.microseconds
    # Midnight belongs to the day that it begins.
    return whole - 1 if len(text) == len("2026-11-21") else whole
