"""Exports of a live ledger: what is in them is what the server tells, and the same questions have the same answers."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import grpc
import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from domain.event import Policy
from domain.leaf import leaf_hash
from ledger.audit.export.format import Encoding, ExportError
from ledger.audit.export.source import ExportSource
from ledger.audit.export.writer import export
from ledger.audit.figures.explain import Figure
from ledger.audit.figures.figuring import Explanation, Figuring, upto
from ledger.audit.signing.checkpoint import Checkpoint
from ledger.audit.signing.note import Note, VerifierKey, verified
from ledger.audit.source import AccountFigures
from ledger.cli.app import app
from ledger.cli.audit.live import LiveHistory, LiveSource
from ledger.cli.audit.reading import PatientSource
from ledger.rpc.intake import timestamp
from protos.esep.v1.account_pb2 import ACCOUNT_KIND_CUSTOMER
from protos.esep.v1.account_service_pb2 import CloseAccountRequest, FreezeAccountRequest
from protos.esep.v1.audit_pb2 import BALANCE_FIGURE_AVAILABLE, BALANCE_FIGURE_HELD, BALANCE_FIGURE_POSTED
from protos.esep.v1.audit_service_pb2 import ReadTilesResponse
from tests.ledger.audit.test_note import witness
from tests.ledger.log.trees import naive_root
from tests.rpc.test_audit_proofs import WITNESS, WITNESS_SEED, Auditor, at
from tests.rpc.test_audit_questions import busy, hold
from tests.rpc.world import PATIENCE, Bank, World, new_id

DAY = 86_400_000_000
FIGURES = {
    Figure.POSTED: BALANCE_FIGURE_POSTED,
    Figure.HELD: BALANCE_FIGURE_HELD,
    Figure.AVAILABLE: BALANCE_FIGURE_AVAILABLE,
}


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    """Return a bank to whose accounts everything has happened: holds, lapses, closing, another currency."""
    policy = Policy(currencies=("KGS", "USD"))
    with World(Path(tmp_path_factory.mktemp("ledger")), policy=policy) as world:
        made = Bank(world)
        busy(made)
        dollars = [made.open(ACCOUNT_KIND_CUSTOMER, currency_code="USD", overdraft_limit_tyiyn=500) for _ in range(2)]
        made.move(dollars[0], dollars[1], 300)
        hold(made, 4_000)
        world.clock.ahead += 8 * DAY
        made.move(made.cash, made.poor, 1)  # The holds are over, and nothing recorded says so yet.
        hold(made, 50)
        gone = made.open(ACCOUNT_KIND_CUSTOMER, account_number="4000")
        made.call(
            made.ledger.accounts.FreezeAccount,
            FreezeAccountRequest(request_id=new_id(), account_id=made.poor, debits=True),
        )
        made.call(made.ledger.accounts.CloseAccount, CloseAccountRequest(request_id=new_id(), account_id=gone))
        world.clock.ahead += 10_000_000
        yield made


@pytest.fixture(scope="module")
def exported(bank: Bank, tmp_path_factory: pytest.TempPathFactory) -> dict[Encoding, ExportSource]:
    """Return an export in each encoding, in files of a few events."""
    found = {}
    for encoding in Encoding:
        directory = tmp_path_factory.mktemp("export") / encoding
        export_to(bank, directory, encoding)
        found[encoding] = ExportSource(directory)
    return found


def export_to(bank: Bank, directory: Path, encoding: Encoding | None = None) -> None:
    source = LiveSource(bank.world.client("auditor"))
    export(source, directory, encoding, lambda _: None, events_per_file=8)


@pytest.mark.parametrize("encoding", Encoding)
def test_an_export_holds_the_log(bank: Bank, exported: dict[Encoding, ExportSource], encoding: Encoding) -> None:
    """Every event of the log is in it, byte for byte, and hashes to the leaf that the server's tiles say."""
    found = exported[encoding]
    rows = [row for piece in found.rows(0) for row in piece]
    assert rows == bank.world.log.read(0, 0, 10_000)
    assert len(rows) == found.head > 30
    leaves = list(map(leaf_hash, rows))
    assert b"".join(found.leaf_hashes(0)) == b"".join(leaves)
    note = Note.parse(found.checkpoints()[-1])
    assert verified(note, map(VerifierKey.parse, found.keys()))
    assert Checkpoint.parse(note.text) == Checkpoint("esep.kg/test/0", found.head, naive_root(leaves))


def test_an_export_holds_the_figures(bank: Bank, exported: dict[Encoding, ExportSource]) -> None:
    """What each account has is what the projections answer as of the export's last position."""
    found = exported[Encoding.JSONL]
    told = Auditor(bank.world).ask("ListAccountFigures", as_of={"position": {"position": found.head}}, page_size=1000)
    assert [
        (each.account_id, each.participant, each.currency, each.posted, each.held, each.overdraft_limit)
        for each in found.figures()
    ] == [
        (
            each.account_id,
            each.participant_id,
            each.currency_code,
            each.posted_tyiyn,
            each.held_tyiyn,
            each.overdraft_limit_tyiyn,
        )
        for each in told.accounts
    ]


def test_figures_are_made_from_events_alone(bank: Bank, exported: dict[Encoding, ExportSource]) -> None:
    """At every position, what the events of an export make is what the server answers that each account had."""
    source, live = exported[Encoding.JSONL], LiveSource(bank.world.client("auditor"))
    figuring, lapsing, figures = Figuring(), 0, list[AccountFigures]()
    for rows in source.rows(0):
        for row in rows:
            figuring.apply(row)
            figures = figuring.figures()
            assert figures == list(live.figures_at(row.position)), row.position
            lapsing += bool(figuring._holds.lapsed(row.recorded_at))
    assert figures == list(source.figures())
    assert len(figuring._holds._open) == 1, "of authorisations that are over nothing is kept"
    assert lapsing, "there are positions at which a hold's time was over and its end not recorded"


@pytest.mark.parametrize("figure", FIGURES)
def test_an_explanation_needs_no_ledger(bank: Bank, exported: dict[Encoding, ExportSource], figure: Figure) -> None:
    """At every position: the steps, their sums and what had lapsed are those that the server tells."""
    source, auditor = exported[Encoding.PARQUET], Auditor(bank.world)
    for position in range(9, source.head + 1, 3):
        explanation = Explanation(bank.rich, figure)
        steps = list(explanation.steps(upto(source.rows(0), position)))
        told = auditor.ask(
            "ExplainBalance",
            account_id=bank.rich,
            figure=FIGURES[figure],
            as_of={"position": {"position": position}},
            page_size=1000,
        )
        assert [(step.row.position, step.change, step.sum) for step in steps] == [
            (step.position, step.change_tyiyn, step.sum_tyiyn) for step in told.steps
        ]
        assert (explanation.sum, explanation.lapsed) == (told.sum_tyiyn, told.lapsed_tyiyn)
        assert explanation.figure == told.figure_tyiyn


def test_an_export_follows_the_ledger(tmp_path: Path) -> None:
    """An export that is extended holds what has happened since, and the checkpoints of both times."""
    with World(tmp_path, witnesses=(WITNESS,)) as world:
        bank = Bank(world)
        export_to(bank, tmp_path / "export")
        first = ExportSource(tmp_path / "export").head
        for _ in range(20):
            bank.move(bank.rich, bank.poor, 1)
        world.clock.ahead += 10_000_000
        export_to(bank, tmp_path / "export")
        found = ExportSource(tmp_path / "export")
        assert found.head == first + 20
        assert [row for rows in found.rows(0) for row in rows] == world.log.read(0, 0, 10_000)
        assert [int(note.split("\n")[1]) for note in found.checkpoints()] == [first, first + 20]


def test_witnesses_are_in_the_export(tmp_path: Path) -> None:
    """Every checkpoint that a witness has cosigned goes along, with its cosignature, and no other but the newest."""
    with World(tmp_path, witnesses=(WITNESS,)) as world:
        bank, auditor = Bank(world), Auditor(world)
        sizes = []
        for cosigned in (True, False, True, False):
            position = bank.move(bank.rich, bank.poor, 1).receipt.position
            checkpoint = auditor.ask("GetCheckpoint", min_position=at(position)).checkpoint
            sizes.append(checkpoint.tree.position)
            if cosigned:
                _, line = witness(WITNESS_SEED, 1_700_000_000, text=Note.parse(checkpoint.note).text)
                auditor.ask("CosignCheckpoint", tree_size=sizes[-1], cosignature=line)
        export_to(bank, tmp_path / "export")
        notes = [Note.parse(note) for note in ExportSource(tmp_path / "export").checkpoints()]
        assert [Checkpoint.parse(note.text).size for note in notes] == [sizes[0], sizes[2], sizes[3]]
        assert [verified(note, [WITNESS]) for note in notes[:2]] == [[WITNESS], [WITNESS]]
        assert [len(note.signatures) for note in notes] == [2, 2, 1]


def test_reading_a_whole_history_is_noted(bank: Bank, tmp_path: Path) -> None:
    """Whoever exports leaves a trace: the stream, the tiles, the figures."""
    before = bank.world.access_log.head()
    export_to(bank, tmp_path / "export")
    noted = bank.world.access_log.read(after=before, upto=before + 99, limit=99)
    assert {each.note.method.partition("/")[2] for each in noted} == {
        "GetCheckpoint",
        "ListCheckpoints",
        "SubscribeEvents",
        "ReadTiles",
        "ListAccountFigures",
    }


# The commands: a live server and an export of it answer alike.


def invoke(*arguments: str, exit_code: int = 0) -> str:
    """Return what a command prints, without what the server in this process logs meanwhile."""
    with capture_logs():
        done = CliRunner().invoke(app, ("audit", *arguments), env={"ESEP_CONFIG": os.devnull})
    assert isinstance(done.exception, SystemExit | None), done.exc_info
    assert done.exit_code == exit_code, done.output
    return done.output


class Commands:
    """``esep audit`` asked of the server, or of an export of it."""

    def __init__(self, bank: Bank, directory: Path) -> None:
        self._address = bank.world.address
        self._directory = directory

    def run(self, *arguments: str, live: bool, exit_code: int = 0) -> str:
        where = ("--server", self._address) if live else ("--export", str(self._directory))
        return invoke(*arguments, *where, exit_code=exit_code)

    def same(self, *arguments: str, exit_code: int = 0) -> str:
        found = [self.run(*arguments, live=live, exit_code=exit_code) for live in (True, False)]
        assert found[0] == found[1]
        return found[0]

    def document(self, *arguments: str, exit_code: int = 0) -> Any:
        return json.loads(self.same(*arguments, "--json", exit_code=exit_code))


@pytest.fixture(scope="module")
def esep(bank: Bank, tmp_path_factory: pytest.TempPathFactory) -> Commands:
    directory = tmp_path_factory.mktemp("export") / "made"
    done = invoke("export", str(directory), "--server", bank.world.address, "--events-per-file", "7", "--json")
    assert json.loads(done)["head"] == bank.world.log.head(0)
    return Commands(bank, directory)


def test_a_difference_ties_out(bank: Bank, esep: Commands) -> None:
    """Between any two positions server and export tell the same changes, and each currency's come to 0."""
    head = bank.world.log.head(0)
    for first, last in ((0, head), (0, 9), (9, head), (head, head), (12, 30), (30, 31)):
        found = esep.document("diff", str(first), str(last))
        assert (found["from_position"], found["to_position"], found["events"]) == (first, last, last - first)
        assert sum(found["events_by_topic"].values()) == last - first
        assert found["disagreements"] == []
        assert {each["posted_tyiyn"] for each in found["sums"]} <= {0}


def test_a_difference_tells_what_changed(bank: Bank, esep: Commands) -> None:
    """Accounts with their figures before and after, those that are new or closed, events by topic, sums."""
    found = esep.document("diff", "0")
    accounts = {each["account_id"]: each for each in found["accounts"]}
    assert len(accounts) == 7 == len(found["opened_account_ids"])
    assert found["closed_account_ids"] == [max(found["opened_account_ids"])]
    poor = accounts[bank.poor]
    assert poor["posted_tyiyn"] == {"before": None, "after": 1_501, "change": 1_501}
    rich = accounts[bank.rich]
    assert rich["held_tyiyn"]["after"] == 50
    assert rich["available_tyiyn"]["after"] == rich["posted_tyiyn"]["after"] - 50 + 4_000 - 350
    dollars = [each for each in found["sums"] if each["currency_code"] == "USD"]
    assert [(each["posted_tyiyn"], each["available_tyiyn"], each["moved_tyiyn"]) for each in dollars] == [
        (0, 1_000, 300)
    ]
    assert found["events_by_topic"]["account.opened.v1"] == 7
    for text in ("The sums tie out", "opened closed", "USD", "transfer.posted.v1"):
        assert text in esep.same("diff", "0")


def test_days_are_moments(bank: Bank, esep: Commands) -> None:
    """From a day is from its first moment, and up to a day is up to its last, in the zone of the business day."""
    rows = bank.world.log.read(0, 0, 10_000)
    zone = ZoneInfo("Asia/Bishkek")
    days = [timestamp(row.recorded_at).ToDatetime(UTC).astimezone(zone).date() for row in rows]
    first, last, quiet = days[0], days[-1], days[-1] - timedelta(days=1)
    assert first < quiet
    for named in ((first,), (first, first), (first + timedelta(days=1), last), (quiet, quiet)):
        bounds = sum(day < named[0] for day in days), sum(day <= named[-1] for day in days)
        bounds = bounds if named[1:] else (bounds[0], len(rows))
        found = esep.document("diff", *map(str, named))
        assert (found["from_position"], found["to_position"]) == bounds


def test_an_explanation_ends_with_the_figure(bank: Bank, esep: Commands) -> None:
    """Server and export list the same events for each figure, and their sum is what the ledger tells."""
    for figure in ("posted", "held", "available"):
        found = esep.document("explain", str(bank.rich), "--figure", figure)
        assert found["agrees"]
        assert (
            sum(step["change_tyiyn"] for step in found["steps"])
            == found["sum_tyiyn"]
            == found["steps"][-1]["sum_tyiyn"]
        )
        assert found["position"] == bank.world.log.head(0)
    printed = esep.same("explain", str(bank.rich))
    assert "posted 9 978.00, as the events come to" in printed
    assert printed.count("transfer.posted.v1") == 2


def test_an_explanation_as_of_earlier(bank: Bank, esep: Commands) -> None:
    """As of an earlier position or time the steps are the same; what the ledger told then only the server knows."""
    (row,) = bank.world.log.read(0, 19, 1)
    named = timestamp(row.recorded_at).ToDatetime(UTC).isoformat()
    for as_of in ("20", named):
        found = [
            json.loads(esep.run("explain", str(bank.rich), "--as-of", as_of, "--json", live=live))
            for live in (True, False)
        ]
        assert found[0]["steps"] == found[1]["steps"]
        assert found[0]["position"] == found[1]["position"] == 20
        assert (found[0]["agrees"], found[1]["agrees"]) == (True, None)


def test_an_account_by_its_number(bank: Bank, esep: Commands) -> None:
    """A bank's own number names an account in an export too."""
    by_number = esep.document("explain", "bank-a/4000", "--figure", "available")
    assert (by_number["account_id"], by_number["steps"], by_number["agrees"]) == (7, [], True)


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize(
    ("arguments", "reason", "exit_code"),
    [
        (("diff", "9", "8"), "INVALID_ARGUMENT", 2),
        (("diff", "0", "999999"), "POSITION_IN_FUTURE", 1),
        (("explain", "4242"), "ACCOUNT_NOT_FOUND", 1),
        (("explain", "7", "--as-of", "5"), "ACCOUNT_NOT_FOUND", 1),
        (("explain", "bank-a/none"), "ACCOUNT_NOT_FOUND", 1),
    ],
)
def test_questions_without_an_answer(
    esep: Commands, arguments: tuple[str, ...], reason: str, exit_code: int, *, live: bool
) -> None:
    """What is asked wrongly, or is not there, is said in the same words wherever it is looked for."""
    found = json.loads(esep.run(*arguments, "--json", live=live, exit_code=exit_code))
    assert found["error"]["reason"] == reason


def test_an_export_that_was_tampered_with_disagrees(bank: Bank, esep: Commands, tmp_path: Path) -> None:
    """Where figures are not what the events make, both commands say so, with exit code 1."""
    directory = tmp_path / "tampered"
    export_to(bank, directory)
    manifest = json.loads((directory / "manifest.json").read_bytes())
    path = directory / manifest["accounts"]["file"]
    content = path.read_bytes().replace(
        b'"posted":1501,"held":0,"available":1501', b'"posted":1502,"held":0,"available":1502'
    )
    path.write_bytes(content)
    assert manifest["accounts"]["sha256"] != sha256(content).hexdigest()
    tampered = Commands(bank, directory)
    found = json.loads(tampered.run("diff", "0", "--json", live=False, exit_code=1))
    assert found["disagreements"] == [f"account {bank.poor}: the ledger told other figures than its events make"]
    explained = json.loads(tampered.run("explain", str(bank.poor), "--json", live=False, exit_code=1))
    assert (explained["sum_tyiyn"], explained["figure_tyiyn"], explained["agrees"]) == (1_501, 1_502, False)
    assert "which the events do not come to" in tampered.run("explain", str(bank.poor), live=False, exit_code=1)


def test_a_history_that_ends_before_its_checkpoint_is_not_whole(bank: Bank) -> None:
    """Whoever is told of more events than there are does not wait for them."""
    head = LiveSource(bank.ledger).head
    with pytest.raises(ExportError, match=f"ends at position {head}, and is to have {head + 1} events"):
        list(LiveHistory(bank.ledger, head + 1).rows(0))


class Gone(grpc.RpcError):
    """What a call ends with when its server is gone."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def trailing_metadata(self) -> tuple[Any, ...]:
        return ()


def goes(method: Any, times: int) -> Any:
    """Return a method whose server is gone so many times, and then there again."""
    left = iter(range(times))

    def call(*arguments: Any, **named: Any) -> Any:
        if next(left, None) is not None:
            raise Gone
        return method(*arguments, **named)

    return call


def test_an_event_is_not_missing_because_the_server_is(bank: Bank) -> None:
    """A server that goes away again and again, at each piece that is asked for, costs time and no event."""
    client: Any = bank.world.client("auditor")
    source = PatientSource(client)
    client.audit.SubscribeEvents = goes(client.audit.SubscribeEvents, 1)
    client.audit.ReadEvents = goes(client.audit.ReadEvents, 7)
    told = [row for rows in source.rows(0) for row in rows]
    assert told == bank.world.log.read(0, 0, source.head)


def test_figures_are_told_once_by_servers_that_take_turns(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes over does not know the other one's page tokens: the pages are begun again, and no account.

    Where nothing new comes of that, it is not tried for ever.
    """
    monkeypatch.setattr("ledger.cli.audit.live._PAGE", 2)
    client: Any = bank.world.client("auditor")
    source, method = LiveSource(client), client.audit.ListAccountFigures
    whole = list(source.figures())
    assert len(whole) > 4
    asked: list[str] = []

    def by_turns(request: Any, **named: Any) -> Any:
        asked.append(request.page_token)
        other = type(request)()
        other.CopyFrom(request)
        if len(asked) in tokens_of_another:
            other.page_token = "A" + other.page_token[1:] if other.page_token[0] != "A" else "B" + other.page_token[1:]
        return method(other, **named)

    client.audit.ListAccountFigures = by_turns
    tokens_of_another = {3}
    assert list(source.figures()) == whole
    assert asked.count("") == 2
    asked.clear()
    tokens_of_another = {2, 4}
    with pytest.raises(grpc.RpcError, match="INVALID_ARGUMENT"):
        list(source.figures())


def test_a_server_that_was_given_up_is_not_waited_for_again(bank: Bank) -> None:
    """What else there was to ask of it fails at once; a server that answers again is waited for anew."""
    client: Any = bank.world.client("auditor")
    source, method = LiveSource(client, patience=0.0), client.audit.ReadTiles
    client.audit.SubscribeEvents = client.audit.ReadTiles = goes(method, 10)
    with pytest.raises(Gone):
        list(source.rows(0))
    source._waiting._patience = PATIENCE
    with pytest.raises(Gone):
        list(source.leaf_hashes(0))
    client.audit.ReadTiles = method
    assert len(list(source.leaf_hashes(0))) == 1
    client.audit.ReadTiles = goes(method, 1)
    assert len(list(source.leaf_hashes(0))) == 1


def test_a_history_without_tiles_is_not_asked_for_ever(bank: Bank) -> None:
    """A server that answers no tile where there is one says nothing that could be asked further."""
    client: Any = bank.world.client("auditor")
    source = LiveSource(client)
    client.audit.ReadTiles = lambda *_, **__: ReadTilesResponse()
    with pytest.raises(ExportError, match="no tiles behind position 0"):
        list(source.leaf_hashes(0))
