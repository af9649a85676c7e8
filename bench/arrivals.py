"""When calls are due that nobody waits for before the next: a Poisson process, as many callers make it together."""

from collections.abc import Iterator
from random import Random


def arrivals(rate: float, seed: int) -> Iterator[float]:
    """Yield the seconds from the beginning at which calls are due, so many a second on average, without end."""
    random, due = Random(seed), 0.0
    while True:
        due += random.expovariate(rate)
        yield due
