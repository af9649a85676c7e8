"""``python -m ledger.cli``: the same as ``esep``."""

from ledger.cli import main

main()
