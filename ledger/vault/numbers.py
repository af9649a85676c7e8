"""Numbers of cards and of tokens: each encrypted under a data key of its own, and found again by a keyed hash.

A number is kept before the log hears of whose it is, under the id that its owner will have. What the log never heard
of is swept.
"""

from typing import Any

from sqlalchemy import Column, Connection, Engine, Row, delete, select, update

from ledger.vault.cipher import Place, seal, unseal
from ledger.vault.connection import begin
from ledger.vault.envelopes import fresh_key, kept_key, rewrap
from ledger.vault.errors import VaultBroken
from ledger.vault.keys import MasterKeys


class Numbers:
    """Numbers of one kind in one table. Blocking; safe to use from several threads."""

    def __init__(self, engine: Engine, master: MasterKeys, kind: str, owner: Column[bytes]) -> None:
        self._engine = engine
        self._master = master
        self._kind = kind
        self._owner = owner
        self._table = owner.table

    def _columns(self, owner_id: bytes, number: str, now: int) -> dict[str, Any]:
        """Return the row that keeps a number."""
        key, wrapped = fresh_key(self._master, owner_id)
        return {
            self._owner.name: owner_id,
            "hash": self._hashed(number),
            "sealed": seal(key, self._place(owner_id), number),
            "created_at": now,
            **wrapped,
        }

    def _renew(self, connection: Connection, owner_id: bytes, now: int) -> None:
        """Note that a number is reserved again: whoever sweeps leaves it to who has begun to use it."""
        waiting = update(self._table).where(self._owner == owner_id, self._table.c.settled_at.is_(None))
        connection.execute(waiting.values(created_at=now))

    def _number(self, row: Row[Any]) -> str:
        """Return the number that a row keeps, in clear; raises VaultBroken."""
        owner_id = bytes(getattr(row, self._owner.name))
        number = unseal(kept_key(self._master, owner_id, row), self._place(owner_id), bytes(row.sealed))
        if self._hashed(number) != bytes(row.hash):
            raise VaultBroken(f"the number of {self._kind} {owner_id.hex()} is not the one it is found by")
        return number

    def _hashed(self, number: str) -> bytes:
        return self._master.hash(f"{self._kind} number", number.encode())

    def _place(self, owner_id: bytes) -> Place:
        return Place(owner_id, f"vault.{self._kind}", "number")

    # Upkeep.

    def settle(self, owner_id: bytes, now: int) -> None:
        """Note that the log knows whose number it is."""
        with begin(self._engine) as connection:
            connection.execute(update(self._table).where(self._owner == owner_id).values(settled_at=now))

    def forget(self, owner_id: bytes, upto: int) -> None:
        """Give up a number of whose owner the log never heard, unless it was reserved again after that time."""
        idle = delete(self._table).where(self._owner == owner_id, self._table.c.settled_at.is_(None))
        with begin(self._engine) as connection:
            connection.execute(idle.where(self._table.c.created_at <= upto))

    def unsettled(self, before: int, limit: int = 1_000) -> list[bytes]:
        """Return owners of whom the log may not know, and whose numbers are kept for longer than that."""
        due = select(self._owner).where(self._table.c.settled_at.is_(None), self._table.c.created_at < before)
        with begin(self._engine) as connection:
            return [bytes(found) for found in connection.execute(due.limit(limit)).scalars()]

    def rewrap(self, limit: int = 100) -> int:
        """Wrap up to ``limit`` data keys anew that an older master key wraps; return how many were."""
        return rewrap(self._engine, self._master, self._owner, limit)
