"""Exporting a history: all events, hashes, checkpoints and figures of a partition into files that need no ledger.

Events go to files of so many positions each as they come; memory does not grow with the history. An export that was
broken off goes on behind its last whole file, and one that was finished is extended to the newest position. Neither is
continued with a history that does not prove to be the continuation of what is there.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from domain.leaf import leaf_hash
from domain.ports import Row
from ledger.audit.export.events import check_encoding, writer
from ledger.audit.export.files import WholeFile, alone
from ledger.audit.export.format import (
    MANIFEST,
    Begun,
    Encoding,
    ExportError,
    Manifest,
    Piece,
    Written,
    accounts_file,
    events_file,
    figures_lines,
    leaves_file,
)
from ledger.audit.export.journal import Standing, check_same, checkpoint_of
from ledger.audit.signing.checkpoint import Checkpoint
from ledger.audit.signing.proofs import ProofError, verify_consistency
from ledger.audit.source import Leaves, ProvingSource
from ledger.log.merkle import HASH_BYTES

EVENTS_PER_FILE: Final = 100_000
_ACCOUNTS_AT_ONCE: Final = 1_000

Report = Callable[[int], None]
"""Is told how far the export has come."""


def export(
    source: ProvingSource,
    directory: Path,
    encoding: Encoding | None,
    report: Report,
    *,
    events_per_file: int = EVENTS_PER_FILE,
) -> Manifest:
    """Make, continue or extend the export in a directory; return its manifest.

    Without an encoding it is that of the export that is there, or lines of JSON. Raises ExportError, or OSError.
    """
    with alone(directory, "export", "Wait for it, or name another directory."):
        standing = Standing(directory)
        known = standing.known
        chosen = encoding or (known.encoding if known else Encoding.JSONL)
        check_encoding(chosen)
        note = source.checkpoints()[-1]
        checkpoint = checkpoint_of(Path("the server's checkpoint"), note)
        if known is not None:
            check_same(directory, known, checkpoint.origin, chosen)
        _check_continues(source, standing, checkpoint)
        standing.tidy()
        done = standing.manifest.head if standing.manifest else 0
        if standing.reached < source.head:
            standing.begin(
                Begun(
                    origin=checkpoint.origin, partition=source.partition, encoding=chosen, after=done, checkpoint=note
                )
            )
            _Pieces(source, directory, chosen, events_per_file).write(standing, report)
        standing.finish(_manifest(source, directory, standing, checkpoint.origin, chosen))
        if standing.manifest is None:
            raise RuntimeError("a finished export has a manifest")
        return standing.manifest


class _Pieces:
    """Writes what is missing, piece by piece."""

    def __init__(self, source: ProvingSource, directory: Path, encoding: Encoding, most: int) -> None:
        self._source = source
        self._directory = directory
        self._encoding = encoding
        self._most = most
        self._rows: Iterator[Sequence[Row]] = iter(())
        self._waiting: Sequence[Row] = ()
        """Events that were read and belong to the next piece."""

    def write(self, standing: Standing, report: Report) -> None:
        after = standing.reached
        self._rows = _contiguous(self._source.rows(after), after)
        leaves = Leaves(self._source.leaf_hashes(after))
        while after < self._source.head:
            first, last = after + 1, min(self._source.head, (after // self._most + 1) * self._most)
            events, newest = self._events(first, last, report)
            hashes = leaves.take(last - after)
            if len(hashes) < (last - after) * HASH_BYTES:
                raise ExportError.broken("its tiles end before its events")
            if hashes[-HASH_BYTES:] != leaf_hash(newest):
                raise ExportError.broken(f"its tiles do not hold the leaf hash of the event at position {last}")
            with WholeFile(self._directory / leaves_file(first)) as file:
                file.write(hashes)
                standing.add(Piece(first, last, events, file.finish()))
            after = last

    def _events(self, first: int, last: int, report: Report) -> tuple[Written, Row]:
        """Write the events of one piece; return the file, and the last event."""
        after = first - 1
        with WholeFile(self._directory / events_file(first, self._encoding)) as file:
            events = writer(file, self._encoding)
            while True:
                self._waiting = self._waiting or next(self._rows, ())
                if not self._waiting:
                    raise ExportError.broken(f"its events end at position {after}, not at {self._source.head}")
                taken, self._waiting = self._waiting[: last - after], self._waiting[last - after :]
                events.add(taken)
                after = taken[-1].position
                report(after)
                if after == last:
                    events.end()
                    return file.finish(), taken[-1]


def _contiguous(pieces: Iterator[Sequence[Row]], after: int) -> Iterator[Sequence[Row]]:
    """Pass on what follows position by position."""
    for rows in pieces:
        if rows[0].position != after + 1 or rows[-1].position != after + len(rows):
            raise ExportError.broken(f"its events behind position {after} are not all there")
        after += len(rows)
        yield rows


def _check_continues(source: ProvingSource, standing: Standing, newest: Checkpoint) -> None:
    """Raise ExportError unless the server's history continues what was exported."""
    before = standing.checkpoint()
    if before is None:
        return
    if before.size > newest.size:
        raise _differs(f"it ends at position {newest.size}, before the {before.size} that it had")
    try:
        verify_consistency(before.size, before.root, newest.size, newest.root, source.consistency(before.size))
    except ProofError as error:
        raise _differs(f"it does not continue the tree of {before.size} events: {error}") from None
    for piece in standing.pieces[-1:]:
        with (standing.directory / piece.leaves.file).open("rb") as file:
            file.seek(-HASH_BYTES, 2)
            if file.read() != next(source.leaf_hashes(piece.last - 1))[:HASH_BYTES]:
                raise _differs(f"it has another event at position {piece.last}")


def _manifest(source: ProvingSource, directory: Path, standing: Standing, origin: str, encoding: Encoding) -> Manifest:
    before = standing.manifest
    notes: dict[int, str] = {}
    for note in (*(before.checkpoints if before else ()), *source.checkpoints()):
        checkpoint = checkpoint_of(directory / MANIFEST, note)
        earlier = notes.setdefault(checkpoint.size, note)
        if checkpoint != checkpoint_of(directory / MANIFEST, earlier):
            raise _differs(f"it has another checkpoint of {checkpoint.size} events")
        notes[checkpoint.size] = note
    return Manifest(
        origin=origin,
        partition=source.partition,
        encoding=encoding,
        head=source.head,
        checkpoints=[notes[size] for size in sorted(notes)],
        keys=list(source.keys()),
        accounts=before.accounts if before and before.head == source.head else _accounts(source, directory),
        pieces=standing.pieces,
    )


def _accounts(source: ProvingSource, directory: Path) -> Written:
    figures = source.figures()
    with WholeFile(directory / accounts_file(source.head)) as file:
        while page := list(islice(figures, _ACCOUNTS_AT_ONCE)):
            file.write(figures_lines(page))
        return file.finish()


def _differs(what: str) -> ExportError:
    advice = "Keep this export: with its checkpoints it shows what the ledger said before. Tell the ledger's operator."
    return ExportError("HISTORY_DIFFERS", f"The server's history is not the one that was exported: {what}.", advice)
