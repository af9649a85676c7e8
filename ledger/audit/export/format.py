"""What an export consists of: its manifest, and how an event and an account are written as lines of JSON.

The format is described for readers in any language in docs/reference/export.md, and only ever grows: a reader refuses
a version that it does not know. Nothing here touches a disk.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from domain import ids
from domain.ports import Row
from ledger.audit.source import AccountFigures

FORMAT: Final = "esep-export"
VERSION: Final = 1
MANIFEST: Final = "manifest.json"
JOURNAL: Final = "unfinished.jsonl"
TEMPORARY: Final = "."
"""What the name of a file begins with that is not whole yet."""

_NAMES: Final = re.compile(
    r"(events-[0-9]{20}\.(jsonl|parquet)|leaves-[0-9]{20}\.bin|accounts-[0-9]{20}\.jsonl|manifest\.json|unfinished\.jsonl)"
)


class Encoding(StrEnum):
    """How the events are written."""

    JSONL = "jsonl"
    PARQUET = "parquet"


class ExportError(Exception):
    """An export that cannot be made, continued or read: why, in a word, a sentence and an advice."""

    def __init__(self, reason: str, message: str, advice: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.advice = advice

    @classmethod
    def broken(cls, what: str) -> "ExportError":
        """Return that a server's history is not whole."""
        return cls("HISTORY_BROKEN", f"The server's history is not whole: {what}.", "Tell the ledger's operator.")


class Written(msgspec.Struct, frozen=True):
    """A file as it was written."""

    file: str
    bytes: int
    sha256: str


class Piece(msgspec.Struct, frozen=True):
    """The events from ``first`` to ``last``, and their leaf hashes: one file each."""

    first: int
    last: int
    events: Written
    leaves: Written


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What an export holds. It is written last: what it names is whole."""

    format: str = FORMAT
    version: int = VERSION
    origin: str
    partition: int
    encoding: Encoding
    head: int
    checkpoints: list[str]
    """Signed notes by the size of their trees; the last one's size is ``head``."""
    keys: list[str]
    """The verifier keys that the ledger named as its own."""
    accounts: Written
    pieces: list[Piece]


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of the journal of an export that is not finished, and the first line of each continuation."""

    format: str = FORMAT
    version: int = VERSION
    origin: str
    partition: int
    encoding: Encoding
    after: int
    """The position behind which the pieces of the journal begin: the head of the manifest, or 0."""
    checkpoint: str
    """The note of the tree that was to be reached."""


class _EventLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    partition: int
    position: int
    originator_id: str
    originator_version: int
    recorded_at: int
    topic: str
    request_id: str | None
    caller: str
    state: str | UnsetType = UNSET
    state_base64: bytes | UnsetType = UNSET


class _FiguresLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    account_id: int
    participant: str
    kind: str
    currency: str
    posted: int
    held: int
    available: int
    overdraft_limit: int
    minimum_balance: int


_encode = msgspec.json.Encoder().encode_lines
_events = msgspec.json.Decoder(_EventLine).decode_lines
_figures = msgspec.json.Decoder(_FiguresLine).decode_lines


def event_lines(rows: Iterable[Row]) -> bytes:
    """Return events as lines of JSON."""
    return _encode([_line(row) for row in rows])


def read_event_lines(lines: bytes) -> list[Row]:
    """Return the events of whole lines; raises ValueError for what is none."""
    found = _events(lines)
    _check_told_once(lines, _encode(found))
    return [_row(line) for line in found]


def figures_lines(figures: Iterable[AccountFigures]) -> bytes:
    """Return accounts as lines of JSON."""
    return _encode(
        [
            _FiguresLine(
                each.account_id,
                each.participant,
                each.kind,
                each.currency,
                each.posted,
                each.held,
                each.available,
                each.overdraft_limit,
                each.minimum_balance,
            )
            for each in figures
        ]
    )


def read_figures_lines(lines: bytes) -> Iterator[AccountFigures]:
    """Return the accounts of whole lines; raises ValueError for what is none."""
    told = _figures(lines)
    _check_told_once(lines, _encode(told))
    for line in told:
        found = AccountFigures(
            line.account_id,
            line.participant,
            line.kind,
            line.currency,
            line.posted,
            line.held,
            line.overdraft_limit,
            line.minimum_balance,
        )
        if found.available != line.available:
            raise ValueError(f"available of account {line.account_id} is not what its other figures make")
        yield found


def events_file(first: int, encoding: Encoding) -> str:
    """Return the name of the file whose first event is at a position."""
    return f"events-{first:020d}.{encoding.value}"


def leaves_file(first: int) -> str:
    """Return the name of the file whose first leaf is that of a position."""
    return f"leaves-{first:020d}.bin"


def accounts_file(head: int) -> str:
    """Return the name of the file that holds the figures as of a position."""
    return f"accounts-{head:020d}.jsonl"


def ours(name: str) -> bool:
    """Tell whether a file's name is one that an export gives, be it for the time of writing."""
    return _NAMES.fullmatch(name.removeprefix(TEMPORARY)) is not None


def check_names(content: bytes) -> None:
    """Raise ValueError unless this is JSON in which every name stands once: readers differ in which one they take."""
    try:
        json.loads(content, object_pairs_hook=_named_once)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def check_pieces(pieces: Sequence[Piece], after: int) -> int:
    """Return the last position of pieces that begin behind a position; raises ValueError at a gap."""
    for piece in pieces:
        if piece.first != after + 1 or piece.last < piece.first:
            raise ValueError(f"the piece behind position {after} goes from {piece.first} to {piece.last}")
        after = piece.last
    return after


def _check_told_once(lines: bytes, as_written: bytes) -> None:
    """Raise ValueError for a line that says something twice, or nothing; what was written here does neither."""
    whole = lines if not lines or lines.endswith(b"\n") else lines + b"\n"
    if whole != as_written:
        for line in whole[:-1].split(b"\n"):
            check_names(line)


def _named_once(pairs: list[tuple[str, object]]) -> None:
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"{twice!r} stands in it twice")


def _line(row: Row) -> _EventLine:
    partition, position, originator, version, topic, state, recorded_at, request, caller = row
    text: str | UnsetType = UNSET
    encoded: bytes | UnsetType = UNSET
    try:
        text = state.decode()
    except UnicodeDecodeError:  # What the ledger writes is JSON in UTF-8; what was tampered with is told as well.
        encoded = state
    asked = None if request is None else ids.format_uuid(request)
    named = ids.format_uuid(originator)
    return _EventLine(partition, position, named, version, recorded_at, topic, asked, caller, text, encoded)


def _row(line: _EventLine) -> Row:
    if isinstance(line.state, str) and line.state_base64 is UNSET:
        state = line.state.encode()
    elif isinstance(line.state_base64, bytes) and line.state is UNSET:
        state = line.state_base64
    else:
        raise ValueError(f"the event at position {line.position} has not one state")
    request = line.request_id
    return Row(
        line.partition,
        line.position,
        ids.parse_uuid(line.originator_id),
        line.originator_version,
        line.topic,
        state,
        line.recorded_at,
        None if request is None else ids.parse_uuid(request),
        line.caller,
    )
