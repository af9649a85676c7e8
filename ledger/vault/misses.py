"""Counting wrong tries of card details, by whoever tried and by the card that was meant.

A try is admitted before it is compared and counts from then on in memory, so that many at once do not outrun the
counter. A right one leaves no trace and costs the database no commit. A wrong one is committed before anybody is told
that it was wrong: whoever crashes the server in between has learnt nothing. Tries are counted over a window that
begins with the first of them.

What is in memory is this process's: servers that share a vault admit each its own tries, and one of them serves.
"""

from collections import Counter
from collections.abc import Sequence
from threading import Lock

from sqlalchemy import Engine, delete, select, update

from domain.times import DAY
from ledger.vault.connection import begin, insert_new
from ledger.vault.schema import misses


class Misses:
    """Wrong tries by the id of who or what they are counted for. Blocking; safe to use from several threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = Lock()
        self._under_way: Counter[bytes] = Counter()

    def admit(self, whose: Sequence[bytes], limit: int, now: int) -> bytes | None:
        """Let a try be compared, or none; return the first whose tries are used up, None when there is none.

        Whoever is let is to say what came of it, with ``right`` or ``wrong``; until then it counts as wrong.
        """
        counted = select(misses.c.whose, misses.c.misses).where(misses.c.whose.in_(whose), misses.c.until > now)
        with self._lock:
            with begin(self._engine) as connection:
                missed = {bytes(row.whose): row.misses for row in connection.execute(counted)}
            for each in whose:
                if missed.get(each, 0) + self._under_way[each] >= limit:
                    return each
            self._under_way.update(whose)
        return None

    def right(self, whose: Sequence[bytes]) -> None:
        """Forget a try that was right, or was never compared."""
        with self._lock:
            self._forget(whose)

    def wrong(self, whose: Sequence[bytes], now: int, window: int = DAY) -> None:
        """Count a try that was wrong for each; where the database does not answer, it stays counted in memory."""
        with self._lock:
            with begin(self._engine) as connection:
                connection.execute(delete(misses).where(misses.c.until <= now))
                for each in whose:
                    insert_new(connection, misses, whose=each, misses=0, until=now + window)
                    one_more = update(misses).where(misses.c.whose == each)
                    connection.execute(one_more.values(misses=misses.c.misses + 1))
            self._forget(whose)

    def _forget(self, whose: Sequence[bytes]) -> None:
        self._under_way -= Counter(whose)  # What is down to nothing leaves.
