"""What a server says when it starts, to somebody who does not know yet what it needs."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.demo_server import ROOT, ServerProcess
from tests.waiting import eventually

PATIENCE = 60.0


@pytest.mark.parametrize("setting", ["ESEP_LISTEN", "ESEP_METRICS_LISTEN"])
def test_a_taken_address_is_told_and_nothing_is_touched(tmp_path: Path, setting: str) -> None:
    """The message says which setting and why; no file is made, so that no other server's log is taken by mistake."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        directory = tmp_path / "data"
        server = ServerProcess(directory, {"ESEP_CLOCK_OFFSET_FILE": "", "ESEP_METRICS_LISTEN": ""})
        done = subprocess.run(
            [sys.executable, str(ROOT / "server.py")],
            env={**server.environment, setting: address},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 78
    assert done.stderr == (
        f"esep: cannot start: {setting}={address} is in use: something listens there already,"
        " maybe another server of this ledger. Nothing was touched\n"
    )
    assert not directory.exists()


def test_a_server_whose_database_does_not_answer_is_to_be_started_again(tmp_path: Path) -> None:
    """Its status tells a supervisor so: that of wrong settings, 78, would leave it down when the database is back."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # Where nothing listens, and nothing else comes to listen meanwhile.
        port = nobody.getsockname()[1]
        server = ServerProcess(tmp_path, {"ESEP_DATABASE_URL": f"postgresql://esep@127.0.0.1:{port}/esep"})
        done = subprocess.run(
            [sys.executable, str(ROOT / "server.py")],
            env=server.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 75
    assert "esep: cannot start now: the database did not answer:" in done.stderr


def test_a_servers_port_is_nobody_elses_while_it_is_down(tmp_path: Path) -> None:
    """What is started again is found where it was, whatever else starts on the machine meanwhile."""
    with ServerProcess(tmp_path) as server:
        server.start()
        address = server.address
        server.kill()
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", int(address.rpartition(":")[2])))
        server.start()
        assert server.address == address
        server.stop()


def test_a_server_that_stands_by_says_so(tmp_path: Path) -> None:
    """It names who decides and what it does itself; and it says when it has taken over."""
    with ServerProcess(tmp_path) as owner, ServerProcess(tmp_path) as standby:
        owner.start()
        assert "standing by" not in owner.said
        standby.start(serving=False)
        said = f"esep: standing by: process {owner.pid} on {socket.gethostname()} has this log and decides."
        eventually(lambda: said in standby.said)
        assert standby.health() == "NOT_SERVING"
        assert "taken over" not in standby.said
        owner.stop()
        standby.wait_until_serving(PATIENCE)
        eventually(lambda: "esep: standing by no more: this server has taken over" in standby.said)
        standby.stop()
