"""Data keys as rows keep them: wrapped by a master key, and bound to whom they belong.

A table that keeps data keys has the columns ``key_id``, ``master_key_id`` and ``wrapped`` beside its owners' ids.
"""

from secrets import token_bytes
from typing import Any

from sqlalchemy import Column, ColumnElement, Engine, Row, select, update

from ledger.vault.cipher import ID_BYTES, DataKey
from ledger.vault.connection import begin
from ledger.vault.keys import KEY_BYTES, MasterKeys, Wrapped


def fresh_key(master: MasterKeys, owner_id: bytes) -> tuple[DataKey, dict[str, Any]]:
    """Return a new data key, and the columns that keep it."""
    key = DataKey(token_bytes(ID_BYTES), token_bytes(KEY_BYTES))
    wrapped = master.wrap(key.key, owner_id + key.key_id)
    return key, {"key_id": key.key_id, "master_key_id": wrapped.master_key_id, "wrapped": wrapped.data}


def kept_key(master: MasterKeys, owner_id: bytes, row: Row[Any]) -> DataKey:
    """Return the data key that a row keeps; raises VaultBroken."""
    key_id = bytes(row.key_id)
    wrapped = Wrapped(row.master_key_id, bytes(row.wrapped))
    return DataKey(key_id, master.unwrap(wrapped, owner_id + key_id))


def rewrap(engine: Engine, master: MasterKeys, owner: Column[bytes], limit: int, *among: ColumnElement[bool]) -> int:
    """Wrap up to ``limit`` data keys anew that an older master key wraps; return how many were.

    ``owner`` is the column of the owners' ids; ``among`` says which rows of its table keep a key.
    """
    table = owner.table
    with begin(engine) as connection:
        old = select(table).where(table.c.master_key_id != master.current, *among).limit(limit)
        rows = connection.execute(old).all()
    for row in rows:
        owner_id = bytes(getattr(row, owner.name))
        key = kept_key(master, owner_id, row)
        wrapped = master.wrap(key.key, owner_id + key.key_id)
        with begin(engine) as connection:
            connection.execute(
                update(table)
                .where(owner == owner_id, table.c.master_key_id == row.master_key_id, *among)
                .values(master_key_id=wrapped.master_key_id, wrapped=wrapped.data)
            )
    return len(rows)
