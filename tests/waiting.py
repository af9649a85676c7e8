"""Waiting for what other threads and processes bring about."""

from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

T = TypeVar("T")


def eventually(find: Callable[[], T | None], patience: float = 20.0, *, every: float = 0.005) -> T:
    """Return what is found as soon as there is something; fail when that takes too long."""
    deadline = monotonic() + patience
    while not (found := find()):
        assert monotonic() < deadline, "it never came about"
        sleep(every)
    return found
