"""What callers hand to the engine, and what they get back.

A ticket is answered once, and only after the log has made durable everything its answer depends on: the
position it was decided on, for refusals and trial runs as well.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from domain.aggregate import Aggregate
from domain.command import Command
from domain.credit import CreditFile, CreditLine
from domain.event import Change
from domain.refusals import Refusal
from domain.transfer import CreateTransfer


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """The command was carried out. ``position`` is that of its first event, 0 in a trial run.

    ``change`` is its first event with its place in the life of the aggregate the command was about; ``subject``
    is that aggregate just after it, None where the engine does not keep it (transfers, accounts).
    """

    position: int
    recorded_at: int
    change: Change
    subject: Aggregate | None


class Declined(msgspec.Struct, frozen=True, gc=False):
    """The command was refused. ``position`` is that of the record, 0 when the refusal is not recorded."""

    refusal: Refusal
    position: int = 0
    recorded_at: int = 0


class Repeated(msgspec.Struct, frozen=True, gc=False):
    """The request id was recorded before, at ``position``: the first outcome stands there."""

    position: int
    replayed: bool = True
    """False when it is this very ticket's own work, whose fate was unknown for a while."""


Outcome = Accepted | Declined | Repeated


class BatchOutcome(msgspec.Struct):
    """What became of each transfer of a batch, by its index.

    ``positions[i]`` is the position of transfer i's record, 0 where nothing is recorded of it.
    """

    recorded_at: int
    positions: list[int] = []
    declined: list[tuple[int, Declined]] = []
    repeated: list[tuple[int, Repeated]] = []


class Ticket:
    """One request on its way through the engine. ``deliver`` is called once, from an engine thread."""

    __slots__ = (
        "attempted",
        "caller",
        "deliver",
        "found",
        "loaded",
        "looked_up",
        "missed",
        "outcome",
        "request_id",
        "validate_only",
        "weight",
    )

    def __init__(
        self,
        request_id: bytes,
        caller: str,
        *,
        validate_only: bool = False,
        weight: int = 1,
        deliver: "Callable[[Ticket], None] | None" = None,
    ) -> None:
        self.request_id = request_id
        self.caller = caller
        self.validate_only = validate_only
        self.weight = weight
        self.deliver = deliver
        self.outcome: Any = None
        self.attempted: dict[int, int] = {}
        """Where it tried to record its items (by index, 0 for a command) in batches whose fate became unknown."""
        self.loaded: Mapping[bytes, tuple[Aggregate | None, int]] = {}
        """Aggregates read from the log for it, each with a position it was read at or after."""
        self.missed: list[bytes] = []
        """Aggregates that its decision asked for and that were not at hand, beside those it names beforehand."""
        self.found: Mapping[bytes, int] = {}
        """Request ids found in the log for it, with their positions."""
        self.looked_up = -1
        """The position at or after which the log was searched for its request ids."""

    def note_attempt(self) -> None:
        """Remember where the items that this ticket itself decided would stand: their fate has become unknown."""
        outcome = self.outcome
        if isinstance(outcome, BatchOutcome):
            repeated = {index for index, _ in outcome.repeated}
            self.attempted.update(
                (index, position)
                for index, position in enumerate(outcome.positions)
                if position and index not in repeated
            )
        elif isinstance(outcome, Accepted | Declined) and outcome.position:
            self.attempted[0] = outcome.position


class CommandTicket(Ticket):
    """A ticket for one command; its outcome is an ``Outcome``."""

    __slots__ = ("command",)

    def __init__(self, command: Command | CreateTransfer, request_id: bytes, caller: str, **options: Any) -> None:
        super().__init__(request_id, caller, **options)
        self.command = command

    def needs(self) -> tuple[bytes, ...]:
        """Return the aggregates that must be at hand for the decision."""
        return self.command.needs() if isinstance(self.command, Command) else ()


class BatchTicket(Ticket):
    """A ticket for many transfers, each with its own request id; its outcome is a ``BatchOutcome``.

    In an atomic batch all transfers are posted or none: the outcome is an ``Outcome``, whose first event is the
    batch's own and followed in the log by its transfers.
    """

    __slots__ = ("atomic", "fingerprint", "transfers")

    def __init__(
        self,
        transfers: Sequence[CreateTransfer],
        caller: str,
        *,
        atomic: bool = False,
        request_id: bytes = b"",
        fingerprint: str = "",
        **options: Any,
    ) -> None:
        super().__init__(request_id, caller, weight=len(transfers), **options)
        self.transfers = transfers
        self.atomic = atomic
        self.fingerprint = fingerprint


class CreditTicket(Ticket):
    """A ticket for lines of one credit file, each with its own id; its outcome is a ``BatchOutcome``.

    ``file`` is the file as its lines were decided against, for whoever compares repeated lines with it.
    """

    __slots__ = ("file", "file_id", "lines")

    def __init__(self, file_id: bytes, lines: Sequence[CreditLine], caller: str, **options: Any) -> None:
        super().__init__(b"", caller, weight=len(lines), **options)
        self.file_id = file_id
        self.lines = lines
        self.file: CreditFile | None = None
