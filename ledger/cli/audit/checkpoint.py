"""``esep audit checkpoint``: what the history is now, signed by the ledger, to be kept out of its reach.

Whoever keeps one can show later that history was rewritten, cut off or put back: ``esep audit verify --against``.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ledger.audit.export.files import filing
from ledger.cli.connection import DEADLINE_SECONDS, Connection
from ledger.cli.options import AsJson, Server, TlsCa, TlsCert, TlsKey, Token
from ledger.cli.output import console, print_document, told
from ledger.cli.problems import USAGE, Problem, ProblemError, reporting
from protos.esep.v1.audit_service_pb2 import GetCheckpointRequest, GetCheckpointResponse

_FOUND: Final = "self_audit_finding"
_FIRST_KEYS: Final = "Compare the keys with those that you were given in another way, once."

NoteFile = Annotated[
    Path, typer.Argument(metavar="NOTEFILE", dir_okay=False, help="Where the checkpoint goes; it must not be there.")
]
KeysFile = Annotated[
    Path | None,
    typer.Option("--keys", metavar="FILE", dir_okay=False, help="Where the ledger's keys go; it must not be there."),
]


def checkpoint(
    note: NoteFile,
    keys: KeysFile = None,
    server: Server = "",
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    token: Token = None,
    as_json: AsJson = False,  # noqa: FBT002 - typer's way
) -> None:
    """Keep a signed checkpoint of the history as it is now, of each partition, to verify against later."""
    with reporting(as_json=as_json), Connection(server, tls_ca, tls_cert, tls_key, token) as connection:
        for path in (note, keys):
            if path is not None and path.exists():
                message = f"{path} is there already."
                raise ProblemError(Problem("FILE_EXISTS", message, "Keep it, and name another file."), USAGE)
        answers = [_ask(connection, 0)]
        answers += [_ask(connection, each) for each in range(1, answers[0].partition_count)]
        verifiers = [key.verifier_key for answer in answers for key in answer.keys]
        with filing(note):
            keep(note, "".join(answer.checkpoint.note for answer in answers))
            if keys is not None:
                keep(keys, "".join(f"{key}\n" for key in verifiers))
        documents = [_document(answer) for answer in answers]
        if as_json:
            several = {"partitions": documents} if documents[1:] else {}
            print_document({"note": str(note), **documents[0], "keys": verifiers, **several})
            return
        out = console()
        for each, where in zip(documents, ("", *(f" of partition {n}" for n in range(1, len(documents)))), strict=True):
            size, root = each["tree_size"], each["root"]
            out.print(f"[green]{told(str(note))} holds the checkpoint of {size:,} events{where}[/], root {root}")
            if _FOUND in each:
                out.print(f"[red]The ledger's audit of itself found a difference{where}:[/] {told(each[_FOUND])}")
                out.print("From there on it signs nothing: this checkpoint is the last one before.")
        if keys is not None:
            out.print(f"{told(str(keys))} holds the ledger's {len(verifiers)} keys. {_FIRST_KEYS}")


def _ask(connection: Connection, partition: int) -> GetCheckpointResponse:
    ledger, request = connection.ledger, GetCheckpointRequest(partition=partition, current=True)
    answer: GetCheckpointResponse = ledger.audit.GetCheckpoint(
        request, metadata=ledger.metadata, timeout=DEADLINE_SECONDS
    )
    return answer


def _document(answer: GetCheckpointResponse) -> dict[str, Any]:
    checkpoint, finding = answer.checkpoint, answer.self_audit.finding
    document = {"tree_size": checkpoint.tree.position, "root": checkpoint.root_hash.hex()}
    return {**document, _FOUND: finding} if finding else document


def keep(path: Path, text: str) -> None:
    """Write a new file durably, or leave none: half a checkpoint is not kept. Raises OSError."""
    with path.open("x", encoding="utf-8") as file:
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            path.unlink()
            raise
