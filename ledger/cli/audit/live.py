"""A live server as a source: its history over gRPC, up to the position that it had when it was first asked.

A connection that breaks, or a server that stops, is waited for: what was read stays read, and reading goes on behind
it. Only when nothing came for a while is the call's own error raised.
"""

import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import repeat
from typing import Any, Final, TypeVar, cast

import grpc

from domain.ports import Row
from domain.refusals import Reason
from ledger.audit.export.format import ExportError
from ledger.audit.source import AccountFigures
from ledger.cli.connection import DEADLINE_SECONDS
from ledger.log.merkle import HASH_BYTES
from ledger.rpc.client import Ledger, reason
from ledger.rpc.translate.account import KINDS
from protos.esep.v1 import audit_pb2 as pb_audit
from protos.esep.v1 import audit_service_pb2 as pb
from protos.esep.v1.common_pb2 import AsOf, LogPosition

T = TypeVar("T")

PATIENCE_SECONDS: Final = 120.0
"""For how long a server that does not answer is waited for: gRPC tries to connect again less and less often."""
_PAUSE_SECONDS: Final = 0.5
_TILE_WIDTH: Final = 256
_PAGE: Final = 1_000


class LiveHistory:
    """The history of one partition up to a position, as a server tells it."""

    def __init__(self, ledger: Ledger, head: int, *, partition: int = 0, patience: float = PATIENCE_SECONDS) -> None:
        self.ledger = ledger
        self.partition = partition
        self.head = head
        self._waiting = _Waiting(patience)

    def rows(self, after: int) -> Iterator[Sequence[Row]]:
        """Yield the events behind a position; raises ExportError where the server's history ends before its head."""
        while after < self.head:
            try:
                for rows in self.stream(after):
                    self._waiting.reset()
                    yield rows
                    after = rows[-1].position
            except grpc.RpcError as error:
                self._waiting.wait(error)
                continue
            if after < self.head:
                raise ExportError.broken(f"it ends at position {after}, and is to have {self.head} events")

    def leaf_hashes(self, after: int) -> Iterator[bytes]:
        """Yield the leaf hashes behind a position."""
        tile, skipped = divmod(after, _TILE_WIDTH)
        while tile * _TILE_WIDTH < self.head:
            request = pb.ReadTilesRequest(partition=self.partition, tree_size=self.head, first_tile=tile)
            tiles = self.ask(self.ledger.audit.ReadTiles, request).tiles
            if not tiles:
                raise ExportError.broken(f"it has no tiles behind position {tile * _TILE_WIDTH}")
            yield b"".join(tiles)[skipped * HASH_BYTES :]
            tile, skipped = tile + len(tiles), 0

    def figures_at(self, position: int) -> Iterator[AccountFigures]:
        """Yield what the server answers that each account had right after a position.

        Where the server is another one in the middle, with another key of page tokens than the first one, all pages are
        read again, and what was told is not told twice.
        """
        request = pb.ListAccountFiguresRequest(partition=self.partition, page_size=_PAGE)
        request.as_of.CopyFrom(AsOf(position=LogPosition(partition=self.partition, position=position)))
        told = begun_again = at = 0
        while True:
            try:
                page = self.ask(self.ledger.audit.ListAccountFigures, request)
            except grpc.RpcError as error:
                if begun_again == told or not _is_of_another_server(error):
                    raise
                request.page_token, begun_again, at = "", told, 0
                continue
            for each in page.accounts:
                at += 1
                if at > told:
                    yield _figures(each)
                    told = at
            request.page_token = page.next_page_token
            if not request.page_token:
                return

    def position_at(self, time: int) -> int:
        """Return the last position recorded at or before a time in microseconds, 0 when there is none."""
        as_of = AsOf()
        as_of.record_time.FromMicroseconds(time)
        request = pb.ListAccountFiguresRequest(partition=self.partition, as_of=as_of, page_size=1)
        position: int = self.ask(self.ledger.audit.ListAccountFigures, request).position.position
        return position

    def stream(self, after: int) -> Iterator[Sequence[Row]]:
        """Yield what one stream tells behind a position, up to the head or to where the server has no more.

        Raises grpc.RpcError.
        """
        request = pb.SubscribeEventsRequest(after=LogPosition(partition=self.partition, position=after))
        stream: Any = self.ledger.audit.SubscribeEvents(request, metadata=self.ledger.metadata)
        with ExitStack() as ending:
            ending.callback(stream.cancel)
            for message in stream:
                if message.HasField("events"):
                    rows = rows_of(message.events, self.partition)
                    wanted = [row for row in rows if row.position <= self.head]
                    if wanted:
                        yield wanted
                    if rows[-1].position >= self.head:
                        return
                elif message.HasField("caught_up"):
                    return

    def ask(self, method: Callable[..., T], request: Any) -> T:
        """Return an answer, waiting for a server that does not answer; raises grpc.RpcError."""
        while True:
            try:
                answer = method(request, metadata=self.ledger.metadata, timeout=DEADLINE_SECONDS)
            except grpc.RpcError as error:
                self._waiting.wait(error)
            else:
                self._waiting.reset()
                return answer


class LiveSource(LiveHistory):
    """The history of one partition up to a checkpoint, with all that proves it."""

    def __init__(self, ledger: Ledger, *, partition: int = 0, patience: float = PATIENCE_SECONDS) -> None:
        """Ask for a checkpoint; its position is the last one that is told. Raises grpc.RpcError."""
        request = pb.GetCheckpointRequest(partition=partition, current=True)
        newest = ledger.audit.GetCheckpoint(request, metadata=ledger.metadata, timeout=DEADLINE_SECONDS)
        super().__init__(ledger, newest.checkpoint.tree.position, partition=partition, patience=patience)
        self._keys = [key.verifier_key for key in newest.keys]
        self._newest = newest.checkpoint.note
        self.partitions = newest.partition_count or 1
        """How many partitions the ledger has."""
        self._notes: list[str] | None = None

    def checkpoints(self) -> Sequence[str]:
        """Return the newest checkpoint, and before it those that a witness has cosigned, the last thousand of them."""
        if self._notes is None:
            request = pb.ListCheckpointsRequest(partition=self.partition, cosigned=True, page_size=_PAGE)
            found = self.ask(self.ledger.audit.ListCheckpoints, request).checkpoints
            earlier = [each.note for each in reversed(found) if each.tree.position < self.head]
            self._notes = [*earlier, self._newest]
        return self._notes

    def keys(self) -> Sequence[str]:
        """Return the verifier keys that the server names."""
        return self._keys

    def figures(self) -> Iterator[AccountFigures]:
        """Yield what the server answers that each account has."""
        return self.figures_at(self.head)

    def consistency(self, old: int) -> Sequence[bytes]:
        """Return the proof that an earlier tree is the beginning of this one."""
        request = pb.ProveConsistencyRequest(partition=self.partition, old_tree_size=old, new_tree_size=self.head)
        hashes: Sequence[bytes] = self.ask(self.ledger.audit.ProveConsistency, request).hashes
        return hashes


def _figures(told: pb_audit.AccountFigures) -> AccountFigures:
    return AccountFigures(
        told.account_id,
        told.participant_id,
        KINDS[told.kind].value,
        told.currency_code,
        told.posted_tyiyn,
        told.held_tyiyn,
        told.overdraft_limit_tyiyn,
        told.minimum_balance_tyiyn,
    )


def check_archive(error: grpc.RpcError) -> None:
    """Raise ExportError for a segment of the archive that is lost: asking again does not help, and reads on nowhere."""
    info = reason(cast("grpc.Call", error))
    if info is not None and info.reason == Reason.ARCHIVE_UNREADABLE.name:
        message = f"the segment {info.metadata['segment']} of the archive cannot be read"
        raise ExportError(info.reason, message, Reason.ARCHIVE_UNREADABLE.value.advice) from None


def _is_of_another_server(error: grpc.RpcError) -> bool:
    """Tell whether a page was refused because its token is not one of the server that was asked."""
    info = reason(cast("grpc.Call", error))
    return info is not None and info.reason == Reason.PAGE_TOKEN_INVALID.name


def rows_of(columns: pb_audit.EventColumns, partition: int) -> list[Row]:
    """Return the events that stand in columns, one or more; raises ExportError for columns that hold none."""
    try:
        rows = _rows(columns, partition)
    except (ValueError, struct.error):
        rows = []
    if not rows:
        raise ExportError.broken("it tells columns that are no events")
    return rows


def _rows(columns: pb_audit.EventColumns, partition: int) -> list[Row]:
    return list(
        map(
            Row._make,
            zip(
                repeat(partition, len(columns.positions)),
                columns.positions,
                [originator for (originator,) in struct.iter_unpack("16s", columns.aggregate_ids)],
                columns.versions,
                columns.topics,
                columns.states,
                columns.record_time_micros,
                [request or None for request in columns.request_ids],
                columns.callers,
                strict=True,
            ),
        )
    )


class _Waiting:
    """Waits for a server that does not answer, up to a limit since it last did; a server given up is not waited for."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self.reset()

    def reset(self) -> None:
        """Begin to count anew."""
        self._until: float | None = None

    def wait(self, error: grpc.RpcError) -> None:
        """Wait a moment where asking again may help; raise the error where it does not, or no longer.

        Raises ExportError at once for a segment of the archive that is lost: somebody has to put it back.
        """
        check_archive(error)
        now = time.monotonic()
        self._until = self._until or now + self._patience
        unavailable = error.code() is grpc.StatusCode.UNAVAILABLE
        if not unavailable or now >= self._until:
            raise error
        time.sleep(_PAUSE_SECONDS)
