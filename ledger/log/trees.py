"""The trees of a log's partitions, as they stand after the last append that is certainly durable.

An append grows the tree in its own transaction, on the condition that the stored one is still the tree that it grew
from. The one that this process made durable last is kept in memory, so that nothing is read before an append; whatever
fails makes it forgotten, and the next append reads what is stored.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Final

from domain.leaves import leaf_hashes
from domain.ports import LogReader, Row
from ledger.log.checks import check_tail
from ledger.log.errors import LogBroken, PositionTaken, RequestTaken, StorageFull, TreeChanged, VersionTaken
from ledger.log.hashing import Hashing
from ledger.log.merkle import Frontier
from ledger.log.runs import Batch

_PAGE: Final = 8192
_CERTAINLY_NOT: Final = (PositionTaken, VersionTaken, RequestTaken, StorageFull)
"""Failures after which the tree that was durable still is; after any other, only the store knows."""


class Growth:
    """What an append does to the tree that is stored."""

    def __init__(self, before: Frontier, whole: Frontier, batch: Batch, hashing: Hashing) -> None:
        """Take the stored tree, the one that the batch follows, the batch, and what hashes it."""
        self.partition = batch.rows[0].partition
        self.before = before
        self.batch = batch
        self._whole = whole
        self._hashing = hashing
        self._beside: Callable[[], Frontier] | None = None

    def hash_beside(self) -> None:
        """Have a large batch hashed by another process from now on; then ask for the tree as late as possible."""
        self._beside = self._hashing.begin(self._whole, self.batch)

    @cached_property
    def after(self) -> Frontier:
        """The tree after the append."""
        return self._whole.grown(self.batch.hashes) if self._beside is None else self._beside()


class Trees:
    """Tells what each append does to its partition's tree. Appends come one at a time; anybody may ask what stands."""

    def __init__(self, log: LogReader, stored: Callable[[int], Frontier]) -> None:
        """Take the log, and what reads a stored tree."""
        self._log = log
        self._stored = stored
        self._known: dict[int, Frontier] = {}
        self._hashing = Hashing()

    @property
    def helper(self) -> int | None:
        """The id of the process that hashes large batches, None while there is none."""
        return self._hashing.helper

    def close(self) -> None:
        """End what was started for hashing."""
        self._hashing.close()

    def acknowledged(self, partition: int) -> Frontier | None:
        """Return the tree after this process's last append that is certainly durable, None when that is not known."""
        return self._known.get(partition)

    @contextmanager
    def growing(self, rows: Sequence[Row], tail: bytes | None = None) -> Iterator[Growth]:
        """Tell what appending these rows does to the tree; the block appends them, and is durable when it ends.

        With ``tail``, the leaf hash of the event that they follow, a new owner begins: events that an older version
        of Esep left without leaves are taken in first. Raises PositionTaken, TailChanged, TreeChanged where the event
        before the rows has no leaf, or LogBroken where leaves have no events.
        """
        growth = self._growth(rows, tail)
        try:
            yield growth
        except _CERTAINLY_NOT:
            raise
        except BaseException:
            self._known.pop(growth.partition, None)
            raise
        self._known[growth.partition] = growth.after

    def _growth(self, rows: Sequence[Row], tail: bytes | None) -> Growth:
        partition, size = rows[0].partition, rows[0].position - 1
        if tail is not None:
            before_rows = self._log.read(partition, size - 1, 1) if size else []
            check_tail(before_rows[0] if before_rows else None, tail)
        before = self._known.get(partition)
        if before is None or before.size != size:
            before = self._stored(partition)
        whole = self._caught_up(partition, before, size) if tail is not None else before
        if whole.size != size:
            raise self._misfit(partition, whole, size)
        return Growth(before, whole, Batch(rows), self._hashing)

    def _caught_up(self, partition: int, tree: Frontier, size: int) -> Frontier:
        while tree.size < size:
            rows = self._log.read(partition, tree.size, min(_PAGE, size - tree.size))
            if not rows:
                break
            tree = tree.grown(leaf_hashes(rows))
        return tree

    def _misfit(self, partition: int, tree: Frontier, wanted: int) -> Exception:
        leaves = tree.size
        if leaves < wanted:
            return TreeChanged(f"the tree of partition {partition} has {leaves} leaves, not {wanted}")
        head = self._log.head(partition)
        if head < leaves and self._stored(partition) != tree:
            return TreeChanged(f"the tree of partition {partition} was replaced by a failover while it was looked at")
        if head < leaves:
            return LogBroken(
                f"the tree of partition {partition} has {leaves} leaves, but its events end at position {head}: "
                "events are missing; restore the latest backup"
            )
        return PositionTaken(f"position {wanted + 1} of partition {partition} is taken")


def load_tree(partition: int, found: Sequence[object] | None) -> Frontier:
    """Return the tree of a stored row (size, edges, root), the empty one for none; raises LogBroken."""
    if found is None:
        return Frontier()
    size, edges, root = found
    try:
        tree = Frontier.load(size, edges)  # type: ignore[arg-type]
    except ValueError as error:
        raise LogBroken(f"the tree of partition {partition} is damaged: {error}") from error
    if tree.root != root:
        raise LogBroken(f"the tree of partition {partition} is damaged: its edges do not lead to its root")
    return tree
