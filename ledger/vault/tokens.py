"""Numbers of tokens, which are drawn here, and the keys of phones.

A number looks like a card's: 16 digits, a check digit by Luhn, its first digits those of no card. It is drawn before
its token is requested. Of a limited-use key only its number is kept, and which master key it follows from: the key
itself is derived when it is given out or a tap is tried.
"""

from secrets import randbelow
from typing import Final, NamedTuple

from sqlalchemy import Engine, and_, delete, func, insert, select, update
from stdnum import luhn

from domain.credentials import Verdict
from domain.pan import DIGITS
from ledger.vault import cryptogram
from ledger.vault.connection import begin, insert_new
from ledger.vault.cryptogram import Tap
from ledger.vault.errors import VaultBroken
from ledger.vault.keys import MasterKeys
from ledger.vault.numbers import Numbers
from ledger.vault.schema import token_keys, tokens

_MAX_FOUND: Final = 200_000


class NumberedKey(NamedTuple):
    """A limited-use key by its number, and the master key from which it follows."""

    sequence: int
    master_key_id: str


class Provision(NamedTuple):
    """What goes into a phone: never kept, never logged."""

    number: str
    key: bytes

    def __repr__(self) -> str:
        return "Provision(…)"


class Found(NamedTuple):
    """Whose a token number is, and the master key of the limited-use key that was asked about, if there is one."""

    token_id: bytes
    master_key_id: str | None


class Tokens(Numbers):
    """Numbers of tokens in one database. Blocking; safe to use from several threads.

    Rewrapping leaves keys of phones with the master key that they follow from: replenishing gives keys of the newest.
    """

    def __init__(self, engine: Engine, master: MasterKeys) -> None:
        super().__init__(engine, master, "token", tokens.c.token_id)
        self._found: dict[tuple[bytes, int], Found] = {}

    def reserve(self, token_id: bytes, prefix: str, now: int) -> str:
        """Draw a number for a token, or return the one it has."""
        while True:
            columns = self._columns(token_id, draw(prefix), now)
            with begin(self._engine) as connection:
                insert_new(connection, tokens, **columns)
                self._renew(connection, token_id, now)
                row = connection.execute(select(tokens).where(tokens.c.token_id == token_id)).one_or_none()
            if row is not None:
                return self._number(row)
            # Another token has this number: one in a billion, while there are few.

    def add_key(self, token_id: bytes, request_id: bytes, due_at: int) -> NumberedKey | None:
        """Give a token another limited-use key, or return the one that this request has added; None for no token.

        The number may be past the last that a key can have: whoever asked is told so by the decision, and drops it.
        """
        with begin(self._engine) as connection:
            # A write first, so that two keys are not given one number; ``due_at`` is when to look at the token again.
            held = connection.execute(update(tokens).where(tokens.c.token_id == token_id).values(due_at=due_at))
            if held.rowcount == 0:
                return None
            this = and_(token_keys.c.token_id == token_id, token_keys.c.request_id == request_id)
            row = connection.execute(select(token_keys).where(this)).one_or_none()
            if row is not None:
                return NumberedKey(row.sequence, row.master_key_id)
            newest = select(func.max(token_keys.c.sequence)).where(token_keys.c.token_id == token_id)
            added = NumberedKey((connection.execute(newest).scalar() or 0) + 1, self._master.current)
            connection.execute(insert(token_keys).values(token_id=token_id, request_id=request_id, **added._asdict()))
            return added

    def drop_key(self, token_id: bytes, request_id: bytes) -> None:
        """Take back the number of a key that was not given out after all."""
        this = and_(token_keys.c.token_id == token_id, token_keys.c.request_id == request_id)
        with begin(self._engine) as connection:
            connection.execute(delete(token_keys).where(this))

    def provision(self, token_id: bytes, sequence: int) -> Provision:
        """Return a token's number and one of its limited-use keys, for its phone; raises VaultBroken."""
        this = and_(token_keys.c.token_id == token_id, token_keys.c.sequence == sequence)
        with begin(self._engine) as connection:
            row = connection.execute(select(tokens).where(tokens.c.token_id == token_id)).one_or_none()
            master_key_id = connection.execute(select(token_keys.c.master_key_id).where(this)).scalar()
        if row is None or master_key_id is None:
            raise VaultBroken(f"the vault does not hold key {sequence} of token {token_id.hex()}")
        number = self._number(row)
        return Provision(number, self._key(number, NumberedKey(sequence, master_key_id)))

    def find(self, number: str, sequence: int) -> Found | None:
        """Return whose a number is. What is found never changes, so it is found in memory the next time."""
        asked = (self._hashed(number), sequence)
        found = self._found.get(asked)
        if found is None:
            found = self._look_up(*asked)
            if found is not None and found.master_key_id is not None:
                if len(self._found) >= _MAX_FOUND:
                    self._found.clear()
                self._found[asked] = found
        return found

    def _look_up(self, hashed: bytes, sequence: int) -> Found | None:
        this = and_(token_keys.c.token_id == tokens.c.token_id, token_keys.c.sequence == sequence)
        question = select(tokens.c.token_id, token_keys.c.master_key_id).select_from(tokens.outerjoin(token_keys, this))
        with begin(self._engine) as connection:
            row = connection.execute(question.where(tokens.c.hash == hashed)).one_or_none()
        return None if row is None else Found(bytes(row.token_id), row.master_key_id)

    def try_tap(self, number: str, found: Found, tap: Tap, shown: bytes) -> Verdict:
        """Try the cryptogram of a tap."""
        if found.master_key_id is None:
            return Verdict.ABSENT
        key = self._key(number, NumberedKey(tap.key_sequence, found.master_key_id))
        return Verdict.RIGHT if cryptogram.fits(key, tap, shown) else Verdict.WRONG

    def _key(self, number: str, numbered: NumberedKey) -> bytes:
        key_of_token = self._master.token_key(numbered.master_key_id, number)
        return cryptogram.limited_use_key(key_of_token, numbered.sequence)

    # Upkeep.

    def due(self, now: int, limit: int = 1_000) -> list[bytes]:
        """Return tokens that may have to be ended because they were not switched on."""
        with begin(self._engine) as connection:
            found = connection.execute(select(tokens.c.token_id).where(tokens.c.due_at <= now).limit(limit))
            return [bytes(row.token_id) for row in found]

    def look_again(self, token_id: bytes, at: int | None) -> None:
        """Note when a token is to be looked at again, None for never."""
        with begin(self._engine) as connection:
            connection.execute(update(tokens).where(tokens.c.token_id == token_id).values(due_at=at))


def draw(prefix: str) -> str:
    """Return a random number with these first digits and a right check digit."""
    free = DIGITS - 1 - len(prefix)
    body = f"{prefix}{randbelow(10**free):0{free}}"
    return body + luhn.calc_check_digit(body)
