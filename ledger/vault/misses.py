"""Counting wrong tries of card details, by whoever tried and by the card that was meant.

A try is counted before it is compared, so that many at once do not outrun the counter, and taken back when it was
right: back to what it was, not to nothing, or one right card would buy tries at others. Tries are counted over a
window that begins with the first of them.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, Engine, delete, update
from sqlalchemy.dialects import postgresql, sqlite

from ledger.vault.connection import begin
from ledger.vault.schema import misses

DAY: Final = 86_400_000_000


class Misses:
    """Wrong tries by the id of who or what they are counted for. Blocking; safe to use from several threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def count(self, whose: Sequence[bytes], limit: int, now: int, window: int = DAY) -> bytes | None:
        """Count a try for each, or for none; return the first whose tries are used up, None when there is none."""
        with begin(self._engine) as connection:
            connection.execute(delete(misses).where(misses.c.until <= now))
            dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
            for counted, each in enumerate(whose):
                connection.execute(
                    dialect.insert(misses).values(whose=each, misses=0, until=now + window).on_conflict_do_nothing()
                )
                one_more = update(misses).where(misses.c.whose == each, misses.c.misses < limit)
                if connection.execute(one_more.values(misses=misses.c.misses + 1)).rowcount == 0:
                    for earlier in whose[:counted]:
                        self._one_less(connection, earlier)
                    return each
        return None

    def take_back(self, whose: Sequence[bytes]) -> None:
        """Take back a try that was right, or was never compared."""
        with begin(self._engine) as connection:
            for each in whose:
                self._one_less(connection, each)

    @staticmethod
    def _one_less(connection: Connection, whose: bytes) -> None:
        fewer = update(misses).where(misses.c.whose == whose, misses.c.misses > 0)
        connection.execute(fewer.values(misses=misses.c.misses - 1))
