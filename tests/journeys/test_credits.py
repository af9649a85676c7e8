"""Salaries and pensions in bulk: a hundred thousand lines, interrupted and gone on with, each paid and told once."""

import csv
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from ledger.cli.credit_file import state_path
from ledger.rpc.client import Ledger
from protos.esep.v1 import account_pb2, credit_pb2
from protos.esep.v1 import account_service_pb2 as accounts
from protos.esep.v1 import credit_service_pb2 as api
from protos.esep.v1 import notification_pb2 as notices
from protos.esep.v1 import notification_service_pb2 as notifications
from protos.esep.v1 import statement_service_pb2 as statements
from protos.esep.v1.service_directory_pb2 import LANGUAGE_RU
from protos.esep.v1.statement_service_pb2 import GetBalanceRequest
from scripts.demo_client import connect_plainly, new_id
from scripts.demo_server import ROOT, ServerProcess
from tests.holder import Holder
from tests.serving import CALL_SECONDS, open_account, transfer

LINES = 100_000
BAD = 5_000
"""Every so many lines one names an account that is not there."""
OWN = 25_000
"""Every so many lines one pays the customer who has bound a card."""
AMOUNT = 45_000_50
PATIENCE = 300.0
"""A hundred thousand lines take seconds, and ten times as many on a busy machine."""


class Numbered(Holder):
    """A customer whose account the bank knows by a number."""

    NUMBER = "1080000000007777"

    def open(self, kind: account_pb2.AccountKind.ValueType) -> int:
        """Open an account; a customer's has the number."""
        number = self.NUMBER if kind == account_pb2.ACCOUNT_KIND_CUSTOMER else ""
        request = accounts.OpenAccountRequest(
            request_id=new_id(), participant_id="bank-a", kind=kind, account_number=number
        )
        return int(self.call(self.ledger.accounts.OpenAccount, request).account.account_id)


class Office:
    """An employer's bank with staff, one of whom has bound a card in the application."""

    def __init__(self, server: ServerProcess, ledger: Ledger, codes: Path) -> None:
        self.server = server
        self.ledger = ledger
        self.holder = Numbered(ledger, codes)
        self.holder.bound()
        self.source = open_account(ledger, account_pb2.ACCOUNT_KIND_SETTLEMENT)
        self.payer = open_account(ledger, account_pb2.ACCOUNT_KIND_CUSTOMER)
        self.staff = {number: self._hire(number) for number in (f"10800000000{each:05}" for each in range(50))}

    def _hire(self, number: str) -> int:
        request = accounts.OpenAccountRequest(
            request_id=new_id(),
            participant_id="bank-a",
            kind=account_pb2.ACCOUNT_KIND_CUSTOMER,
            account_number=number,
        )
        return int(self.ledger.accounts.OpenAccount(request, timeout=CALL_SECONDS).account.account_id)

    def posted(self, account_id: int) -> int:
        """Return what an account has, after everything."""
        read = accounts.GetAccountRequest(account_id=account_id)
        head = self.ledger.accounts.GetAccount(read, timeout=CALL_SECONDS).position
        request = GetBalanceRequest(account_id=account_id, min_position=head)
        return int(self.ledger.statements.GetBalance(request, timeout=PATIENCE).balance.posted_tyiyn)

    def posted_to_staff(self) -> int:
        """Return what the staff have together."""
        request = statements.BatchGetBalancesRequest(account_ids=self.staff.values())
        found = self.ledger.statements.BatchGetBalances(request, timeout=PATIENCE).balances
        return sum(each.posted_tyiyn for each in found)

    def file(self, file_id: str) -> credit_pb2.CreditFile:
        request = api.GetCreditFileRequest(credit_file_id=file_id)
        return self.ledger.credits.GetCreditFile(request, timeout=CALL_SECONDS).credit_file

    def told(self, kind: notices.NotificationKind.ValueType) -> list[notices.Notification]:
        """Return every PUSH of a kind that the customer was ever sent, as a stream from the beginning tells them."""
        read = accounts.GetAccountRequest(account_id=self.payer)
        head = self.ledger.accounts.GetAccount(read, timeout=CALL_SECONDS).position
        self.ledger.statements.GetBalance(GetBalanceRequest(account_id=self.payer, min_position=head), timeout=PATIENCE)
        request = notifications.SubscribeRequest(
            customer_id=self.holder.customer_id,
            channel=notices.NOTIFICATION_CHANNEL_PUSH,
            language=LANGUAGE_RU,
        )
        stream = self.ledger.notifications.Subscribe(request, timeout=CALL_SECONDS)
        found: list[notices.Notification] = []
        for message in stream:
            found += message.notifications.notifications
            if message.HasField("caught_up"):
                break
        stream.cancel()
        return [each for each in found if each.kind == kind]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Give an office at a server of this test's own, which it may kill."""
    with ServerProcess(tmp_path) as server:
        server.start()
        with connect_plainly(server.address) as ledger:
            yield Office(server, ledger, tmp_path / "confirmation-codes")


def write(path: Path, rows: Iterable[tuple[object, ...]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(("line", "account_number", "amount", "reference"))
        writer.writerows(rows)
    return path


def payroll(office: Office, path: Path) -> Path:
    """Write a month's salaries: a hundred thousand lines, some of them bad."""
    staff = list(office.staff)

    def row(number: int) -> tuple[object, ...]:
        if number % OWN == 7:
            return number, Numbered.NUMBER, "45000.50", "2026-11"
        account = "9999999999999999" if number % BAD == 0 else staff[number % len(staff)]
        return number, account, "45000.50", ""

    return write(path, map(row, range(1, LINES + 1)))


def command(office: Office, file: Path, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "ledger.cli", "credits", "post", str(file), "--category", "salary"),
        *("--from", str(office.payer), "--payer", "Ала-Тоо Текстиль", "--reference", "ноябрь"),
        *("--server", office.server.address, *more),
    ]


def run(office: Office, file: Path, exit_code: int) -> Any:
    """Run the command to its end; return its document."""
    done = subprocess.run(
        command(office, file, "--json"), cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == exit_code, done.stdout + done.stderr
    return json.loads(done.stdout)


def killed_in_the_middle(office: Office, file: Path) -> str:
    """Start the command, and kill it when some lines are paid and others are not; return the file's id."""
    process = subprocess.Popen(command(office, file), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < until:
            if state_path(file).exists():
                file_id = str(json.loads(state_path(file).read_text("utf-8"))["credit_file_id"])
                try:
                    if office.file(file_id).received_lines:
                        return file_id
                except grpc.RpcError:
                    pass  # Not opened yet.
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    raise AssertionError("no line was ever paid")


def test_S27_a_hundred_thousand_salaries_are_paid_once_and_told_once(office: Office, tmp_path: Path) -> None:
    """The client dies in the middle and goes on: every good line is paid once, bad ones are named, people are told."""
    transfer(office.ledger, office.source, office.payer, LINES * AMOUNT)
    before = office.posted(office.holder.account_id)
    file = payroll(office, tmp_path / "salaries.csv")
    file_id = killed_in_the_middle(office, file)
    interrupted = office.file(file_id)
    assert 0 < interrupted.received_lines < LINES
    assert interrupted.state == credit_pb2.CREDIT_FILE_STATE_OPEN

    report = run(office, file, exit_code=1)
    bad = LINES // BAD
    told = report["credit_file"]
    assert told["credit_file_id"] == file_id
    assert (told["received_lines"], told["posted_lines"], told["refused_lines"]) == (LINES, LINES - bad, bad)
    assert told["posted_sum_tyiyn"] == (LINES - bad) * AMOUNT
    assert told["state"] == "CREDIT_FILE_STATE_CLOSED"
    refusals = [(each["line_number"], each["reason"]) for each in report["refusals"]]
    assert refusals == [(number, "ACCOUNT_NOT_FOUND") for number in range(BAD, LINES + 1, BAD)]

    own = LINES // OWN
    assert office.posted(office.payer) == bad * AMOUNT
    assert office.posted(office.holder.account_id) - before == own * AMOUNT
    assert office.posted_to_staff() == (LINES - bad - own) * AMOUNT

    pushes = office.told(notices.NOTIFICATION_KIND_SALARY_CREDITED)
    assert [each.amount_tyiyn for each in pushes] == [AMOUNT] * own
    assert len({each.source_id for each in pushes}) == own
    request = statements.GetMiniStatementRequest(account_id=office.holder.account_id, limit=own)
    lines = office.ledger.statements.GetMiniStatement(request, timeout=CALL_SECONDS).lines
    assert [(line.kind, line.amount_tyiyn) for line in lines] == [("salary", AMOUNT)] * own


def test_S28_pensions_survive_the_server(office: Office) -> None:
    """The server is killed under a pension file: sent again, each line is paid once, and the pensioner told once."""
    request = api.OpenCreditFileRequest(
        request_id=new_id(),
        category=credit_pb2.CREDIT_CATEGORY_PENSION,
        participant_id="bank-a",
        account_id=office.source,
        line_count=6_001,
        sum_tyiyn=6_001 * 800_000,
        payer_name="Социалдык фонд",
    )
    office.ledger.credits.OpenCreditFile(request, timeout=CALL_SECONDS)
    staff = list(office.staff.values())

    def line(number: int) -> credit_pb2.NewCreditLine:
        target = credit_pb2.CreditTarget(account_id=staff[number % len(staff)])
        if number == 17:
            target = credit_pb2.CreditTarget(card_id=office.holder.card_id)
        return credit_pb2.NewCreditLine(line_number=number, target=target, amount_tyiyn=800_000)

    parts = [
        api.PostCreditLinesRequest(
            credit_file_id=request.request_id, lines=map(line, range(start, min(start + 2_000, 6_002)))
        )
        for start in range(1, 6_002, 2_000)
    ]
    office.ledger.credits.PostCreditLines(parts[0], timeout=CALL_SECONDS)
    under_way = office.ledger.credits.PostCreditLines.future(parts[1], timeout=CALL_SECONDS)
    office.server.kill()
    assert under_way.code() in (grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE)
    office.server.start()
    for part in parts:
        answer = office.ledger.credits.PostCreditLines(part, timeout=CALL_SECONDS, wait_for_ready=True)
        assert not answer.refusals
    closing = api.CloseCreditFileRequest(
        request_id=new_id(), credit_file_id=request.request_id, line_count=6_001, sum_tyiyn=6_001 * 800_000
    )
    closed = office.ledger.credits.CloseCreditFile(closing, timeout=CALL_SECONDS).credit_file
    assert (closed.posted_lines, closed.refused_lines) == (6_001, 0)
    (push,) = office.told(notices.NOTIFICATION_KIND_PENSION_CREDITED)
    assert (push.amount_tyiyn, push.account_id) == (800_000, office.holder.account_id)
    assert office.posted_to_staff() == 6_000 * 800_000
