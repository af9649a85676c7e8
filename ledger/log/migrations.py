"""Brings a database to the schema this code was written for, when a server starts.

An empty database gets today's tables and is stamped with today's version; an older one goes through the
steps in between, in one transaction; a newer one is refused, because an older server would not understand
what a newer one wrote. Two servers may start at once: the second waits for the first and then finds nothing
left to do. Only a migration takes this lock; no append ever does.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, func, insert, inspect, select, text

from domain.leaves import leaf_hashes
from domain.ports import Row
from ledger.locking import alone
from ledger.log.checks import check_read
from ledger.log.errors import SchemaTooNew
from ledger.log.merkle import Frontier
from ledger.log.schema import (
    checkpoints,
    cosignatures,
    events,
    layout,
    mailbox,
    metadata,
    schema_versions,
    segments,
    trees,
)

SCHEMA_VERSION = 5

Step = Callable[[Connection], None]

_PAGE = 8192


def _add_trees(connection: Connection) -> None:
    """Make the tables of the tree, and the tree of every partition from its events, a page at a time."""
    for table in (trees, checkpoints, cosignatures):
        table.create(connection)
    for (partition,) in connection.execute(select(events.c.partition).distinct()).all():
        frontier = Frontier()
        while rows := _page(connection, partition, frontier.size):
            frontier = frontier.grown(leaf_hashes(rows))
        connection.execute(
            insert(trees).values(partition=partition, size=frontier.size, edges=frontier.dump(), root=frontier.root)
        )


def _add_layout(connection: Connection) -> None:
    """Say of a ledger that holds events how many partitions it has: as many as it has events of."""
    for table in (layout, mailbox):
        table.create(connection)
    last = connection.execute(select(func.max(events.c.partition))).scalar()
    if last is not None:
        connection.execute(insert(layout).values(partition=0, partitions=last + 1))


def _add_addresses(connection: Connection) -> None:
    """Let the owner of a partition say where it is reached, beside its sign of life."""
    connection.execute(text("ALTER TABLE engines ADD COLUMN address TEXT NOT NULL DEFAULT ''"))


def _add_segments(connection: Connection) -> None:
    """Make the table of what is archived, which is nothing yet."""
    segments.create(connection)


def _page(connection: Connection, partition: int, after: int) -> list[Row]:
    columns = [events.c[name] for name in Row._fields]
    following = select(*columns).where(events.c.partition == partition, events.c.position > after)
    found = connection.execute(following.order_by(events.c.position).limit(_PAGE)).all()
    rows = [Row._make(map(_plain, row)) for row in found]
    check_read(rows, after)
    return rows


def _plain(value: Any) -> Any:
    """Return an id as its bytes, and anything else as it is."""
    return value.bytes if isinstance(value, UUID) else value


#: How to come to each version from the one before. Version 1 is the first, so nothing leads to it.
STEPS: Mapping[int, Step] = {2: _add_trees, 3: _add_layout, 4: _add_addresses, 5: _add_segments}

_ADVISORY_LOCK = 0x65736570  # "esep"


def migrate(engine: Engine, *, steps: Mapping[int, Step] = STEPS, target: int = SCHEMA_VERSION) -> None:
    """Bring the database to version ``target``.

    Raises SchemaTooNew when the database is already past it.
    """
    with engine.begin() as connection:
        lock_schema(connection)
        current = _version(connection)
        if current > target:
            raise SchemaTooNew(
                f"the database has schema version {current}, this Esep understands versions up to {target}: "
                f"start a release that knows version {current}, or restore a backup taken before the upgrade"
            )
        if current == 0:
            metadata.create_all(connection)
            _stamp(connection, target)
            return
        for version in range(current + 1, target + 1):
            steps[version](connection)
            _stamp(connection, version)


def lock_schema(connection: Connection) -> None:
    """Wait until no other session changes the schema; released by the end of the transaction.

    To be called first in a transaction.
    """
    alone(connection, _ADVISORY_LOCK)


def _version(connection: Connection) -> int:
    if not inspect(connection).has_table(schema_versions.name):
        return 0
    return connection.execute(select(func.max(schema_versions.c.version))).scalar() or 0


def _stamp(connection: Connection, version: int) -> None:
    connection.execute(insert(schema_versions).values(version=version, applied_at=time.time_ns() // 1000))
