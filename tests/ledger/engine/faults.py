"""A log whose appends can be made to fail, each in every way an append can fail."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum, auto
from functools import partial
from typing import Any, cast

from domain.event import Event
from domain.ports import Row
from ledger.log.api import Log
from ledger.log.codec import encode
from ledger.log.errors import LogUnavailable, RequestTaken, StorageFull


class Fault(Enum):
    """How an append fails, or does not."""

    NONE = auto()
    LOST = auto()
    """The connection broke before the commit."""
    ANSWER_LOST = auto()
    """The commit happened, its answer did not arrive."""
    FULL = auto()
    """There was no room."""
    FOREIGN = auto()
    """Somebody else had just appended."""
    CONFLICT = auto()
    """The database spoke of a conflict that it cannot show."""
    SLOW = auto()
    """The commit takes until ``let_go`` is called."""


class FaultyLog:
    """Hands everything on to a real log; each append takes the next fault from ``faults``."""

    def __init__(self, inner: Log) -> None:
        self.inner = inner
        self.faults: deque[Fault] = deque()
        self.foreign: deque[tuple[bytes, Event]] = deque()
        self.appends = 0
        self.reading = threading.Event()
        self.reading.set()
        self.hung = threading.Event()
        self._released = threading.Event()

    def as_log(self) -> Log:
        return cast("Log", self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def let_go(self) -> None:
        self._released.set()

    def append(self, rows: Sequence[Row]) -> None:
        self._append(rows)

    def take_over(self, rows: Sequence[Row], *, tail: bytes) -> None:
        self._append(rows, partial(self.inner.take_over, tail=tail))

    def read(self, partition: int, after: int, limit: int) -> list[Row]:
        if not self.reading.is_set():
            raise LogUnavailable("cut off")
        return self.inner.read(partition, after, limit)

    def _append(self, rows: Sequence[Row], append: Callable[[Sequence[Row]], None] | None = None) -> None:
        self.appends += 1
        fault = self.faults.popleft() if self.faults else Fault.NONE
        match fault:
            case Fault.LOST:
                raise LogUnavailable("the connection broke")
            case Fault.FULL:
                raise StorageFull("no room")
            case Fault.CONFLICT:
                raise RequestTaken("somewhere")
            case Fault.FOREIGN:
                self.append_foreign(rows[0].recorded_at)
            case Fault.SLOW:
                self.hung.set()
                self._released.wait(30)
            case _:
                pass
        (append or self.inner.append)(rows)
        if fault is Fault.ANSWER_LOST:
            raise LogUnavailable("the answer was lost")

    def append_foreign(self, recorded_at: int) -> None:
        """Append the next foreign event at the head, as another writer would."""
        originator, event = self.foreign.popleft()
        position = self.inner.head(0) + 1
        self.inner.append([Row(0, position, originator, 1, event.TOPIC, encode(event), recorded_at, None, "other")])
