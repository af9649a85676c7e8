"""What the rules and the projections need from outside, as protocols.

A port is implemented in ``ledger`` (or by a test) and handed in; nothing here does I/O. The log's reader
lives here, not in ``ledger``, because projections read the log and may import the domain only.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

Left = Callable[[], float]
"""Tells how many seconds are left of the time that somebody waits."""


class Row(NamedTuple):
    """One event as it stands in the log.

    Ids are the 16 bytes of a UUID; ``recorded_at`` is in microseconds since the Unix epoch and strictly
    increasing within a partition; ``position`` counts 1, 2, 3 … within a partition, without gaps.
    """

    partition: int
    position: int
    originator_id: bytes
    originator_version: int
    topic: str
    state: bytes
    recorded_at: int
    request_id: bytes | None
    caller: str


class Clock(Protocol):
    """Tells the time, in microseconds since the Unix epoch."""

    def now(self) -> int: ...


class LogReader(Protocol):
    """Reads a log. Every method is safe to call from several threads at once."""

    def head(self, partition: int) -> int:
        """Return the last position of the partition, 0 when it is empty."""
        ...

    def read(self, partition: int, after: int, limit: int) -> list[Row]:
        """Return up to ``limit`` rows with a position greater than ``after``, in order.

        There may be fewer, when they are large, but two at least where there are two: so that whoever reads the last
        row it has seen again, to know that it is still there, sees whether another one follows.
        """
        ...

    def aggregate(self, partition: int, originator_id: bytes, *, upto_version: int | None = None) -> list[Row]:
        """Return the rows of one aggregate in version order, up to and including ``upto_version``."""
        ...

    def find(self, partition: int, ids: Sequence[bytes]) -> dict[bytes, int]:
        """Return the position at which each id was first recorded, leaving out the unknown ones.

        An id is found as the ``request_id`` of a row, or as the ``originator_id`` of a row of version 1.
        """
        ...


class Issuer(Protocol):
    """Whoever issued a card, and so can tell whether a CVV is the card's."""

    def matches(self, number: str, expires: int, cvv: str) -> bool:
        """Tell, in constant time, whether number, expiry (``year * 100 + month``) and CVV are one card's.

        Raises OSError when the issuer cannot be asked.
        """
        ...
