"""The inbox: takes in what partitions of other processes have mailed to one of this process.

A letter names a home and a position; what was sent is read from home's log, never from the letter. A letter is
dropped when the transfer is received or rejected, durably. One that leads to nothing is dropped as well: its courier
writes again for as long as the transfer is in transit.
"""

from typing import Final

from domain.crossing import TransferSent, receive_request
from domain.ids import account_partition
from domain.refusals import Refused
from domain.transit import ReceiveTransfer
from ledger.engine.decider import TIMER
from ledger.engine.tickets import Accepted, CommandTicket, Repeated, Ticket
from ledger.log.api import Log, Mail
from ledger.log.codec import decode
from ledger.process.courier import MAIL_SECONDS, Home, Post
from ledger.process.errand import Errand

LETTERS: Final = 2_000
"""Letters that are taken in at once."""


class Inbox(Errand):
    """Takes in the mail of one partition."""

    def __init__(self, here: Home, log: Log, post: Post) -> None:
        """Take the engine whose mail it is, any log of the ledger, and the way to the engine."""
        super().__init__(f"esep-inbox-{here.partition}", here.partition)
        self._here = here
        self._log = log
        self._post = post
        self._open: set[Mail] = set()
        """Letters whose transfers are being received."""
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
            self._open.difference_update(done)
        for letter in self._log.read_mail(self._here.partition, LETTERS):
            if letter not in self._open:
                self._take_in(letter)

    def _take_in(self, letter: Mail) -> None:
        rows = self._log.read(letter.home, letter.position - 1, 1)
        event = decode(rows[0].topic, rows[0].state) if rows else None
        if not isinstance(event, TransferSent) or account_partition(event.credit_account) != self._here.partition:
            self._done.append(letter)
            return
        transfer = rows[0].originator_id
        self._open.add(letter)

        def hear(ticket: Ticket) -> None:
            if isinstance(ticket.outcome, Accepted | Repeated):
                self._done.append(letter)
            else:
                self._open.discard(letter)

        receive = ReceiveTransfer.of(transfer, letter.home, event, rows[0].recorded_at)
        ticket = CommandTicket(receive, receive_request(transfer, letter.home), TIMER)
        ticket.deliver = lambda answered: self.answer(lambda: hear(answered))
        try:
            self._post(self._here.partition, ticket)
        except Refused:
            self._open.discard(letter)
