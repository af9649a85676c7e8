"""``esep credits post``: what it reads, what it refuses before anything is paid, and what it says afterwards."""

import json
from pathlib import Path

import pytest

from ledger.cli.credit_file import state_path
from ledger.rpc.client import Ledger
from protos.esep.v1 import account_pb2
from protos.esep.v1 import account_service_pb2 as accounts
from protos.esep.v1.credit_service_pb2 import GetCreditFileRequest
from scripts.demo_client import new_id
from scripts.demo_server import ServerProcess
from tests.journeys.test_command_line import CommandLine
from tests.serving import CALL_SECONDS, ledger, open_account, server, transfer

__all__ = ["ledger", "server"]

REFUSED, USAGE = 1, 2
HEADER = "line,account_number,amount,reference\n"


class Accountant:
    """Somebody who pays from an account of bank-a, and one colleague per test."""

    def __init__(self, server: ServerProcess, ledger: Ledger, directory: Path) -> None:
        self._esep = CommandLine(server.environment)
        self.ledger = ledger
        self.file = directory / "pay.csv"
        self.number = new_id().replace("-", "")
        request = accounts.OpenAccountRequest(
            request_id=new_id(),
            participant_id="bank-a",
            kind=account_pb2.ACCOUNT_KIND_CUSTOMER,
            account_number=self.number,
        )
        self.colleague = ledger.accounts.OpenAccount(request, timeout=CALL_SECONDS).account.account_id
        self.account = open_account(ledger, account_pb2.ACCOUNT_KIND_CUSTOMER)
        source = open_account(ledger, account_pb2.ACCOUNT_KIND_SETTLEMENT)
        transfer(ledger, source, self.account, 1_000_000)

    def writes(self, *lines: str, header: str = HEADER) -> None:
        self.file.write_text(header + "".join(f"{line}\n" for line in lines), "utf-8")

    def pays(self, *more: str, exit_code: int = 0) -> str:
        return self._esep.run(
            *("credits", "post", str(self.file), "--category", "pension", "--from", str(self.account)),
            *("--payer", "Социалдык фонд", *more),
            exit_code=exit_code,
        )


@pytest.fixture
def accountant(server: ServerProcess, ledger: Ledger, tmp_path: Path) -> Accountant:
    """Give an accountant with 10,000 som to pay."""
    return Accountant(server, ledger, tmp_path)


def test_a_file_that_was_paid_is_not_paid_again(accountant: Accountant) -> None:
    """The same file, paid twice, moves money once and says the same."""
    accountant.writes(f"1,{accountant.number},45.50,", f"2,bank-a/{accountant.number},4,advance")
    first = accountant.pays("--json")
    assert accountant.pays("--json") == first
    report = json.loads(first)
    assert (report["credit_file"]["posted_sum_tyiyn"], report["refusals"]) == (4_950, [])
    assert "2 of 2 lines paid, 49.50 KGS; 0 refused" in accountant.pays()


def test_lines_that_are_not_paid_are_named(accountant: Accountant) -> None:
    """People read line, account, amount and reason; the command ends with 1."""
    accountant.writes(f"1,{accountant.number},10,", "2,404,20,", f"3,{accountant.number},0,", "4,bank-z/404,30,")
    said = accountant.pays(exit_code=REFUSED)
    assert [word for word in said.split() if word.isupper() and "_" in word] == [
        "ACCOUNT_NOT_FOUND",
        "CREDIT_AMOUNT_ZERO",
        "ACCOUNT_NOT_FOUND",
    ]
    assert "1 of 4 lines paid, 10.00 KGS; 3 refused, 50.00" in said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0,{number},1,", "is no line number"),
        ("x,{number},1,", "is no line number"),
        ("1000001,{number},1,", "is no line number"),
        ("2,,1,", "is no account number"),
        ("2,Bank/{number},1,", "is no account number"),
        ("2,{number},1.005,", "is no amount in som"),
        ("2,{number},-1,", "is no amount in som"),
        ("2,{number},1e3,", "is no amount in som"),
        ("2,{number},10000000000001,", "more than can be paid"),
        ("2,{number},1," + "x" * 65, "longer than 64"),
        ("1,{number},1,", "twice"),
        ("2,{number}", "not as many fields"),
    ],
)
def test_a_file_that_cannot_be_read_is_not_paid_at_all(accountant: Accountant, line: str, said: str) -> None:
    """Every row at fault is named, and nothing is opened or paid."""
    accountant.writes(f"1,{accountant.number},1,", line.format(number=accountant.number))
    answer = json.loads(accountant.pays("--json", exit_code=USAGE))["error"]
    assert answer["reason"] == "FILE_UNREADABLE"
    assert "row 3: " in answer["message"]
    assert said in answer["message"]
    assert not state_path(accountant.file).exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ((HEADER + "1,1,1,Айлык").encode("cp1251"), "not encoded in UTF-8"),
        (b"\x80", "not encoded in UTF-8"),
        (HEADER.encode() + b"1,1,1," + b"x" * 200_000, "is no CSV"),
    ],
)
def test_a_file_that_is_no_text_is_told(accountant: Accountant, content: bytes, said: str) -> None:
    """Of another encoding, as spreadsheets like to write, or no CSV at all: a sentence says so, not a traceback."""
    accountant.file.write_bytes(content)
    answer = json.loads(accountant.pays("--json", exit_code=USAGE))["error"]
    assert answer["reason"] == "FILE_UNREADABLE"
    assert said in answer["message"]


def test_a_file_needs_its_header_and_a_line(accountant: Accountant) -> None:
    """A file of something else, or of nothing, is not taken for a payroll."""
    accountant.writes("1,2,3,4", header="")
    assert "the first line is not" in accountant.pays(exit_code=USAGE)
    accountant.writes()
    assert "there are no lines" in accountant.pays(exit_code=USAGE)


def test_a_file_that_was_changed_is_another_file(accountant: Accountant) -> None:
    """Under the id of a file nothing else is paid, whether its lines, its payer or its kept state were changed."""
    accountant.writes(f"1,{accountant.number},1,")
    paid = json.loads(accountant.pays("--json"))["credit_file"]
    assert "FILE_CHANGED" in accountant.pays("--reference", "other", exit_code=USAGE)
    accountant.writes(f"1,{accountant.number},1,", f"2,{accountant.number},1,")
    assert "FILE_CHANGED" in accountant.pays(exit_code=USAGE)
    state_path(accountant.file).write_text("{}", "utf-8")
    assert "STATE_UNREADABLE" in accountant.pays(exit_code=USAGE)
    request = GetCreditFileRequest(credit_file_id=paid["credit_file_id"])
    assert accountant.ledger.credits.GetCreditFile(request, timeout=CALL_SECONDS).credit_file.posted_lines == 1
