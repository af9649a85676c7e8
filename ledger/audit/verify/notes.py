"""Which checkpoints count: those that a known key has signed.

Where the auditor gives keys, those are known and no others: a ledger that names its own keys could name any. Without
them the ledger's word has to do, and the report says so. A witness counts only where the auditor gives its key.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from ledger.audit.signing.checkpoint import Checkpoint
from ledger.audit.signing.note import COSIGNATURE, SIGNATURE, Note, NoteError, VerifierKey
from ledger.audit.verify.findings import Check, Finding, Findings
from ledger.audit.verify.tree import Pin

LEDGERS: Final = "the ledger's checkpoint"


class KeptNote(NamedTuple):
    """A checkpoint that the auditor kept, and what it is called: the name of its file."""

    name: str
    text: str


class Trust:
    """The keys that count."""

    def __init__(self, given: Sequence[VerifierKey], named: Sequence[str]) -> None:
        """Take the keys that the auditor gives and those that the ledger names; raises NoteError for one of these."""
        self.given = tuple(given)
        own = [VerifierKey.parse(text) for text in named]
        self.by_auditor = any(key.kind == SIGNATURE for key in given)
        known = given if self.by_auditor else own
        self.signers = tuple(key for key in known if key.kind == SIGNATURE)
        self.witnesses = tuple(key for key in given if key.kind == COSIGNATURE)

    def read(self, text: str) -> tuple[Checkpoint, Note]:
        """Return the checkpoint that a note holds; raises NoteError unless a known key has signed it."""
        note = Note.parse(text)
        checkpoint = Checkpoint.parse(note.text)
        signed = False
        for key in self.signers:
            for signature in note.signatures:
                if key.made(signature):
                    key.verify(note.text, signature)
                    signed = True
        if not signed:
            names = ", ".join(f"{each.name}+{each.key_id.hex()}" for each in note.signatures)
            known = ", ".join(f"{key.name}+{key.key_id.hex()}" for key in self.signers) or "none"
            raise NoteError(f"it is signed by an unknown key ({names}); known are: {known}")
        return checkpoint, note


class NoteCheck:
    """Reads the ledger's checkpoints and those that the auditor kept."""

    def __init__(self, trust: Trust, partition: int, findings: Findings) -> None:
        self._trust = trust
        self._partition = partition
        self._findings = findings
        self.pins: dict[int, list[Pin]] = {}
        self.origin = ""
        self.counted = 0
        self.last: Checkpoint | None = None
        self.witnessed: dict[str, int] = {}
        """The largest tree that each witness has cosigned, by the witness's name."""

    def ledgers(self, notes: Sequence[str], head: int) -> None:
        """Take in the checkpoints that the ledger shows, by their sizes."""
        before = 0
        for number, text in enumerate(notes, 1):
            try:
                checkpoint, note = self._trust.read(text)
            except NoteError as wrong:
                claimed = _claimed_size(text)
                name = f"checkpoint {number}" + (f" (of {claimed} events)" if claimed else "")
                self._wrong(Check.CHECKPOINTS, f"{name}: {wrong}", claimed)
                continue
            if not self._belongs(checkpoint, Check.CHECKPOINTS, f"checkpoint {number}"):
                continue
            if checkpoint.size <= before:
                message = f"checkpoint {number} is of {checkpoint.size} events, the one before it of {before}"
                self._wrong(Check.CHECKPOINTS, message, checkpoint.size)
            before = max(before, checkpoint.size)
            self.counted += 1
            self.last = checkpoint
            self._look_for_witnesses(note, checkpoint)
            if checkpoint.size > head:
                message = f"a checkpoint of {checkpoint.size} events was signed, and the history ends at {head}"
                self._findings.add(Finding(Check.CHECKPOINTS, message, head + 1, checkpoint.size))
                continue
            self._pin(checkpoint, kept=False, name=LEDGERS)
        if head and before < head:
            message = (
                f"no checkpoint that counts reaches the end: the last is of {before} events, the history has {head}"
            )
            self._findings.add(Finding(Check.CHECKPOINTS, message, before + 1, head))

    def kept(self, notes: Sequence[KeptNote], head: int) -> None:
        """Take in the checkpoints that the auditor kept."""
        past: list[tuple[Checkpoint, str]] = []
        for kept in notes:
            try:
                checkpoint, note = self._trust.read(kept.text)
            except NoteError as wrong:
                self._wrong(Check.KEPT, f"{kept.name} is refused: {wrong}", _claimed_size(kept.text))
                continue
            if not self._belongs(checkpoint, Check.KEPT, kept.name):
                continue
            self._look_for_witnesses(note, checkpoint)
            if checkpoint.size > head:
                past.append((checkpoint, kept.name))
            else:
                self._pin(checkpoint, kept=True, name=kept.name)
        for checkpoint, name in sorted(past, key=lambda each: each[0].size):
            message = (
                f"the history ends at position {head}, and {name} says that it had {checkpoint.size} events: "
                f"those behind {head} are missing"
            )
            self._findings.add(Finding(Check.KEPT, message, head + 1, checkpoint.size))

    def _belongs(self, checkpoint: Checkpoint, check: Check, name: str) -> bool:
        self.origin = self.origin or checkpoint.origin
        if checkpoint.origin == self.origin and checkpoint.origin.endswith(f"/{self._partition}"):
            return True
        message = f"{name} is of another tree: {checkpoint.origin!r}, not {self.origin!r}, partition {self._partition}"
        self._wrong(check, message, checkpoint.size)
        return False

    def _pin(self, checkpoint: Checkpoint, *, kept: bool, name: str) -> None:
        self.pins.setdefault(checkpoint.size, []).append(Pin(checkpoint.root, kept, name))

    def _look_for_witnesses(self, note: Note, checkpoint: Checkpoint) -> None:
        for key in self._trust.witnesses:
            for signature in note.signatures:
                if not key.made(signature):
                    continue
                try:
                    key.verify(note.text, signature)
                except NoteError as wrong:
                    self._wrong(
                        Check.WITNESSES, f"the checkpoint of {checkpoint.size} events: {wrong}", checkpoint.size
                    )
                else:
                    self.witnessed[key.name] = max(checkpoint.size, self.witnessed.get(key.name, 0))

    def _wrong(self, check: Check, message: str, position: int | None) -> None:
        self._findings.add(Finding(check, message, position))


def _claimed_size(text: str) -> int | None:
    """Return the size that a note claims to be of, None where it is no checkpoint."""
    try:
        return Checkpoint.parse(Note.parse(text).text).size
    except NoteError:
        return None
