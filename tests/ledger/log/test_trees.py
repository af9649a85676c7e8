"""The tree that every append brings forward, over each kind of store."""

import threading
from collections.abc import Callable
from contextlib import closing
from types import SimpleNamespace
from typing import cast

import pytest
from sqlalchemy import Connection, delete, select, update

from domain.leaf import leaf_hash
from domain.ports import Row
from ledger.log.api import Kept, Log
from ledger.log.errors import LogBroken, PositionTaken, TailChanged, TreeChanged, VersionTaken
from ledger.log.factory import open_log, open_tables
from ledger.log.merkle import Frontier
from ledger.log.schema import events, trees
from ledger.log.trees import Trees
from tests.ledger.log.rows import row, rows
from tests.ledger.log.trees import naive_root


def root_over(written: list[Row]) -> bytes:
    return naive_root([leaf_hash(each) for each in written])


def check(log: Log, partition: int = 0) -> Frontier:
    """Return the stored tree, after comparing it with the definition over what the log holds."""
    tree = log.tree(partition)
    written = log.read(partition, 0, 1_000_000)
    assert (tree.size, tree.root) == (len(written), root_over(written))
    return tree


def behind(url: str, change: Callable[[Connection], object]) -> None:
    """Change the database behind the log's back."""
    engine = open_tables(url)
    with engine.begin() as connection:
        change(connection)
    engine.dispose()


def test_no_events(log: Log) -> None:
    """A partition without events has the empty tree, and nothing was acknowledged."""
    assert log.tree(0) == Frontier()
    assert log.acknowledged(0) is None


@pytest.mark.parametrize(
    "sizes", [(1,), (2,), (1, 1, 1), (1, 2, 3000, 1), (70, 69, 68, 1), (4, 3, 32, 63, 64, 16), (47, 3, 8000)]
)
def test_each_append(log: Log, store_url: str, sizes: tuple[int, ...]) -> None:
    """After every append, of one row or many, the tree is the one over all events, here and for who opens the log."""
    for size in sizes:
        first = log.head(0) + 1
        log.append(rows(first, first + size - 1))
        assert log.acknowledged(0) == check(log)
    with closing(open_log(store_url)) as again:
        again.append(rows(log.head(0) + 1, log.head(0) + 5))
        check(again)


def test_partitions_have_trees_of_their_own(log: Log) -> None:
    """What is appended to one partition leaves the others' trees alone."""
    log.append([row(1, partition=1), row(2, partition=1)])
    log.append([row(1, partition=2)])
    assert (check(log, 1).size, check(log, 2).size, log.tree(0).size) == (2, 1, 0)


def test_a_refused_append(log: Log) -> None:
    """An append that is refused leaves the tree as it was, stored and acknowledged."""
    log.append([row(1, originator=5)])
    before = log.tree(0)
    for refused in ([row(2, originator=5)], [*rows(2, 9), row(10, originator=5)]):
        with pytest.raises(VersionTaken):
            log.append(refused)
        assert log.tree(0) == log.acknowledged(0) == before
    log.append(rows(2, 3))
    check(log)


def test_writers_in_turns(log: Log, rival: Log) -> None:
    """Writers that follow one another grow one tree, though each remembers an older one."""
    for first in range(1, 21, 2):
        writer, other = (log, rival) if first % 4 == 1 else (rival, log)
        writer.append(rows(first, first + 1))
        with pytest.raises(PositionTaken):
            other.append(rows(first, first))
        check(log)


def test_racing_writers(log: Log, rival: Log) -> None:
    """Of two writers that race for every position, the tree holds whatever the events hold."""

    def write(own: Log, caller: str) -> None:
        for first in range(1, 121, 3):
            mine = [each._replace(caller=caller) for each in rows(first, first + 2)]
            try:
                own.append(mine[:1] if first % 2 else mine)
                if first % 2:
                    own.append(mine[1:])
            except PositionTaken:
                while own.head(0) < first + 2:
                    pass

    writers = [threading.Thread(target=write, args=each) for each in ((log, "a"), (rival, "b"))]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert check(log).size == 120


@pytest.mark.parametrize("last", [3, 4, 9, 300])
def test_a_tree_changed_behind_the_log(log: Log, store_url: str, last: int) -> None:
    """A stored tree that is not the one this writer made is not grown, and nothing is appended."""
    log.append(rows(1, 2))
    kept = log.tree(0)
    behind(store_url, lambda c: c.execute(update(trees).values(root=b"\1" * 32)))
    with pytest.raises(TreeChanged):
        log.append(rows(3, last))
    assert log.head(0) == 2
    assert log.acknowledged(0) is None
    behind(store_url, lambda c: c.execute(update(trees).values(root=kept.root)))
    log.append(rows(3, last))
    check(log)


@pytest.mark.parametrize("change", [{"edges": b"\1" * 64}, {"edges": b""}, {"size": 4}, {"root": b"\1" * 32}])
def test_a_damaged_tree(log: Log, store_url: str, change: dict[str, object]) -> None:
    """What is stored as a tree and is none is broken storage, told before anything is appended."""
    log.append(rows(1, 3))
    behind(store_url, lambda c: c.execute(update(trees).values(**change)))
    with closing(open_log(store_url)) as again:
        with pytest.raises(LogBroken, match="tree of partition 0 is damaged"):
            again.tree(0)
        with pytest.raises(LogBroken, match="tree of partition 0 is damaged"):
            again.append(rows(4, 4))


def test_a_new_owner_takes_in_what_an_older_version_wrote(log: Log, store_url: str) -> None:
    """Events without leaves, as a server of an older version leaves them, are in the tree of the next owner."""
    log.append(rows(1, 3))
    older = log.tree(0)
    log.append(rows(4, 9000))
    stale = {"size": older.size, "edges": older.dump(), "root": older.root}
    behind(store_url, lambda c: c.execute(update(trees).values(**stale)))
    with closing(open_log(store_url)) as again:
        with pytest.raises(TreeChanged, match="3 leaves, not 9000"):
            again.append(rows(9001, 9001))
        again.take_over(rows(9001, 9001), tail=leaf_hash(row(9000)))
        assert again.acknowledged(0) == check(again)


def test_leaves_without_events(log: Log, store_url: str) -> None:
    """A log that has lost its last events, but not their leaves, is broken: it does not grow over them."""
    log.append(rows(1, 5))
    behind(store_url, lambda c: c.execute(delete(events).where(events.c.position > 3)))
    with closing(open_log(store_url)) as again:
        with pytest.raises(LogBroken, match="5 leaves, but its events end at position 3"):
            again.take_over(rows(4, 4), tail=leaf_hash(row(3)))
        with pytest.raises(LogBroken, match="5 leaves"):
            again.append(rows(4, 4))


def test_a_failover_between_two_looks(log: Log) -> None:
    """A tree that a failover cut while somebody looked at it and at the head is a conflict: no event is missing."""
    log.append(rows(1, 3))
    cut = log.tree(0)
    log.append([row(4)])
    looks = [log.tree(0), cut]
    log_with_three = SimpleNamespace(head=lambda _: 3, read=log.read)
    growing = Trees(cast("Log", log_with_three), lambda _: looks.pop(0)).growing([row(4)])
    with pytest.raises(TreeChanged), growing:
        pass


def test_another_tail_grows_nothing(log: Log) -> None:
    """A new owner that saw another history leaves the tree as it is."""
    log.append(rows(1, 2))
    before = log.tree(0)
    with pytest.raises(TailChanged):
        log.take_over(rows(3, 3), tail=b"\1" * 32)
    assert log.tree(0) == before


def test_checkpoints_are_kept(log: Log) -> None:
    """A checkpoint is found by its size or as the newest, once, with its cosignatures by their witnesses' names."""
    day = 86_400_000_000
    for size, signed_at in ((3, 0), (5, 1), (9, 2)):
        log.keep_checkpoint(0, Kept(size, f"note {size}", signed_at))
    log.keep_checkpoint(0, Kept(9, "another", 3))
    assert log.find_checkpoint(0) == Kept(9, "note 9", 2)
    assert log.find_checkpoint(0, size=3) == Kept(3, "note 3", 0)
    assert log.find_checkpoint(0, size=4) is log.find_checkpoint(1) is log.find_checkpoint(0, cosigned=True) is None
    for witness, line in (("w", "old"), ("v", "v's"), ("w", "w's")):
        log.add_cosignature(0, 5, witness, line)
    assert log.find_checkpoint(0, cosigned=True) == Kept(5, "note 5", 1, ("v's", "w's"))
    log.keep_checkpoint(0, Kept(10, "note 10", day + 2))
    assert log.find_checkpoint(0, size=3) is None
    assert log.find_checkpoint(0, size=5) is not None
    assert log.find_checkpoint(0, size=9) is not None


def test_checkpoints_are_listed(log: Log) -> None:
    """The largest first, below a size, with the cosignatures of each; only cosigned ones where that is asked."""
    for size in (3, 5, 9, 12):
        log.keep_checkpoint(0, Kept(size, f"note {size}", size))
    log.keep_checkpoint(1, Kept(4, "of another partition", 4))
    for size, witness in ((3, "w"), (9, "w"), (9, "v")):
        log.add_cosignature(0, size, witness, f"{witness} under {size}")

    def listed(*, below: int = 13, cosigned: bool = False, limit: int = 9) -> list[tuple[int, tuple[str, ...]]]:
        found = log.list_checkpoints(0, below=below, cosigned=cosigned, limit=limit)
        assert all(kept.note == f"note {kept.size}" and kept.signed_at == kept.size for kept in found)
        return [(kept.size, kept.cosignatures) for kept in found]

    nine, three = (9, ("v under 9", "w under 9")), (3, ("w under 3",))
    assert listed() == [(12, ()), nine, (5, ()), three]
    assert listed(below=12, limit=2) == [nine, (5, ())]
    assert listed(cosigned=True) == [nine, three]
    assert listed(cosigned=True, below=9) == [three]
    assert listed(below=3) == []


def test_one_row_a_partition(log: Log, store_url: str) -> None:
    """However often it grows, a tree is one row of a few hashes."""
    for first in range(1, 30):
        log.append(rows(first, first))
    engine = open_tables(store_url)
    with engine.connect() as connection:
        found = connection.execute(select(trees.c.size, trees.c.edges)).all()
    engine.dispose()
    assert [(size, len(edges)) for size, edges in found] == [(29, 32 * (29).bit_count())]
