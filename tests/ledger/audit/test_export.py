"""An export in the making: bounded files, continued where it was broken off, and never with another history."""

import errno
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from domain.leaf import leaf_hash
from domain.ports import Row
from ledger.audit.export.files import WholeFile, alone, filing
from ledger.audit.export.format import JOURNAL, MANIFEST, Encoding, ExportError, Manifest
from ledger.audit.export.source import ExportSource
from ledger.audit.export.writer import export
from scripts.demo_server import ROOT
from tests.ledger.audit import killed
from tests.ledger.audit.sources import ListSource, some_rows

ROWS = some_rows(95)


def made(directory: Path, source: ListSource, encoding: Encoding | None = None, *, per_file: int = 20) -> Manifest:
    return export(source, directory, encoding, lambda _: None, events_per_file=per_file)


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def refusal(directory: Path, source: ListSource, encoding: Encoding | None = None) -> ExportError:
    before = contents(directory)
    with pytest.raises(ExportError) as raised:
        made(directory, source, encoding)
    assert contents(directory) == before, "what is refused changes nothing"
    return raised.value


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """Return a finished export."""
    directory = tmp_path / "export"
    made(directory, ListSource(ROWS))
    return directory


@pytest.mark.parametrize("encoding", Encoding)
def test_an_export_is_a_source(tmp_path: Path, encoding: Encoding) -> None:
    """What was exported is told as the server told it, from any position on."""
    of = ListSource(ROWS)
    made(tmp_path, of, encoding)
    found = ExportSource(tmp_path)
    assert (found.partition, found.head) == (0, 95)
    for after in (0, 1, 19, 20, 47, 94, 95):
        assert [row for rows in found.rows(after) for row in rows] == ROWS[after:]
        assert b"".join(found.leaf_hashes(after)) == b"".join(map(leaf_hash, ROWS[after:]))
    assert list(found.figures()) == list(of.figures())
    assert (found.checkpoints(), found.keys()) == (of.checkpoints(), of.keys())
    assert list(found.damaged_files()) == []


def test_the_manifest_says_what_there_is(whole: Path) -> None:
    """Each file is named with its size and digest, and nobody but the owner may read any of them."""
    manifest = json.loads((whole / MANIFEST).read_bytes())
    assert (manifest["format"], manifest["version"], manifest["origin"]) == ("esep-export", 1, "esep.kg/test/0")
    assert [(piece["first"], piece["last"]) for piece in manifest["pieces"]] == [
        (1, 20),
        (21, 40),
        (41, 60),
        (61, 80),
        (81, 95),
    ]
    files = [manifest["accounts"], *(piece[kind] for piece in manifest["pieces"] for kind in ("events", "leaves"))]
    for each in files:
        content = (whole / each["file"]).read_bytes()
        assert (len(content), sha256(content).hexdigest()) == (each["bytes"], each["sha256"])
    assert {path.name for path in whole.iterdir()} == {MANIFEST, *(each["file"] for each in files)}
    assert {stat.S_IMODE(path.stat().st_mode) for path in whole.iterdir()} == {0o600}
    assert stat.S_IMODE(whole.stat().st_mode) == 0o700


@pytest.mark.parametrize("encoding", Encoding)
def test_an_export_is_extended(tmp_path: Path, encoding: Encoding) -> None:
    """Called again it takes in what is new; what was written is not written again, and old checkpoints are kept."""
    for size in (33, 34, 34, 95):
        before = {path.name: path.stat().st_ino for path in tmp_path.iterdir() if path.name[:6] in ("events", "leaves")}
        made(tmp_path, ListSource(ROWS[:size]), encoding if size == 33 else None)
        assert before.items() <= {path.name: path.stat().st_ino for path in tmp_path.iterdir()}.items()
    found = ExportSource(tmp_path)
    assert [row for rows in found.rows(0) for row in rows] == ROWS
    assert [note.split("\n")[1] for note in found.checkpoints()] == ["33", "34", "95"]
    assert found.manifest.encoding is encoding
    assert [(piece.first, piece.last) for piece in found.manifest.pieces][:3] == [(1, 20), (21, 33), (34, 34)]
    assert len([path for path in tmp_path.iterdir() if path.name.startswith("accounts-")]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("encoding", Encoding)
def test_killed_at_any_moment(tmp_path: Path, encoding: Encoding) -> None:
    """Killed before or after whatever is made durable, and called again, it ends as if it had never been."""
    command = (sys.executable, "-m", "tests.ledger.audit.killed", str(tmp_path), encoding.value)
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=300)
    assert int(done.stdout) > 30
    assert len(ROWS) == killed.COUNT


class Failing(ListSource):
    """A source that fails behind a position."""

    def __init__(self, rows: list[Row], behind: int) -> None:
        super().__init__(rows)
        self._behind = behind

    def rows(self, after: int) -> Iterator[list[Row]]:
        for rows in super().rows(after):
            if rows[-1].position > self._behind:
                raise ConnectionResetError
            yield list(rows)


def test_the_old_export_stands_while_it_is_extended(whole: Path) -> None:
    """An extension that was broken off leaves the finished export as it was, and goes on later."""
    longer = some_rows(150)
    with pytest.raises(ConnectionResetError):
        made(whole, Failing(longer, 130))
    assert ExportSource(whole).head == 95
    assert list(ExportSource(whole).damaged_files()) == []
    asked: list[int] = []

    class Watched(ListSource):
        def rows(self, after: int) -> Any:
            asked.append(after)
            return super().rows(after)

    made(whole, Watched(longer))
    assert asked == [120]
    assert [row for rows in ExportSource(whole).rows(0) for row in rows] == longer


def test_an_unfinished_export_is_no_source(tmp_path: Path) -> None:
    """What was broken off before it was ever finished is not read as if it were whole."""
    with pytest.raises(ConnectionResetError):
        made(tmp_path, Failing(ROWS, 50))
    with pytest.raises(ExportError, match="no finished export"):
        ExportSource(tmp_path)


def test_a_full_disk(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full ends the export in words; when there is room again, it goes on."""
    write, left = WholeFile.write, [9_000]

    def full(file: WholeFile, data: bytes) -> int:
        left[0] -= len(data)
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "somewhere")
        return write(file, data)

    with monkeypatch.context() as patch:
        patch.setattr(WholeFile, "write", full)
        with pytest.raises(ExportError) as raised, filing(whole):
            made(whole, ListSource(some_rows(150)))
    assert (raised.value.reason, raised.value.message) == ("DISK_FULL", "somewhere: No space left on device.")
    assert not [path for path in whole.iterdir() if path.name.startswith(".")]
    assert ExportSource(whole).head == 95
    assert made(whole, ListSource(some_rows(150))).head == 150


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errno.EACCES, "DIRECTORY_CLOSED"),
        (errno.EROFS, "DIRECTORY_CLOSED"),
        (errno.ENOENT, "DIRECTORY_MISSING"),
        (errno.ENOTDIR, "NO_DIRECTORY"),
        (errno.EIO, "DISK_FAILED"),
    ],
)
def test_what_a_disk_refuses_is_said_in_words(tmp_path: Path, error: int, reason: str) -> None:
    """Each of a system's errors has a reason of its own."""
    with pytest.raises(ExportError) as raised, filing(tmp_path):
        raise OSError(error, os.strerror(error))
    assert raised.value.reason == reason


# Refusals.


def test_another_ledgers_history(whole: Path) -> None:
    """An export is not continued by a server of another name."""
    error = refusal(whole, ListSource(some_rows(120), origin="esep.kg/other/0"))
    assert error.reason == "OTHER_LEDGER"
    assert "esep.kg/other/0" in error.message


def test_another_history_of_the_same_name(whole: Path) -> None:
    """A ledger whose history does not continue what was exported is found out, whatever its name is."""
    assert refusal(whole, ListSource(some_rows(120, salt="x"))).reason == "HISTORY_DIFFERS"
    changed = some_rows(120)
    changed[30] = changed[30]._replace(state=b"{}")
    assert refusal(whole, ListSource(changed)).reason == "HISTORY_DIFFERS"


def test_a_history_that_is_shorter(whole: Path) -> None:
    """A server that has lost what was exported is found out."""
    error = refusal(whole, ListSource(ROWS[:90]))
    assert (error.reason, "position 90" in error.message) == ("HISTORY_DIFFERS", True)


def test_a_history_that_is_as_long_and_another(whole: Path) -> None:
    """The same size with another root is another history."""
    assert refusal(whole, ListSource(some_rows(95, salt="x"))).reason == "HISTORY_DIFFERS"


def test_tiles_that_are_not_the_events(tmp_path: Path) -> None:
    """A server whose tiles hold other leaves than its events hash to is found out at the end of each file."""
    source = ListSource(ROWS)
    source._leaves[39] = bytes(32)
    with pytest.raises(ExportError, match="position 40"):
        made(tmp_path, source)


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        (ROWS[:50] + ROWS[51:], "behind position 49 are not all there"),
        (ROWS[:50], "end at position 50, not at 95"),
    ],
)
def test_a_history_with_holes(tmp_path: Path, changed: list[Row], what: str) -> None:
    """A server that leaves out events is found out."""
    source = ListSource(ROWS)
    source._rows = changed
    with pytest.raises(ExportError, match=what):
        made(tmp_path, source)


def test_another_encoding(whole: Path) -> None:
    """An export is of one encoding; without being told, it goes on in its own."""
    assert refusal(whole, ListSource(ROWS), Encoding.PARQUET).reason == "OTHER_FORMAT"
    assert made(whole, ListSource(ROWS)).encoding is Encoding.JSONL


@pytest.mark.parametrize("name", ["notes.txt", "events-00000000000000000001.jsonl"])
def test_a_directory_that_holds_something_else(tmp_path: Path, name: str) -> None:
    """Nothing is written into a directory of somebody else's, nor over an export that lost its manifest."""
    (tmp_path / name).write_text("mine")
    assert refusal(tmp_path, ListSource(ROWS)).reason == "DIRECTORY_NOT_EMPTY"


def test_files_beside_an_export_are_left_alone(whole: Path) -> None:
    """What somebody lays beside an export stays; what a write left over goes."""
    (whole / "report.txt").write_text("mine")
    (whole / ".events-00000000000000000096.jsonl").write_text("left over")
    (whole / "events-00000000000000000096.jsonl").write_text("left over")
    made(whole, ListSource(ROWS))
    assert (whole / "report.txt").read_text() == "mine"
    assert {path.name for path in whole.iterdir() if "0096" in path.name} == set()


def test_two_exports_at_once(whole: Path) -> None:
    """A directory takes one export at a time."""
    with alone(whole, "export"):
        assert refusal(whole, ListSource(ROWS)).reason == "EXPORT_RUNNING"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"version": 2}, "EXPORT_UNKNOWN"),
        ({"format": "tar"}, "EXPORT_UNKNOWN"),
        ({"head": 96}, "EXPORT_DAMAGED"),
        ({"pieces": []}, "EXPORT_DAMAGED"),
        ({"encoding": "csv"}, "EXPORT_DAMAGED"),
        ({"checkpoints": ["nothing"]}, "EXPORT_DAMAGED"),
    ],
)
def test_a_manifest_that_cannot_be(whole: Path, change: dict[str, Any], reason: str) -> None:
    """A manifest of another version, or that contradicts itself, is refused."""
    manifest = json.loads((whole / MANIFEST).read_bytes())
    (whole / MANIFEST).write_text(json.dumps(manifest | change))
    assert refusal(whole, ListSource(ROWS)).reason == reason


@pytest.mark.parametrize("name", ["events-00000000000000000021.jsonl", "leaves-00000000000000000021.bin"])
def test_files_that_are_missing_or_cut(whole: Path, name: str) -> None:
    """An export with a file that is gone, or of another size, is neither continued nor read."""
    content = (whole / name).read_bytes()
    for change in (lambda path: path.write_bytes(content[:-1]), Path.unlink):
        change(whole / name)
        assert refusal(whole, ListSource(ROWS)).reason == "EXPORT_DAMAGED"
        with pytest.raises(ExportError, match=name):
            ExportSource(whole)


def test_a_file_that_was_changed_is_named(whole: Path) -> None:
    """A changed byte shows at the digest, even where the file reads well."""
    path = whole / "events-00000000000000000041.jsonl"
    path.write_bytes(path.read_bytes().replace(b'\\"n\\":42', b'\\"n\\":43'))
    assert list(ExportSource(whole).damaged_files()) == [path.name]


def test_a_journal_that_was_cut(tmp_path: Path) -> None:
    """A line of the journal that was not written to its end does not count."""
    with pytest.raises(ConnectionResetError):
        made(tmp_path, Failing(ROWS, 70))
    journal = tmp_path / JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    journal.write_bytes(b"".join(lines[:3]) + lines[3][:40])
    with pytest.raises(ConnectionResetError):
        made(tmp_path, Failing(ROWS, 85))
    made(tmp_path, ListSource(ROWS))
    assert [row for rows in ExportSource(tmp_path).rows(0) for row in rows] == ROWS


def test_a_position_by_its_time(whole: Path) -> None:
    """A time is the last event recorded at or before it."""
    found = ExportSource(whole)
    for row in (ROWS[0], ROWS[19], ROWS[20], ROWS[94]):
        assert found.position_at(row.recorded_at) == row.position
        assert found.position_at(row.recorded_at - 1) == row.position - 1
        assert found.position_at(row.recorded_at + 1) == row.position
