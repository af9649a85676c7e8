"""The inbox: takes in what partitions of other processes have mailed to one of this process.

A letter names a home and a position; what was sent is read from home's log, never from the letter. A letter is
dropped when the transfer is received or rejected, durably. One that leads to nothing is dropped as well: its courier
writes again for as long as the transfer is in transit.
"""

import time
from collections.abc import Mapping
from typing import Final

from domain.crossing import TransferSent, receive_request
from domain.ids import account_partition
from domain.ports import Row
from domain.transit import ReceiveTransfer
from ledger.engine.decider import TIMER
from ledger.engine.tickets import Accepted, CommandTicket, Repeated, Ticket
from ledger.log.api import Log, Mail
from ledger.log.codec import decode
from ledger.process.courier import AGAIN_SECONDS, MAIL_SECONDS, Home, rows_at, submit_all
from ledger.process.errand import Errand

LETTERS: Final = 2_000
"""Letters that are taken in at once."""


class Inbox(Errand):
    """Takes in the mail of one partition."""

    def __init__(self, here: Home, log: Log) -> None:
        """Take the engine whose mail it is, and any log of the ledger."""
        super().__init__(f"esep-inbox-{here.partition}", here.partition)
        self._here = here
        self._log = log
        self._open: dict[Mail, float] = {}
        """Letters whose transfers are being received, and when to begin again with them."""
        self._done: list[Mail] = []

    def step(self) -> None:
        """Go one round: drop what was taken in, and take in what is new."""
        self.hear(MAIL_SECONDS)
        if not self._here.serving:
            self._open.clear()
            return
        if self._done:
            done, self._done = self._done, []
            self._log.drop_mail(self._here.partition, done)
            for letter in done:
                self._open.pop(letter, None)
        now = time.monotonic()
        mail = [each for each in self._log.read_mail(self._here.partition, LETTERS) if self._open.get(each, now) <= now]
        by_home: dict[int, list[int]] = {}
        for letter in mail:
            by_home.setdefault(letter.home, []).append(letter.position)
        asked: list[tuple[Mail, CommandTicket]] = []
        for home, positions in by_home.items():
            rows = {row.position: row for row in rows_at(self._log, home, sorted(positions))}
            asked += [(Mail(home, each), ticket) for each in positions if (ticket := self._taken_in(home, each, rows))]
        for letter, refused in submit_all(self._log, self._here, asked) if asked else ():
            if refused:
                self._open.pop(letter, None)

    def _taken_in(self, home: int, position: int, rows: Mapping[int, Row]) -> CommandTicket | None:
        """Return what receives the transfer that a letter tells of, None where it tells of none."""
        letter, row = Mail(home, position), rows.get(position)
        event = decode(row.topic, row.state) if row is not None else None
        if row is None or not isinstance(event, TransferSent) or not self._mine(event):
            self._done.append(letter)
            return None
        self._open[letter] = time.monotonic() + AGAIN_SECONDS

        def hear(ticket: Ticket) -> None:
            if isinstance(ticket.outcome, Accepted | Repeated):
                self._done.append(letter)
            else:
                self._open.pop(letter, None)

        receive = ReceiveTransfer.of(row.originator_id, home, event, row.recorded_at)
        ticket = CommandTicket(receive, receive_request(row.originator_id, home), TIMER)
        ticket.deliver = lambda answered: self.answer(lambda: hear(answered))
        return ticket

    def _mine(self, event: TransferSent) -> bool:
        return account_partition(event.credit_account) == self._here.partition
