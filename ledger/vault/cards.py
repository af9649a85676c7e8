"""Card numbers: each encrypted under a data key of its own, and found again by a keyed hash.

A number is reserved before its card is issued, under the id that the card will have; whichever card holds a number
holds it for good. The payment account reference is drawn here as well: it is random, one for each number, and kept
with it, so that an issue that is tried again is given the same. What the log never heard of is swept.
"""

import string
from secrets import choice, token_bytes
from typing import Final, NamedTuple

from sqlalchemy import Connection, Engine, Row, and_, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ledger.vault.cipher import ID_BYTES, DataKey, Place, seal, unseal
from ledger.vault.connection import begin
from ledger.vault.errors import VaultBroken
from ledger.vault.keys import KEY_BYTES, MasterKeys, Wrapped
from ledger.vault.schema import cards

PAR_LENGTH: Final = 29
_PAR_ALPHABET: Final = string.ascii_uppercase + string.digits
_PURPOSE: Final = "card number"
_PLACE: Final = ("vault.card", "number")


class Reserved(NamedTuple):
    """Who holds a number, and its payment account reference."""

    card_id: bytes
    par: str


class Cards:
    """Numbers of cards in one database. Blocking; safe to use from several threads."""

    def __init__(self, engine: Engine, master: MasterKeys) -> None:
        self._engine = engine
        self._master = master

    def reserve(self, card_id: bytes, number: str, now: int) -> Reserved:
        """Keep a number for a card unless another one holds it; return who holds it now.

        What is reserved once more is not older than that: whoever sweeps leaves it to who has begun to issue it.
        """
        hashed = self._hashed(number)
        key = DataKey(token_bytes(ID_BYTES), token_bytes(KEY_BYTES))
        wrapped = self._master.wrap(key.key, card_id + key.key_id)
        with begin(self._engine) as connection:
            dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
            connection.execute(
                dialect.insert(cards)
                .values(
                    card_id=card_id,
                    hash=hashed,
                    key_id=key.key_id,
                    master_key_id=wrapped.master_key_id,
                    wrapped=wrapped.data,
                    sealed=seal(key, Place(card_id, *_PLACE), number),
                    par="".join(choice(_PAR_ALPHABET) for _ in range(PAR_LENGTH)),
                    created_at=now,
                )
                .on_conflict_do_nothing()
            )
            again = and_(cards.c.card_id == card_id, cards.c.settled_at.is_(None))
            connection.execute(update(cards).where(again).values(created_at=now))
            found = connection.execute(select(cards.c.card_id, cards.c.par).where(cards.c.hash == hashed)).one_or_none()
            if found is None:  # This card's id holds another number.
                found = connection.execute(select(cards.c.card_id, cards.c.par).where(cards.c.card_id == card_id)).one()
        return Reserved(bytes(found.card_id), found.par)

    def same_number(self, card_id: bytes, number: str) -> bool:
        """Tell whether a card holds this number; True where it holds none."""
        with begin(self._engine) as connection:
            kept = connection.execute(select(cards.c.hash).where(cards.c.card_id == card_id)).scalar()
        return kept is None or bytes(kept) == self._hashed(number)

    def find(self, number: str) -> bytes | None:
        """Return the card that holds a number."""
        with begin(self._engine) as connection:
            found = connection.execute(select(cards.c.card_id).where(cards.c.hash == self._hashed(number))).scalar()
        return None if found is None else bytes(found)

    def number(self, card_id: bytes) -> str | None:
        """Return a card's number in clear, None when none is kept; raises VaultBroken."""
        with begin(self._engine) as connection:
            row = connection.execute(select(cards).where(cards.c.card_id == card_id)).one_or_none()
        if row is None:
            return None
        number = unseal(self._key(row), Place(card_id, *_PLACE), bytes(row.sealed))
        if self._hashed(number) != bytes(row.hash):
            raise VaultBroken(f"the number of card {card_id.hex()} is not the one it is found by")
        return number

    def _key(self, row: Row[tuple[object, ...]]) -> DataKey:
        key_id = bytes(row.key_id)
        wrapped = Wrapped(row.master_key_id, bytes(row.wrapped))
        return DataKey(key_id, self._master.unwrap(wrapped, bytes(row.card_id) + key_id))

    def _hashed(self, number: str) -> bytes:
        return self._master.hash(_PURPOSE, number.encode())

    # Upkeep.

    def settle(self, card_id: bytes, now: int) -> None:
        """Note that the log knows a card."""
        with begin(self._engine) as connection:
            connection.execute(update(cards).where(cards.c.card_id == card_id).values(settled_at=now))

    def forget(self, card_id: bytes, upto: int) -> None:
        """Give up the number of a card of which the log never heard, unless it was reserved again after that time."""
        idle = and_(cards.c.card_id == card_id, cards.c.settled_at.is_(None), cards.c.created_at <= upto)
        with begin(self._engine) as connection:
            connection.execute(delete(cards).where(idle))

    def unsettled(self, before: int, limit: int = 1_000) -> list[bytes]:
        """Return cards of which the log may not know, and whose numbers are kept for longer than that."""
        due = and_(cards.c.settled_at.is_(None), cards.c.created_at < before)
        with begin(self._engine) as connection:
            return [bytes(row.card_id) for row in connection.execute(select(cards.c.card_id).where(due).limit(limit))]

    def rewrap(self, limit: int = 100) -> int:
        """Wrap up to ``limit`` data keys anew that an older master key wraps; return how many were."""
        old = cards.c.master_key_id != self._master.current
        with begin(self._engine) as connection:
            rows = connection.execute(select(cards).where(old).limit(limit)).all()
        for row in rows:
            key = self._key(row)
            wrapped = self._master.wrap(key.key, bytes(row.card_id) + key.key_id)
            with begin(self._engine) as connection:
                self._put(connection, bytes(row.card_id), row.master_key_id, wrapped)
        return len(rows)

    @staticmethod
    def _put(connection: Connection, card_id: bytes, before: str, wrapped: Wrapped) -> None:
        connection.execute(
            update(cards)
            .where(cards.c.card_id == card_id, cards.c.master_key_id == before)
            .values(master_key_id=wrapped.master_key_id, wrapped=wrapped.data)
        )
