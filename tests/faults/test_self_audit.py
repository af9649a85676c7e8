"""The alarm of a running server: somebody changes its database, and the ledger finds it by itself and says so."""

import sqlite3
from contextlib import closing
from pathlib import Path
from time import sleep
from typing import Any
from urllib.request import urlopen

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ledger.rpc.client import Ledger
from protos.esep.v1 import account_pb2
from protos.esep.v1.audit_service_pb2 import GetCheckpointRequest, GetCheckpointResponse
from protos.esep.v1.checkpoint_pb2 import SELF_AUDIT_VERDICT_AGREES, SELF_AUDIT_VERDICT_DIFFERS
from scripts.demo_client import connect_plainly
from scripts.demo_server import ServerProcess, reserved_port
from tests.journeys.test_command_line import CommandLine
from tests.serving import CALL_SECONDS, open_account, transfer
from tests.waiting import eventually

PATIENCE = 240.0
NAME = "esep.SelfAudit"


def checkpoint(ledger: Ledger, **asked: Any) -> GetCheckpointResponse:
    request = GetCheckpointRequest(**asked)
    return ledger.audit.GetCheckpoint(request, metadata=ledger.metadata, timeout=CALL_SECONDS)


def audited(ledger: Ledger, verdict: int, position: int = 0) -> GetCheckpointResponse | None:
    answer = checkpoint(ledger)
    told = answer.self_audit
    return answer if told.verdict == verdict and told.reached.position >= position else None


def health(ledger: Ledger) -> int:
    stub: Any = health_pb2_grpc.HealthStub(ledger.channel)
    return int(stub.Check(health_pb2.HealthCheckRequest(service=NAME), timeout=CALL_SECONDS).status)


def metric(port: int, name: str) -> float:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=CALL_SECONDS) as answer:
        lines = answer.read().decode().splitlines()
    return float(next(line.split(" ")[1] for line in lines if line.startswith(f"{name} ")))


@pytest.mark.slow
def test_a_change_under_a_running_server_raises_the_alarm(tmp_path: Path) -> None:
    """First everything agrees; then one event is changed: checkpoint, health, metrics and log say so, also later.

    Nothing is signed any more past the difference, over a restart too; until the event is what it was again.
    """
    kept, port = reserved_port()
    settings = {
        "ESEP_SELF_AUDIT_SHARE": "1",
        "ESEP_SELF_AUDIT_AGAIN_SECONDS": "0.1",
        "ESEP_METRICS_LISTEN": f"127.0.0.1:{port}",
    }
    with (
        kept,
        ServerProcess(tmp_path, settings) as server,
        closing(sqlite3.connect(tmp_path / "log.db", timeout=60)) as file,
    ):
        file.isolation_level = None
        server.start()
        with connect_plainly(server.address) as ledger:
            cash = open_account(ledger, account_pb2.ACCOUNT_KIND_CASH)
            person = open_account(ledger, account_pb2.ACCOUNT_KIND_CUSTOMER)
            positions = [transfer(ledger, cash, person, amount) for amount in range(1, 40)]
            eventually(lambda: audited(ledger, SELF_AUDIT_VERDICT_AGREES, positions[-1]), PATIENCE, every=0.2)
            eventually(lambda: health(ledger) == health_pb2.HealthCheckResponse.SERVING, PATIENCE, every=0.2)
            assert metric(port, "esep_self_audit_difference") == 0
            assert metric(port, "esep_self_audit_position") >= positions[-1]

            change = "UPDATE events SET caller = ? WHERE position = ?"
            (was,) = file.execute("SELECT caller FROM events WHERE position = ?", (positions[7],)).fetchone()
            file.execute(change, ("nobody", positions[7]))
            alarm = eventually(lambda: audited(ledger, SELF_AUDIT_VERDICT_DIFFERS), PATIENCE, every=0.2)
            assert alarm.self_audit.difference.position == positions[7]
            assert alarm.self_audit.finding.endswith(f"caller was {was!r}")
            eventually(lambda: health(ledger) == health_pb2.HealthCheckResponse.NOT_SERVING, PATIENCE, every=0.2)
            assert metric(port, "esep_self_audit_difference") == 1
            eventually(lambda: "self_audit.difference" in server.said, PATIENCE, every=0.2)

            signed = checkpoint(ledger).checkpoint.tree.position
            transfer(ledger, cash, person, 1)
            sleep(1.5)  # Longer than a checkpoint is handed out again without any alarm.
            assert checkpoint(ledger).checkpoint.tree.position == signed
            told = CommandLine(server.environment).json("audit", "checkpoint", str(tmp_path / "note"))
            assert (told["tree_size"], told["self_audit_finding"]) == (signed, alarm.self_audit.finding)
            shown = CommandLine(server.environment).run("audit", "checkpoint", str(tmp_path / "another.note"))
            assert alarm.self_audit.finding in " ".join(shown.split())
        server.stop()
        server.start()
        with connect_plainly(server.address) as ledger:
            assert audited(ledger, SELF_AUDIT_VERDICT_DIFFERS), "an alarm outlives the server"
            file.execute(change, (was, positions[7]))
            eventually(lambda: audited(ledger, SELF_AUDIT_VERDICT_AGREES, positions[-1]), PATIENCE, every=0.2)
            assert checkpoint(ledger).checkpoint.tree.position > signed
        server.stop()
