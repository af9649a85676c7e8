"""``esep archive`` beside a real server: killed, called again, verified before and after, and what it says."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.rpc.client import Ledger
from protos.esep.v1.transfer_pb2 import NewTransfer
from protos.esep.v1.transfer_service_pb2 import CreateTransferRequest
from scripts.demo_client import connect_plainly, new_id
from scripts.demo_server import ROOT, ServerProcess
from tests.journeys.test_audit_export import events_of, fill
from tests.journeys.test_command_line import REFUSED, USAGE, CommandLine
from tests.serving import CALL_SECONDS, funded_accounts
from tests.waiting import eventually

PER_FILE = "40"
BEFORE = "4000"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Give a server with thousands of events, of which it has kept a snapshot."""
    with ServerProcess(tmp_path_factory.mktemp("server")) as process:
        process.start()
        with connect_plainly(process.address) as ledger:
            fill(ledger)
        process.stop()
        process.start()
        yield process
        process.stop()


@pytest.fixture
def esep(server: ServerProcess) -> CommandLine:
    return CommandLine(server.environment)


def first_transfer(ledger: Ledger) -> CreateTransferRequest:
    """Move money once; return what it was asked by."""
    debit, credit = funded_accounts(ledger, 1, 100)
    content = NewTransfer(debit_account_id=credit, credit_account_id=debit, amount_tyiyn=40)
    request = CreateTransferRequest(request_id=new_id(), transfer=content)
    ledger.transfers.CreateTransfer(request, timeout=CALL_SECONDS)
    return request


def archived_files(server: ServerProcess) -> list[Path]:
    """Return the segments that stand whole in the archive."""
    return sorted(server.directory.glob("archive/events-*.parquet"))


def killed_after(server: ServerProcess, files: int, *arguments: str) -> None:
    """Archive, and be killed without warning once so many segments more stand there."""
    there = len(archived_files(server))
    command = [sys.executable, "-m", "ledger.cli", "archive", *arguments, "--events-per-file", PER_FILE]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **server.environment}) as archiving:
        eventually(
            lambda: len(archived_files(server)) >= there + files or archiving.poll() is not None, 120.0, every=0.001
        )
        archiving.send_signal(signal.SIGKILL)


def test_archived_beside_a_server(server: ServerProcess, esep: CommandLine, tmp_path: Path) -> None:
    """What is verified, exported, answered and made again is the same before and after, however often it is killed."""
    assert "--before" in esep.run("archive", exit_code=USAGE)
    esep.run("archive", "--before", "5", "--older-than", "1", exit_code=USAGE)
    for days in ("inf", "1e300", "nan", "-1"):
        assert "--older-than" in esep.run("archive", "--older-than", days, exit_code=USAGE)
    with connect_plainly(server.address) as ledger:
        request = first_transfer(ledger)
        first = ledger.transfers.CreateTransfer(request, timeout=CALL_SECONDS)
        esep.run("audit", "checkpoint", str(tmp_path / "note"))
        verified = esep.run("audit", "verify", "--against", str(tmp_path / "note"))
        esep.run("audit", "export", str(tmp_path / "before"))

        for files in (1, 5, 20):
            killed_after(server, files, "--before", BEFORE)
            assert esep.run("audit", "verify", "--against", str(tmp_path / "note")) == verified
        said = esep.json("archive", "--before", BEFORE)
        assert said["archived"] == int(BEFORE) - 1
        assert esep.json("archive", "--before", BEFORE)["segments"] == []
        esep.run("archive", "--older-than", "1")  # Nothing is so old.
        rest = esep.json("archive", "--older-than", "0")
        assert rest["bound_by"] == "the last snapshot"

        assert esep.run("audit", "verify", "--against", str(tmp_path / "note")) == verified
        esep.run("audit", "export", str(tmp_path / "after"))
        assert events_of(tmp_path / "after") == events_of(tmp_path / "before")
        esep.run("check")
        esep.run("rebuild")
        assert ledger.transfers.CreateTransfer(request, timeout=CALL_SECONDS).receipt.position == first.receipt.position

    server.stop()
    server.start()
    with connect_plainly(server.address) as ledger:
        again = ledger.transfers.CreateTransfer(request, timeout=CALL_SECONDS)
        assert (again.receipt.position, again.transfer) == (first.receipt.position, first.transfer)


def test_a_lost_segment_is_named(server: ServerProcess, esep: CommandLine) -> None:
    """Whoever reads the whole history is told which file is missing, and is well again once it is back."""
    esep.run("audit", "checkpoint", str(server.directory / "note"))
    esep.run("archive", "--before", BEFORE, "--events-per-file", "1000")
    lost = archived_files(server)[0]
    aside = lost.rename(server.directory / "aside")
    assert lost.name in esep.run("audit", "verify", "--json", exit_code=REFUSED)
    for command, reason in (
        (["check"], "ARCHIVE_UNREADABLE"),
        (["audit", "export", str(server.directory / "export")], "ARCHIVE_UNREADABLE"),
        (["archive", "--before", "4900"], "SEGMENT_MISSING"),
    ):
        problem = esep.json(*command, exit_code=REFUSED)["error"]
        assert problem["reason"] == reason
        assert lost.name in problem["message"]
    aside.rename(lost)
    esep.run("audit", "verify")
    esep.run("check")


def test_without_a_signed_checkpoint_nothing_is_archived(tmp_path: Path) -> None:
    """A ledger that has signed none says what to do first."""
    with ServerProcess(tmp_path / "young") as young:
        young.start()
        said = CommandLine(young.environment).run("archive", "--before", "5", exit_code=REFUSED)
        assert "NO_CHECKPOINT" in said
        assert not (young.directory / "archive").exists()
        young.stop()
