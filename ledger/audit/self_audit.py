"""The ledger audits itself while it runs: its whole history anew, again and again, slowly, with the verifier's core.

A pass begins at the first event, comes up to the newest, and follows it from there, comparing figures now and then,
until it is time for the next pass. What only the whole tells, the lives of aggregates and request ids, is looked at
when a pass ends. It stays behind the projections, whose hashes and figures it compares, and waits for whatever cannot
be read for the moment. A difference is an alarm; it stands until a later pass has come to the newest event without one.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import msgspec
import structlog

from domain.ports import Row
from ledger.audit.reading import read_on
from ledger.audit.signing.checkpoint import Checkpoint
from ledger.audit.signing.note import Note, NoteError
from ledger.audit.source import AccountFigures
from ledger.audit.verify.findings import Check, Finding, Findings, reason_of
from ledger.audit.verify.notes import LEDGERS
from ledger.audit.verify.tree import Pin, TreeCheck
from ledger.audit.verify.verifier import Verification
from ledger.log.api import Log
from ledger.log.errors import LogBroken
from ledger.log.merkle import HASH_BYTES, Frontier

_CHUNK: Final = 2_048
MOST_BYTES: Final = 8 << 20
"""Bytes of events after which no more are read before they are looked at: each may be a bulk."""
_IDLE_SECONDS: Final = 0.5
_COMPARE_SECONDS: Final = 5.0
_AWAY_SECONDS: Final = 2.0
"""After which a database that could not be read is asked again."""
_AGAIN_SECONDS: Final = 10.0
"""After which a pass that found something is followed by the next one."""

_NO_EVENT: Final = 2**63

_log = structlog.get_logger("esep.self_audit")


class Audited(msgspec.Struct, frozen=True):
    """How far the history was derived anew, and with which result."""

    position: int = 0
    """Everything up to here agrees."""
    at: int = 0
    """When that was found, in microseconds since the Unix epoch; 0 for never."""
    passes: int = 0
    finding: Finding | None = None
    """The first thing that differs, None where nothing does."""

    def forbids(self, size: int) -> bool:
        """Tell whether no tree of so many events may be signed any more."""
        return self.finding is not None and size >= (self.finding.position or 0)


_decode = msgspec.json.Decoder(Audited).decode


class Tables(Protocol):
    """What the projections say of a history."""

    def hashes(self, after: int, upto: int) -> bytes:
        """Return the leaf hashes between two positions, fewer where the tables do not reach so far."""
        ...

    def figures(self) -> tuple[int, Iterable[AccountFigures]]:
        """Return the position of the tables, and what every account has there."""
        ...


class Pace(NamedTuple):
    """How fast, and how often."""

    share: float
    """Of one processor."""
    again_seconds: float
    """How long a pass follows the newest event at the least before the next one begins."""


Wait = Callable[[float], bool]
"""Waits so many seconds, or until it is time to stop; tells whether it is."""


class SelfAudit:
    """Audits one partition of a log. For one thread."""

    def __init__(
        self, log: Log, partition: int, tables: Tables, pace: Pace, *, tell: Callable[[Audited], None], wait: Wait
    ) -> None:
        self._log = log
        self._partition = partition
        self._tables = tables
        self._pace = pace
        self._tell = tell
        self._wait = wait
        self.audited = Audited()

    def run(self, known: Audited) -> None:
        """Make pass after pass until it is time to stop; ``known`` is what was found before this process began."""
        self.audited = known
        while not self._pass():
            pass

    def _pass(self) -> bool:
        """Make one pass; tell whether to stop."""
        findings = Findings()
        tree = TreeCheck(Frontier(), iter(()), {}, findings)
        with Verification(self._partition, tree, findings) as verification:
            following = _Following(self._log, self._partition, self._tables, verification, tree, findings)
            began = time.monotonic()
            while True:
                worked, reached = time.thread_time(), verification.rows.position
                try:
                    went_on = following.step(self._newest)
                except Exception as failure:  # noqa: BLE001 - a database that is away is no difference
                    stop = self._failed(failure, reached, torn=following.torn)
                    if stop is None:
                        continue
                    return stop
                over = not went_on and following.whole and time.monotonic() - began > self._pace.again_seconds
                if over and not findings:
                    verification.chains.finish()
                if findings:
                    self._alarm(min(findings.listed(), key=_vagueness), reached)
                    return self._wait(_AGAIN_SECONDS)
                self._agrees(verification.rows.position, whole=following.whole, over=over)
                if over:
                    return False
                rest = (time.thread_time() - worked) * (1 / self._pace.share - 1)
                if self._wait(rest if went_on else max(rest, _IDLE_SECONDS)):
                    return True

    def _failed(self, failure: Exception, reached: int, *, torn: bool) -> bool | None:
        """Wait after a failure; tell whether to stop, None where the pass can go on."""
        if torn and not isinstance(failure, OSError | MemoryError):
            # Everything had been read: it is the events themselves that nobody can take in.
            message = f"what stands behind position {reached} cannot be taken in: {reason_of(failure)}"
            self._alarm(Finding(Check.ROWS, message, reached + 1), reached)
            return self._wait(_AGAIN_SECONDS)
        _log.warning("self_audit.waits", partition=self._partition, error=repr(failure))
        return self._wait(_AWAY_SECONDS) or (False if torn else None)

    def _newest(self, findings: Findings) -> int:
        """Return the position that a pass must come to: the newest, and no less than what differed before.

        A history that is shorter than what was derived of it before is a finding.
        """
        known, head = self.audited.finding, self._log.head(self._partition)
        if known is None and head < self.audited.position:
            message = f"the history ends at position {head}, and had {self.audited.position} events"
            findings.add(Finding(Check.POSITIONS, message, head + 1, self.audited.position))
        return max(head, 0 if known is None else known.position or 0)

    def _agrees(self, position: int, *, whole: bool, over: bool) -> None:
        """Note how far everything agrees; ``whole`` says that the pass has come to what was the newest event."""
        before = self.audited
        finding = None if whole else before.finding
        if before.finding is not None and finding is None:
            _log.warning("self_audit.agrees_again", partition=self._partition, position=position)
        if position > before.position or finding is not before.finding or over:
            reached = position if whole else max(position, before.position)
            self._note(Audited(reached, _now(), before.passes + over, finding))

    def _alarm(self, finding: Finding, reached: int) -> None:
        _log.error("self_audit.difference", partition=self._partition, reached=reached, **msgspec.to_builtins(finding))
        self._note(Audited(reached, _now(), self.audited.passes, finding))

    def _note(self, audited: Audited) -> None:
        self.audited = audited
        self._tell(audited)


class _Following:
    """Brings a verification forward along the log and the tables."""

    def __init__(
        self,
        log: Log,
        partition: int,
        tables: Tables,
        verification: Verification,
        tree: TreeCheck,
        findings: Findings,
    ) -> None:
        self._log = log
        self._partition = partition
        self._tables = tables
        self._verification = verification
        self._tree = tree
        self._findings = findings
        self.torn = False
        """Whether events were being taken in when something failed: the pass cannot go on."""
        self.whole = False
        """Whether everything was compared, up to what was the newest event when the pass began."""
        self._newest: int | None = None
        self._compared = 0.0

    def step(self, newest: Callable[[Findings], int]) -> bool:
        """Go on, or compare where there is nothing to go on to; tell whether there was.

        ``newest`` tells which position the pass must come to.
        """
        self._newest = newest(self._findings) if self._newest is None else self._newest
        went_on = self.forward()
        due = not went_on and not self._findings and time.monotonic() - self._compared > _COMPARE_SECONDS
        if due and self.compare():
            self._compared = time.monotonic()
            self.whole = self.whole or self._verification.rows.position >= self._newest
        return went_on

    def forward(self, most: int | None = None) -> bool:
        """Look at the next events, none behind ``most``; tell whether there were any. Reads all before it looks."""
        position, head = self._verification.rows.position, self._log.head(self._partition)
        if head < position:
            message = f"the history ends at position {head}, and had {position} events"
            self._findings.add(Finding(Check.POSITIONS, message, head + 1, position))
            return False
        upto = min(head if most is None else most, position + _CHUNK)
        hashes = self._tables.hashes(position, upto) if upto > position else b""
        upto = position + len(hashes) // HASH_BYTES
        if upto == position:
            return False
        odd = self._log.odd_value(self._partition, position, upto)
        if odd is not None and odd.position == position + 1:
            message = "is of another kind or length than any that the ledger writes"
            self._findings.add(Finding(Check.ROWS, message, odd.position, field=odd.field))
            return False
        rows, upto = self._read(position, upto if odd is None else odd.position - 1)
        hashes = hashes[: (upto - position) * HASH_BYTES]
        pin = self._newest_pin()
        if pin is not None:
            self._tree.pin(*pin)
        self.torn = True
        self._tree.feed(hashes)
        self._verification.add(rows)
        if self._verification.rows.position < upto:
            first = self._verification.rows.position + 1
            message = f"no event has position {first}, and the tables know of {upto}"
            self._findings.add(Finding(Check.POSITIONS, message, first, upto))
        self._tree.finish(upto)
        self.torn = False
        return True

    def _read(self, after: int, upto: int) -> tuple[list[Row], int]:
        """Return what is read at once of the events up to a position, and the position up to which it should reach."""
        rows: list[Row] = []
        room = MOST_BYTES
        for page in read_on(self._log, self._partition, after, upto):
            rows += page
            room -= sum(len(row.state) for row in page)
            if room <= 0:
                return rows, rows[-1].position
        return rows, upto

    def compare(self) -> bool:
        """Compare figures and the stored tree; tell whether they could be compared."""
        position, figures = self._tables.figures()
        while self._verification.rows.position < position:
            if not self.forward(position) or self._findings:
                return False
        if self._verification.rows.position != position:
            return False
        self._verification.holds.check_sums(position)
        self._verification.compare(iter(figures))
        self._compare_tree()
        return True

    def _compare_tree(self) -> None:
        own = self._tree.frontier
        try:
            stored = self._log.tree(self._partition)
        except LogBroken as error:
            self._findings.add(Finding(Check.ROOTS, str(error)))
            return
        if stored.size == own.size and stored.root != own.root:
            message = f"the stored tree of {own.size} events has the root {stored.root.hex()}, not {own.root.hex()}"
            self._findings.add(Finding(Check.ROOTS, message, upto=own.size))

    def _newest_pin(self) -> tuple[int, Pin] | None:
        """Return the newest checkpoint that was signed, where the tree has still to come to its size."""
        found = self._log.find_checkpoint(self._partition)
        if found is None or found.size <= self._tree.frontier.size:
            return None
        try:
            checkpoint = Checkpoint.parse(Note.parse(found.note).text)
        except NoteError as wrong:
            self._findings.add(
                Finding(Check.CHECKPOINTS, f"the checkpoint of {found.size} events: {wrong}", found.size)
            )
            return None
        return checkpoint.size, Pin(checkpoint.root, kept=False, name=LEDGERS)


def _vagueness(finding: Finding) -> tuple[int, int]:
    """Return what puts findings that name one event before those that name several, and these before others."""
    if finding.position is None:
        return _NO_EVENT, 0
    return (finding.upto or finding.position) - finding.position, finding.position


def load(path: Path) -> Audited:
    """Return what was found last; nothing where there is no such file, or it cannot be read."""
    try:
        return _decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return Audited()


def save(path: Path, audited: Audited) -> None:
    """Keep what was found, for the next start."""
    temporary = path.with_name(f".{path.name}")
    temporary.write_bytes(msgspec.json.encode(audited))
    temporary.replace(path)


def _now() -> int:
    return time.time_ns() // 1000
