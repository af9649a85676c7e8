"""Where a history comes from that is to be read as a whole: a live server, or an export of one.

Whoever verifies, exports or compares asks a ``Source`` and does not know which. Everything streams: nothing behind this
protocol holds a history in memory, and no figure or hash that it tells is derived from the events that it tells.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from domain.nodes import HASH_BYTES
from domain.ports import Row


class AccountFigures(msgspec.Struct, frozen=True):
    """What an account has right after a position, in tyiyn; ``held`` without the holds that had lapsed by its time."""

    account_id: int
    participant: str
    kind: str
    currency: str
    posted: int
    held: int
    overdraft_limit: int
    minimum_balance: int

    @property
    def available(self) -> int:
        """What may be spent."""
        return self.posted - self.held + self.overdraft_limit - self.minimum_balance


class Source(Protocol):
    """The history of one partition up to a position."""

    @property
    def partition(self) -> int:
        """The log's partition."""
        ...

    @property
    def head(self) -> int:
        """The last position there is to read: the size of the tree of the last checkpoint."""
        ...

    def rows(self, after: int) -> Iterator[Sequence[Row]]:
        """Yield the events behind a position up to ``head``, in order, hundreds or thousands at a time."""
        ...

    def leaf_hashes(self, after: int) -> Iterator[bytes]:
        """Yield the leaf hashes behind a position up to ``head``, 32 bytes each, many to a piece.

        They are what the server's tiles say, not what the rows hash to.
        """
        ...

    def checkpoints(self) -> Sequence[str]:
        """Return signed notes by the size of their trees; the last one's is ``head``. None where there is no event."""
        ...

    def keys(self) -> Sequence[str]:
        """Return the verifier keys that the ledger names as its own; an auditor may know better ones."""
        ...

    def figures(self) -> Iterator[AccountFigures]:
        """Yield what the ledger answers that each account has at ``head``, by account id."""
        ...


class ProvingSource(Source, Protocol):
    """A source that proves that its history continues an earlier one."""

    def consistency(self, old: int) -> Sequence[bytes]:
        """Return the proof that the tree of ``old`` events, one or more, is the beginning of the tree of ``head``."""
        ...


class Leaves:
    """Leaf hashes that arrive many to a piece, taken as many as are wanted."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def take(self, count: int) -> bytes:
        """Return the next hashes, fewer where there are no more."""
        wanted = count * HASH_BYTES
        parts, size = [self._rest], len(self._rest)
        while size < wanted and (piece := next(self._pieces, None)) is not None:
            parts.append(piece)
            size += len(piece)
        whole = b"".join(parts)
        self._rest = whole[wanted:]
        return whole[:wanted]
