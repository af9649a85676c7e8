"""Questions to a database that take longer than any test waits, and how long they are given."""

from collections.abc import Callable
from time import monotonic
from typing import Final

GIVEN_SECONDS: Final = 0.3
SOON_SECONDS: Final = 10.0
"""On a busy machine too, much sooner than the questions would end by themselves."""


def endless(store_url: str) -> str:
    """Return a query that keeps this kind of store busy for a minute or more, and answers a number."""
    if store_url.startswith("sqlite"):
        return "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    return "SELECT count(*)::int FROM pg_sleep(60)"


def seconds_from_now(seconds: float) -> Callable[[], float]:
    """Return what tells how many of these seconds are left."""
    ends = monotonic() + seconds
    return lambda: ends - monotonic()
