"""``esep audit checkpoint``: what the history is now, signed by the ledger, to be kept out of its reach.

Whoever keeps one can show later that history was rewritten, cut off or put back: ``esep audit verify --against``.
"""

import os
from pathlib import Path
from typing import Annotated, Final

import typer

from ledger.audit.export.files import filing
from ledger.cli.connection import DEADLINE_SECONDS, Connection
from ledger.cli.options import AsJson, Server, TlsCa, TlsCert, TlsKey, Token
from ledger.cli.output import console, print_document, told
from ledger.cli.problems import USAGE, Problem, ProblemError, reporting
from protos.esep.v1.audit_service_pb2 import GetCheckpointRequest

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
    """Keep a signed checkpoint of the history as it is now, to verify against later."""
    with reporting(as_json=as_json), Connection(server, tls_ca, tls_cert, tls_key, token) as connection:
        for path in (note, keys):
            if path is not None and path.exists():
                message = f"{path} is there already."
                raise ProblemError(Problem("FILE_EXISTS", message, "Keep it, and name another file."), USAGE)
        ledger = connection.ledger
        answer = ledger.audit.GetCheckpoint(GetCheckpointRequest(), metadata=ledger.metadata, timeout=DEADLINE_SECONDS)
        verifiers = [key.verifier_key for key in answer.keys]
        with filing(note):
            keep(note, answer.checkpoint.note)
            if keys is not None:
                keep(keys, "".join(f"{key}\n" for key in verifiers))
        size, root = answer.checkpoint.tree.position, answer.checkpoint.root_hash.hex()
        if as_json:
            print_document({"note": str(note), "tree_size": size, "root": root, "keys": verifiers})
            return
        out = console()
        out.print(f"[green]{told(str(note))} holds the checkpoint of {size:,} events[/], root {root}")
        if keys is not None:
            out.print(f"{told(str(keys))} holds the ledger's {len(verifiers)} keys. {_FIRST_KEYS}")


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
