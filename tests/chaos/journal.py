"""What clients write down by themselves: what they want before they send it, and each acknowledgement when it comes.

A journal is a file of lines that only grows, so that it survives whoever writes it; nobody asks the ledger for it.
Times are of the machine's monotonic clock, which its processes share.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, Self

import msgspec

TRANSFER: Final = "transfer"
ATOMIC: Final = "atomic"
HOLD: Final = "hold"
CAPTURE: Final = "capture"
RELEASE: Final = "release"


class Item(msgspec.Struct, frozen=True):
    """A transfer of a batch that is made whole or not at all."""

    id: str
    debit: int
    credit: int
    amount: int


class Intent(msgspec.Struct, frozen=True, tag="intent"):
    """What is wanted under a request id: ``amount`` from ``debit`` to ``credit``, of a ``hold`` where it is of one."""

    id: str
    kind: str
    debit: int = 0
    credit: int = 0
    amount: int = 0
    hold: str = ""
    items: tuple[Item, ...] = ()


class Acknowledged(msgspec.Struct, frozen=True, tag="acknowledged"):
    """What the ledger said became of a request, for good: where it is recorded, and why where it was declined."""

    id: str
    position: int
    reason: str = ""
    at: float = 0.0


class Odd(msgspec.Struct, frozen=True, tag="odd"):
    """An answer that no ledger should give: neither an outcome nor a word to try again."""

    id: str
    said: str


Line = Intent | Acknowledged | Odd
_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Line)


class Writer:
    """Writes one journal; each line is with the operating system when ``write`` returns. A context manager."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, *lines: Line) -> None:
        """Add lines."""
        self._file.write(b"".join(_ENCODER.encode(line) + b"\n" for line in lines))


class Journals:
    """Reads the journals in a directory while they grow."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: dict[Path, IO[bytes]] = {}
        self._rests: dict[Path, bytes] = {}
        self.intents: dict[str, Intent] = {}
        self.acknowledged: list[Acknowledged] = []
        """Every acknowledgement, also repeated ones."""
        self.odd: list[Odd] = []

    def read(self) -> None:
        """Take in what was written since."""
        for line in self._lines():
            match line:
                case Intent():
                    self.intents[line.id] = line
                case Acknowledged():
                    self.acknowledged.append(line)
                case Odd():
                    self.odd.append(line)

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _lines(self) -> Iterator[Line]:
        for path in sorted(self._directory.glob("*.jsonl")):
            if path not in self._files:
                self._files[path] = path.open("rb")
            *whole, rest = (self._rests.pop(path, b"") + self._files[path].read()).split(b"\n")
            self._rests[path] = rest
            yield from map(_DECODER.decode, whole)
