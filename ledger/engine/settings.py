"""What can be set about an engine; the defaults suit one server on one machine."""

import msgspec


class EngineSettings(msgspec.Struct, frozen=True):
    """Bounds and intervals of one partition's engine. Times are in seconds unless the name says otherwise."""

    max_batch_events: int = 8_192
    """A batch takes no further ticket once it holds this many events."""
    max_queued: int = 50_000
    """Requests waiting, each transfer of a batch counted; more are answered RESOURCE_EXHAUSTED."""
    recent_requests: int = 500_000
    """Request ids kept in memory."""
    cached_aggregates: int = 100_000
    """Aggregates other than accounts and open authorisations kept in memory."""
    expiries_per_batch: int = 500
    """Lapsed holds that the sweep records in one batch."""
    snapshot_every: int = 1_000_000
    """Events between snapshots; one more is made at a graceful stop."""
    max_projection_lag: float = 5.0
    """How far projections may fall behind before requests are taken in more slowly."""
    beat_interval: float = 1.0
    """Between signs of life of an owner."""
    takeover_after: float = 5.0
    """A standby takes over when the owner has given no sign of life for so long."""
    standby_interval: float = 0.2
    """Between a standby's looks at the log and at the owner's sign of life."""
    patience: float = 2.0
    """How long waiting requests ride out a database that does not answer before they are told so."""
    retry_interval: float = 0.2
    """Between attempts to reach a database that does not answer."""
    max_clock_lag: float = 60.0
    """The engine refuses to decide when the clock is further than this behind the last record."""
