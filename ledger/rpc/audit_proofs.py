"""Signed checkpoints of the history, and proofs that lead to and between them.

A new checkpoint is signed for what this server itself has made durable, so only by the owner of the partition; proofs
are made from the tiles, which are projections, and wait for them as every question does.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

import structlog

from domain.leaf import leaf_hash, leaf_layout
from domain.refusals import Reason, Refused, invalid, refuse
from ledger.audit.signing.checkpoints import Checkpoints, HistoryDiffersError, Issued, UnknownCheckpointError
from ledger.audit.signing.keys import SigningKeysError
from ledger.audit.signing.note import NoteError
from ledger.audit.signing.proofs import prove_consistency, prove_inclusion
from ledger.log.merkle import Frontier
from ledger.rpc.gateway import Gateway
from ledger.rpc.reads import LogReads, Reads
from ledger.rpc.translate.checkpoint import checkpoint_message, key_message, self_audit_message
from projections.tiles import TileTree
from protos.esep.v1 import audit_service_pb2 as pb
from protos.esep.v1.common_pb2 import LogPosition

T = TypeVar("T")

MAX_COSIGNATURE = 400
MAX_LEVEL = 7
MAX_TILES = 256
_ACKNOWLEDGED_SECONDS: Final = 1.0
"""Within which an owner has heard of what it has made durable, by far."""
_LOOK_SECONDS: Final = 0.002

_log = structlog.get_logger("esep.audit")


class AuditProofs:
    """Signs, finds and proves what one partition holds."""

    def __init__(self, gateway: Gateway, checkpoints: Checkpoints, log_reads: LogReads, reads: Reads) -> None:
        """Take the checkpoints and the reads of the partition."""
        self._gateway = gateway
        self._partition = log_reads.partition
        self._checkpoints = checkpoints
        self._log = log_reads
        self._reads = reads

    async def checkpoint(self, request: pb.GetCheckpointRequest) -> pb.GetCheckpointResponse:
        """Sign a checkpoint, or find one; raises Refused."""
        if request.tree_size < 0:
            raise Refused(invalid("tree_size", "NEGATIVE", "is negative"))
        if request.tree_size and request.cosigned:
            raise Refused(invalid("cosigned", "NOT_TOGETHER", "is not asked together with tree_size"))
        if request.current and (request.tree_size or request.cosigned):
            raise Refused(invalid("current", "NOT_TOGETHER", "is not asked together with tree_size or cosigned"))
        if request.tree_size or request.cosigned:
            issued = await self._found(request.tree_size or None, cosigned=request.cosigned)
        else:
            issued = await self._issued(await self._at_least(request), current=request.current)
        return pb.GetCheckpointResponse(
            checkpoint=checkpoint_message(issued, self._partition),
            keys=[key_message(*each) for each in self._checkpoints.verifier_keys()],
            self_audit=self_audit_message(self._checkpoints.audited(), self._partition),
            partition_count=len(self._gateway.engines),
        )

    async def checkpoints(self, request: pb.ListCheckpointsRequest, below: int, limit: int) -> list[Issued]:
        """Return the checkpoints that are kept below a size, the largest first; raises Refused."""

        def find() -> list[Issued]:
            return self._checkpoints.listed(below=below, cosigned=request.cosigned, limit=limit)

        return await self._gateway.question(find)

    async def cosign(self, request: pb.CosignCheckpointRequest) -> pb.CosignCheckpointResponse:
        """Keep a witness's signature; raises Refused."""
        if len(request.cosignature) > MAX_COSIGNATURE:
            raise Refused(invalid("cosignature", "TOO_LONG", f"has more than {MAX_COSIGNATURE} characters"))
        try:
            issued = await self._gateway.question(self._checkpoints.cosign, request.tree_size, request.cosignature)
        except UnknownCheckpointError:
            raise _no_checkpoint() from None
        except NoteError as wrong:
            raise Refused(invalid("cosignature", "NOT_ACCEPTED", str(wrong))) from None
        return pb.CosignCheckpointResponse(checkpoint=checkpoint_message(issued, self._partition))

    async def inclusion(self, request: pb.ProveInclusionRequest) -> pb.ProveInclusionResponse:
        """Prove that an event is in a tree; raises Refused."""
        position = request.event.position
        if position < 1:
            raise Refused(invalid("event.position", "NOT_POSITIVE", "is less than 1"))
        if request.tree_size < position:
            raise Refused(invalid("tree_size", "TOO_SMALL", "is a tree that ends before the event"))
        await self._check_reached(request.tree_size, "tree_size")
        hashes = await self._over_tiles(
            request.tree_size, lambda tree: prove_inclusion(tree, position - 1, request.tree_size)
        )
        [row] = await self._log.rows([position])
        return pb.ProveInclusionResponse(
            leaf_index=position - 1, leaf=leaf_layout(row), leaf_hash=leaf_hash(row), hashes=hashes
        )

    async def consistency(self, request: pb.ProveConsistencyRequest) -> pb.ProveConsistencyResponse:
        """Prove that a tree is the beginning of another; raises Refused."""
        old, new = request.old_tree_size, request.new_tree_size
        if old < 1:
            raise Refused(invalid("old_tree_size", "NOT_POSITIVE", "is less than 1: nothing follows from no tree"))
        if new < old:
            raise Refused(invalid("new_tree_size", "TOO_SMALL", "is less than old_tree_size"))
        await self._check_reached(new, "new_tree_size")
        return pb.ProveConsistencyResponse(
            hashes=await self._over_tiles(new, lambda tree: prove_consistency(tree, old, new))
        )

    async def tiles(self, request: pb.ReadTilesRequest) -> pb.ReadTilesResponse:
        """Read tiles of a tree; raises Refused."""
        size, level, first = request.tree_size, request.level, request.first_tile
        if size < 1:
            raise Refused(invalid("tree_size", "NOT_POSITIVE", "is less than 1: no tree has no tiles"))
        if not 0 <= level <= MAX_LEVEL:
            raise Refused(invalid("level", "RANGE", f"is not from 0 to {MAX_LEVEL}"))
        for field in ("first_tile", "tile_count"):
            if getattr(request, field) < 0:
                raise Refused(invalid(field, "NEGATIVE", "is negative"))
        await self._check_reached(size, "tree_size")
        count = min(request.tile_count or MAX_TILES, MAX_TILES)
        return pb.ReadTilesResponse(
            tiles=await self._over_tiles(size, lambda tree: tree.tiles(size, level, first, count))
        )

    # Checkpoints.

    async def _at_least(self, request: pb.GetCheckpointRequest) -> int:
        """Wait for the request's min_position, and return it."""
        await self._log.position(request)
        return request.min_position.position

    async def _issued(self, at_least: int, *, current: bool) -> Issued:
        engine = self._gateway.engine_of(self._partition)
        tree = await self._tree(await self._gateway.look(engine.log.head, engine.partition) if current else 0)
        try:
            issue = partial(self._checkpoints.issue, current=current)
            return await self._gateway.question(issue, tree, at_least)
        except (HistoryDiffersError, SigningKeysError) as wrong:
            _log.error("checkpoint.refused", partition=engine.partition, error=str(wrong))
            raise Refused(refuse(Reason.LEDGER_UNAVAILABLE)) from None

    async def _tree(self, head: int) -> Frontier:
        """Return the tree that this server has made durable, which reaches a head of the log; raises Refused.

        Where it does not come to that in time, another server wrote what is there: one that has taken over from this
        one, which was held up and has not noticed yet.
        """
        engine, clock = self._gateway.engine_of(self._partition), asyncio.get_running_loop().time
        until = clock() + _ACKNOWLEDGED_SECONDS
        while True:
            tree = engine.log.acknowledged(engine.partition) if engine.serving else None
            if tree is not None and tree.size >= head:
                return tree
            if tree is None or clock() >= until:
                raise Refused(refuse(Reason.NOT_THE_OWNER))
            await asyncio.sleep(_LOOK_SECONDS)

    async def _found(self, size: int | None, *, cosigned: bool) -> Issued:
        def find() -> Issued:
            return self._checkpoints.find(size=size, cosigned=cosigned)

        try:
            return await self._gateway.question(find)
        except UnknownCheckpointError:
            raise _no_checkpoint("cosigned" if cosigned else "tree_size") from None

    # Proofs.

    async def _over_tiles(self, size: int, work: Callable[[TileTree], T]) -> T:
        partition = self._partition
        tiles = pb.GetCheckpointRequest(min_position=LogPosition(partition=partition, position=size))
        answer = await self._reads.ask(tiles, lambda: self._reads.reader.over_tiles(partition, size, work))
        return answer.result

    async def _check_reached(self, size: int, field: str) -> None:
        head = await self._log.head()
        if size > head:
            raise Refused(invalid(field, "POSITION_IN_FUTURE", f"is later than the last position, {head}"))


def _no_checkpoint(field: str = "tree_size") -> Refused:
    return Refused(invalid(field, "NO_CHECKPOINT", "names no checkpoint that is kept"))
