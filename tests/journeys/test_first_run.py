"""The first minute with the product."""

import subprocess
import sys
from pathlib import Path

import pytest

from protos.esep.v1 import account_pb2
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.statement_service_pb2 import GetBalanceRequest
from scripts.demo_client import connect_plainly
from scripts.demo_server import ROOT, ServerProcess
from tests.serving import CALL_SECONDS, open_account, transfer


def test_a_server_answers_questions_from_the_moment_it_serves(tmp_path: Path) -> None:
    """Whoever has written right after the start can read it back, though the tables are only being made."""
    with ServerProcess(tmp_path) as server:
        server.start()
        with connect_plainly(server.address) as ledger:
            customer = open_account(ledger, account_pb2.ACCOUNT_KIND_CUSTOMER)
            cash = open_account(ledger, account_pb2.ACCOUNT_KIND_CASH)
            position = LogPosition(position=transfer(ledger, cash, customer, 150))
            request = GetBalanceRequest(account_id=customer, min_position=position)
            answer = ledger.statements.GetBalance(request, timeout=CALL_SECONDS)
            assert answer.balance.available_tyiyn == 150
        assert server.stop() == 0


@pytest.mark.slow
def test_the_demonstration_ends_well() -> None:
    """``make demo`` plays, kills, recovers and compares, and its last line says so."""
    done = subprocess.run(
        [sys.executable, "-m", "scripts.demo"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.splitlines()[-1:] == ["demo: ok"], done.stdout + done.stderr
    assert done.returncode == 0
    assert "\x1b" not in done.stdout, "colours are for terminals"
