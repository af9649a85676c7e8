"""The state with which an engine starts: empty, or that of the newest snapshot for which the log vouches."""

import structlog

from domain.books import Books
from domain.event import Policy
from domain.ports import Clock
from ledger.engine import snapshot
from ledger.engine.decider import Decider
from ledger.engine.requests import RecentRequests
from ledger.engine.settings import EngineSettings
from ledger.log.api import Log

_log = structlog.get_logger("esep.engine")


def empty_decider(partition: int, settings: EngineSettings, policy: Policy, clock: Clock) -> Decider:
    """Return a decider that knows nothing yet."""
    books = Books(partition, cache_size=settings.cached_aggregates, utc_offset_seconds=policy.utc_offset_seconds)
    return Decider(books, RecentRequests(settings.recent_requests, since=0, position=0), policy, clock)


def load_decider(log: Log, partition: int, settings: EngineSettings, policy: Policy, clock: Clock) -> Decider:
    """Return a decider in the state of the newest snapshot that can be used, or an empty one.

    What the log holds after that state is still to be followed.
    """
    data = snapshot.load_trusted(log, partition)
    decider = empty_decider(partition, settings, policy, clock)
    if data is None:
        return decider
    try:
        position, recorded_at, ahead = snapshot.restore(data, decider.books)
    except ValueError as unusable:
        _log.warning("snapshot.unusable", partition=partition, error=str(unusable))
        return empty_decider(partition, settings, policy, clock)
    decider.position, decider.recorded_at = position, recorded_at
    decider.recent = RecentRequests(settings.recent_requests, since=recorded_at, position=position, ahead=ahead)
    return decider
