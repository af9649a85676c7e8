"""Being told in time: the held amount, salary, pension, payments and transfers, once each (S10, S21, S27, S28, S38)."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from ledger.rpc.client import Ledger, reason
from protos.esep.v1 import account_pb2
from protos.esep.v1 import notification_pb2 as pb
from protos.esep.v1 import notification_service_pb2 as api
from protos.esep.v1.account_service_pb2 import GetAccountRequest
from protos.esep.v1.card_binding_pb2 import CARD_BINDING_STATE_BOUND
from protos.esep.v1.card_service_pb2 import SetCardNotificationsRequest
from protos.esep.v1.service_directory_pb2 import LANGUAGE_EN, LANGUAGE_KY, LANGUAGE_RU
from scripts.demo_client import connect_plainly, new_id
from scripts.demo_server import ROOT, ServerProcess
from tests import people
from tests.journeys.binding import Bank, Phone, wrong
from tests.paying import call
from tests.people import Person
from tests.rpc.world import refused
from tests.serving import CALL_SECONDS, ledger, open_account, server, transfer

__all__ = ["ledger", "server"]

COMMAND_SECONDS = 120.0
"""For a program that has to start first, on a machine that may have much else to do; streams last as long."""


class Subscriber:
    """What is told of one bank's accounts, followed as an application's back end does: behind the last cursor."""

    def __init__(self, ledger: Ledger, participant: str) -> None:
        self.ledger = ledger
        self.participant = participant
        self.told: list[pb.Notification] = []
        self._stream: Any = None

    def subscribe(self) -> None:
        """Subscribe behind what was told last."""
        request = api.SubscribeRequest(
            participant_id=self.participant, channel=pb.NOTIFICATION_CHANNEL_PUSH, language=LANGUAGE_RU
        )
        if self.told:
            request.after.CopyFrom(self.told[-1].cursor)
        self._stream = self.ledger.notifications.Subscribe(request, timeout=COMMAND_SECONDS)

    def hear(self, count: int) -> list[pb.Notification]:
        """Return the next notifications, so many."""
        wanted = len(self.told) + count
        while len(self.told) < wanted:
            self.told += next(self._stream).notifications.notifications
        return self.told[-count:]

    def hang_up(self) -> None:
        self._stream.cancel()


@pytest.fixture
def subscriber(ledger: Ledger, request: pytest.FixtureRequest) -> Iterator[Subscriber]:
    """Give a subscriber to a bank of this test's own."""
    made = Subscriber(ledger, f"bank-{abs(hash(request.node.name)) % 10**9}")
    made.subscribe()
    yield made
    made.hang_up()


def accounts(ledger: Ledger, participant: str) -> tuple[int, int]:
    """Open the account of somebody who pays, at another bank, and that of a customer with a card."""
    payer = open_account(ledger, account_pb2.ACCOUNT_KIND_SETTLEMENT, "employers")
    customer = open_account(ledger, account_pb2.ACCOUNT_KIND_CUSTOMER, participant)
    people.issue_card(call, ledger, Person(participant, customer))
    return payer, customer


def test_S21_a_transfer_that_fails_is_not_told(subscriber: Subscriber, ledger: Ledger) -> None:
    """A push says success: what was declined makes none."""
    payer, customer = accounts(ledger, subscriber.participant)
    assert refused(lambda: transfer(ledger, customer, payer, 2_500)).reason == "INSUFFICIENT_FUNDS"
    transfer(ledger, payer, customer, 100, "transfer")
    (told,) = subscriber.hear(1)
    assert told.kind == pb.NOTIFICATION_KIND_MONEY_IN
    assert subscriber.told == [told]


def test_S27_a_salary_is_told_as_one(subscriber: Subscriber, ledger: Ledger) -> None:
    """Who is paid hears of it as soon as it is posted."""
    payer, customer = accounts(ledger, subscriber.participant)
    position = transfer(ledger, payer, customer, 5_000_000, "salary")
    (told,) = subscriber.hear(1)
    assert (told.cursor.position, told.kind) == (position, pb.NOTIFICATION_KIND_SALARY_CREDITED)
    assert told.text.startswith("Зачислена заработная плата: +50 000,00 сом. ")


def test_S28_a_pension_is_told_as_one(subscriber: Subscriber, ledger: Ledger) -> None:
    """A pension is not money from somewhere."""
    payer, customer = accounts(ledger, subscriber.participant)
    position = transfer(ledger, payer, customer, 1_234_567, "pension")
    (told,) = subscriber.hear(1)
    assert (told.cursor.position, told.kind) == (position, pb.NOTIFICATION_KIND_PENSION_CREDITED)
    assert told.text.startswith("Зачислена пенсия: +12 345,67 сом. ")


def test_S38_the_same_notification_is_read_in_each_language(subscriber: Subscriber, ledger: Ledger) -> None:
    """A reader chooses the language; the notification is the same."""
    payer, customer = accounts(ledger, subscriber.participant)
    transfer(ledger, payer, customer, 100, "pension")
    (told,) = subscriber.hear(1)
    titles = []
    for language in (LANGUAGE_KY, LANGUAGE_RU, LANGUAGE_EN):
        request = api.ListNotificationsRequest(participant_id=subscriber.participant, language=language)
        (read,) = ledger.notifications.ListNotifications(request, timeout=CALL_SECONDS).notifications
        assert read.cursor == told.cursor
        titles.append(read.text.partition(":")[0])
    assert titles == ["Пенсия түштү", "Зачислена пенсия", "Pension credited"]


def test_S21_each_is_told_once_whatever_is_cut_off(tmp_path: Path) -> None:
    """The subscriber hangs up, the server is killed, stopped, and its tables made again: once each, in order."""
    with ServerProcess(tmp_path) as process:
        process.start()
        positions: list[int] = []
        customer = payer = 0
        told: list[pb.Notification] = []

        for cut in ("hang up", "kill", "rebuild", "stop", "nothing"):
            with connect_plainly(process.address) as connection:
                subscriber = Subscriber(connection, "bank-a")
                subscriber.told = told
                if not customer:
                    payer, customer = accounts(connection, "bank-a")
                subscriber.subscribe()
                positions += [transfer(connection, payer, customer, 100, "salary") for _ in range(5)]
                subscriber.hear(3)
                told = subscriber.told[
                    : len(subscriber.told) - 1
                ]  # The last one was not delivered: it was cut off on the way.
                if cut == "hang up":
                    subscriber.hang_up()
                elif cut == "kill":
                    process.kill()
                elif cut == "stop":
                    process.stop()
                    with pytest.raises(grpc.RpcError) as ended:
                        subscriber.hear(10_000)
                    info = reason(ended.value)  # type: ignore[arg-type] # every error of a call is one
                    assert info is not None
                    assert info.reason == "SHUTTING_DOWN"
                elif cut == "rebuild":
                    done = subprocess.run(
                        [sys.executable, "-m", "ledger.cli", "rebuild"],
                        cwd=ROOT,
                        env=process.environment,
                        capture_output=True,
                        text=True,
                        timeout=COMMAND_SECONDS,
                        check=False,
                    )
                    assert done.returncode == 0, done.stdout + done.stderr
                else:
                    subscriber.hear(len(positions) - len(subscriber.told))
                    told = subscriber.told
            if cut in ("kill", "stop"):
                process.start()
        assert [each.cursor.position for each in told] == positions
        process.stop()


# The amount that is held to verify a cardholder.


@pytest.fixture
def binder(tmp_path: Path) -> Iterator[Phone]:
    """Give the application of those who bind cards, at a server of its own."""
    with ServerProcess(tmp_path) as process:
        process.start()
        with connect_plainly(process.address) as connection:
            yield Phone(tmp_path, process, connection)
        process.stop()


def told(ledger: Ledger, **wanted: Any) -> list[pb.Notification]:
    """Return what is told of the bank's accounts, everything that was recorded until now."""
    request = GetAccountRequest(account_id=open_account(ledger, account_pb2.ACCOUNT_KIND_CASH))
    head = ledger.accounts.GetAccount(request, timeout=CALL_SECONDS).position
    asked = api.ListNotificationsRequest(language=LANGUAGE_RU, min_position=head, page_size=1_000, **wanted)
    return list(ledger.notifications.ListNotifications(asked, timeout=CALL_SECONDS).notifications)[::-1]


def test_S10_the_held_amount_comes_by_sms_and_binds_the_card(binder: Phone) -> None:
    """Where the card has subscribed, the bank is handed a message with the amount; whoever reads it binds the card."""
    bank, customer = Bank(binder.ledger), binder.identified()
    card = bank.issue()
    sms = SetCardNotificationsRequest(request_id=new_id(), card_id=card.card_id, sms=True)
    bank.ledger.cards.SetCardNotifications(sms, timeout=CALL_SECONDS)
    binding = binder.begin(customer, card)
    messages = told(bank.ledger, participant_id="bank-a", channel=pb.NOTIFICATION_CHANNEL_SMS)
    (message,) = [each for each in messages if each.kind == pb.NOTIFICATION_KIND_VERIFICATION_HOLD]
    # To the number that the bank knows: not to that of whoever is binding, who is not proven yet.
    assert (message.card_id, message.customer_id, message.phone_number) == (card.card_id, "", "")
    read = re.match(r"Сумма блокировки: ([0-9]+),([0-9]{2}) сом\. Карта 941700\*{6}[0-9]{4}\. ", message.text)
    assert read is not None
    amount = int(read[1] + read[2])
    assert amount == message.amount_tyiyn
    assert binder.name(binding, customer, amount).state == CARD_BINDING_STATE_BOUND


def test_S10_the_held_amount_is_told_in_no_other_way(binder: Phone) -> None:
    """Not by push, not to the customer who is binding, and not at all where the card has not subscribed."""
    bank, customer = Bank(binder.ledger), binder.identified()
    card = bank.issue()
    binding = binder.begin(customer, card)
    amount = bank.amount(card)
    everything = told(bank.ledger)
    assert pb.NOTIFICATION_KIND_VERIFICATION_HOLD not in {each.kind for each in everything}
    assert amount not in {each.amount_tyiyn for each in everything}
    assert told(bank.ledger, customer_id=customer) == []
    binder.name(binding, customer, amount)
    (bound,) = told(bank.ledger, customer_id=customer)
    assert (bound.kind, bound.card_id, bound.amount_tyiyn) == (pb.NOTIFICATION_KIND_CARD_BOUND, card.card_id, 0)


def test_S27_whoever_has_bound_a_card_is_told_in_the_application(binder: Phone) -> None:
    """From the binding on a salary is told to the customer; a stranger hears only that the binding has locked."""
    bank, customer, stranger = Bank(binder.ledger), binder.identified(), binder.identified()
    card, other = bank.issue(), bank.issue()
    binder.name(binder.begin(customer, card), customer, bank.amount(card))
    locked = binder.begin(stranger, other)
    for _ in range(3):
        refused(lambda: binder.name(locked, stranger, wrong(bank.amount(other))))
    position = transfer(binder.ledger, bank.source, card.account_id, 5_000, "salary")
    transfer(binder.ledger, bank.source, other.account_id, 6_000, "salary")
    _, salary = told(bank.ledger, customer_id=customer)
    assert (salary.cursor.position, salary.amount_tyiyn) == (position, 5_000)
    (ended,) = told(bank.ledger, customer_id=stranger)
    assert (ended.kind, ended.amount_tyiyn) == (pb.NOTIFICATION_KIND_CARD_BINDING_LOCKED, 0)
