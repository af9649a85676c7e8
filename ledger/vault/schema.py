"""The vault's tables: a SQLite file of its own, or tables in the log's PostgreSQL database.

No sequence and no foreign key, as in the log. Nothing here is history: rows are changed and deleted.
"""

import time
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    insert,
    inspect,
    select,
)

from ledger.locking import alone
from ledger.vault.errors import KeysRefused, VaultBroken

SCHEMA_VERSION: Final = 6
_ADVISORY_LOCK: Final = 0x7661756C  # "vaul"

metadata = MetaData()

keys = Table(
    "vault_keys",
    metadata,
    Column("customer_id", LargeBinary(16), primary_key=True),
    Column("key_id", LargeBinary(16), nullable=False),
    Column("master_key_id", Text, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),  # empty once it is destroyed
    Column("content", LargeBinary(32), nullable=True),  # keyed hash of what was registered, to know a repeat
    Column("created_at", BigInteger, nullable=False),  # microseconds since the Unix epoch, as all times here
    Column("settled_at", BigInteger, nullable=True),  # when the log was seen to agree
    Column("erasing_at", BigInteger, nullable=True),  # when the log was about to be told of the erasure
    Column("destroyed_at", BigInteger, nullable=True),
)

names = Table(
    "vault_names",
    metadata,
    Column("kind", Text, nullable=False),  # login or phone
    Column("hash", LargeBinary(32), nullable=False),
    Column("customer_id", LargeBinary(16), nullable=False, index=True),
    Column("until", BigInteger, nullable=True),  # none: for good
    PrimaryKeyConstraint("kind", "hash", name="vault_names_by_hash"),
)

verifiers = Table(
    "vault_verifiers",
    metadata,
    Column("customer_id", LargeBinary(16), nullable=False),
    Column("kind", Text, nullable=False),  # password, pin or code
    Column("verifier", LargeBinary, nullable=False),
    Column("misses", Integer, nullable=False),
    Column("locked_until", BigInteger, nullable=True),
    Column("lapses_at", BigInteger, nullable=True),
    PrimaryKeyConstraint("customer_id", "kind", name="vault_verifiers_by_customer"),
)

cards = Table(
    "vault_cards",
    metadata,
    Column("card_id", LargeBinary(16), primary_key=True),
    Column("hash", LargeBinary(32), nullable=False, unique=True),  # keyed hash of the number, by which it is found
    Column("key_id", LargeBinary(16), nullable=False),
    Column("master_key_id", Text, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("par", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("settled_at", BigInteger, nullable=True),  # when the log was seen to agree
)

misses = Table(
    "vault_misses",
    metadata,
    Column("whose", LargeBinary(16), primary_key=True),  # a customer or a card
    Column("misses", Integer, nullable=False),
    Column("until", BigInteger, nullable=False),
)

aliases = Table(
    "vault_aliases",
    metadata,
    Column("hash", LargeBinary(32), primary_key=True),  # keyed hash of a phone number
    Column("alias_id", LargeBinary(16), nullable=False, unique=True),  # random, so that it tells nothing of the number
    Column("customer_id", LargeBinary(16), nullable=True, index=True),  # to whom it leads, or led last
    Column("due_at", BigInteger, nullable=True),  # when the log was about to be told; none once it was seen to agree
)

tokens = Table(
    "vault_tokens",
    metadata,
    Column("token_id", LargeBinary(16), primary_key=True),
    Column("hash", LargeBinary(32), nullable=False, unique=True),  # keyed hash of the number, by which it is found
    Column("key_id", LargeBinary(16), nullable=False),
    Column("master_key_id", Text, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("settled_at", BigInteger, nullable=True),  # when the log was seen to agree
    Column("due_at", BigInteger, nullable=True),  # when to see whether it was switched on
)

token_keys = Table(
    "vault_token_keys",
    metadata,
    Column("token_id", LargeBinary(16), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("master_key_id", Text, nullable=False),  # the key is derived from it, and kept nowhere
    Column("request_id", LargeBinary(16), nullable=False),
    PrimaryKeyConstraint("token_id", "sequence", name="vault_token_keys_by_token"),
)

marks = Table(
    "vault_marks",
    metadata,
    Column("partition", SmallInteger, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),  # up to which every erasure in the log was carried out here
    Column("leaf", LargeBinary(32), nullable=False),  # hash of the event there, to know the log again
)

ADDED: Final = {2: (cards,), 3: (aliases,), 4: (misses,), 5: (tokens, token_keys), 6: (marks,)}
"""Tables that a version of the schema added to the one before."""

versions = Table(
    "vault_versions",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("applied_at", BigInteger, nullable=False),
    Column("keys_check", LargeBinary(32), nullable=False),  # a keyed hash, to know the key of the hashes again
)


def migrate(engine: Engine, keys_check: bytes) -> None:
    """Make the tables if they are not there, and those that an earlier release did not have.

    Raises VaultBroken when a newer release made them, and KeysRefused when somebody else's keys did: with another key
    of hashes nothing would be found, and one phone number could be two customers'.
    """
    with engine.begin() as connection:
        alone(connection, _ADVISORY_LOCK)
        if not inspect(connection).has_table(versions.name):
            metadata.create_all(connection)
            now = time.time_ns() // 1000
            connection.execute(insert(versions).values(version=SCHEMA_VERSION, applied_at=now, keys_check=keys_check))
            return
        newest = connection.execute(select(versions).order_by(versions.c.version.desc())).first()
        if newest is None or newest.version > SCHEMA_VERSION:
            found = None if newest is None else newest.version
            raise VaultBroken(f"the vault has schema version {found}, this Esep understands {SCHEMA_VERSION}")
        if bytes(newest.keys_check) != keys_check:
            raise KeysRefused("these are not the master keys that the vault was made with")
        for version in range(newest.version + 1, SCHEMA_VERSION + 1):
            metadata.create_all(connection, tables=ADDED[version])
            now = time.time_ns() // 1000
            connection.execute(insert(versions).values(version=version, applied_at=now, keys_check=keys_check))
