"""Exports that are killed: a process that forks, once for each moment at which it may be killed.

Run as ``python -m tests.ledger.audit.killed DIRECTORY ENCODING``, because forking is for processes without threads.
Prints how many moments there were; raises when an export that was continued is not, byte for byte, one that never had
to be.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ledger.audit.export.format import Encoding
from ledger.audit.export.writer import export
from tests.ledger.audit.sources import ListSource, some_rows

COUNT = 95
_SECOND_TIME = 40


class Mortal:
    """Kills this process when it counts to zero; counted are the steps by which something becomes durable."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def step(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def stepping(*arguments: Any, **named: Any) -> Any:
            self._count()
            result = function(*arguments, **named)
            self._count()
            return result

        return stepping

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)


def make(directory: Path, encoding: Encoding, count: int = COUNT) -> None:
    export(ListSource(some_rows(count)), directory, encoding, lambda _: None, events_per_file=20)


def killed(work: Callable[[], None], steps: int) -> bool:
    """Do some work in a process of its own that is killed after so many steps; tell whether it was."""
    child = os.fork()
    if not child:
        mortal = Mortal(steps)
        os.fsync = mortal.step(os.fsync)
        Path.replace = mortal.step(Path.replace)  # type: ignore[method-assign]
        Path.unlink = mortal.step(Path.unlink)  # type: ignore[method-assign]
        work()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or status == 0, status
    return os.WIFSIGNALED(status)


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def main(root: Path, encoding: Encoding) -> None:
    make(root / "uninterrupted", encoding)
    expected, moments = contents(root / "uninterrupted"), 0
    while survives(root / f"killed{moments}", encoding, moments, expected):
        moments += 1
    sys.stdout.write(f"{moments}\n")


def survives(directory: Path, encoding: Encoding, moment: int, expected: dict[str, bytes]) -> bool:
    """Kill an export at a moment and continue it; return False where there is no such moment any more."""

    def work() -> None:
        make(directory, encoding)

    if not killed(work, moment):
        return False
    # Killed a second time where there is a second time, and then left in peace.
    killed(work, _SECOND_TIME - moment % _SECOND_TIME)
    work()
    assert contents(directory) == expected, moment
    return True


if __name__ == "__main__":
    main(Path(sys.argv[1]), Encoding(sys.argv[2]))
