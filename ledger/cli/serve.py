"""``esep serve``: the server, in this process."""

import os
from importlib import import_module
from typing import Annotated

import typer

from ledger.cli.options import settings
from ledger.cli.problems import reporting


def serve(
    partitions: Annotated[
        str, typer.Option(help="The partitions that this server owns, like 0-3 or 0,5; by default all of them.")
    ] = "",
) -> None:
    """Serve, with the settings of the environment, until a signal says stop."""
    with reporting(as_json=False):
        if partitions:
            os.environ["ESEP_PARTITIONS"] = partitions
        settings()
        # By name: the server is a program beside this package, which no library module may depend on.
        import_module("server").main()
