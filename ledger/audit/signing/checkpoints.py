"""Issuing checkpoints: only for trees that are certainly durable, and never two for trees that disagree.

The last one signed is kept in the log's database. A tree that is smaller, or of the same size with another root, shows
that the log has lost or changed what was signed: nothing more is signed then, because whoever holds the earlier
checkpoint could prove that the ledger speaks with two tongues.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, NamedTuple, Self

from domain.ports import Clock
from domain.times import SECOND
from ledger.audit.self_audit import Audited
from ledger.audit.signing.checkpoint import Checkpoint, origin_of
from ledger.audit.signing.keys import SigningKey, SigningKeys
from ledger.audit.signing.note import COSIGNATURE, Note, NoteError, Signature, VerifierKey
from ledger.log.api import Kept, Log
from ledger.log.merkle import Frontier

_FRESH: Final = SECOND
"""For how long, in microseconds, a checkpoint is handed out again although the log has gone on."""


class HistoryDiffersError(Exception):
    """The log does not hold what an earlier checkpoint says of it."""


class UnknownCheckpointError(Exception):
    """No checkpoint of this size was signed, or it was dropped since."""


class Issued(NamedTuple):
    """A checkpoint, and the note that bears its signatures."""

    checkpoint: Checkpoint
    note: Note
    signed_at: int


class Checkpoints:
    """Signs, keeps and finds the checkpoints of one partition."""

    def __init__(
        self,
        log: Log,
        partition: int,
        clock: Clock,
        *,
        ledger: str,
        keys: SigningKeys,
        witnesses: tuple[VerifierKey, ...] = (),
        audited: Callable[[], Audited] = Audited,
    ) -> None:
        """Take the log, the name of the ledger, its keys and the witnesses whose cosignatures count.

        ``audited`` tells what the ledger's audit of itself has found last.
        """
        self.audited = audited
        self._log = log
        self._partition = partition
        self._clock = clock
        self.origin = origin_of(ledger, partition)
        self._keys = keys
        self._witnesses = witnesses

    @classmethod
    def of_each(
        cls, log: Log, partitions: Iterable[int], clock: Clock, *, audited: Callable[[int], Audited], **options: Any
    ) -> dict[int, Self]:
        """Return those of several partitions, all signed with the same keys."""
        return {each: cls(log, each, clock, audited=partial(audited, each), **options) for each in partitions}

    def verifier_keys(self) -> list[tuple[VerifierKey, SigningKey]]:
        """Return every key of the ledger, past and future ones included, as verifiers know it."""
        return [(key.verifier(self.origin), key) for key in self._keys.keys]

    def issue(self, tree: Frontier, at_least: int, *, current: bool = False) -> Issued:
        """Return the checkpoint of a durable tree, a fresh one of ``at_least`` so many leaves, or one of more leaves.

        One that is fresh but of fewer leaves than the tree does not do where it is to be ``current``.

        Where the ledger's audit of itself has found something, nothing is signed any more from there on: the last one
        that was signed is returned if it reaches far enough. Raises HistoryDiffersError, or SigningKeysError when no
        key is valid now.
        """
        checkpoint = Checkpoint(self.origin, tree.size, tree.root)
        now = self._clock.now()
        last = self._log.find_checkpoint(self._partition)
        if last is not None:
            issued = _issued(last)
            if last.size > tree.size and self._log.tree(self._partition).size >= last.size:
                return issued  # Another call, or another server, has signed what came meanwhile.
            if last.size > tree.size or (last.size == tree.size and issued.checkpoint != checkpoint):
                raise HistoryDiffersError(
                    f"the tree of {checkpoint.origin} with {tree.size} leaves has the root {tree.root.hex()}, but a "
                    f"checkpoint was signed for {last.size} leaves with the root {issued.checkpoint.root.hex()}"
                )
            fresh = not current and 0 <= now - last.signed_at < _FRESH
            if last.size == tree.size or (last.size >= at_least and fresh):
                return issued
        audited = self.audited()
        if audited.forbids(tree.size):
            if last is not None and last.size >= max(1, at_least):
                return _issued(last)
            message = "" if audited.finding is None else audited.finding.message
            raise HistoryDiffersError(f"the ledger's audit of itself found a difference: {message}")
        note = self._keys.sign(self.origin, checkpoint.text(), now)
        self._log.keep_checkpoint(self._partition, Kept(tree.size, str(note), now))
        return Issued(checkpoint, note, now)

    def find(self, *, size: int | None, cosigned: bool) -> Issued:
        """Return an earlier checkpoint, by its size or the largest; raises UnknownCheckpointError."""
        found = self._log.find_checkpoint(self._partition, size=size, cosigned=cosigned)
        if found is None:
            raise UnknownCheckpointError
        return _issued(found)

    def listed(self, *, below: int, cosigned: bool, limit: int) -> list[Issued]:
        """Return the checkpoints that are kept below a size, the largest first."""
        return [
            _issued(kept)
            for kept in self._log.list_checkpoints(self._partition, below=below, cosigned=cosigned, limit=limit)
        ]

    def cosign(self, size: int, line: str) -> Issued:
        """Keep a witness's cosignature of the checkpoint of this size, and return that with it.

        Raises NoteError for a signature that is not one by a known witness of this checkpoint, or
        UnknownCheckpointError.
        """
        signature = Signature.parse(line)
        key = next((key for key in self._witnesses if key.kind == COSIGNATURE and key.made(signature)), None)
        if key is None:
            raise NoteError("the signature is by no witness that this ledger knows")
        key.verify(self.find(size=size, cosigned=False).note.text, signature)
        self._log.add_cosignature(self._partition, size, key.name, signature.line())
        return self.find(size=size, cosigned=False)


def _issued(kept: Kept) -> Issued:
    note = Note.parse(kept.note)
    signed = (*note.signatures, *(Signature.parse(line) for line in kept.cosignatures))
    return Issued(Checkpoint.parse(note.text), Note(note.text, signed), kept.signed_at)
