"""Archiving what a ledger under test has recorded, as the command does it."""

from ledger.audit.archiving import archive
from ledger.audit.signing.proofs import prove_consistency
from ledger.log.archive import Segment
from projections.queries import Reader
from tests.rpc.world import World


def archive_all(world: World, upto: int = 0, per_file: int = 4) -> list[Segment]:
    """Archive everything up to a position, by default all but the last event, against a fresh checkpoint."""
    log, partition = world.log, world.engine.partition
    head = log.head(partition)
    checkpoint = world.checkpoints.issue(log.tree(partition), head).checkpoint
    reader: Reader = world._reader

    def prove(old: int, new: int) -> list[bytes]:
        return reader.over_tiles(partition, new, lambda tree: prove_consistency(tree, old, new)).result

    made = archive(log, partition, world.archive, upto or head - 1, checkpoint, prove, events_per_file=per_file)
    return [each.segment for each in made]
