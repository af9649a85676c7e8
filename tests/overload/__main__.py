"""``python -m tests.overload``: capacity, three times that, and clients that misbehave; what the server made of it.

Prints the figures of the load in a line, then a line for each kind of misbehaving clients. Ends with 0 when nothing was
lost or doubled, everybody who was refused was told when to come back, and the server went on answering others.
"""

import argparse
import json
import signal
import sys
from typing import Final

from tests.chaos.run import place
from tests.overload.misbehaving import MISBEHAVING, misbehave
from tests.overload.run import Plan, overload, prepared

SECONDS: Final = 60.0
BATCH: Final = 1_000


def main() -> int:
    """Run what the arguments say; return the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # Ends what was started, as Ctrl-C does.
    asked = _arguments()
    found: list[str] = []
    if asked.only is None:
        with place() as directory, prepared(directory) as there:
            figures, wrong = overload(there, Plan(asked.seconds, asked.batch))
        _say(json.dumps(figures))
        found += wrong
    with place() as directory, prepared(directory) as there:
        for kind in asked.only or MISBEHAVING:
            line, wrong = misbehave(kind, there, asked.share)
            _say(json.dumps(line))
            found += wrong
    for each in found:
        _say(each)
    return 1 if found else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.overload", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"of overload; {SECONDS:.0f} by default")
    parser.add_argument("--batch", type=int, default=BATCH, help=f"transfers in a call; {BATCH} by default")
    parser.add_argument("--share", type=float, default=1.0, help="of the misbehaving clients: 0.1 for a tenth")
    parser.add_argument("--only", nargs="+", choices=MISBEHAVING, help="these misbehaving clients alone, without load")
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
