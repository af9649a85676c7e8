"""``esep audit export``: the whole history into files that need no ledger, made, continued or extended."""

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import grpc
import typer

from ledger.audit.export.files import directory_of, filing
from ledger.audit.export.format import Encoding, Manifest
from ledger.audit.export.writer import EVENTS_PER_FILE
from ledger.audit.export.writer import export as write
from ledger.cli.audit.live import PATIENCE_SECONDS, LiveSource
from ledger.cli.connection import Connection
from ledger.cli.options import AsJson, Server, TlsCa, TlsCert, TlsKey, Token
from ledger.cli.output import console, print_document, told
from ledger.cli.problems import ProblemError, problem_of, reporting
from ledger.cli.progress import progress
from projections.rebuild import Progress as Bar

_KEPT: Final = "What was exported so far is kept: the same command goes on behind it. "

Directory = Annotated[
    Path,
    typer.Argument(
        metavar="DIRECTORY", file_okay=False, help="Where the export is, or is to be; made if it is not there."
    ),
]
Format = Annotated[
    Encoding | None,
    typer.Option("--format", help="How events are written. Default: as in the export that is there, or jsonl."),
]
PerFile = Annotated[
    int, typer.Option("--events-per-file", metavar="COUNT", min=1, help="How many events a file holds at most.")
]


def export(
    directory: Directory,
    encoding: Format = None,
    events_per_file: PerFile = EVENTS_PER_FILE,
    server: Server = "",
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    token: Token = None,
    as_json: AsJson = False,  # noqa: FBT002 - typer's way
) -> None:
    """Write all events, hashes, signed checkpoints and balances into a directory, up to the newest position.

    Of a ledger of several partitions, every partition: those other than 0 in directories of their own within it.
    Broken off, it goes on where it was; called again later, it takes in what has happened since.
    """
    with reporting(as_json=as_json), Connection(server, tls_ca, tls_cert, tls_key, token) as connection:
        began = time.monotonic()
        first = LiveSource(connection.ledger, patience=PATIENCE_SECONDS)
        others = [_source(connection, partition) for partition in range(1, first.partitions)]
        made = []
        with filing(directory), progress("exporting", silent=as_json) as bar:
            try:
                for source in (first, *others):
                    where = directory_of(directory, source.partition)
                    tell = partial(_tell, bar, source)
                    made.append(write(source, where, encoding, tell, events_per_file=events_per_file))
            except grpc.RpcError as error:
                problem = problem_of(error)
                raise ProblemError(problem._replace(advice=_KEPT + problem.advice)) from None
        if as_json:
            documents = [_document(directory_of(directory, each.partition), each) for each in made]
            print_document(documents[0] | ({"partitions": documents} if others else {}))
        else:
            for each in made:
                _print(directory_of(directory, each.partition), each)
            _print_sum(made, time.monotonic() - began)


def _source(connection: Connection, partition: int) -> LiveSource:
    return LiveSource(connection.ledger, partition=partition, patience=PATIENCE_SECONDS)


def _tell(bar: Bar, source: LiveSource, reached: int) -> None:
    bar(source.partition, reached, source.head)


def _document(directory: Path, made: Manifest) -> dict[str, object]:
    return {
        "directory": str(directory),
        "origin": made.origin,
        "partition": made.partition,
        "head": made.head,
        "format": made.encoding.value,
        "files": 2 * len(made.pieces) + 2,
        "bytes": _size(made),
        "checkpoints": len(made.checkpoints),
    }


def _print(directory: Path, made: Manifest) -> None:
    console().print(f"[green]{told(made.origin)} up to position {made.head} is in {told(str(directory))}[/]")


def _print_sum(made: Sequence[Manifest], seconds: float) -> None:
    pieces, size = sum(len(each.pieces) for each in made), sum(map(_size, made))
    console().print(f"{pieces} pieces, {size / 1e6:,.1f} MB, in {seconds:.1f} s")


def _size(made: Manifest) -> int:
    return made.accounts.bytes + sum(piece.events.bytes + piece.leaves.bytes for piece in made.pieces)
