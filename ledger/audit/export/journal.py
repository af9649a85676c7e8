"""What stands in an export's directory: the manifest of what is finished, and the journal of what is not.

The manifest is replaced only when an export is whole, so that what was exported before stays readable all the while.
The journal has a line for each piece that was written since; with it, whoever was killed goes on behind the last one.
Whatever neither of them names is left over from a write that did not end, and is taken away.
"""

import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from domain.ids import MAX_PARTITIONS
from ledger.audit.export.files import append_line, damaged, sync_directory, write_file
from ledger.audit.export.format import (
    FORMAT,
    JOURNAL,
    MANIFEST,
    TEMPORARY,
    VERSION,
    Begun,
    Encoding,
    ExportError,
    Manifest,
    Piece,
    Written,
    check_names,
    check_pieces,
    ours,
)
from ledger.audit.signing.checkpoint import Checkpoint
from ledger.audit.signing.note import Note, NoteError

T = TypeVar("T", Manifest, Begun)

_decode_manifest = msgspec.json.Decoder(Manifest).decode
_decode_begun = msgspec.json.Decoder(Begun).decode
_decode_piece = msgspec.json.Decoder(Piece).decode
_BEGUN: Final = b'{"format"'
_LONGEST_MANIFEST: Final = 256 << 20


class Standing:
    """How far the export in a directory has come."""

    def __init__(self, directory: Path) -> None:
        """Read it; raises ExportError for a directory that holds something else, or a damaged export."""
        self.directory = directory
        names = sorted(path.name for path in directory.iterdir())
        foreign = [name for name in names if not (ours(name) and name.startswith(TEMPORARY))]
        if foreign and MANIFEST not in names and JOURNAL not in names:
            message = f"{directory} holds {foreign[0]}, and no export that could be continued."
            advice = "Name a directory that is empty, or not there yet, or holds an export."
            raise ExportError("DIRECTORY_NOT_EMPTY", message, advice)
        self.manifest = load_manifest(directory)
        self.begun: Begun | None = None
        self._journal: list[Piece] = []
        self._read_journal()
        for piece in self.pieces:
            for written in (piece.events, piece.leaves):
                check_there(directory, written)

    @property
    def pieces(self) -> list[Piece]:
        """What is written, from the first event on."""
        return [*(self.manifest.pieces if self.manifest else ()), *self._journal]

    @property
    def reached(self) -> int:
        """The last position that is written."""
        pieces = self.pieces
        return pieces[-1].last if pieces else 0

    @property
    def known(self) -> Manifest | Begun | None:
        """What says whose export it is."""
        return self.begun or self.manifest

    def checkpoint(self) -> Checkpoint | None:
        """Return the last checkpoint towards which events were exported, None before the first."""
        if self.begun is not None:
            return checkpoint_of(self.directory / JOURNAL, self.begun.checkpoint)
        if self.manifest is not None and self.manifest.checkpoints:
            return checkpoint_of(self.directory / MANIFEST, self.manifest.checkpoints[-1])
        return None

    def begin(self, begun: Begun) -> None:
        """Note that an export begins, or goes on."""
        append_line(self.directory / JOURNAL, msgspec.json.encode(begun))
        self.begun = begun

    def add(self, piece: Piece) -> None:
        """Note a piece that is whole."""
        append_line(self.directory / JOURNAL, msgspec.json.encode(piece))
        self._journal.append(piece)

    def finish(self, manifest: Manifest) -> None:
        """Replace the manifest, and forget the journal."""
        write_file(self.directory / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
        (self.directory / JOURNAL).unlink(missing_ok=True)
        sync_directory(self.directory)
        self.manifest, self.begun, self._journal = manifest, None, []
        self.tidy()

    def tidy(self) -> None:
        """Take away the export's own files that no line names."""
        named = {MANIFEST, JOURNAL}
        named.update(written.file for piece in self.pieces for written in (piece.events, piece.leaves))
        if self.manifest is not None:
            named.add(self.manifest.accounts.file)
        for path in self.directory.iterdir():
            if ours(path.name) and path.name not in named:
                path.unlink()

    def _read_journal(self) -> None:
        """Read the journal as far as its lines are whole, and cut it there."""
        path = self.directory / JOURNAL
        if not path.exists():
            return
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            write_file(path, whole)
        head = 0 if self.manifest is None else self.manifest.head
        for begun, piece in _journal_lines(path, whole):
            if begun is not None:
                if begun.after < head:  # Of an export that was finished: only taking the journal away did not end.
                    path.unlink()
                    self.begun, self._journal = None, []
                    return
                self.begun = begun
            elif piece is not None:
                self._journal.append(piece)
        try:
            check_pieces(self.pieces, 0)
        except ValueError as error:
            raise damaged(path, str(error)) from None


def load_manifest(directory: Path) -> Manifest | None:
    """Return the manifest of an export, None where none was finished; raises ExportError."""
    path = directory / MANIFEST
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LONGEST_MANIFEST:
            raise damaged(path, "it is not a file, or longer than any manifest")
        manifest = _decoded(path, path.read_bytes(), _decode_manifest)
    except FileNotFoundError:
        return None
    try:
        reached = check_pieces(manifest.pieces, 0)
    except ValueError as error:
        raise damaged(path, str(error)) from None
    if reached != manifest.head:
        raise damaged(path, f"its pieces end at position {reached}, not at {manifest.head}")
    if not 0 <= manifest.partition < MAX_PARTITIONS:
        raise damaged(path, f"there is no partition {manifest.partition}")
    return manifest


def check_there(directory: Path, written: Written) -> None:
    """Raise ExportError unless a file is there, as long as it was written."""
    if not ours(written.file) or written.file.startswith(TEMPORARY):
        raise damaged(directory, f"it names {written.file!r}, which is not a file of an export")
    path = directory / written.file
    try:
        found = path.stat()
    except FileNotFoundError:
        raise damaged(path, "it is missing") from None
    if not stat.S_ISREG(found.st_mode):
        raise damaged(path, "it is not a file")
    size = found.st_size
    if size != written.bytes:
        raise damaged(path, f"it has {size} bytes, not {written.bytes}")


def checkpoint_of(path: Path, note: str) -> Checkpoint:
    """Return the checkpoint of a note that stands in a file; raises ExportError."""
    try:
        return Checkpoint.parse(Note.parse(note).text)
    except NoteError as error:
        raise damaged(path, str(error)) from None


def check_same(directory: Path, known: Manifest | Begun, origin: str, encoding: Encoding) -> None:
    """Raise ExportError unless an export is of this ledger and this encoding."""
    if known.origin != origin:
        raise ExportError(
            "OTHER_LEDGER",
            f"{directory} holds an export of {known.origin}, but the server's history is that of {origin}.",
            "Name another directory, or the server that the export is of.",
        )
    if known.encoding is not encoding:
        raise ExportError(
            "OTHER_FORMAT",
            f"{directory} holds an export as {known.encoding}, not as {encoding}.",
            f"Go on with --format {known.encoding}, or name another directory.",
        )


def _journal_lines(path: Path, content: bytes) -> Iterator[tuple[Begun | None, Piece | None]]:
    for line in content.splitlines():
        if line.startswith(_BEGUN):
            yield _decoded(path, line, _decode_begun), None
            continue
        try:
            yield None, _decode_piece(line)
        except msgspec.DecodeError as error:
            raise damaged(path, str(error)) from None


def _decoded(path: Path, content: bytes, decode: Callable[[bytes], T]) -> T:
    try:
        check_names(content)
        found = decode(content)
    except ValueError as error:
        raise damaged(path, str(error)) from None
    if found.format != FORMAT or found.version != VERSION:
        message = f"{path} is of format {found.format} {found.version}, not {FORMAT} {VERSION}."
        raise ExportError("EXPORT_UNKNOWN", message, "Read it with the version of Esep that wrote it, or a newer one.")
    return found
