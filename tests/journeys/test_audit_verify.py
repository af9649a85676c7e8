"""``esep audit verify`` as an auditor uses it: a live server, an export alone, checkpoints kept, a signed report."""

import json
import sqlite3
from base64 import b64decode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import grpc
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from typer.testing import CliRunner

from ledger.cli.app import app
from ledger.rpc.client import Ledger
from protos.esep.v1 import account_pb2
from protos.esep.v1.audit_service_pb2 import GetCheckpointRequest
from scripts.demo_server import ServerProcess
from tests.journeys.test_command_line import OK, REFUSED, USAGE, CommandLine
from tests.ledger.audit.ledgers import Place, change_tables
from tests.serving import CALL_SECONDS, ledger, open_account, server, transfer

__all__ = ["ledger", "server"]

NOWHERE = "127.0.0.1:1"
PATIENCE = 120.0


@pytest.fixture(scope="module")
def moved(ledger: Ledger) -> list[int]:
    """Make a small history; return the positions of its transfers."""
    cash = open_account(ledger, account_pb2.ACCOUNT_KIND_CASH)
    people = [open_account(ledger, account_pb2.ACCOUNT_KIND_CUSTOMER) for _ in range(3)]
    return [transfer(ledger, cash, person, 100 + step) for step in range(20) for person in people]


@pytest.fixture
def esep(server: ServerProcess, moved: list[int]) -> CommandLine:
    return CommandLine(server.environment)


@pytest.fixture
def note(ledger: Ledger, moved: list[int], tmp_path: Path) -> Path:
    """Keep a checkpoint as an auditor does."""
    kept = ledger.audit.GetCheckpoint(GetCheckpointRequest(), metadata=ledger.metadata, timeout=CALL_SECONDS)
    path = tmp_path / "kept.note"
    path.write_text(kept.checkpoint.note)
    (tmp_path / "ledger.key").write_text("".join(f"{key.verifier_key}\n" for key in kept.keys))
    return path


@pytest.fixture
def exported(esep: CommandLine, tmp_path: Path) -> Path:
    directory = tmp_path / "export"
    esep.run("audit", "export", str(directory), "--events-per-file", "50")
    return directory


@pytest.fixture
def behind(server: ServerProcess) -> Iterator[sqlite3.Connection]:
    """Give the log's file, opened behind the running server's back."""
    path = server.environment["ESEP_DATA_DIR"]
    with closing(sqlite3.connect(Path(path) / "log.db", isolation_level=None, timeout=20)) as connection:
        yield connection


def settle(esep: CommandLine) -> None:
    """Wait until nothing is found any more: the projections may have to be made anew after what a test did."""
    deadline = monotonic() + PATIENCE
    while True:
        done = CliRunner().invoke(app, ["audit", "verify"], env=esep.environment)
        if done.exit_code == OK:
            return
        assert monotonic() < deadline, done.output
        sleep(0.2)


def findings(document: dict[str, Any], check: str) -> list[dict[str, Any]]:
    return [each for each in document["report"]["findings"] if each["check"] == check]


def test_a_live_server_is_verified(esep: CommandLine, note: Path, moved: list[int]) -> None:
    """Everything is as it must be: up to the head, under the auditor's own key and checkpoint."""
    key = note.with_name("ledger.key")
    report = esep.json("audit", "verify", "--against", str(note), "--key", str(key), exit_code=OK)["report"]
    assert report["ok"]
    assert report["head"] == report["events"] >= moved[-1]
    assert report["sums"]["KGS"] == {
        "accounts": 4,
        "sum_tyiyn": 0,
        "debited_tyiyn": sum(100 + n // 3 for n in range(60)),
    }
    assert report["keys_given_by_auditor"]
    assert report["keys"] == key.read_text().split()
    assert "Everything is as it must be" in esep.run("audit", "verify")
    assert "the ledger's own word" in esep.run("audit", "verify")


def test_an_export_is_verified_without_any_network(
    esep: CommandLine, exported: Path, note: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No channel is made, and no setting of a server is needed."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a channel was made")

    for maker in ("insecure_channel", "secure_channel"):
        monkeypatch.setattr(grpc, maker, refuse)
    done = esep.json("audit", "verify", "--export", str(exported), "--against", str(note))
    assert done["report"]["ok"]
    assert done["report"]["source"] == f"export {exported}"
    with pytest.raises(AssertionError, match="a channel was made"):
        esep.run("audit", "verify")


def test_cryptography_alone_checks_the_report(esep: CommandLine, exported: Path, tmp_path: Path) -> None:
    """The text up to the last empty line, 64 bytes of Ed25519, and the key that the command told: nothing of Esep."""
    path = tmp_path / "report.note"
    told = esep.json("audit", "verify", "--export", str(exported), "--report", str(path))
    assert (tmp_path / "auditor-key.json").stat().st_mode & 0o777 == 0o600

    text, _, signature_line = path.read_text(encoding="utf-8").rpartition("\n\n")
    signature = b64decode(signature_line.split(" ")[2])[4:]
    public = b64decode(told["signed_by"].split("+", 2)[2])[1:]
    Ed25519PublicKey.from_public_bytes(public).verify(signature, f"{text}\n".encode())
    assert json.loads(text) == told["report"]
    forged = text.replace('"ok": true', '"ok": false')
    assert forged != text
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(public).verify(signature, f"{forged}\n".encode())

    again = esep.json("audit", "verify", "--export", str(exported), "--report", str(path))
    assert again["signed_by"] == told["signed_by"], "the key is made once"
    assert (tmp_path / "auditor-key.pub").read_text() == f"{told['signed_by']}\n"


def test_a_changed_export_is_found(esep: CommandLine, exported: Path, moved: list[int]) -> None:
    """One amount in one line: the position and the file are named, and the exit code is 1."""
    at = moved[7]
    file = min(exported.glob("events-*"))
    lines = file.read_text().splitlines(keepends=True)
    assert "amount" in lines[at - 1]
    lines[at - 1] = lines[at - 1].replace('amount\\":1', 'amount\\":2')
    file.write_text("".join(lines))
    found = esep.json("audit", "verify", "--export", str(exported), exit_code=REFUSED)
    assert [each["position"] for each in findings(found, "leaf_hashes")] == [at]
    assert file.name in findings(found, "source")[0]["message"]
    assert findings(found, "figures"), "the accounts have not what follows from such an event"
    assert str(at) in esep.run("audit", "verify", "--export", str(exported), exit_code=REFUSED)


def test_a_checkpoint_by_an_unknown_key_is_refused(esep: CommandLine, exported: Path, note: Path) -> None:
    """It proves nothing, whatever it says: refused with the key that it bears and those that are known."""
    lines = note.read_text().split("\n")
    name = lines[4].split(" ")[1]
    lines[4] = f"— {name} {'A' * 92}"
    note.write_text("\n".join(lines))
    found = esep.json("audit", "verify", "--export", str(exported), "--against", str(note), exit_code=REFUSED)
    assert "is refused: it is signed by an unknown key" in findings(found, "kept_checkpoints")[0]["message"]


def test_a_checkpoint_of_what_is_not_there_is_a_missing_tail(
    esep: CommandLine, exported: Path, ledger: Ledger, note: Path, moved: list[int]
) -> None:
    """The export ends before a checkpoint that was signed later: what is missing is named, from where to where."""
    accounts = [1, 2]
    transfer(ledger, accounts[0], accounts[1], 1)
    later = ledger.audit.GetCheckpoint(
        GetCheckpointRequest(current=True), metadata=ledger.metadata, timeout=CALL_SECONDS
    ).checkpoint
    note.write_text(later.note)
    found = esep.json("audit", "verify", "--export", str(exported), "--against", str(note), exit_code=REFUSED)
    (missing,) = findings(found, "kept_checkpoints")
    head = found["report"]["head"]
    assert (missing["position"], missing["upto"]) == (head + 1, later.tree.position)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--key", "nonsense"),
        ("--against", "/nowhere/at.all"),
        ("--sign-with", "key.json"),
        ("--export", "x", "--server", NOWHERE),
    ],
)
def test_misuse_is_told_apart(arguments: tuple[str, ...]) -> None:
    """What was asked wrongly has looked at nothing, and says so by its exit code."""
    CommandLine({}).run("audit", "verify", *arguments, exit_code=USAGE)


def test_no_export_and_no_server_are_problems() -> None:
    """Neither is a finding, and neither is all well."""
    esep = CommandLine({})
    assert esep.json("audit", "verify", "--export", "/nowhere", exit_code=REFUSED)["error"]["reason"]
    assert (
        esep.json("audit", "verify", "--server", NOWHERE, exit_code=REFUSED)["error"]["reason"] == "SERVER_UNREACHABLE"
    )


def test_a_change_under_a_running_server_is_found(
    esep: CommandLine, behind: sqlite3.Connection, moved: list[int]
) -> None:
    """The event, by its position and field, although the server goes on as if nothing had happened."""
    settle(esep)  # The projections have seen what is about to be changed.
    at = moved[11]
    was = behind.execute("SELECT caller FROM events WHERE position = ?", (at,)).fetchone()[0]
    behind.execute("UPDATE events SET caller = 'nobody' WHERE position = ?", (at,))
    try:
        found = esep.json("audit", "verify", exit_code=REFUSED)
    finally:
        behind.execute("UPDATE events SET caller = ? WHERE position = ?", (was, at))
    (changed,) = findings(found, "leaf_hashes")
    assert (changed["position"], changed["field"]) == (at, "caller")
    assert changed["message"].endswith(f"caller was {was!r}")
    settle(esep)


def test_a_changed_balance_under_a_running_server_is_found(
    esep: CommandLine, server: ServerProcess, moved: list[int]
) -> None:
    """What the ledger answers is held against what follows from the events: the account is named, and both figures."""
    settle(esep)
    log = Path(server.environment["ESEP_DATA_DIR"]) / "log.db"
    place = Place(log.parent, f"sqlite:///{log}")
    change_tables(place, "UPDATE balances SET posted = posted + 5 WHERE account_id = 2")
    try:
        found = esep.json("audit", "verify", exit_code=REFUSED)
    finally:
        change_tables(place, "UPDATE balances SET posted = posted - 5 WHERE account_id = 2")
    (wrong,) = found["report"]["findings"]
    assert (wrong["check"], wrong["account"], wrong["field"]) == ("figures", 2, "posted")


@pytest.mark.parametrize("which", [pytest.param(30, marks=pytest.mark.slow), -1])
def test_an_event_that_is_missing_under_a_running_server_is_found(
    esep: CommandLine, behind: sqlite3.Connection, moved: list[int], which: int
) -> None:
    """Where the server itself cannot read on: the very position, and nothing else is called wrong.

    Last of all: the projections are made anew when they find the end of the log gone.
    """
    settle(esep)
    at = moved[which] if which >= 0 else behind.execute("SELECT max(position) FROM events").fetchone()[0]
    row = behind.execute("SELECT * FROM events WHERE position = ?", (at,)).fetchone()
    behind.execute("DELETE FROM events WHERE position = ?", (at,))
    try:
        found = esep.json("audit", "verify", exit_code=REFUSED)
    finally:
        behind.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    assert [(each["position"], each["upto"]) for each in findings(found, "positions")] == [(at, at)]
    assert not findings(found, "leaf_hashes")
    settle(esep)
