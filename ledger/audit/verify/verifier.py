"""The verifier: a whole history, from its first event to its last, against everything that must be true of it.

It trusts neither the ledger nor its projections, only the keys that it is given, and reads each event once, in order.
Memory does not grow with the history: columns for the accounts, the open holds, and a few thousand events at a time;
what needs all ids at once is sorted in a temporary file.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, Self

import msgspec

from domain.ports import Row
from ledger.audit.signing.note import NoteError, VerifierKey
from ledger.audit.source import AccountFigures, Source
from ledger.audit.verify import accounts, holds
from ledger.audit.verify.accounts import Tallies
from ledger.audit.verify.chains import Chains
from ledger.audit.verify.findings import Check, Finding, Findings, reason_of
from ledger.audit.verify.fold import Fold
from ledger.audit.verify.holds import Holds
from ledger.audit.verify.money import BULK, LEGS_ONLY, TRANSFER, Money, Moved, Movement
from ledger.audit.verify.notes import KeptNote, NoteCheck, Trust
from ledger.audit.verify.rows import Columns, RowCheck
from ledger.audit.verify.tree import TreeCheck
from ledger.log.merkle import Frontier

_AT_A_TIME: Final = 4_096
_RARE: Final = LEGS_ONLY | holds.TOPICS | accounts.TOPICS

Progress = Callable[[int, int], None]
"""Told how many positions have been looked at, and how many there are."""


class Verdict(NamedTuple):
    """What a verification came to."""

    partition: int
    origin: str
    head: int
    recorded_at: int
    """When the last event was recorded, in microseconds since the Unix epoch."""
    events: int
    root: bytes
    aggregates: int
    requests: int
    open_holds: int
    sums: dict[str, dict[str, int]]
    clearing: dict[str, int]
    """By currency, what the ledger's own clearing accounts have."""
    checkpoints: int
    last_checkpoint: int
    kept: tuple[str, ...]
    signers: tuple[str, ...]
    given_keys: bool
    witnessed: dict[str, int]
    findings: Findings

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


class Verification:
    """Looks at the events of one partition as they come, from its first one on. A context manager."""

    def __init__(self, partition: int, tree: TreeCheck, findings: Findings, directory: str | None = None) -> None:
        self._findings = findings
        self.rows = RowCheck(partition, 0, -1, findings)
        self.tree = tree
        self.tallies = Tallies(partition, findings)
        self.chains = Chains(findings, directory)
        self.money = Money(self.tallies, findings)
        self.holds = Holds(self.tallies, findings)
        self.fold = Fold(partition, self.tallies, findings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.chains.__exit__()

    def add(self, rows: Sequence[Row]) -> None:
        """Take in rows that follow those before."""
        columns = self.rows.columns(rows)
        if not columns.rows:
            return
        self.tree.add(columns)
        self.chains.add(columns)
        self.fold.add(columns.rows, *self._tally(columns))

    def finish(self, head: int) -> None:
        """Look at what can be looked at only when all events have come."""
        if self.rows.position < head:
            first = self.rows.position + 1
            message = f"the events end at position {self.rows.position}, the history at {head}"
            self._findings.add(Finding(Check.POSITIONS, message, first, head))
        self.tree.finish(head)
        self.chains.finish()
        self.holds.check_sums(head)

    def compare(self, figures: Iterator[AccountFigures]) -> None:
        """Compare what the ledger answers with what follows from the events."""
        tallies, findings = self.tallies, self._findings
        held = self.holds.held(at=self.rows.recorded_at)
        posted, overdraft, minimum = (tallies.column(name) for name in ("posted", "overdraft_limit", "minimum_balance"))
        answered = tallies.column("posted") * 0
        for told in figures:
            index = tallies.index(told.account_id)
            if not index:
                message = f"the ledger answers for account {told.account_id}, which was never opened"
                findings.add(Finding(Check.FIGURES, message, account=told.account_id))
                continue
            answered[index] += 1
            expected = (posted[index], held[index], overdraft[index], minimum[index])
            answers = (told.posted, told.held, told.overdraft_limit, told.minimum_balance)
            words = tallies.words(index)
            if expected != answers or words != {name: getattr(told, name) for name in words}:
                figured = dict(zip(accounts.MONEY_COLUMNS, map(int, expected), strict=True))
                self._differs(told, {**figured, **words})
        for index in (answered[1:] != 1).nonzero()[0].tolist():
            account = tallies.account(index + 1)
            message = f"the ledger answers {answered[index + 1]} times for account {account}, not once"
            findings.add(Finding(Check.FIGURES, message, account=account))

    def _differs(self, told: AccountFigures, expected: dict[str, int | str]) -> None:
        field = next(name for name, value in expected.items() if getattr(told, name) != value)
        message = f"{field} of account {told.account_id} is {getattr(told, field)} as the ledger answers"
        message += f", and {expected[field]} by the events"
        self._findings.add(Finding(Check.FIGURES, message, field=field, account=told.account_id))

    def _tally(self, columns: Columns) -> tuple[dict[int, list[Movement] | None], dict[int, Moved | None]]:
        """Take in money and holds; return what moves in events that are no plain transfers, by position.

        What moves in bulks comes apart, in columns.
        """
        bulks: dict[int, Moved | None] = {}
        transfers: list[Row] = []
        moved: dict[int, list[Movement] | None] = {}
        for row in columns.rows:
            if row.topic == TRANSFER:
                transfers.append(row)
            elif row.topic == BULK:
                bulks[row.position] = self.money.bulk(row)
            elif row.topic in _RARE:
                self._rare(row, moved)
        if transfers:
            self.money.transfers(transfers)
        legs = [movement for movements in moved.values() for movement in movements or ()]
        if legs:
            self.money.movements(legs)
        self.money.check_sums(columns.rows[-1].position)
        return moved, bulks

    def _rare(self, row: Row, moved: dict[int, list[Movement] | None]) -> None:
        if row.topic in LEGS_ONLY:
            moved[row.position] = self.money.read(row)
        try:
            if row.topic in accounts.TOPICS:
                self.tallies.add(row)
            elif row.topic in holds.TOPICS:
                self.holds.add(row)
        except (msgspec.DecodeError, RecursionError):
            return  # What cannot be read is told where it is decoded.


def verify(
    source: Source,
    *,
    keys: Sequence[VerifierKey] = (),
    kept: Sequence[KeptNote] = (),
    directory: str | None = None,
    progress: Progress | None = None,
    watch: Callable[[Sequence[Row]], None] | None = None,
) -> Verdict:
    """Look at a whole history; ``directory`` is where temporary files go; ``watch`` is shown the events as well."""
    findings, head = Findings(), source.head
    try:
        trust = Trust(keys, source.keys())
    except NoteError as wrong:
        findings.add(Finding(Check.CHECKPOINTS, f"a key that the ledger names: {wrong}"))
        trust = Trust(keys, ())
    notes = NoteCheck(trust, source.partition, findings)
    notes.ledgers(source.checkpoints(), head)
    notes.kept(kept, head)
    tree = TreeCheck(Frontier(), source.leaf_hashes(0), notes.pins, findings)
    with Verification(source.partition, tree, findings, directory) as verification:
        for rows in _pieces(source, findings, verification.rows):
            verification.add(rows)
            if watch is not None:
                watch(rows)
            if progress is not None:
                progress(verification.rows.position, head)
        verification.finish(head)
        try:
            verification.compare(source.figures())
        except Exception as error:  # noqa: BLE001 - whatever keeps the figures from being read
            findings.add(Finding(Check.SOURCE, f"what the accounts have cannot be read: {reason_of(error)}"))
        return Verdict(
            partition=source.partition,
            origin=notes.origin,
            head=head,
            recorded_at=verification.rows.recorded_at,
            events=verification.rows.count,
            root=tree.frontier.root,
            aggregates=verification.chains.aggregates,
            requests=verification.chains.requests,
            open_holds=len(verification.holds.open),
            sums=verification.tallies.sums(),
            clearing=verification.tallies.clearing(),
            checkpoints=notes.counted,
            last_checkpoint=0 if notes.last is None else notes.last.size,
            kept=tuple(each.name for each in kept),
            signers=tuple(map(str, trust.signers)),
            given_keys=trust.by_auditor,
            witnessed=notes.witnessed,
            findings=findings,
        )


def _pieces(source: Source, findings: Findings, reached: RowCheck) -> Iterator[Sequence[Row]]:
    """Yield the rows in pieces that are not too large; what cannot be read is a finding."""
    rows = source.rows(0)
    while True:
        try:
            piece = next(rows, None)
        except Exception as error:  # noqa: BLE001 - whatever keeps the history from being read
            position = reached.position + 1
            message = f"the history cannot be read behind position {reached.position}: {reason_of(error)}"
            findings.add(Finding(Check.SOURCE, message, position))
            return
        if piece is None:
            return
        for start in range(0, len(piece), _AT_A_TIME):
            yield piece[start : start + _AT_A_TIME]
