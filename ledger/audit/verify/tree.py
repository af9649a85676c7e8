"""Every event against the hash that the tiles say, and the tree over all of them against every checkpoint.

The tree is grown from the events themselves. Where an event is missing, the tiles' hash stands in for it, so that
whatever comes after it can still be told to be as it was signed. Which of two is wrong where an event and its tile
differ, the next checkpoint says; which field of an event was changed, its true hash says, where one field alone was
changed to something that can be guessed: a topic, a caller, a number nearby.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from domain.ids import format_uuid
from domain.leaf import leaf_hash
from domain.leaves import leaf_hashes
from domain.ports import Row
from domain.topics import BY_TOPIC
from ledger.audit.source import Leaves
from ledger.audit.verify.findings import MOST_TOLD, Check, Finding, Findings, reason_of
from ledger.audit.verify.rows import Columns
from ledger.log.merkle import HASH_BYTES, Frontier, heights, node_hash

_GUESSES: Final = 20_000
"""Times that are tried in the place of one that does not lead to the hash."""
_VERSIONS: Final = 2_000
_PARTITIONS: Final = 64
_CALLERS: Final = 1_000
_AT_A_TIME: Final = 4_096
"""Hashes of the tiles that are taken in together where events are missing."""


class Pin(NamedTuple):
    """A root that somebody has signed, and who says so: the ledger, or a file that the auditor kept."""

    root: bytes
    kept: bool
    name: str


class TreeCheck:
    """Grows the tree over the events as they come."""

    def __init__(
        self,
        frontier: Frontier,
        tiles: Iterator[bytes],
        pins: dict[int, list[Pin]],
        findings: Findings,
    ) -> None:
        """Begin with the tree that stands, the tiles' hashes behind it, and what was signed, by the size of trees."""
        self.frontier = frontier
        self._tiles = Leaves(_readable(tiles, findings))
        self._pins = pins
        self._sizes = sorted(size for size in pins if size > frontier.size)
        self._findings = findings
        self._callers: dict[str, None] = {}
        self._unclear: list[tuple[Row, bytes, int]] = []
        self._more_unclear = 0
        self._last_time = 0
        self.agreed = frontier.size
        """The largest tree of which everything that was signed is true, as far as the events have come."""
        self._kept_agreed = 0
        self._told: set[bool] = set()

    def feed(self, hashes: bytes) -> None:
        """Take in what the tiles say of the next events."""
        self._tiles = Leaves(iter((hashes,)))

    def pin(self, size: int, pin: Pin) -> None:
        """Take in what was signed of a tree that is still to come."""
        if pin not in self._pins.setdefault(size, []):
            self._pins[size].append(pin)
            self._sizes = sorted(each for each in self._pins if each > self.frontier.size)

    def add(self, columns: Columns) -> None:
        """Take in events."""
        rows, hashes = columns.rows, leaf_hashes(columns.rows)
        if len(self._callers) < _CALLERS:
            self._callers |= dict.fromkeys(row.caller for row in rows)
        start = 0
        while start < len(rows):
            missing = rows[start].position - self.frontier.size - 1
            if missing:
                self._fill(missing)
                continue
            end = _run_end(rows, start)
            self._compare(rows[start:end], hashes[start:end])
            start = end

    def finish(self, head: int) -> None:
        """Say what no checkpoint has made clear."""
        if self.frontier.size < head:
            self._fill(head - self.frontier.size)
        self._tell_unclear()

    # Leaves.

    def _compare(self, rows: Sequence[Row], hashes: Sequence[bytes]) -> None:
        """Compare rows without a gap with the tiles, and take them into the tree."""
        theirs = self._tiles.take(len(rows))
        if b"".join(hashes) != theirs:
            for index, (row, own) in enumerate(zip(rows, hashes, strict=True)):
                told = theirs[index * HASH_BYTES : (index + 1) * HASH_BYTES]
                if told != own:
                    self._differs(row, told, rows[index - 1].recorded_at if index else self._last_time)
        self._last_time = rows[-1].recorded_at
        self._grow(hashes)

    def _fill(self, missing: int) -> None:
        """Let the tiles speak for events that are not there."""
        last = self.frontier.size + missing
        while self.frontier.size < last:
            told = self._tiles.take(min(_AT_A_TIME, last - self.frontier.size))
            if not told:
                first = self.frontier.size + 1
                message = f"neither events nor tiles stand at the positions {first} to {last}"
                self._findings.add(Finding(Check.LEAVES, message, first, last))
                self._leap(last - self.frontier.size)
                return
            self._grow([told[start : start + HASH_BYTES] for start in range(0, len(told), HASH_BYTES)])

    def _differs(self, row: Row, told: bytes, after: int) -> None:
        if len(self._unclear) >= MOST_TOLD:
            self._more_unclear += 1
            return
        self._unclear.append((row, told, after))

    def _tell_unclear(self, *, event_is_right: bool | None = None) -> None:
        """Tell of the events in the tree as it stands; those behind it wait for the next checkpoint."""
        size = self.frontier.size
        for row, told, after in self._unclear:
            if row.position <= size:
                self._findings.add(self._difference(row, told, after, event_is_right=event_is_right))
        self._unclear = [each for each in self._unclear if each[0].position > size]
        self._findings.uncounted(Check.LEAVES, self._more_unclear)
        self._more_unclear = 0

    def _difference(self, row: Row, told: bytes, after: int, *, event_is_right: bool | None) -> Finding:
        aggregate = format_uuid(row.originator_id)
        if not told:
            message = "the tiles end before this event"
            return Finding(Check.LEAVES, message, row.position, aggregate=aggregate)
        if event_is_right:
            message = "the tile holds another hash than the event's; the event is the one that was signed"
            return Finding(Check.LEAVES, message, row.position, aggregate=aggregate, field="tile")
        message = "the event is not the one whose hash the tiles hold"
        was = changed_field(row, told, after, self._callers)
        if was is not None:
            field, value = was
            return Finding(
                Check.LEAVES, f"{message}: {field} was {value}", row.position, aggregate=aggregate, field=field
            )
        message += "; its state was changed or its aggregate's id, or several fields"
        return Finding(Check.LEAVES, message, row.position, aggregate=aggregate)

    # The tree.

    def _grow(self, hashes: Sequence[bytes]) -> None:
        for start, end in self._stretches(len(hashes)):
            self.frontier = self.frontier.grown(hashes[start:end])

    def _leap(self, count: int) -> None:
        """Grow by leaves of which nothing is known, however many: zeros stand for them."""
        for start, end in self._stretches(count):
            roots = [_zeros(height) for height in heights(self.frontier.size, end - start)]
            self.frontier = self.frontier.joined(end - start, roots)

    def _stretches(self, count: int) -> Iterator[tuple[int, int]]:
        """Yield from where to where further leaves are to be taken in, and look at what was signed in between."""
        start = 0
        while start < count:
            size = self.frontier.size
            at = bisect_right(self._sizes, size)
            ahead = self._sizes[at] - size if at < len(self._sizes) else count
            end = min(count, start + ahead)
            yield start, end
            start = end
            pins = self._pins.get(self.frontier.size, ())
            if pins:
                self._look_at(pins)

    def _look_at(self, pins: Sequence[Pin]) -> None:
        root, size = self.frontier.root, self.frontier.size
        own = [pin for pin in pins if not pin.kept]
        if own:
            right = all(pin.root == root for pin in own)
            if not self._told:
                self._tell_unclear(event_is_right=right)
            if right:
                self.agreed = size
        for pin in pins:
            if pin.root == root:
                if pin.kept:
                    self._kept_agreed = size
                continue
            check = Check.KEPT if pin.kept else Check.ROOTS
            if pin.kept in self._told:
                self._findings.uncounted(check, 1)  # It follows from the first one.
                continue
            self._told.add(pin.kept)
            first = (self._kept_agreed if pin.kept else self.agreed) + 1
            message = (
                f"the tree of {size} events has the root {root.hex()}, not {pin.root.hex()}, which {pin.name} says: "
                f"something between the positions {first} and {size} is not what was signed"
            )
            self._findings.add(Finding(check, message, first, size))


def changed_field(row: Row, told: bytes, after: int, callers: Iterable[str]) -> tuple[str, str] | None:
    """Return the one field whose change leads to another hash, and what it was; None where that cannot be told.

    ``after`` is when the event before was recorded; ``callers`` are those that the log names.
    """
    for field, value in _guesses(row, after, callers):
        if leaf_hash(row._replace(**{field: value})) == told:
            return field, format_uuid(value) if isinstance(value, bytes) else repr(value)
    return None


def _guesses(row: Row, after: int, callers: Iterable[str]) -> Iterator[tuple[str, Any]]:
    yield "request_id", None
    yield "request_id", row.originator_id
    if row.request_id is not None:
        yield "originator_id", row.request_id
    yield from (("partition", partition) for partition in range(_PARTITIONS))
    yield from (("topic", topic) for topic in BY_TOPIC)
    yield from (("caller", caller) for caller in (*callers, "", "esep"))
    yield from (("originator_version", version) for version in range(1, _VERSIONS))
    yield from (("recorded_at", time) for time in range(after + 1, after + _GUESSES))
    nearby = range(max(0, row.recorded_at - _GUESSES), row.recorded_at + _GUESSES)
    yield from (("recorded_at", time) for time in nearby)


def _readable(tiles: Iterator[bytes], findings: Findings) -> Iterator[bytes]:
    """Pass hashes on; what keeps further ones from being read is a finding."""
    try:
        yield from tiles
    except Exception as error:  # noqa: BLE001 - whatever keeps the tiles from being read
        findings.add(Finding(Check.SOURCE, f"the tiles cannot be read: {reason_of(error)}"))


@cache
def _zeros(height: int) -> bytes:
    """Return the root over zeros in the place of ``1 << height`` leaves."""
    return bytes(HASH_BYTES) if not height else node_hash(_zeros(height - 1), _zeros(height - 1))


def _run_end(rows: Sequence[Row], start: int) -> int:
    """Return where the rows that follow one another without a gap end."""
    if rows[-1].position - rows[start].position == len(rows) - 1 - start:
        return len(rows)
    end = start + 1
    while end < len(rows) and rows[end].position == rows[end - 1].position + 1:
        end += 1
    return end
