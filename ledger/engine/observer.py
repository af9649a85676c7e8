"""Who watches an engine at work, as a protocol: the engine counts nothing itself."""

from typing import Protocol


class Observer(Protocol):
    """Hears of every commit, on the thread that writes: whatever it does, requests wait for it."""

    def committed(self, events: int, seconds: float) -> None:
        """Hear that so many events became durable together, and how long the log took for it."""
        ...


class NoObserver:
    """Watches nothing."""

    def committed(self, events: int, seconds: float) -> None:
        """Do nothing."""
