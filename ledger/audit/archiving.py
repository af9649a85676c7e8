"""Moving old events into the archive: written, read back, proven against a signed checkpoint, and only then moved.

Segment by segment: events are read from the log and written to a file of their own, which is made durable and read back
from the disk. From what was read back their leaf hashes are made, and with them the tree of all events up to the last;
that this tree is the beginning of the signed checkpoint's tree is proven (RFC 6962). Then one transaction of the log
records the segment and empties the states that are in it. Whoever is killed before leaves a file that nobody names, and
whoever is killed after has moved it: called again, the next one follows.

Every event goes into a segment, but only those of ``MOVED`` kinds lose their state in the database: what happens once
and is then history. What lives on (accounts, cards, customers, tokens, rules, engines), and is read again whenever it
is decided on, keeps it.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from domain.leaves import leaf_hashes
from domain.ports import Row
from ledger.audit.export.files import alone, sync_directory, write_file
from ledger.audit.export.format import TEMPORARY, ExportError
from ledger.audit.signing.checkpoint import Checkpoint, origin_of
from ledger.audit.signing.note import Note, NoteError, VerifierKey, verified
from ledger.audit.signing.proofs import ProofError, verify_consistency
from ledger.log.api import ArchivingLog
from ledger.log.archive import Archive, Segment
from ledger.log.errors import LogUnavailable
from ledger.log.merkle import Frontier
from ledger.log.parquet import ADVICE, dump

EVENTS_PER_FILE: Final = 16_384
MOST_BYTES: Final = 32 << 20
"""Bytes of states after which a segment ends before it holds as many events."""
MOVED: Final = frozenset(
    {
        "authorization",
        "bulk",
        "card_binding",
        "claim",
        "command",
        "credit_file",
        "credit_line",
        "early_reversal",
        "force_post",
        "payment",
        "quote",
        "refund",
        "settlement",
        "transfer",
        "transfer_batch",
        "transfer_qr",
    }
)
"""What the topics begin with whose events are moved. What is not named here keeps its states in the database."""

_PAGE: Final = 4_096
_ATTEMPTS: Final = 5
_PATIENCE_SECONDS: Final = 2.0
_AGAIN: Final = "Nothing of it was moved. Find out why before anything is archived; `esep audit verify` says more."

Prove = Callable[[int, int], Sequence[bytes]]
"""Returns the proof that the tree of so many events is the beginning of the tree of so many."""


class Made(NamedTuple):
    """A segment that was archived, and how many bytes of states were moved with it."""

    segment: Segment
    moved: int


def moves(topic: str) -> bool:
    """Tell whether events of a topic lose their state in the database."""
    return topic.partition(".")[0] in MOVED


def signed_tree(log: ArchivingLog, partition: int, ledger: str, keys: Sequence[VerifierKey]) -> Checkpoint:
    """Return the largest checkpoint that is kept, if the ledger's own keys have signed it; raises ExportError."""
    kept = log.find_checkpoint(partition)
    if kept is None:
        advice = "Keep one with `esep audit checkpoint FILE`, out of the ledger's reach, and archive then."
        raise ExportError(
            "NO_CHECKPOINT", f"No checkpoint of {origin_of(ledger, partition)} has been signed yet.", advice
        )
    try:
        note = Note.parse(kept.note)
        verified(note, keys)
        checkpoint = Checkpoint.parse(note.text)
    except NoteError as error:
        advice = "Correct the settings checkpoint_keys_file and ledger_name."
        message = f"The last checkpoint cannot be believed: {error}."
        raise ExportError("CHECKPOINT_NOT_SIGNED", message, advice) from None
    if (checkpoint.origin, checkpoint.size) != (origin_of(ledger, partition), kept.size):
        advice = "Correct the setting ledger_name."
        raise ExportError("CHECKPOINT_OF_ANOTHER", f"The last checkpoint is one of {checkpoint.origin}.", advice)
    return checkpoint


def archive(
    log: ArchivingLog,
    partition: int,
    directory: Path,
    upto: int,
    checkpoint: Checkpoint,
    prove: Prove,
    *,
    events_per_file: int = EVENTS_PER_FILE,
) -> Iterator[Made]:
    """Archive what is not yet, up to a position that the checkpoint covers; yield each segment when it is moved.

    Raises ExportError, LogError, or OSError; what was yielded stands, and everything else as it stood before.
    """
    if upto > checkpoint.size:
        raise ValueError(f"the checkpoint covers {checkpoint.size} events, not {upto}")
    with alone(directory, "archive"):
        sync_directory(directory.parent)  # The directory may be new, and its name must be as durable as its files.
        for unfinished in directory.glob(f"{TEMPORARY}*.parquet"):
            unfinished.unlink()
        archived = log.segments(partition)
        for segment in archived:
            _check_there(directory, segment)
        tree = archived[-1].tree if archived else Frontier()
        while tree.size < upto:
            rows = _following(log, partition, tree.size, min(upto, tree.size + events_per_file))
            made = _segment(directory, partition, rows, tree)
            _check(made, checkpoint, prove)
            _move(log, made, rows)
            tree = made.tree
            yield Made(made, sum(len(row.state) for row in rows if moves(row.topic)))


def _check_there(directory: Path, segment: Segment) -> None:
    """Raise ExportError unless a segment stands in the directory: those of one ledger stand together."""
    path = directory / segment.file
    if not path.is_file() or path.stat().st_size != segment.size:
        message = f"{path}, which holds the events {segment.first} to {segment.last}, is missing or cut off."
        advice = "Put it back from a backup, or correct the setting archive, before anything more is archived."
        raise ExportError("SEGMENT_MISSING", message, advice)


def _following(log: ArchivingLog, partition: int, after: int, upto: int) -> list[Row]:
    rows: list[Row] = []
    room = MOST_BYTES
    while after < upto and room > 0:
        found = log.read(partition, after, min(_PAGE, upto - after))
        if not found:
            raise ExportError("EVENTS_MISSING", f"The log has no event behind position {after}.", _AGAIN)
        for row in found:
            rows.append(row)
            room -= len(row.state)
            if room <= 0:
                break
        after = rows[-1].position
    return rows


def _segment(directory: Path, partition: int, rows: Sequence[Row], tree: Frontier) -> Segment:
    """Write a segment durably, read it back from the disk, and return it with the tree that it grows."""
    try:
        data = dump(rows)
    except ImportError:
        advice = f"Install the extra, here and for every server of this ledger: {ADVICE}."
        raise ExportError("PARQUET_MISSING", "The archive needs pyarrow, which is not installed.", advice) from None
    digest, first = sha256(data).digest(), rows[0].position
    # The hash in the name keeps a segment from ever replacing one that another history has left there.
    file = f"events-{partition:05}-{first:020}-{digest.hex()[:16]}.parquet"
    write_file(directory / file, data)
    _forget_cached(directory / file)
    made = Segment(partition, first, rows[-1].position, file, len(data), digest, tree)
    loaded = Archive(directory).check(made.place)
    back = [row for group in range(loaded.groups) for row in loaded.group(group)]
    leaves = leaf_hashes(back)
    if back != list(rows) or leaves != [leaf for group in range(loaded.groups) for leaf in loaded.leaves(group)]:
        raise ExportError("SEGMENT_DIFFERS", f"{directory / file} does not hold what was written to it.", _AGAIN)
    return made._replace(tree=tree.grown(leaves))


def _forget_cached(path: Path) -> None:
    """Ask the system to read a file from the disk when it is read next, not from its memory."""
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.posix_fadvise(number, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(number)


def _check(made: Segment, checkpoint: Checkpoint, prove: Prove) -> None:
    """Raise ExportError unless the tree up to a segment's end is the beginning of the checkpoint's."""
    size, root = made.tree.size, made.tree.root
    try:
        verify_consistency(size, root, checkpoint.size, checkpoint.root, prove(size, checkpoint.size))
    except ProofError as error:
        which = f"of the checkpoint of {checkpoint.size} events"
        message = f"The events {made.first} to {made.last} are not those {which}: {error}."
        raise ExportError("HISTORY_DIFFERS", message, _AGAIN) from None


def _move(log: ArchivingLog, made: Segment, rows: Sequence[Row]) -> None:
    """Move a segment, trying again where the database did not answer: it may have done so, or not."""
    moved = [row.topic for row in rows if moves(row.topic)]
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            log.archive(made, sorted(set(moved)), len(moved))
        except LogUnavailable:
            if attempt == _ATTEMPTS:
                raise
            time.sleep(_PATIENCE_SECONDS)
            archived = log.segments(made.partition)
            if archived and archived[-1] == made:
                return
        else:
            return
