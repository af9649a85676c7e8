"""Aliases: a phone number leads to a random id, under which the log says whose card it stands for.

The row is written before the log hears of the alias, and is due to be looked at until the log is seen to agree; what
the log never heard of, or what leads to a customer who was erased, is swept. A row stays when its number is unlinked:
whoever links it next continues the same history.
"""

from secrets import token_bytes
from typing import Final

from sqlalchemy import Connection, Engine, and_, delete, select, update

from ledger.vault.cipher import ID_BYTES
from ledger.vault.connection import begin, insert_new
from ledger.vault.keys import MasterKeys
from ledger.vault.schema import aliases

_PURPOSE: Final = "alias"


class Aliases:
    """Phone numbers that lead somewhere, in one database. Blocking; safe to use from several threads."""

    def __init__(self, engine: Engine, master: MasterKeys) -> None:
        self._engine = engine
        self._master = master

    def reserve(self, phone: str, now: int) -> bytes:
        """Return the alias id of a number, a fresh one where it had none; it is due from now on."""
        hashed = self._hashed(phone)
        fresh = token_bytes(ID_BYTES)
        with begin(self._engine) as connection:
            insert_new(connection, aliases, hash=hashed, alias_id=fresh, due_at=now)
            connection.execute(update(aliases).where(aliases.c.hash == hashed).values(due_at=now))
            return bytes(connection.execute(select(aliases.c.alias_id).where(aliases.c.hash == hashed)).scalar_one())

    def find(self, phone: str) -> bytes | None:
        """Return the alias id of a number, None where it has none."""
        with begin(self._engine) as connection:
            found = connection.execute(select(aliases.c.alias_id).where(aliases.c.hash == self._hashed(phone))).scalar()
        return None if found is None else bytes(found)

    def knows(self, alias_id: bytes) -> bool:
        """Tell whether some number has this alias."""
        with begin(self._engine) as connection:
            return connection.execute(select(aliases.c.hash).where(aliases.c.alias_id == alias_id)).first() is not None

    def of(self, customer_id: bytes) -> list[bytes]:
        """Return the aliases that lead to a customer, or led there last."""
        with begin(self._engine) as connection:
            rows = connection.execute(select(aliases.c.alias_id).where(aliases.c.customer_id == customer_id))
            return sorted(bytes(row.alias_id) for row in rows)

    def _hashed(self, phone: str) -> bytes:
        return self._master.hash(_PURPOSE, phone.encode())

    # Upkeep.

    def settle(self, alias_id: bytes, customer_id: bytes, reserved_at: int | None = None) -> None:
        """Note to whom an alias leads, as the log says.

        Whoever has just linked it says when it was reserved for that. If somebody else has reserved or settled it
        since, nobody knows here who came last: it stays due, and the sweep asks the log.
        """
        this = aliases.c.alias_id == alias_id
        alone = this if reserved_at is None else and_(this, aliases.c.due_at == reserved_at)
        with begin(self._engine) as connection:
            settled = connection.execute(update(aliases).where(alone).values(customer_id=customer_id, due_at=None))
            if settled.rowcount == 0 and reserved_at is not None:
                connection.execute(update(aliases).where(this).values(customer_id=customer_id, due_at=reserved_at))

    def due(self, before: int, limit: int = 1_000) -> list[bytes]:
        """Return aliases of which the log may say something else, and which are due for longer than that."""
        with begin(self._engine) as connection:
            rows = connection.execute(select(aliases.c.alias_id).where(aliases.c.due_at < before).limit(limit))
            return [bytes(row.alias_id) for row in rows]

    def forget(self, alias_id: bytes, before: int) -> None:
        """Give up the number of an alias, unless somebody has begun to link it since."""
        with begin(self._engine) as connection:
            connection.execute(delete(aliases).where(aliases.c.alias_id == alias_id, aliases.c.due_at < before))


def release(connection: Connection, customer_id: bytes) -> None:
    """Give up the numbers that lead to a customer; what is due is left to the sweep, which asks the log."""
    connection.execute(delete(aliases).where(aliases.c.customer_id == customer_id, aliases.c.due_at.is_(None)))
