"""Being told in time: salary, pension, payments and transfers, once each, whatever is cut off (S21, S27, S28, S38)."""

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
from protos.esep.v1.service_directory_pb2 import LANGUAGE_EN, LANGUAGE_KY, LANGUAGE_RU
from scripts.demo_client import connect_plainly
from scripts.demo_server import ROOT, ServerProcess
from tests.serving import CALL_SECONDS, ledger, open_account, server, transfer

__all__ = ["ledger", "server"]


class Phone:
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
        self._stream = self.ledger.notifications.Subscribe(request, timeout=CALL_SECONDS)

    def hear(self, count: int) -> list[pb.Notification]:
        """Return the next notifications, so many."""
        wanted = len(self.told) + count
        while len(self.told) < wanted:
            self.told += next(self._stream).notifications.notifications
        return self.told[-count:]

    def hang_up(self) -> None:
        self._stream.cancel()


@pytest.fixture
def phone(ledger: Ledger, request: pytest.FixtureRequest) -> Iterator[Phone]:
    """Give a subscriber to a bank of this test's own."""
    made = Phone(ledger, f"bank-{abs(hash(request.node.name)) % 10**9}")
    made.subscribe()
    yield made
    made.hang_up()


def accounts(ledger: Ledger, participant: str) -> tuple[int, int]:
    """Open the account of somebody who pays, at another bank, and that of a customer."""
    payer = open_account(ledger, account_pb2.ACCOUNT_KIND_SETTLEMENT, "employers")
    return payer, open_account(ledger, account_pb2.ACCOUNT_KIND_CUSTOMER, participant)


@pytest.mark.parametrize(
    ("kind", "title"), [("transfer_by_qr", "Перевод выполнен"), ("qr_payment", "Оплата выполнена")]
)
def test_S21_a_push_follows_every_payment_and_transfer(phone: Phone, ledger: Ledger, kind: str, title: str) -> None:
    """After success the payer is told once: what, how much, to whom."""
    payer, customer = accounts(ledger, phone.participant)
    transfer(ledger, payer, customer, 10_000, "salary")
    position = transfer(ledger, customer, payer, 2_500, kind)
    _, paid = phone.hear(2)
    assert paid.cursor.position == position
    assert (paid.account_id, paid.amount_tyiyn) == (customer, 2_500)
    assert paid.text.startswith(f"{title}: -25,00 сом. ")
    assert "QR-код" in paid.text


def test_S21_a_transfer_that_fails_is_not_told(phone: Phone, ledger: Ledger) -> None:
    """A push says success: what was declined makes none."""
    payer, customer = accounts(ledger, phone.participant)
    with pytest.raises(grpc.RpcError):
        transfer(ledger, customer, payer, 2_500, "transfer_by_qr")
    transfer(ledger, payer, customer, 100, "transfer")
    (told,) = phone.hear(1)
    assert told.kind == pb.NOTIFICATION_KIND_MONEY_IN
    assert phone.told == [told]


def test_S27_a_salary_is_told_as_one(phone: Phone, ledger: Ledger) -> None:
    """Who is paid hears of it as soon as it is posted."""
    payer, customer = accounts(ledger, phone.participant)
    position = transfer(ledger, payer, customer, 5_000_000, "salary")
    (told,) = phone.hear(1)
    assert (told.cursor.position, told.kind) == (position, pb.NOTIFICATION_KIND_SALARY_CREDITED)
    assert told.text.startswith("Зачислена заработная плата: +50 000,00 сом. ")


def test_S28_a_pension_is_told_as_one(phone: Phone, ledger: Ledger) -> None:
    """A pension is not money from somewhere."""
    payer, customer = accounts(ledger, phone.participant)
    position = transfer(ledger, payer, customer, 1_234_567, "pension")
    (told,) = phone.hear(1)
    assert (told.cursor.position, told.kind) == (position, pb.NOTIFICATION_KIND_PENSION_CREDITED)
    assert told.text.startswith("Зачислена пенсия: +12 345,67 сом. ")


def test_S38_the_same_notification_is_read_in_each_language(phone: Phone, ledger: Ledger) -> None:
    """A reader chooses the language; the notification is the same."""
    payer, customer = accounts(ledger, phone.participant)
    transfer(ledger, payer, customer, 100, "pension")
    (told,) = phone.hear(1)
    titles = []
    for language in (LANGUAGE_KY, LANGUAGE_RU, LANGUAGE_EN):
        request = api.ListNotificationsRequest(participant_id=phone.participant, language=language)
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
                phone = Phone(connection, "bank-a")
                phone.told = told
                if not customer:
                    payer, customer = accounts(connection, "bank-a")
                phone.subscribe()
                positions += [transfer(connection, payer, customer, 100, "salary") for _ in range(5)]
                phone.hear(3)
                told = phone.told[: len(phone.told) - 1]  # The last one was not delivered: it was cut off on the way.
                if cut == "hang up":
                    phone.hang_up()
                elif cut == "kill":
                    process.kill()
                elif cut == "stop":
                    process.stop()
                    with pytest.raises(grpc.RpcError) as ended:
                        phone.hear(10_000)
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
                        timeout=CALL_SECONDS,
                        check=False,
                    )
                    assert done.returncode == 0, done.stdout + done.stderr
                else:
                    phone.hear(len(positions) - len(phone.told))
                    told = phone.told
            if cut in ("kill", "stop"):
                process.start()
        assert [each.cursor.position for each in told] == positions
        process.stop()
