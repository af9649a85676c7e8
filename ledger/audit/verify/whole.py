"""A ledger of several partitions, verified as a whole: each history by itself, then what crossed between them."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from ledger.audit.signing.checkpoint import Checkpoint, origin_of
from ledger.audit.signing.note import SIGNATURE, Note, NoteError, VerifierKey
from ledger.audit.source import Source
from ledger.audit.verify.crossings import Crossed, Crossings, Ended
from ledger.audit.verify.findings import Findings
from ledger.audit.verify.notes import KeptNote
from ledger.audit.verify.verifier import Verdict, verify

_SLASH: Final = "/"
_SIGNED: Final = "— "
"""How a signature's line in a note begins."""

Progress = Callable[[int, int, int], None]
"""Told which partition is looked at, how many of its positions have been, and how many there are."""


class Whole(NamedTuple):
    """What the verification of a whole ledger came to."""

    verdicts: list[Verdict]
    """By partition."""
    crossed: Crossed
    findings: Findings
    """What is wrong between the partitions."""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong anywhere."""
        return not self.findings and all(each.ok for each in self.verdicts)


def verify_whole(
    sources: Sequence[Source],
    *,
    keys: Sequence[VerifierKey] = (),
    kept: Sequence[KeptNote] = (),
    directory: str | None = None,
    progress: Progress | None = None,
) -> Whole:
    """Look at the histories of all partitions, of which partition 0 comes first.

    A key that the auditor gives for one partition counts for all, for the ledger signs with the same keys everywhere; a
    kept checkpoint is held against the partition that it names, or against partition 0, where it is of no use.
    """
    findings, verdicts = Findings(), []
    first, there = sources[0].partition, {source.partition for source in sources}
    named = [(number if (number := partition_of(note)) in there else first, note) for note in kept]
    with Crossings(findings) as crossings:
        for source in sources:
            partition = source.partition
            verdict = verify(
                source,
                keys=keys_for(partition, keys),
                kept=[note for number, note in named if number == partition],
                directory=directory,
                progress=_of(progress, partition),
                watch=crossings.add,
            )
            crossings.end(partition, Ended(verdict.head, verdict.recorded_at, verdict.clearing))
            verdicts.append(verdict)
        return Whole(verdicts, crossings.finish(), findings)


def keys_for(partition: int, given: Sequence[VerifierKey]) -> list[VerifierKey]:
    """Return the keys that count for a partition: a ledger's key under the partition's name, others as they are."""
    found: dict[VerifierKey, None] = {}
    for key in given:
        ledger, slash, number = key.name.rpartition(_SLASH)
        if key.kind == SIGNATURE and slash and number.isascii() and number.isdecimal():
            found[VerifierKey(origin_of(ledger, partition), SIGNATURE, key.public)] = None
        else:
            found[key] = None
    return list(found)


def notes_in(text: str) -> list[str]:
    """Return the checkpoints that a file holds one behind the other, each with its signatures."""
    found, signed = [""], False
    for line in text.splitlines(keepends=True):
        signature = line.startswith(_SIGNED)
        if signed and not signature:
            found.append("")
        found[-1] += line
        signed = signature
    return found


def partition_of(kept: KeptNote) -> int:
    """Return the partition that a kept checkpoint names: 0 where it names none, and is told to be of no use there."""
    try:
        number = Checkpoint.parse(Note.parse(kept.text).text).origin.rpartition(_SLASH)[2]
    except NoteError:
        return 0
    return int(number) if number.isascii() and number.isdecimal() else 0


def _of(progress: Progress | None, partition: int) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    return lambda reached, head: progress(partition, reached, head)
