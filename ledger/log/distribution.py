"""Spreading a log's tables over the machines of a Citus cluster, by partition.

Nothing else in the schema or its statements knows of it: every key begins with the partition, and every statement names
one. What has no partition, the version of the schema, stands on every machine. The tables of one partition stand
together, since they are distributed by the same column in the same way.
"""

from sqlalchemy import Connection, text

from ledger.log.factory import open_tables
from ledger.log.migrations import lock_schema
from ledger.log.schema import metadata

DISTRIBUTED = tuple(sorted(table.name for table in metadata.tables.values() if "partition" in table.c))
REFERENCE = tuple(sorted(set(metadata.tables) - set(DISTRIBUTED)))

_KNOWN = text("SELECT logicalrelid::regclass::text FROM pg_dist_partition")
_DISTRIBUTE = text("SELECT create_distributed_table(:name, 'partition')")
_REFERENCE = text("SELECT create_reference_table(:name)")


def distribute(log_url: str) -> list[str]:
    """Distribute the tables of a log that are not distributed yet; return their names.

    Raises ValueError where the database is no PostgreSQL, and what the driver raises where it has no Citus.
    """
    engine = open_tables(log_url)
    try:
        if engine.dialect.name != "postgresql":
            raise ValueError("only a PostgreSQL database with Citus can be distributed")
        with engine.begin() as connection:
            lock_schema(connection)
            return _distribute(connection)
    finally:
        engine.dispose()


def _distribute(connection: Connection) -> list[str]:
    known = set(connection.execute(_KNOWN).scalars())
    for names, statement in ((DISTRIBUTED, _DISTRIBUTE), (REFERENCE, _REFERENCE)):
        for name in names:
            if name not in known:
                connection.execute(statement, {"name": name})
    return sorted({*DISTRIBUTED, *REFERENCE} - known)
