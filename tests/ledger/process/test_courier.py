"""The courier and its partitions: money crosses once, whoever dies on the way."""

import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from domain.books import InTransit
from domain.crossing import (
    TransferCompleted,
    TransferReceived,
    TransferRejected,
    TransferReturned,
    TransferSent,
    receive_request,
)
from domain.ids import account_id
from domain.ports import Row
from domain.refusals import Reason, Refused, refuse
from domain.transfer import CreateTransfer
from domain.transit import CompleteTransfer, ReceiveTransfer
from ledger.engine.tickets import Accepted, CommandTicket, Declined, Repeated
from ledger.log.api import Log, Mail
from ledger.log.codec import encode
from ledger.log.errors import LogUnavailable
from ledger.process.courier import Courier, Home, rows_at
from tests.ledger.log.rows import rows
from tests.ledger.process.crossing import received, sent, sent_row, transfer_id
from tests.ledger.process.harbour import (
    AMOUNT,
    ARRIVAL_SECONDS,
    CLOSED,
    DESTINATION_STEPS,
    FUNDS,
    HOME_STEPS,
    PAYEE,
    PAYER,
    STEPS,
    Figures,
    Harbour,
)
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[3]
DEATH_SECONDS = 120
Mortal = Callable[[str, str, int], "subprocess.Popen[bytes]"]


def test_money_crosses_and_comes_back(store_url: str) -> None:
    """A payee is paid by another partition; what a closed account is sent comes back; all of it once."""
    with Harbour(store_url) as harbour:
        harbour.found()
        assert isinstance(harbour.send(PAYEE), Accepted)
        assert isinstance(harbour.send(PAYEE), Repeated)
        assert isinstance(harbour.send(CLOSED, harbour.ids.recent()), Accepted)
        back = CreateTransfer(harbour.ids.recent(), account_id(1, PAYEE), account_id(0, PAYER), 50)
        assert isinstance(harbour.ask(1, back), Accepted)
        harbour.arrived()
    figures = Figures(store_url)
    kinds = (TransferSent, TransferReceived, TransferRejected, TransferCompleted, TransferReturned)
    assert [figures.count(kind) for kind in kinds] == [3, 2, 1, 2, 1]
    assert figures.posted[account_id(0, PAYER)] == FUNDS - AMOUNT + 50
    assert figures.posted[account_id(1, PAYEE)] == FUNDS + AMOUNT - 50
    assert figures.clearing == 0


def test_many_cross_at_once_in_both_directions(store_url: str) -> None:
    """More than the courier takes in hand at a time arrive all the same, and sums are kept."""
    with Harbour(store_url) as harbour:
        harbour.found()
        for courier in harbour.partitions.couriers.values():
            courier._most = 7
        for home in (0, 1):
            for _ in range(60):
                there = account_id(1 - home, PAYEE)
                harbour.ask(home, CreateTransfer(harbour.ids.recent(), account_id(home, PAYER), there, 1))
        harbour.arrived()
    figures = Figures(store_url)
    assert figures.count(TransferReceived) == figures.count(TransferCompleted) == 120
    assert figures.posted[account_id(0, PAYER)] == figures.posted[account_id(1, PAYEE)] == FUNDS


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the file of a ledger with accounts in both partitions, to copy others from."""
    path = tmp_path_factory.mktemp("founded") / "log.db"
    with Harbour(f"sqlite:///{path}") as harbour:
        harbour.found()
    return path


@pytest.fixture
def url(founded: Path, tmp_path: Path) -> str:
    """Give the url of a ledger of its own with those accounts."""
    for file in founded.parent.iterdir():
        shutil.copy(file, tmp_path)
    return f"sqlite:///{tmp_path / founded.name}"


@pytest.fixture
def mortal(url: str) -> Iterator[Mortal]:
    """Give what starts a process that owns partitions and will die at a step; none outlives its test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(owned: str, step: str, payee: int) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "tests.ledger.process.harbour", url, owned, step, str(payee)]
        started.append(subprocess.Popen(command, cwd=ROOT))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def assert_in_transit(url: str) -> None:
    """Check that the money is visible wherever it is: sent, and in transit unless it was received or returned."""
    figures = Figures(url)
    assert figures.count(TransferSent) == 1
    assert figures.clearing == figures.under_way - figures.count(TransferReturned) * AMOUNT


def assert_ended(url: str, *, paid: bool) -> None:
    """Check that the money is where it belongs, once."""
    figures = Figures(url)
    assert figures.clearing == 0
    assert (figures.count(TransferReceived), figures.count(TransferCompleted)) == (paid, paid)
    assert (figures.count(TransferRejected), figures.count(TransferReturned)) == (not paid, not paid)
    assert figures.posted[account_id(0, PAYER)] == FUNDS - AMOUNT * paid
    assert figures.posted[account_id(1, PAYEE)] == FUNDS + AMOUNT * paid


@pytest.mark.parametrize(
    ("step", "payee"),
    [
        (STEPS[1], PAYEE),
        *(pytest.param(step, payee, marks=pytest.mark.slow) for step in STEPS for payee in (PAYEE, CLOSED)),
    ],
)
def test_a_crossing_survives_a_death_at_any_step(step: str, payee: int, url: str, mortal: Mortal) -> None:
    """Killed at any step, the ledger shows the money in transit, and the next process ends it once."""
    assert mortal("0,1", step, payee).wait(DEATH_SECONDS) == -signal.SIGKILL
    assert_in_transit(url)
    with Harbour(url) as harbour:
        harbour.arrived()
    assert_ended(url, paid=payee == PAYEE)


@pytest.mark.parametrize(
    ("dies", "step", "payee"),
    [
        (0, "after send_mail", PAYEE),
        (1, "after receive_transfer", CLOSED),
        *(pytest.param(0, step, payee, marks=pytest.mark.slow) for step in HOME_STEPS for payee in (PAYEE, CLOSED)),
        *(
            pytest.param(1, step, payee, marks=pytest.mark.slow)
            for step in DESTINATION_STEPS
            for payee in (PAYEE, CLOSED)
        ),
    ],
)
def test_a_crossing_survives_the_death_of_either_process(
    dies: int, step: str, payee: int, url: str, mortal: Mortal
) -> None:
    """Where each partition has its own process, either may die at any step, and a successor ends the transfer once."""
    process = mortal(str(dies), step, payee)
    with Harbour(url, owned=(1 - dies,)) as survivor:
        if dies == 1:
            survivor.send(payee)
        assert process.wait(DEATH_SECONDS) == -signal.SIGKILL
        assert_in_transit(url)
        with Harbour(url, owned=(dies,)) as successor:
            home = survivor if dies == 1 else successor
            home.arrived()
            inbox = survivor.logs.get(1) or successor.logs[1]
            eventually(lambda: not inbox.read_mail(1, 1), ARRIVAL_SECONDS)
    assert_ended(url, paid=payee == PAYEE)


def test_a_courier_waits_for_a_partition_that_nobody_owns(tmp_path: Path) -> None:
    """What cannot be delivered stays in transit, visibly, and arrives once the partition has an owner."""
    url = f"sqlite:///{tmp_path / 'log.db'}"
    with Harbour(url) as harbour:
        harbour.found()
    with Harbour(url, owned=(0,)) as harbour:
        harbour.send(PAYEE)
        assert [each.amount for each in harbour.partitions.engines[0].in_transit().values()] == [AMOUNT]
    assert Figures(url).clearing == AMOUNT
    with Harbour(url) as harbour:
        harbour.arrived()
    assert Figures(url).clearing == 0


def test_an_atomic_batch_crosses_after_a_start_from_a_snapshot(url: str) -> None:
    """What names the clearing account is looked up for a batch as for one transfer; all of it is sent, or nothing."""
    with Harbour(url) as harbour:
        there = account_id(1, PAYEE)
        pays = [CreateTransfer(harbour.ids.recent(), account_id(0, PAYER), there, amount) for amount in (10, 20)]
        assert isinstance(harbour.ask_atomic(0, pays), Accepted)
        pays = [CreateTransfer(harbour.ids.recent(), account_id(0, PAYER), there, amount) for amount in (10, FUNDS)]
        refused = harbour.ask_atomic(0, pays)
        assert isinstance(refused, Declined)
        assert refused.refusal.reason is Reason.INSUFFICIENT_FUNDS
        harbour.arrived()
    figures = Figures(url)
    assert figures.posted[account_id(1, PAYEE)] == FUNDS + 30
    assert figures.count(TransferSent) == 2


@pytest.mark.parametrize("most", [1, 3, 1_000])
def test_rows_that_are_wanted_are_found_among_large_ones(most: int) -> None:
    """A read that ends early, because what stands in between is large, is not taken for the end of the log."""
    held, asked = rows(1, 400), []

    def read(_partition: int, after: int, limit: int) -> list[Row]:
        asked.append(after)
        return held[after : after + min(limit, most)]

    wanted = [1, 2, 9, 30, 31, 399]
    log = cast("Log", SimpleNamespace(read=read))
    assert [row.position for row in rows_at(log, 0, wanted)] == wanted
    assert most < 1_000 or asked == [0, 398]


class Quay:
    """A home that has sent some transfers, the logs, and a destination that notes what it is asked."""

    def __init__(self, count: int) -> None:
        self.ids = [transfer_id(number) for number in range(count)]
        self.asked: list[CommandTicket] = []
        self.mailed: list[int] = []
        self.sent = sent()
        self.rows = [sent_row(position, each, self.sent) for position, each in enumerate(self.ids, 1)]
        in_transit = {row.originator_id: InTransit(self.sent.debit_account, AMOUNT, row.position) for row in self.rows}
        self.home = SimpleNamespace(
            partition=0, serving=True, durable=count, in_transit=lambda: dict(in_transit), submit=self.asked.append
        )
        self.there = SimpleNamespace(partition=1, durable=0, submit=self.asked.append)
        self.received: list[Row] = []

    def read(self, partition: int, after: int, limit: int) -> list[Row]:
        return [self.rows, self.received][partition][after : after + limit]

    def find(self, partition: int, ids: Sequence[bytes]) -> dict[bytes, int]:
        found = {row.request_id: row.position for row in self.received} if partition else {}
        return {each: found[each] for each in ids if each in found}

    def receive(self) -> None:
        """Have the first transfer received by the process that has been told of it."""
        event = received(self.ids[0], self.sent)
        key = self.ids[0].bytes
        self.received = [Row(1, 1, key, 1, event.TOPIC, encode(event), 2, receive_request(key, 0), "bank-a")]

    def send_mail(self, _partition: int, mail: Sequence[Mail]) -> None:
        self.mailed += [each.position for each in mail]

    def courier(self, *, here: bool = True, in_hand: int = 10) -> Courier:
        engines = {0: self.home, 1: self.there} if here else {0: self.home}
        return Courier(cast("Home", self.home), cast("Log", self), cast("dict[int, Home]", engines), in_hand=in_hand)

    @property
    def carried(self) -> list[int]:
        """The positions of what the destination was asked to receive."""
        known = {each: position for position, each in enumerate(self.ids, 1)}
        return [known[cast("ReceiveTransfer", each.command).transfer_id] for each in self.asked]


def test_nothing_is_carried_before_it_is_durable_at_home() -> None:
    """A row that can be read may still be lost to a failover, until the engine has heard that it is not."""
    quay = Quay(3)
    quay.home.durable = 2
    courier = quay.courier()
    courier.step()
    assert quay.carried == [1, 2]
    quay.home.durable = 3
    courier.step()
    assert quay.carried == [1, 2, 3]


def test_so_many_are_carried_at_once_and_no_more() -> None:
    quay = Quay(5)
    courier = quay.courier(in_hand=3)
    courier.step()
    courier.step()
    assert quay.carried == [1, 2, 3]


def test_another_process_is_told_once_until_it_is_time_to_tell_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    quay = Quay(2)
    courier = quay.courier(here=False)
    for _ in range(3):
        courier.step()
    assert quay.mailed == [1, 2]
    monkeypatch.setattr("ledger.process.courier.AGAIN_SECONDS", 0.0)
    courier = quay.courier(here=False)
    courier.step()
    courier.step()
    assert quay.mailed[2:] == [1, 2, 1, 2, 1, 2]


def test_what_another_process_has_received_is_completed_once() -> None:
    """It is brought home when its log shows it, and not looked after any more."""
    quay = Quay(1)
    courier = quay.courier(here=False)
    courier.step()
    assert not quay.asked
    quay.receive()
    for _ in range(3):
        courier.step()
    assert [type(each.command) for each in quay.asked] == [CompleteTransfer]
    assert quay.mailed == [1]


def test_who_refuses_to_be_asked_is_asked_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full queue, or an engine that is not serving yet."""
    monkeypatch.setattr("ledger.process.courier.LATER_SECONDS", 0.0)
    quay = Quay(1)
    busy = [Refused(refuse(Reason.QUEUE_FULL))]

    def submit(ticket: CommandTicket) -> None:
        if busy:
            raise busy.pop()
        quay.asked.append(ticket)

    quay.there.submit = submit
    courier = quay.courier()
    courier.step()
    assert not quay.asked
    courier.step()
    assert quay.carried == [1]


def test_what_cannot_be_taken_now_is_asked_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only when it is begun again because nobody has answered."""
    monkeypatch.setattr("ledger.process.courier.LATER_SECONDS", 0.0)
    quay = Quay(1)
    courier = quay.courier()
    courier.step()
    (ticket,) = quay.asked
    ticket.outcome = Declined(refuse(Reason.CLEARING_NOT_OPEN), 0)
    assert ticket.deliver is not None
    ticket.deliver(ticket)
    courier.step()
    assert quay.carried == [1, 1]


def test_a_courier_goes_on_after_its_log_was_away(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question that the database did not answer loses nothing: what was in hand is begun again."""
    monkeypatch.setattr("ledger.process.courier.AGAIN_SECONDS", 0.2)
    with Harbour(url) as harbour:
        log, failures = harbour.logs[0], iter(range(3))
        find, read = log.find, log.read

        def unreliable(real: Callable[..., Any], *arguments: Any) -> Any:
            courier = threading.current_thread().name.startswith("esep-courier")
            if courier and next(failures, None) is not None:
                raise LogUnavailable("the database is away")
            return real(*arguments)

        monkeypatch.setattr(log, "find", partial(unreliable, find))
        monkeypatch.setattr(log, "read", partial(unreliable, read))
        harbour.send(PAYEE)
        harbour.arrived()
        assert next(failures, None) is None
    assert_ended(url, paid=True)
