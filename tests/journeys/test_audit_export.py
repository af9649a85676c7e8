"""``esep audit export`` against a real server: killed, cut off, refused, and what it says."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger.audit.export.format import JOURNAL
from ledger.audit.export.source import ExportSource
from ledger.cli.audit import export as audit_export
from ledger.rpc.client import Ledger
from protos.esep.v1.account_pb2 import ACCOUNT_KIND_SETTLEMENT
from protos.esep.v1.audit_service_pb2 import ReadTilesRequest
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.statement_service_pb2 import GetBalanceRequest
from protos.esep.v1.transfer_pb2 import NewTransfer
from protos.esep.v1.transfer_service_pb2 import CreateTransfersRequest
from scripts.demo_client import connect_plainly, new_id
from scripts.demo_server import ROOT, ServerProcess
from tests.journeys.test_command_line import REFUSED, USAGE, CommandLine
from tests.serving import CALL_SECONDS, open_account
from tests.waiting import eventually

COUNT = 5_000
PATIENCE = 120.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Give a server with thousands of events."""
    with ServerProcess(tmp_path_factory.mktemp("server")) as process:
        process.start()
        with connect_plainly(process.address) as ledger:
            fill(ledger)
        yield process
        process.stop()


def fill(ledger: Ledger) -> None:
    """Move money thousands of times, and wait until that is projected."""
    accounts = [open_account(ledger, ACCOUNT_KIND_SETTLEMENT) for _ in range(2)]
    items = [
        NewTransfer(request_id=new_id(), debit_account_id=accounts[0], credit_account_id=accounts[1], amount_tyiyn=1)
        for _ in range(COUNT)
    ]
    ledger.transfers.CreateTransfers(CreateTransfersRequest(transfers=items), timeout=PATIENCE)
    request = GetBalanceRequest(account_id=accounts[0], min_position=LogPosition(position=COUNT))
    ledger.statements.GetBalance(request, timeout=PATIENCE)
    ledger.audit.ReadTiles(ReadTilesRequest(tree_size=COUNT), timeout=CALL_SECONDS)


@pytest.fixture
def esep(server: ServerProcess) -> CommandLine:
    return CommandLine(server.environment)


def events_of(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.name.startswith(("events", "leaves"))}


@pytest.mark.parametrize("after_pieces", [1, 60, 120])
def test_killed_and_called_again(server: ServerProcess, esep: CommandLine, tmp_path: Path, after_pieces: int) -> None:
    """Killed without warning and called again, an export goes on, and is in the end what it would have been."""
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    command = [sys.executable, "-m", "ledger.cli", "audit", "export", str(broken), "--events-per-file", "25"]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **server.environment}) as exporting:
        eventually(
            # Whoever looks too late finds the export ended, and its journal gone.
            lambda: lines_of(broken / JOURNAL) > after_pieces or exporting.poll() is not None,
            PATIENCE,
            every=0.001,
        )
        exporting.send_signal(signal.SIGKILL)
    stood = events_of(broken)
    assert len(stood) >= 2 * after_pieces
    for directory in (broken, whole):
        esep.run("audit", "export", str(directory), "--events-per-file", "25")
    assert stood.items() <= events_of(broken).items()
    assert {path.name: path.read_bytes() for path in broken.iterdir()} == {
        path.name: path.read_bytes() for path in whole.iterdir()
    }


def lines_of(path: Path) -> int:
    """Return how many lines a file has, none where it is not there."""
    try:
        return path.read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


@contextmanager
def meanwhile(patch: pytest.MonkeyPatch, happens: Callable[[], None]) -> Iterator[None]:
    """Let something happen when the export has come a little way."""
    happened: list[int] = []

    @contextmanager
    def watching(title: str, *, silent: bool) -> Iterator[Callable[[int, int, int], None]]:
        def report(partition: int, reached: int, head: int) -> None:
            if not happened:
                happened.append(reached)
                happens()

        yield report

    with patch.context() as patched:
        patched.setattr(audit_export, "progress", watching)
        yield
    assert happened, "something happened"


def test_a_server_that_comes_back(
    server: ServerProcess, esep: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the server dies in the middle and is there again, the export goes on by itself and holds every event."""

    def restart() -> None:
        server.kill()
        server.start()

    with meanwhile(monkeypatch, restart):
        esep.run("audit", "export", str(tmp_path / "export"), "--events-per-file", "700")
    found = ExportSource(tmp_path / "export")
    positions = [row.position for rows in found.rows(0) for row in rows]
    assert positions == list(range(1, found.head + 1))
    assert found.head >= COUNT


def test_a_server_that_stays_away(
    server: ServerProcess, esep: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the server does not come back the command says so, and that what it wrote is kept; later it goes on."""
    monkeypatch.setattr(audit_export, "PATIENCE_SECONDS", 0.0)
    command = ("audit", "export", str(tmp_path / "export"), "--events-per-file", "100")
    with meanwhile(monkeypatch, server.kill):
        said = json.loads(esep.run(*command, "--json", exit_code=REFUSED))["error"]
    assert said["reason"] == "SERVER_UNREACHABLE"
    assert "goes on behind it" in said["advice"]
    server.start()
    stood = events_of(tmp_path / "export")
    esep.run(*command)
    assert stood.items() <= events_of(tmp_path / "export").items()
    assert ExportSource(tmp_path / "export").head >= COUNT


def test_what_is_said_of_an_export(server: ServerProcess, esep: CommandLine, tmp_path: Path) -> None:
    """People read where it is and how large, machines a document; both name the history and its last position."""
    said = esep.run("audit", "export", str(tmp_path / "export"))
    document = esep.json("audit", "export", str(tmp_path / "export"))
    assert f"{document['origin']} up to position {document['head']}" in said
    assert (document["format"], document["partition"]) == ("jsonl", 0)
    files = [path for path in (tmp_path / "export").iterdir() if path.name != "manifest.json"]
    assert document["bytes"] == sum(path.stat().st_size for path in files)
    assert document["files"] == len(files) + 1


def test_where_an_export_cannot_be(esep: CommandLine, tmp_path: Path) -> None:
    """A directory that holds something else, or cannot be made, is named; a file is no directory at all."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    assert "mine.txt" in esep.run("audit", "export", str(tmp_path / "full"), exit_code=REFUSED)
    missing = esep.json("audit", "export", str(tmp_path / "no" / "where"), exit_code=REFUSED)
    assert missing["error"]["reason"] == "DIRECTORY_MISSING"
    esep.run("audit", "export", str(tmp_path / "full" / "mine.txt"), exit_code=USAGE)
    assert esep.run("audit", "export", str(tmp_path / "export"), "--events-per-file", "0", exit_code=USAGE)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    """Where nothing ever answered, nothing is waited for, and nothing is made."""
    esep = CommandLine({"ESEP_CONFIG": os.devnull})
    began = time.monotonic()
    said = esep.json("audit", "export", str(tmp_path / "export"), "--server", "127.0.0.1:1", exit_code=REFUSED)
    assert said["error"]["reason"] == "SERVER_UNREACHABLE"
    assert not (tmp_path / "export").exists()
    assert time.monotonic() - began < 50
