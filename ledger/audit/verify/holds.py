"""Holds, from what stands in the events: what each open authorisation still holds, and what accounts have held.

Only open ones are kept. Whatever lets go of a hold must find as much held as it says, on the account that it says.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from domain.ids import format_uuid
from domain.ports import Row
from ledger.audit.verify.accounts import BOUND, Column, Tallies
from ledger.audit.verify.findings import Check, Finding, Findings

BEGINS: Final = frozenset(("authorization.approved.v1", "authorization.advised.v1"))
INCREMENTED: Final = "authorization.incremented.v1"
REPLACED: Final = "authorization.amount_replaced.v1"
PARTLY_REVERSED: Final = "authorization.partly_reversed.v1"
REVERSED: Final = "authorization.reversed.v1"
CAPTURED: Final = "authorization.captured.v1"
EXPIRED: Final = "authorization.expired.v1"
TOPICS: Final = BEGINS | {INCREMENTED, REPLACED, PARTLY_REVERSED, REVERSED, CAPTURED, EXPIRED}
_ENDS: Final = frozenset((REVERSED, EXPIRED))


class _Told(msgspec.Struct, gc=False):
    account: int
    amount: int = 0
    total: int = 0
    released: int = 0
    expires_at: int = 0
    final: bool = False


_TOLD: Final = msgspec.json.Decoder(_Told).decode
_REMAINING: Final[dict[str, Callable[[int, _Told], int]]] = {
    INCREMENTED: lambda before, told: before + told.amount,
    REPLACED: lambda _, told: told.total,
    PARTLY_REVERSED: lambda before, told: before - told.amount,
    REVERSED: lambda before, told: before - told.released,
    CAPTURED: lambda before, told: before - told.released,
    EXPIRED: lambda before, told: before - told.released,
}
"""What is held after an event, of what was held before it."""


class Hold(NamedTuple):
    """What an open authorisation holds."""

    account: int
    remaining: int
    expires_at: int


class Holds:
    """Holds and lets go as the events say."""

    def __init__(self, tallies: Tallies, findings: Findings) -> None:
        self._tallies = tallies
        self._findings = findings
        self.open: dict[bytes, Hold] = {}

    def add(self, row: Row) -> None:
        """Take in an event of an authorisation; raises msgspec.DecodeError."""
        told = _TOLD(row.state)
        if not all(-BOUND < number < BOUND for number in (told.amount, told.total, told.released)):
            self._tell(row, told.account, "its amounts are out of all bounds")
            return
        if not self._tallies.index(told.account):
            self._tell(row, told.account, f"it holds of account {told.account}, which was not opened by then")
            return
        before = self.open.get(row.originator_id)
        if row.topic in BEGINS:
            if before is not None:
                self._tell(row, told.account, "the authorisation had begun before")
            self._keep(row, before, Hold(told.account, told.amount, told.expires_at))
            return
        if before is None:
            if row.topic != CAPTURED or told.released:
                self._tell(row, told.account, "it changes a hold that is not open")
            return
        if before.account != told.account:
            self._tell(row, told.account, f"the hold is on account {before.account}, not on {told.account}")
        self._change(row, told, before)

    def held(self, *, at: int) -> Column:
        """Return what is held of each account, by index, without the holds that had lapsed by a time."""
        held = self._tallies.column("held").copy()
        for hold in self.open.values():
            if hold.expires_at <= at:
                held[self._tallies.index(hold.account)] -= hold.remaining
        return held

    def check_sums(self, position: int) -> None:
        """Tell the accounts of which something else is held than their open authorisations hold."""
        expected = self._tallies.column("held") * 0
        for hold in self.open.values():
            expected[self._tallies.index(hold.account)] += hold.remaining
        found = self._tallies.column("held")
        for index in (expected != found).nonzero()[0].tolist():
            account = self._tallies.account(index)
            message = (
                f"{found[index]} tyiyn are held of account {account}, its open authorisations hold {expected[index]}"
            )
            self._findings.add(Finding(Check.HOLDS, message, upto=position, account=account))

    def _change(self, row: Row, told: _Told, before: Hold) -> None:
        remaining = _REMAINING[row.topic](before.remaining, told)
        ends = told.final if row.topic == CAPTURED else row.topic in _ENDS
        if remaining < 0:
            self._tell(row, told.account, f"it lets go of {-remaining} tyiyn more than are held")
        elif ends and remaining:
            self._tell(row, told.account, f"the hold ends, and {remaining} tyiyn of it are not let go")
        elif remaining >= BOUND:
            self._tell(row, told.account, f"it holds {remaining} tyiyn, which is out of all bounds")
            ends = True
        self._keep(row, before, None if ends else before._replace(remaining=max(0, remaining)))

    def _keep(self, row: Row, before: Hold | None, after: Hold | None) -> None:
        held = self._tallies.column("held")
        if before is not None:
            held[self._tallies.index(before.account)] -= before.remaining
        if after is not None:
            held[self._tallies.index(after.account)] += after.remaining
            self.open[row.originator_id] = after
        else:
            self.open.pop(row.originator_id, None)

    def _tell(self, row: Row, account: int, message: str) -> None:
        aggregate = format_uuid(row.originator_id)
        self._findings.add(Finding(Check.HOLDS, message, row.position, aggregate=aggregate, account=account))
