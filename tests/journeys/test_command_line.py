"""The command line against a real server: what people read, what machines read, and exit codes."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ledger.cli.app import app
from ledger.cli.output import money
from ledger.rpc.client import Ledger
from protos.esep.v1 import account_pb2
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.statement_service_pb2 import GetBalanceRequest
from scripts.demo_banks import open_bank
from scripts.demo_client import connect_plainly
from scripts.demo_server import ROOT, ServerProcess
from tests.journeys.day import a_day
from tests.serving import CALL_SECONDS, ledger, open_account, server, transfer

__all__ = ["ledger", "server"]

OK, REFUSED, USAGE = 0, 1, 2


class CommandLine:
    """``esep`` with the settings of a server."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment

    def run(self, *arguments: str, exit_code: int = OK, **settings: str) -> str:
        """Return what a command prints; it must end with the exit code, and never with an exception."""
        done = CliRunner().invoke(app, arguments, env={**self.environment, **settings})
        assert isinstance(done.exception, SystemExit | None), done.exc_info
        assert done.exit_code == exit_code, done.output
        return done.output

    def json(self, *arguments: str, exit_code: int = OK) -> Any:
        return json.loads(self.run(*arguments, "--json", exit_code=exit_code))


@pytest.fixture(scope="module")
def customer(ledger: Ledger) -> str:
    home, other = (open_bank(ledger, ledger, name, customers=1) for name in ("ala-too", "manas"))
    account, position = a_day(ledger, home, other)
    # From here on whoever asks is answered with this day.
    request = GetBalanceRequest(account_id=account, min_position=position)
    ledger.statements.GetBalance(request, timeout=CALL_SECONDS)
    return str(account)


@pytest.fixture
def esep(server: ServerProcess) -> CommandLine:
    return CommandLine(server.environment)


def test_an_account_is_found_by_its_banks_own_number(esep: CommandLine, customer: str) -> None:
    """People know the bank's number, machines the ledger's id: both name the account."""
    assert esep.json("balance", "ala-too/2099") == esep.json("balance", customer)


def test_amounts_are_som_for_people_and_tyiyn_for_machines(esep: CommandLine, customer: str) -> None:
    """A person reads 25 694.50, a program 2569450."""
    assert "25 694.50" in esep.run("balance", customer)
    assert esep.json("balance", customer)["balance"]["available_tyiyn"] == 25_694_50


def test_a_receipt_is_what_an_atm_prints(esep: CommandLine, customer: str) -> None:
    """Forty columns in the language asked for: of an account, or of an operation by its id."""
    printed = esep.run("receipt", "ala-too/2099", "--language", "ru").splitlines()
    assert printed[0].strip() == "МИНИ-ВЫПИСКА"
    assert any(line.startswith("Остаток") and line.endswith("39 904,50") for line in printed)
    assert max(map(len, printed)) == 40
    of = esep.run("receipt", customer, "--of", "authorizations", "--language", "en")
    assert of.splitlines()[0].strip() == "AUTHORISATIONS"
    assert "Транзакция" in esep.json("receipt", customer, "--of", "transactions")["lines"][0].strip().capitalize()
    moved = esep.json("statement", customer, "--mini")["lines"][0]
    operation = next(moved[field] for field in ("transfer_id", "authorization_id") if moved.get(field))
    assert operation in esep.run("receipt", operation, "--language", "ky")


def test_a_statement_ties_out(esep: CommandLine, customer: str) -> None:
    """Opening, movements and closing of a statement agree, for machines and for people."""
    found = esep.json("statement", customer, "--axis", "effective")
    amounts = [line["amount_tyiyn"] for line in found["lines"]]
    assert found["opening_tyiyn"] + sum(amounts) == found["closing_tyiyn"] == 39_904_50
    assert "closing 39 904.50 KGS" in esep.run("statement", customer)


def test_a_day_is_read_in_the_banks_own_time_zone(esep: CommandLine, customer: str) -> None:
    """A period of bare dates ends with the end of its last day, at midnight in Bishkek."""
    assert esep.json("statement", customer, "--to", "2001-01-01")["lines"] == []
    day = esep.json("statement", customer, "--from", "2001-01-01", "--to", "2001-01-01")
    assert day["lines"] == []


def test_a_mini_statement_shows_movements_and_holds(esep: CommandLine, customer: str) -> None:
    """The last movements and what is held stand on one page."""
    printed = esep.run("statement", customer, "--mini")
    assert all(name in printed for name in ("Dordoi Market", "Karakol Lodge", "available"))
    assert len(esep.json("statement", customer, "--mini", "--limit", "2")["lines"]) == 2


def test_authorizations_may_be_chosen_by_state(esep: CommandLine, customer: str) -> None:
    """Of four authorisations two are open."""
    assert len(esep.json("authorizations", customer)["authorizations"]) == 4
    held = esep.json("authorizations", customer, "--state", "open")["authorizations"]
    assert [each["merchant_name"] for each in held] == ["Karakol Lodge", "Ala-Too Fuel"]


def test_status_says_who_decides_and_how_far_the_tables_are(esep: CommandLine, customer: str) -> None:
    """Health, mode, epoch, head and lag are one command away."""
    found = esep.json("status")
    assert (found["server"]["health"], found["server"]["mode"]) == ("SERVING", "owner")
    assert found["database"]["epoch"] == 1
    assert found["database"]["projected"] + found["database"]["lag_events"] == found["database"]["head"]
    assert "SERVING" in esep.run("status")


def test_a_refusal_is_a_reason_a_sentence_and_an_advice(esep: CommandLine) -> None:
    """What went wrong is said in words that help, and the exit code is 1."""
    refused = {
        "reason": "ACCOUNT_NOT_FOUND",
        "message": "There is no such account.",
        "advice": "Check the account id.",
    }
    assert esep.json("balance", "99999", exit_code=REFUSED) == {"error": refused}
    printed = esep.run("balance", "99999", exit_code=REFUSED)
    assert all(part in printed for part in refused.values())


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["balance"],
        ["balance", "x"],
        ["statement", "1", "--from", "yesterday"],
        ["statement", "1", "--from", "2026-02-01", "--to", "2026-01-01"],
        ["authorizations", "1", "--state", "lost"],
    ],
    ids=" ".join,
)
def test_misuse_ends_with_2(esep: CommandLine, arguments: list[str]) -> None:
    """A command that was misused did nothing, and its exit code tells."""
    esep.run(*arguments, exit_code=USAGE)


def test_settings_that_are_wrong_are_named(esep: CommandLine) -> None:
    """A setting out of bounds is named, with its bounds."""
    assert "max_queued: Input should be greater" in esep.run("status", exit_code=USAGE, ESEP_MAX_QUEUED="0")


def test_a_log_that_is_not_there_is_not_made(esep: CommandLine, tmp_path: Path) -> None:
    """A mistyped directory does not become an empty ledger."""
    esep.run("check", exit_code=REFUSED, ESEP_DATA_DIR=str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_nobody_answering_is_told(esep: CommandLine) -> None:
    """Without a server the advice is to start one."""
    printed = esep.run("status", "--server", "127.0.0.1:1", exit_code=REFUSED)
    assert "SERVER_UNREACHABLE" in printed
    assert "esep serve" in printed


def test_a_forged_table_is_found_and_made_again(tmp_path: Path) -> None:
    """Whoever changes a balance behind the ledger's back is found by check, and undone by rebuild."""
    with ServerProcess(tmp_path) as process:
        process.start()
        with connect_plainly(process.address) as own:
            account = open_account(own, account_pb2.ACCOUNT_KIND_CUSTOMER)
            position = transfer(own, open_account(own, account_pb2.ACCOUNT_KIND_CASH), account, 150)
            request = GetBalanceRequest(account_id=account, min_position=LogPosition(position=position))
            own.statements.GetBalance(request, timeout=CALL_SECONDS)
        process.stop()
        command_line = CommandLine(process.environment)
        assert command_line.json("check") == {"ok": True, "differences": []}
        (live,) = tmp_path.glob("*projections.*.db")
        with sqlite3.connect(live) as tables:
            tables.execute("UPDATE balances SET posted = posted + 1 WHERE account_id = ?", (account,))
        tables.close()
        found = command_line.json("check", exit_code=REFUSED)
        assert {difference["table"] for difference in found["differences"]} == {"balances"}
        assert "esep rebuild" in command_line.run("check", exit_code=REFUSED)
        assert command_line.json("rebuild")["ok"] is True
        assert command_line.json("check") == {"ok": True, "differences": []}


def test_the_program_runs_as_a_program() -> None:
    """``esep`` started from a shell prints its commands, and ends with their exit codes."""
    done = subprocess.run(
        [sys.executable, "-m", "ledger.cli", "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert "Exit codes: 0 all is well; 1 refused" in done.stdout
    misused = subprocess.run(
        [sys.executable, "-m", "ledger.cli", "nonsense"], cwd=ROOT, capture_output=True, check=False
    )
    assert misused.returncode == USAGE


@pytest.mark.parametrize(
    ("tyiyn", "text"),
    [(0, "0.00"), (5, "0.05"), (-5, "-0.05"), (123_456, "1 234.56"), (-100_000_000, "-1 000 000.00")],
)
def test_money_is_printed_as_people_write_it(tyiyn: int, text: str) -> None:
    """Thousands stand apart, tyiyn after a point, and a small debt keeps its sign."""
    assert money(tyiyn) == text
