"""A live server as a source that is read past whatever the server itself cannot read.

A server answers no page in which a position is missing. Then smaller and smaller ones are asked for, which finds the
place, and reading goes on behind it: one missing event must not hide what stands behind it.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import grpc

from domain import ids
from domain.ports import Row
from ledger.cli.audit.live import LiveSource, check_archive
from ledger.cli.connection import DEADLINE_SECONDS
from ledger.rpc.client import Ledger
from protos.esep.v1 import audit_service_pb2 as pb
from protos.esep.v1.audit_pb2 import Event

_PAGE: Final = 64
_MOST_MISSING: Final = 1_000
"""Positions that are looked behind before reading is given up."""
_PASSING: Final = frozenset((grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN))


class PatientSource(LiveSource):
    """A live source that reads on behind what is missing."""

    def __init__(self, ledger: Ledger, partition: int = 0) -> None:
        """Ask for a checkpoint. Raises grpc.RpcError."""
        super().__init__(ledger, partition=partition)
        self._missing = 0

    def rows(self, after: int) -> Iterator[Sequence[Row]]:
        """Yield the events behind a position that can be read."""
        while after < self.head:
            try:
                for rows in self.stream(after):
                    yield rows
                    after = rows[-1].position
            except grpc.RpcError as error:
                check_archive(error)
                if error.code() not in _PASSING:
                    raise
                self._await()
            if after < self.head:
                rows, after = self._next(after)
                if rows:
                    yield rows

    def _await(self) -> None:
        """Wait for a server that is away; raises grpc.RpcError when it does not come back."""
        kept = pb.GetCheckpointRequest(partition=self.partition, tree_size=self.head)
        self.ask(self.ledger.audit.GetCheckpoint, kept)

    def _next(self, after: int) -> tuple[Sequence[Row], int]:
        """Return the next events that can be read, and how far they reach.

        One that cannot be read by itself, twice, with a server that answers in between, is missing.
        """
        size, again = _PAGE, False
        while after < self.head:
            last = min(self.head, after + size)
            try:
                return self._page(after + 1, last), last
            except grpc.RpcError as error:
                check_archive(error)
                if error.code() not in _PASSING:
                    raise
                self._await()  # It may be the server that is away again, and not the event.
                if size > 1 or not again:
                    size, again = max(1, size // 2), size == 1
                    continue
                self._missing += 1
                if self._missing > _MOST_MISSING:
                    raise
                after, again = after + 1, False
        return (), after

    def _page(self, first: int, last: int) -> Sequence[Row]:
        request = pb.ReadEventsRequest(
            partition=self.partition, first_position=first, last_position=last, page_size=last - first + 1
        )
        answer = self.ledger.audit.ReadEvents(request, metadata=self.ledger.metadata, timeout=DEADLINE_SECONDS)
        return [_row(event, self.partition) for event in answer.events]


def _row(event: Event, partition: int) -> Row:
    return Row(
        partition,
        event.position,
        ids.parse_uuid(event.aggregate_id),
        event.version,
        event.topic,
        event.state,
        event.record_time.ToMicroseconds(),
        ids.parse_uuid(event.request_id) if event.request_id else None,
        event.caller,
    )
