"""Several partitions and a courier that nobody should trust: it loses, repeats, delays and reorders what it carries."""

from random import Random
from typing import Any
from uuid import UUID

import pytest

from domain.account import AccountKind, CloseAccount, FreezeAccount, OpenAccount, UnfreezeAccount
from domain.aggregate import fold
from domain.books import Books
from domain.command import Command
from domain.crossing import (
    TransferCompleted,
    TransferReceived,
    TransferRejected,
    TransferReturned,
    TransferSent,
    receive_request,
    settle_request,
)
from domain.event import Event, Policy
from domain.ids import account_id, account_partition
from domain.ports import Row
from domain.refusals import Reason
from domain.transfer import CreateTransfer
from domain.transit import CompleteTransfer, OpenClearing, ReceiveTransfer, ReturnTransfer
from ledger.engine import snapshot
from ledger.engine.batch import Batch
from ledger.engine.decider import TIMER, Decider, LookUpError
from ledger.engine.lookup import history
from ledger.engine.requests import NONE_AHEAD, RecentRequests
from ledger.engine.tickets import Accepted, CommandTicket, Declined, Repeated
from ledger.log.codec import decode
from tests.ledger.engine.world import HandClock, Ids

PARTITIONS = 3
POLICY = Policy(several=PARTITIONS)
CLEARING, CASH, FIRST = 1, 2, 3
CUSTOMERS = 5


class Partition:
    """One partition's decider, and its log in memory."""

    def __init__(self, number: int, clock: HandClock) -> None:
        self.number = number
        self.clock = clock
        self.rows: list[Row] = []
        self.decider = self._decider()

    def _decider(self) -> Decider:
        recent = RecentRequests(40, since=0, position=0)  # So few that old requests are looked up.
        return Decider(Books(self.number, cache_size=8), recent, POLICY, self.clock)

    def restart(self) -> None:
        """Forget everything but the log."""
        self.decider = self._decider()
        self.decider.follow(self.rows)

    def event_at(self, position: int) -> Event:
        row = self.rows[position - 1]
        return decode(row.topic, row.state)

    def ask(self, command: Command | CreateTransfer, request_id: bytes, caller: str = "bank-a") -> Any:
        """Decide a request, looking up in the log what is not at hand, and record what follows."""
        ticket = CommandTicket(command, request_id, caller)
        self.rows += self.decide(ticket).rows
        return ticket.outcome

    def decide(self, ticket: CommandTicket) -> Batch:
        """Return the batch in which a ticket was decided, not recorded yet."""
        batch = self.decider.begin()
        while True:
            try:
                self.decider.decide(ticket, batch)
            except LookUpError:
                self._look_up(ticket)
            else:
                self.decider.seal(batch)
                return batch

    def _look_up(self, ticket: CommandTicket) -> None:
        as_of = len(self.rows)
        named = {row.request_id: row.position for row in self.rows}
        made = {row.originator_id: row.position for row in self.rows if row.originator_version == 1}
        found = made.get(ticket.request_id) or named.get(ticket.request_id)
        ticket.found, ticket.looked_up = ({ticket.request_id: found} if found else {}), as_of
        needed = {*ticket.missed, *ticket.needs()}
        ticket.loaded = {
            key: (fold(history(row for row in self.rows if row.originator_id == key)), as_of) for key in needed
        }

    def posted(self) -> dict[int, int]:
        accounts = self.decider.books.accounts
        return {account_id(self.number, index): accounts.posted[index] for index in range(1, len(accounts) + 1)}


class Voyage:
    """Partitions, customers who pay each other, and messages on their way."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.clock = HandClock()
        self.ids = Ids(self.clock, seed)
        self.clocks = [HandClock(self.clock.now() + number * 700_000) for number in range(PARTITIONS)]
        self.parts = [Partition(number, clock) for number, clock in enumerate(self.clocks)]
        self.sent: dict[tuple[int, bytes], TransferSent] = {}
        self.too_early = 0
        self.messages: list[tuple[int, bytes]] = []
        """What a courier has picked up and not yet carried: homes and transfers, some of them more than once."""
        for part in self.parts:
            part.ask(OpenClearing(currency="KGS"), self.ids.recent(), TIMER)
            part.ask(OpenAccount(participant_id="bank-a", kind=AccountKind.CASH), self.ids.recent())
            for index in range(FIRST, FIRST + CUSTOMERS):
                part.ask(OpenAccount(participant_id="bank-a", kind=AccountKind.CUSTOMER), self.ids.recent())
                cash, customer = account_id(part.number, CASH), account_id(part.number, index)
                request = self.ids.recent()
                part.ask(CreateTransfer(request, cash, customer, 1_000), request)

    def step(self) -> None:
        self.advance(self.random.choice((1, 1_000, 3_000_000)))
        actions = (self.pay, self.pay, self.carry, self.carry, self.collect, self.lose, self.trouble, self.restart)
        self.random.choice(actions)()

    def advance(self, microseconds: int) -> None:
        for clock in (self.clock, *self.clocks):
            clock.advance(microseconds)

    def customer(self) -> int:
        part, index = self.random.randrange(PARTITIONS), self.random.randrange(FIRST, FIRST + CUSTOMERS + 1)
        return account_id(part, index)  # The last one does not exist.

    def pay(self) -> None:
        payer, payee = self.customer(), self.customer()
        if payer == payee:
            return
        home = self.parts[account_partition(payer)]
        request = self.ids.recent()
        if self.sent and self.random.random() < 0.2:  # Requests of different partitions may bear one id.
            _, request = self.random.choice(list(self.sent))
        outcome = home.ask(CreateTransfer(request, payer, payee, self.random.randint(1, 400)), request)
        if isinstance(outcome, Accepted) and isinstance(outcome.change.event, TransferSent):
            self.sent[home.number, request] = outcome.change.event
            self.messages.append((home.number, request))

    def carry(self) -> None:
        """Carry some message, not the oldest, and sometimes leave it there to be carried again."""
        if not self.messages:
            return
        index = self.random.randrange(len(self.messages))
        message = self.messages[index] if self.random.random() < 0.3 else self.messages.pop(index)
        self.deliver(*message, settle=self.random.random() < 0.7)

    def deliver(self, home: int, transfer: bytes, *, settle: bool = True) -> None:
        """Do what a courier does, all the way or only as far as the destination."""
        sent = self.sent[home, transfer]
        destination = self.parts[account_partition(sent.credit_account)]
        sent_at = next(row.recorded_at for row in self.parts[home].rows if row.originator_id == transfer)
        receive = ReceiveTransfer.of(transfer, home, sent, sent_at)
        outcome = destination.ask(receive, receive_request(transfer, home), TIMER)
        if isinstance(outcome, Declined):  # By the clock there it was not sent yet.
            assert (outcome.position, outcome.refusal.reason) == (0, Reason.EFFECTIVE_TIME_OUT_OF_BOUNDS)
            self.too_early += 1
            return
        assert isinstance(outcome, Accepted | Repeated), outcome
        event = destination.event_at(outcome.position)
        if not settle:
            return
        end: Command = CompleteTransfer(transfer_id=UUID(bytes=transfer), position=outcome.position)
        if isinstance(event, TransferRejected):
            end = ReturnTransfer(
                transfer_id=UUID(bytes=transfer), position=outcome.position, reason=event.reason, detail=event.detail
            )
        else:
            assert isinstance(event, TransferReceived)
        ended = self.parts[home].ask(end, settle_request(transfer), TIMER)
        assert isinstance(ended, Accepted | Repeated), ended

    def collect(self) -> None:
        """Let a courier read the logs again from the beginning: everything is picked up once more."""
        if self.random.random() < 0.1:
            self.messages += self.sent

    def lose(self) -> None:
        if self.messages:
            self.messages.pop(self.random.randrange(len(self.messages)))

    def trouble(self) -> None:
        """Freeze, release or close some account."""
        account = self.customer()
        kind = self.random.choice((FreezeAccount, UnfreezeAccount, UnfreezeAccount, CloseAccount))
        fields = {} if kind is CloseAccount else {"credits": True, "debits": self.random.random() < 0.5}
        part = self.parts[account_partition(account)]
        outcome = part.ask(kind.model_validate({"account_id": account, **fields}), self.ids.recent())
        assert isinstance(outcome, Accepted | Declined)

    def restart(self) -> None:
        self.random.choice(self.parts).restart()

    def in_transit(self) -> int:
        """Return what was sent and is neither received nor returned, as the logs tell it."""
        left = {key: sent.amount for key, sent in self.sent.items()}
        for part in self.parts:
            for row in part.rows:
                event = decode(row.topic, row.state)
                if isinstance(event, TransferReceived):
                    del left[event.home, event.transfer.bytes]  # Twice would raise.
                elif isinstance(event, TransferReturned):
                    del left[part.number, row.originator_id]
        return sum(left.values())

    def check(self) -> None:
        """Every partition sums to zero, and the clearing accounts hold what is in transit."""
        clearing = 0
        for part in self.parts:
            posted = part.posted()
            assert sum(posted.values()) == 0
            clearing += posted[account_id(part.number, CLEARING)]
        assert clearing == self.in_transit()

    def arrive(self) -> None:
        """Let everything arrive at last."""
        self.advance(PARTITIONS * 1_000_000)
        for home, transfer in self.sent:
            self.deliver(home, transfer)

    def check_cuts(self) -> None:
        """At any recorded time, all partitions together hold no receipt without its sending."""
        times = sorted(row.recorded_at for part in self.parts for row in part.rows)
        for cut in self.random.sample(times, 20):
            seen = [
                (part.number, row.originator_id, decode(row.topic, row.state))
                for part in self.parts
                for row in part.rows
                if row.recorded_at <= cut
            ]
            sent = {(home, transfer) for home, transfer, event in seen if isinstance(event, TransferSent)}
            arrived = {
                (event.home, event.transfer.bytes)
                for _, _, event in seen
                if isinstance(event, TransferReceived | TransferRejected)
            }
            assert arrived <= sent


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 40))])
def test_money_arrives_or_comes_back_once_whatever_the_courier_does(seed: int) -> None:
    """Sums are zero after every step, clearing holds what is in transit, and every transfer ends once."""
    voyage = Voyage(seed)
    for step in range(300):
        voyage.step()
        if step % 10 == 0:
            voyage.check()
    assert voyage.sent
    voyage.arrive()
    voyage.check()
    voyage.check_cuts()
    assert voyage.in_transit() == 0
    assert not any(part.decider.books.transit for part in voyage.parts)
    ended = [
        (part.number, row.originator_id)
        for part in voyage.parts
        for row in part.rows
        if row.topic in (TransferCompleted.TOPIC, TransferReturned.TOPIC)
    ]
    assert sorted(ended) == sorted(voyage.sent)


def test_what_is_in_transit_is_in_snapshots_and_undone_with_its_batch() -> None:
    """A snapshot restores it as it was, and undoing a batch takes it back."""
    voyage = Voyage(1)
    home, request = voyage.parts[0], voyage.ids.recent()
    voyage.advance(1_000)
    home.ask(CreateTransfer(request, account_id(0, FIRST), account_id(1, FIRST), 7), request)
    books = home.decider.books
    assert [(each.account, each.amount) for each in books.transit.values()] == [(account_id(0, FIRST), 7)]
    data = snapshot.dump(books, home.decider.position, home.decider.recorded_at, NONE_AHEAD)
    restored = Books(0)
    snapshot.restore(data, restored)
    assert restored.transit == books.transit

    end = CompleteTransfer(transfer_id=UUID(bytes=request), position=1)
    batch = home.decide(CommandTicket(end, settle_request(request), TIMER))
    assert not books.transit
    home.decider.undo(batch)
    assert restored.transit == books.transit
