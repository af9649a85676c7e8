"""The tables of a log, one definition for SQLite and PostgreSQL.

``events`` is the history itself, ``trees`` the Merkle tree over it, which every append brings forward in its own
transaction. ``checkpoints`` are trees that were signed, ``cosignatures`` what witnesses put under them. ``engines``
holds a sign of life per partition and ``snapshots`` what an engine saved to start faster: both may be lost without
losing anything. ``segments`` names the files of the archive that hold the states of old events, whose rows stay here
with an empty one. ``layout`` says how many partitions the ledger was made with. ``mailbox`` tells the
owner of one partition what another has sent it, where they are two processes: a notice that may be lost and repeated.
Every key begins with the partition, and there is no sequence, table lock or foreign key, so that the tables can be
spread over many machines by partition.
Constraints are named because the name of the violated one tells which conflict an append met; a distributed database
appends a shard's number to them, so none is the beginning of another.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    event,
)
from sqlalchemy import types as sql_types

POSITION_CONSTRAINT = "events_by_position"
VERSION_CONSTRAINT = "events_by_originator"
REQUEST_CONSTRAINT = "events_by_request"

metadata = MetaData()


def _id() -> sql_types.TypeEngine[bytes]:
    """Return the column type of an id: 16 bytes on SQLite, uuid on PostgreSQL."""
    return LargeBinary(16).with_variant(Uuid(), "postgresql")


events = Table(
    "events",
    metadata,
    Column("partition", SmallInteger, nullable=False, autoincrement=False),
    Column("position", BigInteger, nullable=False, autoincrement=False),
    Column("originator_id", _id(), nullable=False),
    Column("originator_version", Integer, nullable=False),
    Column("topic", Text, nullable=False),
    Column("state", LargeBinary, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("request_id", _id(), nullable=True),
    Column("caller", Text, nullable=False),
    PrimaryKeyConstraint("partition", "position", name=POSITION_CONSTRAINT),
)

Index(
    VERSION_CONSTRAINT,
    events.c.partition,
    events.c.originator_id,
    events.c.originator_version,
    unique=True,
)
Index(
    REQUEST_CONSTRAINT,
    events.c.partition,
    events.c.request_id,
    unique=True,
    sqlite_where=events.c.request_id.is_not(None),
    postgresql_where=events.c.request_id.is_not(None),
)

trees = Table(
    "trees",
    metadata,
    Column("partition", SmallInteger, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("edges", LargeBinary, nullable=False),  # as ledger.log.merkle.Frontier dumps them
    Column("root", LargeBinary, nullable=False),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("partition", SmallInteger, nullable=False, autoincrement=False),
    Column("size", BigInteger, nullable=False, autoincrement=False),
    Column("note", Text, nullable=False),  # as it was signed, by the ledger alone
    Column("signed_at", BigInteger, nullable=False),  # microseconds since the Unix epoch
    PrimaryKeyConstraint("partition", "size", name="checkpoints_by_size"),
)

cosignatures = Table(
    "cosignatures",
    metadata,
    Column("partition", SmallInteger, nullable=False, autoincrement=False),
    Column("size", BigInteger, nullable=False, autoincrement=False),
    Column("witness", Text, nullable=False),  # the name in the witness's key
    Column("line", Text, nullable=False),  # the line under the note, without its end
    PrimaryKeyConstraint("partition", "size", "witness", name="cosignatures_by_size"),
)

engines = Table(
    "engines",
    metadata,
    Column("partition", SmallInteger, primary_key=True, autoincrement=False),
    Column("owner", Text, nullable=False),
    Column("beat_at", BigInteger, nullable=False),  # microseconds since the Unix epoch, by the database's clock
    Column("address", Text, nullable=False, server_default=""),  # where other servers reach it; empty for nowhere
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("partition", SmallInteger, nullable=False, autoincrement=False),
    Column("position", BigInteger, nullable=False, autoincrement=False),
    Column("chunk", Integer, nullable=False, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
    PrimaryKeyConstraint("partition", "position", "chunk", name="snapshots_by_position"),
)

segments = Table(
    "segments",
    metadata,
    Column("partition", SmallInteger, nullable=False, autoincrement=False),
    Column("first", BigInteger, nullable=False, autoincrement=False),
    Column("last", BigInteger, nullable=False),
    Column("file", Text, nullable=False),  # its name in the archive's directory
    Column("size", BigInteger, nullable=False),  # in bytes
    Column("sha256", LargeBinary, nullable=False),
    Column("edges", LargeBinary, nullable=False),  # of the tree of all events up to the last, as trees holds them
    Column("archived_at", BigInteger, nullable=False),  # microseconds since the Unix epoch
    PrimaryKeyConstraint("partition", "first", name="segments_by_first"),
)

layout = Table(
    "layout",
    metadata,
    Column("partition", SmallInteger, primary_key=True, autoincrement=False),  # always 0: there is one row
    Column("partitions", SmallInteger, nullable=False),
)

mailbox = Table(
    "mailbox",
    metadata,
    Column("partition", SmallInteger, nullable=False, autoincrement=False),  # whose process is to take it in
    Column("home", SmallInteger, nullable=False, autoincrement=False),
    Column("position", BigInteger, nullable=False, autoincrement=False),  # of home's log, where the transfer was sent
    PrimaryKeyConstraint("partition", "home", "position", name="mailbox_by_home"),
)

schema_versions = Table(
    "schema_versions",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("applied_at", BigInteger, nullable=False),  # microseconds since the Unix epoch
)


@event.listens_for(metadata, "after_create")
def _store_large_values_uncompressed(_target: MetaData, connection: Connection, **_: object) -> None:
    """Keep PostgreSQL from spending its time compressing large values."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("ALTER TABLE events ALTER COLUMN state SET STORAGE EXTERNAL")
        connection.exec_driver_sql("ALTER TABLE snapshots ALTER COLUMN data SET STORAGE EXTERNAL")
