"""Becoming the owner of a partition: by an ``EngineStarted`` of one's own, right behind what was seen last."""

from domain.engine import EngineStarted
from domain.times import SECOND
from ledger.engine.decider import Decider
from ledger.engine.errors import EngineError
from ledger.engine.follower import Follower, HistoryChangedError
from ledger.log.api import Log
from ledger.log.errors import AppendConflict, LogError, TailChanged


def check_clock(decider: Decider, most_behind: float) -> None:
    """Raise EngineError where the clock is too many seconds behind the last record."""
    behind = (decider.recorded_at - decider.clock.now()) / SECOND
    if behind > most_behind:
        raise EngineError(
            f"the clock is {behind:.0f} s behind the last record of partition {decider.books.partition}: "
            "set it right, then start again"
        )


def take_over(log: Log, decider: Decider, follower: Follower, started: EngineStarted) -> int | None:
    """Append the beginning of an epoch; return its position, None where somebody else has written.

    Raises HistoryChangedError where the log does not end with what was seen last, and LogError; nothing has happened
    then as far as the decider knows.
    """
    batch = decider.begin()
    decider.record_own(started, batch)
    decider.seal(batch)
    try:
        log.take_over(batch.rows, tail=follower.last)
    except LogError as failure:
        decider.undo(batch)
        if isinstance(failure, TailChanged):
            raise HistoryChangedError(str(failure)) from failure
        if isinstance(failure, AppendConflict):
            return None
        raise
    follower.wrote(batch.rows[-1])
    return batch.last
