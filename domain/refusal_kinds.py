"""What sorts of refusals there are, and what follows from a reason; the reasons stand in ``domain.refusals``."""

from enum import Enum, auto
from typing import NamedTuple


class Kind(Enum):
    """What sort of refusal a reason is."""

    INVALID = auto()
    """The request is malformed, whatever the state of the ledger."""
    NOT_FOUND = auto()
    """Something it names does not exist, or not for this caller."""
    STATE = auto()
    """What it names exists, and its state forbids this."""
    REUSED = auto()
    """The request id already stands for another request."""
    CONFLICT = auto()
    """The caller's picture of the state is out of date."""
    UNAUTHENTICATED = auto()
    """Nobody knows who is calling."""
    DENIED = auto()
    """The caller may not do this."""
    EXHAUSTED = auto()
    """There is too much to do, or no room left; later there may be."""
    UNAVAILABLE = auto()
    """The ledger cannot answer now, and the outcome may be unknown: ask again with the same request id."""
    DEADLINE = auto()
    """The caller's time ran out, and the outcome may be unknown: ask again with the same request id."""
    INTERNAL = auto()
    """A defect. The correlation id finds it in the server's log."""


class Row(NamedTuple):
    """What follows from a reason."""

    kind: Kind
    recorded: bool
    meaning: str
    advice: str
