"""Card numbers: whichever card holds a number holds it for good.

A number is reserved before its card is issued. The payment account reference is drawn here as well: it is random, one
for each number, and kept with it, so that an issue that is tried again is given the same.
"""

import string
from secrets import choice
from typing import Final, NamedTuple

from sqlalchemy import Engine, select

from ledger.vault.connection import begin, insert_new
from ledger.vault.keys import MasterKeys
from ledger.vault.numbers import Numbers
from ledger.vault.schema import cards

PAR_LENGTH: Final = 29
_PAR_ALPHABET: Final = string.ascii_uppercase + string.digits


class Reserved(NamedTuple):
    """Who holds a number, and its payment account reference."""

    card_id: bytes
    par: str


class Cards(Numbers):
    """Numbers of cards in one database. Blocking; safe to use from several threads."""

    def __init__(self, engine: Engine, master: MasterKeys) -> None:
        super().__init__(engine, master, "card", cards.c.card_id)

    def reserve(self, card_id: bytes, number: str, now: int) -> Reserved:
        """Keep a number for a card unless another one holds it; return who holds it now."""
        columns = self._columns(card_id, number, now)
        par = "".join(choice(_PAR_ALPHABET) for _ in range(PAR_LENGTH))
        holder = select(cards.c.card_id, cards.c.par)
        with begin(self._engine) as connection:
            insert_new(connection, cards, par=par, **columns)
            self._renew(connection, card_id, now)
            found = connection.execute(holder.where(cards.c.hash == columns["hash"])).one_or_none()
            if found is None:  # This card's id holds another number.
                found = connection.execute(holder.where(cards.c.card_id == card_id)).one()
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
        return None if row is None else self._number(row)
