"""``esep``, the ledger's command line: one command per file, each for people and with ``--json`` for machines.

Exit codes: 0 all is well; 1 the ledger refused, did not answer, or something differs; 2 the command was misused.
"""


def main() -> None:
    """Run the command line."""
    from ledger.cli.app import run  # noqa: PLC0415 - importing the package starts nothing

    run()
