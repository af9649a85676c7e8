"""Exports that somebody has written anew, manifest and all, to mislead or to break whoever verifies them."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ledger.audit.export.format import ExportError
from ledger.audit.export.source import ExportSource
from ledger.audit.export.writer import export
from ledger.audit.signing.checkpoint import Checkpoint
from ledger.audit.signing.note import Note, NoteError
from ledger.cli.app import app
from ledger.cli.audit.checkpoint import keep
from ledger.cli.audit.live import rows_of
from ledger.log.merkle import EMPTY_ROOT
from protos.esep.v1.audit_pb2 import EventColumns
from tests.ledger.audit.conftest import Original
from tests.ledger.audit.ledgers import LEDGER, Place, source_of

DEEP = "[" * 5_000 + "]" * 5_000
OPENED = "account.opened.v1"
HELD = "authorization.approved.v1"
POSTED = "transfer.posted.v1"
LIMITED = "account.overdraft_limit_set.v1"


class Forged:
    """An export to be changed: its manifest, and its files by what the manifest says of them."""

    def __init__(self, directory: Path, original: Original) -> None:
        self.directory = directory
        self.original = original
        self.manifest = json.loads((directory / "manifest.json").read_text())

    def lines(self, written: dict[str, Any]) -> list[bytes]:
        content = (self.directory / str(written["file"])).read_bytes()
        return content.splitlines()

    def put(self, written: dict[str, Any], content: bytes) -> None:
        """Write a file, and let the manifest say so."""
        (self.directory / written["file"]).write_bytes(content)
        written.update(bytes=len(content), sha256=sha256(content).hexdigest())

    def events(self, change: Callable[[dict[str, Any]], Any]) -> None:
        """Let every event be changed."""
        for piece in self.manifest["pieces"]:
            events = [json.loads(line) for line in self.lines(piece["events"])]
            for event in events:
                change(event)
            self.put(piece["events"], b"".join(json.dumps(event).encode() + b"\n" for event in events))

    def first(self, topic: str, change: Callable[[dict[str, Any]], Any]) -> None:
        """Let the first event of a topic be changed."""
        found: list[int] = []

        def only(event: dict[str, Any]) -> None:
            if event["topic"] == topic and not found:
                found.append(event["position"])
                change(event)

        self.events(only)
        assert found

    def state(self, topic: str, **values: Any) -> None:
        """Let the first event of a topic say something else."""
        self.first(topic, lambda event: event.update(state=json.dumps(json.loads(event["state"]) | values)))

    def accounts(self, **values: Any) -> None:
        """Let the ledger have answered something else of an account."""
        written = self.manifest["accounts"]
        lines = self.lines(written)
        lines[2] = json.dumps(json.loads(lines[2]) | values).encode()
        self.put(written, b"\n".join(lines) + b"\n")

    def write(self) -> None:
        (self.directory / "manifest.json").write_text(json.dumps(self.manifest))


@pytest.fixture(scope="module")
def exported(original: Original, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("exported") / "export"
    with source_of(original.place) as source:
        export(source, directory, None, lambda _: None, events_per_file=40)  # type: ignore[arg-type]
    return directory


@pytest.fixture
def forged(original: Original, exported: Path, tmp_path: Path) -> Forged:
    return Forged(Path(shutil.copytree(exported, tmp_path / "export")), original)


def verified(forged: Forged, *options: str) -> Result:
    """Verify what was forged, with the ledger's key; whatever is no answer of the program's is an error here."""
    forged.write()
    return asked(forged, "verify", "--key", str(forged.original.place.public), *options)


def asked(forged: Forged, *arguments: str) -> Result:
    result = CliRunner().invoke(app, ("audit", *arguments, "--export", str(forged.directory)))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_what_nobody_has_changed_is_as_it_must_be(forged: Forged) -> None:
    """The export that is changed below verifies as it is, also where its lines have other spaces."""
    assert verified(forged).exit_code == 0
    forged.events(lambda _: None)
    assert verified(forged).exit_code == 0


def far(forged: Forged) -> None:
    forged.manifest["head"] = forged.manifest["pieces"][-1]["last"] = 10**15


def other_partition(partition: int) -> Callable[[Forged], None]:
    def forge(forged: Forged) -> None:
        forged.manifest["partition"] = partition
        forged.events(lambda event: event.update(partition=partition))

    return forge


def held_twice(forged: Forged) -> None:
    forged.state(HELD, amount=2**62 - 1)
    forged.state("authorization.incremented.v1", amount=2**62 - 1)


def deep(topic: str) -> Callable[[Forged], None]:
    return lambda forged: forged.first(topic, lambda event: event.update(state=f'{event["state"][:-1]},"x":{DEEP}}}'))


def link_to_a_pipe(forged: Forged) -> None:
    path = forged.directory / forged.manifest["accounts"]["file"]
    path.unlink()
    os.mkfifo(path)
    forged.manifest["accounts"].update(bytes=0)


def named(name: str) -> Callable[[Forged], None]:
    """Let the accounts stand in a file of any name."""

    def forge(forged: Forged) -> None:
        shutil.copy(forged.directory / forged.manifest["accounts"]["file"], forged.directory.parent / "outside")
        forged.manifest["accounts"].update(file=name)

    return forge


@pytest.mark.parametrize(
    ("forge", "said"),
    [
        pytest.param(far, "the events end at position", id="a head far away"),
        pytest.param(
            lambda forged: forged.first(LIMITED, lambda event: event.update(position=10**13)),
            "no event has position",
            id="a position far away",
        ),
        pytest.param(other_partition(70_000), "there is no partition 70000", id="a partition that cannot be"),
        pytest.param(other_partition(10**30), "there is no partition 1000", id="a partition past all numbers"),
        pytest.param(lambda forged: forged.state(HELD, amount=10**30), "out of all bounds", id="a hold too large"),
        pytest.param(held_twice, "out of all bounds", id="a hold that grows too large"),
        pytest.param(lambda forged: forged.state(LIMITED, limit=10**30), "out of all bounds", id="a limit too large"),
        pytest.param(
            lambda forged: forged.state(OPENED, minimum_balance=-(10**30)), "out of all bounds", id="a minimum too low"
        ),
        *(
            pytest.param(deep(topic), "cannot be brought to today's form", id=f"deep inside {topic}")
            for topic in (OPENED, HELD, POSTED, "authorization.captured.v1")
        ),
        pytest.param(
            lambda forged: forged.manifest.update(x=json.loads("[" * 500 + "]" * 500)),
            "Everything is as it must be",
            id="something unknown in the manifest",
        ),
        pytest.param(named("../outside"), "not a file of an export", id="a file elsewhere"),
        pytest.param(named("manifest.json\0"), "not a file of an export", id="a name that no file can have"),
        pytest.param(named("a[/red].jsonl"), "not a file of an export", id="a name that is markup"),
        pytest.param(link_to_a_pipe, "it is not a file", id="a pipe in the place of a file"),
        pytest.param(
            lambda forged: forged.first(POSTED, lambda event: event.update(topic="[/red]\x1b[2J")),
            r"[/red]\x1b[2J",
            id="a topic that is markup",
        ),
        pytest.param(lambda forged: forged.manifest.update(origin="[/b]/0"), "[/b]/0", id="an origin that is markup"),
        pytest.param(
            lambda forged: forged.accounts(participant="z\x1b[2J"), r"is z\x1b[2J as", id="another bank's account"
        ),
        pytest.param(lambda forged: forged.accounts(kind="cash"), "is cash as the ledger", id="another kind"),
        pytest.param(
            lambda forged: forged.manifest.update(origin="esep.kg/other/0"),
            "this is the history of 'esep.kg/other/0'",
            id="another ledger's name",
        ),
    ],
)
def test_what_was_forged_is_said_in_words(forged: Forged, forge: Callable[[Forged], None], said: str) -> None:
    """Numbers past all bounds, names, depths and markup are findings or refusals, and never end the program."""
    forge(forged)
    result = verified(forged)
    assert said in " ".join(result.output.split()), result.output
    assert "\x1b" not in result.output
    assert result.exit_code == (0 if "as it must be" in said else 1)


@pytest.mark.parametrize("where", ["event", "account", "manifest"])
def test_what_is_said_twice_is_refused(forged: Forged, where: str) -> None:
    """Of two values under one name some readers take the first and others the last: whatever they read was verified."""
    if where == "manifest":
        text = json.dumps(forged.manifest)
        forged.write = lambda: (forged.directory / "manifest.json").write_text('{"head":1,' + text[1:])  # type: ignore[method-assign,assignment]
    else:
        written = forged.manifest["accounts"] if where == "account" else forged.manifest["pieces"][0]["events"]
        first = b'{"posted":1,' if where == "account" else b'{"state":"{}",'
        lines = forged.lines(written)
        lines[3] = first + lines[3][1:]
        forged.put(written, b"\n".join(lines) + b"\n")
    result = verified(forged)
    assert result.exit_code == 1
    assert "stands in it twice" in result.output
    if where == "event":
        assert "line 4" in result.output


def test_a_line_that_says_nothing_is_refused(forged: Forged) -> None:
    """An empty line is no event: other readers would stumble over it."""
    events = forged.manifest["pieces"][0]["events"]
    forged.put(events, b"\n".join([*forged.lines(events)[:7], b"", *forged.lines(events)[7:]]) + b"\n")
    result = verified(forged)
    assert result.exit_code == 1
    assert "line 8" in result.output


@pytest.mark.parametrize("which", ["manifest", "events", "accounts"])
def test_what_has_no_end_is_not_read_into_memory(forged: Forged, which: str) -> None:
    """A file of zeros takes no room on a disk, and would take all there is in memory."""
    size = 1 << 40
    if which == "manifest":
        os.truncate(forged.directory / "manifest.json", size)
        result = asked(forged, "verify")
    else:
        written = forged.manifest["accounts"] if which == "accounts" else forged.manifest["pieces"][0]["events"]
        os.truncate(forged.directory / written["file"], size)
        written["bytes"] = size
        forged.write()
        source = ExportSource(forged.directory)
        with pytest.raises(ExportError) as refused:
            list(source.rows(0) if which == "events" else source.figures())
        assert refused.value.reason == "EXPORT_DAMAGED"
        return
    assert result.exit_code == 1
    assert "longer than any manifest" in result.output


def test_nothing_at_all_is_no_history(forged: Forged) -> None:
    """Without a checkpoint nobody has signed that there were no events."""
    forged.manifest.update(pieces=[], head=0, checkpoints=[])
    forged.put(forged.manifest["accounts"], b"")
    result = verified(forged)
    assert result.exit_code == 1
    assert "no checkpoint that counts reaches the end: there is none" in result.output


def resigned(place: Place, origin: str, note: str) -> str:
    """Return the checkpoint of another tree, signed by the ledger's key under the ledger's own name."""
    text = Checkpoint.parse(Note.parse(note).text)._replace(origin=origin).text()
    return str(place.keys.sign(f"{LEDGER}/0", text, 0))


def test_a_key_signs_for_its_own_tree_only(forged: Forged) -> None:
    """The key of one ledger does not vouch for the history of another one."""
    notes = forged.manifest["checkpoints"]
    notes[:] = [resigned(forged.original.place, "esep.kg/other/0", note) for note in notes]
    result = verified(forged)
    assert result.exit_code == 1
    assert "signed by the key of another one" in " ".join(result.output.split())


def test_a_checkpoint_of_nothing_has_one_root() -> None:
    """A checkpoint of no events is one, with the root of the empty tree and no other."""
    assert Checkpoint.parse(Checkpoint("a/0", 0, EMPTY_ROOT).text()).size == 0
    with pytest.raises(NoteError, match="the root of the empty tree"):
        Checkpoint.parse(Checkpoint("a/0", 0, bytes(32)).text())


def test_an_empty_file_of_keys_is_misuse(forged: Forged, tmp_path: Path) -> None:
    """It would leave the ledger's own word about its keys, which is not what was asked for."""
    empty = tmp_path / "keys"
    empty.touch()
    result = asked(forged, "verify", "--key", str(empty))
    assert result.exit_code == 2
    assert "the file is empty" in result.output


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(deep(POSTED), id="deep"),
        pytest.param(
            lambda forged: forged.first(POSTED, lambda event: event.update(state="1 is no JSON")), id="no JSON"
        ),
        pytest.param(lambda forged: forged.events(lambda event: event.update(recorded_at=-(2**62))), id="no time"),
    ],
)
def test_figures_of_a_forged_history_are_refused_in_words(forged: Forged, forge: Callable[[Forged], None]) -> None:
    """Who explains and compares without having verified learns that the history is broken, and where to look."""
    forge(forged)
    forged.write()
    explained = asked(forged, "explain", "1")
    assert explained.exit_code == 1
    assert "HISTORY_BROKEN" in explained.output
    assert asked(forged, "diff", "1").exit_code in (0, 1)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("diff", "9" * 5_000), 1, "POSITION_IN_FUTURE"),
        (("diff", "0001-01-01", "9999-12-31"), 2, "beyond the calendar"),
        (("explain", "9" * 5_000), 2, "names no account"),
        (("explain", "bank-a"), 2, "names no account"),
        (("explain", "2", "--as-of", "9999-12-31"), 2, "beyond the calendar"),
    ],
)
def test_what_is_asked_past_all_bounds_is_misuse(
    forged: Forged, arguments: tuple[str, ...], code: int, said: str
) -> None:
    """Numbers of thousands of digits, and days at which the calendar ends, are refused in words."""
    result = asked(forged, *arguments)
    assert said in " ".join(result.output.replace("│", " ").split())
    assert result.exit_code == code


def test_no_report_is_written_over_a_kept_checkpoint(forged: Forged, tmp_path: Path) -> None:
    """A slip of the pen must not cost the auditor the one thing that nobody can replace."""
    kept = tmp_path / "kept.note"
    kept.write_text(forged.original.notes[0])
    beside = f"{tmp_path}/./kept.note"
    result = asked(forged, "verify", "--against", str(kept), "--report", beside)
    assert result.exit_code == 2
    assert "cannot be the report" in result.output
    assert kept.read_text() == forged.original.notes[0]


def test_half_a_checkpoint_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk no file is left that would be taken for one that was kept."""

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "kept.note"
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(OSError, match="space"):
            keep(path, "a checkpoint")
    assert not path.exists()
    keep(path, "a checkpoint")
    with pytest.raises(FileExistsError):
        keep(path, "another one")
    assert path.read_text() == "a checkpoint"


@pytest.mark.parametrize("place", [3, -1])
def test_what_is_no_event_is_there_all_the_same(forged: Forged, place: int) -> None:
    """A row that no event can be is told as one, also the last of its file: its position is not missing."""
    events = forged.manifest["pieces"][0]["events"]
    lines = [json.loads(line) for line in forged.lines(events)]
    lines[place]["originator_version"] = -1
    forged.put(events, b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    result = verified(forged, "--json")
    found = json.loads(result.output)["report"]["findings"]
    assert [(each["check"], each["field"]) for each in found if each["check"] == "rows"] == [
        ("rows", "originator_version")
    ]
    assert not [each for each in found if each["check"] == "positions"]


@pytest.mark.parametrize("columns", [{}, {"positions": [1]}, {"positions": [1], "aggregate_ids": b"short"}])
def test_a_server_that_tells_no_events_is_refused_in_words(columns: dict[str, Any]) -> None:
    """Columns that do not fit together end an export with the reason that the history is not whole."""
    with pytest.raises(ExportError, match="columns that are no events"):
        rows_of(EventColumns(**columns), 0)
