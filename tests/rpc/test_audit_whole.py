"""A ledger of several partitions taken home and verified as a whole, by the command line, on each store."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from google.protobuf.timestamp_pb2 import Timestamp
from typer.testing import CliRunner

from ledger.audit.export.source import sources
from ledger.cli.app import app
from protos.esep.v1 import statement_service_pb2 as statements
from protos.esep.v1.account_pb2 import ACCOUNT_KIND_CLEARING
from protos.esep.v1.common_pb2 import AsOf
from tests.rpc.test_audit_partitions import Ground, ground, head_of, opened, pay
from tests.rpc.world import PATIENCE

__all__ = ["ground"]

CLEARING = ACCOUNT_KIND_CLEARING
OK, REFUSED, USAGE = 0, 1, 2
Esep = Callable[..., Any]


@pytest.fixture(autouse=True)
def apart() -> Iterator[None]:
    """Keep what the servers log from what the command prints: both are of one process here."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory(), cache_logger_on_first_use=False)
    yield
    structlog.reset_defaults()


@pytest.fixture
def esep(ground: Ground) -> Esep:
    """Give the command, asking the server that owns partition 0 unless it reads an export."""

    def run(*arguments: str, exit_code: int = OK, live: bool = True) -> Any:
        asked = ("--server", ground.servers.here.address) if live else ()
        done = CliRunner().invoke(app, [*arguments, "--json", *asked])
        assert done.exit_code == exit_code, done.output
        return json.loads(done.stdout) if exit_code != USAGE else done.output

    return run


def first_key(keys: Path) -> str:
    """Return the ledger's key as it was given on paper: of partition 0."""
    return keys.read_text().splitlines()[0]


def test_a_whole_ledger_is_taken_home_and_verified(ground: Ground, esep: Esep, tmp_path: Path) -> None:
    """With one key, and the checkpoints that were kept of every partition in one file; and again when it has grown."""
    note, keys, export = tmp_path / "kept.note", tmp_path / "ledger.keys", tmp_path / "export"
    kept = esep("audit", "checkpoint", str(note), "--keys", str(keys))
    assert [each["tree_size"] for each in kept["partitions"]] == [head_of(ground, 0), head_of(ground, 1)]
    made = esep("audit", "export", str(export))
    assert [each["origin"] for each in made["partitions"]] == ["esep.kg/test/0", "esep.kg/test/1"]
    wanted = ("audit", "verify", "--key", first_key(keys), "--against", str(note))
    for report in (
        esep(*wanted, "--export", str(export), live=False)["report"],
        esep(*wanted)["report"],
    ):
        assert report["ok"], report
        assert [report["partition"], *(each["partition"] for each in report["partitions"])] == [0, 1]
        assert [report["head"], report["partitions"][0]["head"]] == [head_of(ground, 0), head_of(ground, 1)]
        assert all(each["kept"] == [str(note)] for each in (report, *report["partitions"]))
        assert all(sums["sum_tyiyn"] == 0 for each in (report, *report["partitions"]) for sums in each["sums"].values())
        crossings = report["crossings"]
        assert (crossings["partitions"], crossings["transfers"], crossings["findings"]) == (2, 3, [])
        assert crossings["in_transit_tyiyn"] == in_transit(ground, crossings["cut_at"])

    crossed_once_more(ground)
    esep("audit", "export", str(export))
    later = esep(*wanted, "--export", str(export), live=False)["report"]
    assert (later["ok"], later["crossings"]["transfers"]) == (True, 4)
    assert later["partitions"][0]["head"] > report["partitions"][0]["head"]


def crossed_once_more(ground: Ground) -> None:
    """Let something happen in both partitions, and a second go by, for which a checkpoint is handed out again."""
    pay(ground.servers.there, ground.payer, opened(ground.servers.here, 0), 5)
    for server in ground.servers:
        server.clock.ahead += 2_000_000


def in_transit(ground: Ground, cut: str) -> dict[str, int]:
    """Return what the trial balance says that clearing accounts had when a time was recorded."""
    time = Timestamp()
    time.FromJsonString(cut)
    time.FromMicroseconds(time.ToMicroseconds() + 999)  # It is told in milliseconds.
    client = ground.servers.here.client()
    books = statements.GetTrialBalanceRequest(as_of=AsOf(record_time=time))
    lines = client.statements.GetTrialBalance(books, metadata=client.metadata, timeout=PATIENCE).lines
    assert sum(line.posted_tyiyn for line in lines) == 0
    return {line.currency_code: line.posted_tyiyn for line in lines if line.kind == CLEARING}


def test_a_partition_that_is_missing_or_put_back_is_found(ground: Ground, esep: Esep, tmp_path: Path) -> None:
    """Without its directory the ledger is not whole; an older state of it is not the one that was kept."""
    export, older, note = tmp_path / "export", tmp_path / "older", tmp_path / "kept.note"
    esep("audit", "export", str(export))
    shutil.copytree(export, older)
    crossed_once_more(ground)
    esep("audit", "checkpoint", str(note))
    esep("audit", "export", str(export))

    shutil.rmtree(export / "partition-1")
    shutil.copytree(older / "partition-1", export / "partition-1")
    wanted = ("audit", "verify", "--export", str(export))
    report = esep(*wanted, "--against", str(note), live=False, exit_code=REFUSED)["report"]
    assert [each["check"] for each in report["partitions"][0]["findings"]] == ["kept_checkpoints"]
    assert report["findings"] == []

    shutil.rmtree(export / "partition-1")
    report = esep(*wanted, live=False, exit_code=REFUSED)["report"]
    told = [each["message"] for each in report["crossings"]["findings"]]
    assert told[0] == "the ledger has 2 partitions, and the histories of 1 are here"
    assert any("which is not here" in each for each in told)
    (shown,) = [CliRunner().invoke(app, [*wanted]).stdout]
    assert "findings between partitions" in shown

    shutil.copytree(older, export / "partition-1")
    damaged = esep(*wanted, live=False, exit_code=REFUSED)
    assert damaged["error"]["reason"] == "EXPORT_DAMAGED", damaged


def test_changes_of_all_partitions_tie_out(ground: Ground, esep: Esep, tmp_path: Path) -> None:
    """Between two times over all of them, between two positions of one; of a server and of its export alike."""
    export = tmp_path / "export"
    esep("audit", "export", str(export))
    exported = sources(export)
    assert [each.head for each in exported] == [head_of(ground, 0), head_of(ground, 1)]
    for asked in ((), ("--export", str(export))):
        live = not asked
        found = esep("audit", "diff", "2020-01-01", *asked, live=live)
        assert [each["to_position"] for each in found["partitions"]] == [head_of(ground, 0), head_of(ground, 1)]
        assert (found["events"], found["disagreements"]) == (head_of(ground, 0) + head_of(ground, 1), [])
        assert [each["posted_tyiyn"] for each in found["sums"]] == [0]
        payer = next(each for each in found["accounts"] if each["account_id"] == ground.payer)
        assert payer["posted_tyiyn"]["after"] == 740
        one = esep("audit", "diff", "4", "9", "--partition", "1", *asked, live=live)
        assert (one["partition"], one["from_position"], one["events"]) == (1, 4, 5)
        assert "each of the ledger's 2 partitions" in esep("audit", "diff", "4", *asked, live=live, exit_code=USAGE)
        explained = esep("audit", "explain", str(ground.payer), *asked, live=live)
        assert [step["change_tyiyn"] for step in explained["steps"]] == [1_000, -300, -70, 70, 40]
        unknown = esep("audit", "explain", str((7 << 40) + 1), *asked, live=live, exit_code=REFUSED)
        assert unknown["error"]["reason"] == "ACCOUNT_NOT_FOUND"
