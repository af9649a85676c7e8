"""Checkpoints (C2SP tlog-checkpoint): how large a partition's tree is and what its root is, as a note to be signed.

Three lines: the *origin*, which names this tree among all others, the size, and the root in base64. Ours carry no
further lines; those of others may, and are read without them.
"""

from base64 import b64decode, b64encode
from typing import NamedTuple, Self

from ledger.audit.signing.note import NoteError
from ledger.log.merkle import HASH_BYTES

_LINES = 3
_MAX_DIGITS = 19


class Checkpoint(NamedTuple):
    """A tree: whose, how large, and its root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return what is signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a checkpoint; raises NoteError."""
        lines = text.split("\n")
        if len(lines) <= _LINES or not lines[0]:
            raise NoteError("a checkpoint is an origin, a size and a root, each on its line")
        origin, size, root = lines[:_LINES]
        if not (size.isascii() and size.isdecimal()) or len(size) > _MAX_DIGITS or str(int(size)) != size:
            raise NoteError("a checkpoint's size is a decimal number without leading zeros")
        try:
            decoded = b64decode(root, validate=True)
        except ValueError:
            raise NoteError("a checkpoint's root is written in base64") from None
        if len(decoded) != HASH_BYTES:
            raise NoteError(f"a checkpoint's root has {HASH_BYTES} bytes")
        return cls(origin, int(size), decoded)


def origin_of(ledger: str, partition: int) -> str:
    """Return the origin of a partition's tree, which is also the name of the keys that sign it."""
    return f"{ledger}/{partition}"
