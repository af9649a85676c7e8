"""``esep serve``: the server, in this process."""

from importlib import import_module

from ledger.cli.options import settings
from ledger.cli.problems import reporting


def serve() -> None:
    """Serve, with the settings of the environment, until a signal says stop."""
    with reporting(as_json=False):
        settings()
        # By name: the server is a program beside this package, which no library module may depend on.
        import_module("server").main()
