"""Where the engine's threads come from, and what they wait on: a seam.

The system's threads run whenever the system pleases. A simulation hands in others, of which one runs at a time and
a seed says which, so that what happened once can be made to happen again; the engine is the same.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, Final, Protocol


class Thread(Protocol):
    """A thread that was made and can be started."""

    def start(self) -> None:
        """Begin."""
        ...

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended, no longer than so many seconds."""
        ...


class Threads(Protocol):
    """Makes threads, and what they wait on, with the behaviour of those of the standard library."""

    def thread(self, target: Callable[..., object], name: str, *arguments: Any) -> Thread:
        """Return a thread that will call ``target``, and that does not keep the process."""
        ...

    def condition(self) -> threading.Condition:
        """Return a condition with a lock that its holder may take again."""
        ...

    def event(self) -> threading.Event:
        """Return an event that has not happened."""
        ...

    def pool(self, threads: int, name: str) -> Executor:
        """Return so many threads that take work in turn."""
        ...


class SystemThreads:
    """The system's."""

    def thread(self, target: Callable[..., object], name: str, *arguments: Any) -> Thread:
        """Return a thread that will call ``target``, and that does not keep the process."""
        return threading.Thread(target=target, args=arguments, name=name, daemon=True)

    def condition(self) -> threading.Condition:
        """Return a condition with a lock that its holder may take again."""
        return threading.Condition()

    def event(self) -> threading.Event:
        """Return an event that has not happened."""
        return threading.Event()

    def pool(self, threads: int, name: str) -> Executor:
        """Return so many threads that take work in turn."""
        return ThreadPoolExecutor(threads, thread_name_prefix=name)


SYSTEM_THREADS: Final = SystemThreads()
