"""The figures of all accounts, made anew from the events in order; and the explanation of one of them.

For whoever has a history and no ledger: the rules are those by which the ledger itself explains a figure
(``ledger.audit.figures.explain``). Memory grows with the accounts and the open authorisations, not with the events.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from domain.account import AccountOpened
from domain.event import Event
from domain.movements import movements
from domain.ports import Row
from ledger.audit.export.format import ExportError
from ledger.audit.figures.explain import Figure, Running, Step, limits_after, step_of
from ledger.audit.figures.holds import OpenHolds
from ledger.audit.selection import Selection
from ledger.audit.source import AccountFigures
from ledger.log.codec import UnknownTopicError, decode

_ACCOUNT_TOPICS = "account."


class _Account:
    __slots__ = ("currency", "held", "kind", "limits", "participant", "posted")

    def __init__(self, opened: AccountOpened) -> None:
        self.participant = opened.participant
        self.kind = opened.kind.value
        self.currency = opened.currency
        self.posted = 0
        self.held = 0
        self.limits = 0, 0


class Figuring:
    """What every account has after the events so far."""

    def __init__(self) -> None:
        self._accounts: dict[int, _Account] = {}
        self._holds = OpenHolds()
        self.time = 0

    def apply(self, row: Row) -> Event:
        """Take in the next event, and return it; raises ExportError for one that cannot be."""
        event = event_of(row)
        try:
            self._apply(row, event)
        except KeyError as missing:
            raise _wrong(row, f"names account {missing}, which is not there") from None
        self.time = row.recorded_at
        return event

    def _apply(self, row: Row, event: Event) -> None:
        accounts = self._accounts
        for leg in movements(event):
            accounts[leg.debit_account].posted -= leg.amount
            accounts[leg.credit_account].posted += leg.amount
        held = self._holds.change(row, event)
        if held is not None:
            account, change = held
            accounts[account].held += change
        elif row.topic.startswith(_ACCOUNT_TOPICS):
            account = int.from_bytes(row.originator_id, "big")
            if isinstance(event, AccountOpened):
                accounts[account] = _Account(event)
            accounts[account].limits = limits_after(event, *accounts[account].limits)

    def figures(self) -> list[AccountFigures]:
        """Return what every account has right after the last event, by account id."""
        lapsed = self._holds.lapsed(self.time)
        return [
            AccountFigures(
                number,
                account.participant,
                account.kind,
                account.currency,
                account.posted,
                account.held - lapsed.get(number, 0),
                *account.limits,
            )
            for number, account in sorted(self._accounts.items())
        ]


class Explanation:
    """The steps that make a figure of one account, and what they come to."""

    def __init__(self, account: int, figure: Figure) -> None:
        self._account = account
        self._figure = figure
        self._holds = OpenHolds()
        self.known = False
        """Whether the account is there."""
        self.sum = 0
        self.time = 0

    @property
    def lapsed(self) -> int:
        """What is in the sums of holds whose time was over by the last event."""
        if self._figure is Figure.POSTED:
            return 0
        return self._holds.lapsed(self.time).get(self._account, 0)

    @property
    def figure(self) -> int:
        """The figure that the steps make: their sum, without what had lapsed."""
        return self.sum + (self.lapsed if self._figure is Figure.AVAILABLE else -self.lapsed)

    def steps(self, pieces: Iterable[Sequence[Row]]) -> Iterator[Step]:
        """Yield what each event did to the figure, given all events from the first on."""
        wanted, running = Selection(account=self._account), Running()
        for rows in pieces:
            for row in rows:
                self.time = row.recorded_at
                if not wanted.keeps(row):
                    continue
                event = event_of(row)
                self.known = self.known or isinstance(event, AccountOpened)
                step, running = step_of(self._account, self._figure, running, row, event, self._holds.remaining_before)
                if getattr(event, "account", None) == self._account:
                    self._holds.change(row, event)
                if step is not None:
                    self.sum = running.sum
                    yield step


def event_of(row: Row) -> Event:
    """Return what stands in an event; raises ExportError."""
    try:
        return decode(row.topic, row.state)
    except UnknownTopicError as error:
        advice = "Read it with the version of Esep that wrote it, or a newer one."
        raise ExportError("EVENT_UNKNOWN", f"Position {row.position}: {error}.", advice) from None
    except msgspec.DecodeError as error:
        raise _wrong(row, f"cannot be read: {error}") from None


def _wrong(row: Row, what: str) -> ExportError:
    advice = "Verify the history with `esep audit verify`."
    return ExportError("HISTORY_BROKEN", f"The event at position {row.position} {what}.", advice)


def upto(pieces: Iterable[Sequence[Row]], position: int) -> Iterator[Sequence[Row]]:
    """Pass events on up to a position."""
    for rows in pieces:
        if rows[-1].position < position:
            yield rows
            continue
        last = [row for row in rows if row.position <= position]
        if last:
            yield last
        return
