"""A thread that goes round after round, hearing answers that come from the threads of engines."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final

import structlog

from ledger.log.errors import LogError

_log = structlog.get_logger("esep.courier")

LATER_SECONDS: Final = 0.5
"""After how long what could not be done is tried again."""


class Errand(ABC):
    """Goes its rounds from ``start`` to ``stop``; whatever goes wrong in one, the next begins."""

    def __init__(self, name: str, partition: int) -> None:
        self._partition = partition
        self._answers: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._told = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin the rounds."""
        self._thread.start()

    def wake(self) -> None:
        """Say that there may be something new. Never blocks."""
        if not self._told:
            self._told = True
            self._answers.put(None)

    def stop(self, grace: float = 10.0) -> None:
        """Begin nothing more; what is under way is taken up by the next one."""
        self._stopping.set()
        self._answers.put(None)
        self._thread.join(grace)

    @abstractmethod
    def step(self) -> None:
        """Go one round."""

    def answer(self, work: Callable[[], None]) -> None:
        """Have an answer heard in the next round. For any thread."""
        self._answers.put(work)

    def hear(self, patience: float) -> None:
        """Take in answers: wait for the first of them, then take what is there."""
        try:
            answer = self._answers.get(timeout=patience)
            while True:
                if answer is None:
                    self._told = False
                else:
                    answer()
                answer = self._answers.get_nowait()
        except Empty:
            return

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.step()
            except LogError as failure:
                _log.warning("courier.waits", partition=self._partition, error=str(failure))
                self._stopping.wait(LATER_SECONDS)
            except Exception:  # noqa: BLE001 - money must not stay on its way because of one defect
                _log.exception("courier.failed", partition=self._partition)
                self._stopping.wait(LATER_SECONDS)
