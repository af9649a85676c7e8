"""An export as a source: what was exported, told as the server told it."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

from domain.ports import Row
from ledger.audit.export.events import check_encoding, read
from ledger.audit.export.files import damaged, digest_of, directory_of, partitions_in
from ledger.audit.export.format import ExportError, Manifest, Piece, Written, read_figures_lines
from ledger.audit.export.journal import check_there, load_manifest
from ledger.audit.source import AccountFigures
from ledger.log.merkle import HASH_BYTES

_AT_ONCE: Final = 1 << 20


class ExportSource:
    """The export in a directory. Nothing is verified but that the files are there and of their form."""

    def __init__(self, directory: Path) -> None:
        """Read the manifest; raises ExportError for what is no export, or none that was finished."""
        self._directory = directory
        manifest = load_manifest(directory)
        if manifest is None:
            advice = "Make it, or finish it, with `esep audit export`."
            raise ExportError("EXPORT_MISSING", f"There is no finished export in {directory}.", advice)
        check_encoding(manifest.encoding)
        for written in _files(manifest):
            check_there(directory, written)
        self.manifest: Final[Manifest] = manifest

    @property
    def partition(self) -> int:
        """The log's partition."""
        return self.manifest.partition

    @property
    def head(self) -> int:
        """The last position."""
        return self.manifest.head

    def rows(self, after: int) -> Iterator[Sequence[Row]]:
        """Yield the events behind a position; raises ExportError at a line that is no event."""
        for piece in self._behind(after):
            for rows in read(self._directory / piece.events.file, self.manifest.encoding):
                wanted = rows if piece.first > after else [row for row in rows if row.position > after]
                if wanted:
                    yield wanted

    def position_at(self, time: int) -> int:
        """Return the last position recorded at or before a time, 0 when there is none; raises ExportError."""
        pieces = self.manifest.pieces
        index = bisect_right(pieces, time, key=self._first_time)
        if not index:
            return 0
        found = pieces[index - 1].first
        for rows in read(self._directory / pieces[index - 1].events.file, self.manifest.encoding):
            for row in rows:
                if row.recorded_at > time:
                    return found
                found = row.position
        return found

    def leaf_hashes(self, after: int) -> Iterator[bytes]:
        """Yield the leaf hashes behind a position; raises ExportError for a file that is too long or too short."""
        for piece in self._behind(after):
            path = self._directory / piece.leaves.file
            if piece.leaves.bytes != (piece.last - piece.first + 1) * HASH_BYTES:
                raise damaged(path, "it holds not as many hashes as there are events")
            with path.open("rb") as file:
                file.seek(max(0, after + 1 - piece.first) * HASH_BYTES)
                while hashes := file.read(_AT_ONCE):
                    yield hashes

    def checkpoints(self) -> Sequence[str]:
        """Return the signed notes."""
        return self.manifest.checkpoints

    def keys(self) -> Sequence[str]:
        """Return the verifier keys that the ledger named."""
        return self.manifest.keys

    def figures(self) -> Iterator[AccountFigures]:
        """Yield what the ledger answered that each account had; raises ExportError."""
        path = self._directory / self.manifest.accounts.file
        with path.open("rb") as file:
            for number, line in enumerate(iter(partial(file.readline, _AT_ONCE), b""), 1):
                try:
                    yield from read_figures_lines(line)
                except ValueError as error:
                    raise damaged(path, f"line {number}: {error}") from None

    def damaged_files(self) -> Iterator[str]:
        """Yield the names of files that are not, byte for byte, what the manifest says of them."""
        for written in _files(self.manifest):
            if digest_of(self._directory / written.file) != written:
                yield written.file

    def _first_time(self, piece: Piece) -> int:
        path = self._directory / piece.events.file
        with closing(read(path, self.manifest.encoding)) as pieces:
            rows = next(pieces, ())
        if not rows:
            raise damaged(path, "it holds no event")
        return rows[0].recorded_at

    def _behind(self, after: int) -> Iterator[Piece]:
        return (piece for piece in self.manifest.pieces if piece.last > after)


def sources(directory: Path) -> list[ExportSource]:
    """Return the exports of all partitions that are in a directory, by partition; raises ExportError."""
    found = [ExportSource(directory)]
    for partition in partitions_in(directory):
        source = ExportSource(directory_of(directory, partition))
        if source.partition != partition:
            raise damaged(directory_of(directory, partition), f"it is an export of partition {source.partition}")
        found.append(source)
    return found


def _files(manifest: Manifest) -> Iterator[Written]:
    for piece in manifest.pieces:
        yield piece.events
        yield piece.leaves
    yield manifest.accounts
