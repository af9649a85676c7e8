"""Our history through a library ``Application``: ``History(log, …).repository.get(id, version=…)``.

The topics of our events are names, not Python paths, and their state is not the library's JSON, so a mapper of
our own decodes them. What an event means is handed in: ``decode`` makes it of its topic and state, ``fold``
brings an aggregate's state forward by it. It only reads: commands go to the engine.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import InfrastructureFactory, JSONTranscoder, Mapper, NotSupportedError, StoredEvent
from eventsourcing.utils import Environment

from ledger.log.api import Log
from ledger.log.library import EsepFactory

StateT = TypeVar("StateT")
EventT = TypeVar("EventT")

Decode = Callable[[str, bytes], EventT]
Fold = Callable[[StateT | None, EventT], StateT]


@dataclass(frozen=True)
class Historic(Generic[StateT]):
    """An aggregate as it was after its event of this version."""

    id: UUID
    version: int
    state: StateT


@dataclass(frozen=True)
class HistoricEvent(Generic[StateT, EventT]):
    """An event of ours, in the shape that the library projects."""

    originator_id: UUID
    originator_version: int
    event: EventT
    fold: Fold[StateT, EventT]

    def mutate(self, aggregate: Historic[StateT] | None) -> Historic[StateT]:
        """Return the aggregate as it is after this event."""
        state = self.fold(None if aggregate is None else aggregate.state, self.event)
        return Historic(self.originator_id, self.originator_version, state)


class HistoryMapper(Mapper[UUID], Generic[StateT, EventT]):
    """Decodes events of ours for the library; encodes none."""

    def __init__(self, decode: Decode[EventT], fold: Fold[StateT, EventT]) -> None:
        super().__init__(JSONTranscoder())
        self._decode = decode
        self._fold = fold

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[UUID]:
        return HistoricEvent(
            _uuid(stored_event.originator_id),
            stored_event.originator_version,
            self._decode(stored_event.topic, stored_event.state),
            self._fold,
        )

    def to_stored_event(self, domain_event: DomainEventProtocol[UUID]) -> StoredEvent:
        raise NotSupportedError("history is only read: send commands to the engine")


class History(Application[UUID], Generic[StateT, EventT]):
    """A library application over one partition of a log, whose repository returns ``Historic`` aggregates.

    Closing it does not close the log. ``repository.get`` raises the library's AggregateNotFoundError, and
    whatever ``decode`` and ``fold`` raise.
    """

    def __init__(self, log: Log, *, decode: Decode[EventT], fold: Fold[StateT, EventT], partition: int = 0) -> None:
        self._log = log
        self._partition = partition
        self._mapper = HistoryMapper(decode, fold)
        super().__init__()

    def construct_factory(self, env: Environment) -> InfrastructureFactory[Any]:
        return EsepFactory(env, log=self._log, partition=self._partition)

    def construct_mapper(self) -> Mapper[UUID]:
        return self._mapper


def _uuid(originator_id: UUID | str) -> UUID:
    return originator_id if isinstance(originator_id, UUID) else UUID(originator_id)
