"""An owner's signs of life, and its look at whether somebody else writes to its partition."""

from typing import TYPE_CHECKING

import structlog

from ledger.engine.modes import Mode
from ledger.engine.threads import Threads
from ledger.log.errors import LogError

if TYPE_CHECKING:
    from ledger.engine.engine import Engine

_log = structlog.get_logger("esep.engine")


class Pulse:
    """Beats while the engine owns its partition, on a thread of its own."""

    def __init__(self, engine: "Engine", threads: Threads) -> None:
        self.address = ""
        """Where other servers reach the one that beats; told before ``start``, if at all."""
        self._engine = engine
        self._thread = threads.thread(self._run, f"esep-beat-{engine.partition}")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Wait until the last sign of life was given, which is soon after the engine has begun to stop."""
        self._thread.join()

    def beat(self) -> None:
        """Give a sign of life now; one that does not get through is made up for by the next."""
        try:
            self._engine.log.beat(self._engine.partition, self._engine.owner, self.address)
        except LogError as failure:
            _log.warning("beat.failed", partition=self._engine.partition, error=str(failure))

    def _run(self) -> None:
        engine = self._engine
        while engine.mode not in (Mode.STOPPING, Mode.BROKEN):
            engine.pause(engine.settings.beat_interval)
            if engine.mode is not Mode.OWNER:
                continue
            if self._overtaken():
                engine.outpaced()  # And no sign of life: it would stand in the place of the new owner's.
            else:
                self.beat()

    def _overtaken(self) -> bool:
        """Tell whether the log certainly holds more than this engine has decided."""
        try:
            return self._engine.log.head(self._engine.partition) > self._engine.decided
        except LogError:
            return False  # The sign of life that is tried next tells of it.
