"""What open authorisations hold, kept while a log is read from its beginning.

Kept are open authorisations only: memory grows with them, not with the history.
"""

from domain.authorization import (
    AuthorizationAdvised,
    AuthorizationApproved,
    AuthorizationCaptured,
    AuthorizationExpired,
    AuthorizationReversed,
)
from domain.event import Event
from domain.ports import Row
from ledger.audit.figures.explain import held_change


class Hold:
    """What one authorisation holds."""

    __slots__ = ("account", "expires_at", "remaining")

    def __init__(self, account: int, expires_at: int) -> None:
        self.account = account
        self.remaining = 0
        self.expires_at = expires_at


class OpenHolds:
    """Every open authorisation that was seen."""

    def __init__(self) -> None:
        self._open: dict[bytes, Hold] = {}

    def change(self, row: Row, event: Event) -> tuple[int, int] | None:
        """Take in the next event; return the account of which it holds more or less, and by how much."""
        if isinstance(event, AuthorizationApproved | AuthorizationAdvised):
            self._open[row.originator_id] = Hold(event.account, event.expires_at)
        hold = self._open.get(row.originator_id)
        if hold is None:
            return None
        change = held_change(row, event, self.remaining_before)
        hold.remaining += change
        if isinstance(event, AuthorizationReversed | AuthorizationExpired) or (
            isinstance(event, AuthorizationCaptured) and event.final
        ):
            del self._open[row.originator_id]
        return (hold.account, change) if change else None

    def remaining_before(self, row: Row) -> int:
        """Return what the authorisation that an event belongs to holds so far."""
        return self._open[row.originator_id].remaining

    def lapsed(self, time: int) -> dict[int, int]:
        """Return by account what is still counted as held although its time was over by then."""
        found: dict[int, int] = {}
        for hold in self._open.values():
            if hold.expires_at <= time and hold.remaining:
                found[hold.account] = found.get(hold.account, 0) + hold.remaining
        return found
