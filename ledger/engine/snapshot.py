"""Snapshots: the decision state in bytes, so that a start reads a snapshot and a tail instead of all history.

A snapshot is only trusted when the log holds a ``SnapshotTaken`` event with its digest. It never comes from a
projection, and a full replay must give the same state.
"""

from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from domain.authorization import Authorization, State
from domain.books import Books, InTransit
from domain.columns import Names
from domain.engine import ENGINE_ID, EngineLife, SnapshotTaken
from domain.limits import Taking, Used
from domain.published import PublishedRules
from ledger.engine.requests import Ahead
from ledger.log.api import Log
from ledger.log.codec import decode, encode

FORMAT = 3
"""The form of the bytes. A snapshot of another form is not used: history is replayed."""


class _Open(msgspec.Struct, array_like=True):
    """An open authorisation; ``topic`` and ``details`` are its first event in stored form."""

    key: bytes
    topic: str
    details: bytes
    rest: dict[str, Any]


class _Usage(msgspec.Struct, array_like=True):
    """What was spent, by subject and operation, in one day and one month of a time zone."""

    utc_offset_seconds: int
    day: int
    month: int
    days: dict[bytes, tuple[int, int]]
    months: dict[bytes, tuple[int, int]]


class _Kind(msgspec.Struct):
    """What can be read of a snapshot in whatever form."""

    format: int
    partition: int
    position: int


class _Snapshot(msgspec.Struct):
    format: int
    partition: int
    position: int
    recorded_at: int
    currencies: list[str]
    participants: list[str]
    columns: dict[str, bytes]
    life: tuple[int, int, str]
    open: list[_Open]
    rules: PublishedRules
    usage: _Usage
    ahead: Ahead
    transit: dict[bytes, tuple[int, int, int]] = {}
    """Accounts, amounts and positions of what is on its way to other partitions."""


_decode_kind = msgspec.msgpack.Decoder(_Kind).decode
_decode_snapshot = msgspec.msgpack.Decoder(_Snapshot).decode
_REST = tuple(
    field for field in Authorization.__struct_fields__ if field not in ("authorization_id", "details", "state")
)


def dump(books: Books, position: int, recorded_at: int, ahead: Ahead) -> bytes:
    """Return the state of the books as at ``position``, with the request ids made ahead of ``recorded_at``."""
    return msgspec.msgpack.encode(
        _Snapshot(
            format=FORMAT,
            partition=books.partition,
            position=position,
            recorded_at=recorded_at,
            currencies=books.names.currencies,
            participants=books.names.participants,
            columns=books.accounts.dump(),
            life=(books.life.version, books.life.epoch, books.life.owner),
            open=[
                _Open(key, held.details.TOPIC, encode(held.details), {name: getattr(held, name) for name in _REST})
                for key, held in books.open.items()
            ],
            rules=books.rules,
            usage=_Usage(*(getattr(books.usage, name) for name in _Usage.__struct_fields__)),
            ahead=ahead,
            transit={key: (each.account, each.amount, each.position) for key, each in books.transit.items()},
        )
    )


class Restored(NamedTuple):
    """What a snapshot holds beside the books."""

    position: int
    recorded_at: int
    ahead: Ahead


def restore(data: bytes, books: Books) -> Restored:
    """Put a snapshot's state into empty books; return the rest of it."""
    kind = _decode_kind(data)
    if kind.format != FORMAT or kind.partition != books.partition:
        raise ValueError(f"a snapshot of format {kind.format} for partition {kind.partition}")
    snapshot = _decode_snapshot(data)
    usage = snapshot.usage
    if usage.utc_offset_seconds != books.usage.utc_offset_seconds:
        raise ValueError(f"a snapshot with days that begin {usage.utc_offset_seconds} s before those of UTC")
    books.usage.day, books.usage.month = usage.day, usage.month
    books.usage.days = {key: Used(*used) for key, used in usage.days.items()}
    books.usage.months = {key: Used(*used) for key, used in usage.months.items()}
    books.rules = snapshot.rules
    books.names = Names(snapshot.currencies, snapshot.participants)
    books.accounts.load(snapshot.columns)
    books.life = EngineLife(*snapshot.life)
    for held in snapshot.open:
        details: Any = decode(held.topic, held.details)
        rest = held.rest | {"takings": msgspec.convert(held.rest["takings"], tuple[Taking, ...])}
        authorization = Authorization(authorization_id=held.key, details=details, state=State.OPEN, **rest)
        books.open[held.key] = authorization
        books.holds.setdefault(authorization.account, {})[held.key] = None
    books.transit = {key: InTransit(*each) for key, each in snapshot.transit.items()}
    books.recount_due()
    books.evicted_at = snapshot.position
    return Restored(snapshot.position, snapshot.recorded_at, snapshot.ahead)


def digest(data: bytes) -> str:
    """Return the SHA-256 of a snapshot's bytes, in hex."""
    return sha256(data).hexdigest()


def load_trusted(log: Log, partition: int, *, after: int = 0, upto: int | None = None) -> bytes | None:
    """Return the newest snapshot, behind one position and up to another, for which the log vouches; None for none."""
    upto = log.head(partition) if upto is None else upto
    vouched = {
        event.at: event.digest
        for row in log.aggregate(partition, ENGINE_ID)
        if isinstance(event := decode(row.topic, row.state), SnapshotTaken) and after < event.at <= upto
    }
    while vouched and (found := log.load_snapshot(partition, upto=upto)) is not None:
        position, data = found
        if position <= after:
            return None
        if vouched.get(position) == digest(data):
            return data
        upto = position - 1
    return None


def trusted_position(log: Log, partition: int) -> int:
    """Return the position of the newest snapshot for which the log vouches, 0 for none."""
    data = load_trusted(log, partition)
    return 0 if data is None else _decode_kind(data).position


class TrustedSnapshots:
    """One partition's snapshots, for whoever wants the state of an earlier position."""

    def __init__(self, log: Log, partition: int) -> None:
        self._log = log
        self._partition = partition

    def find(self, after: int, upto: int) -> bytes | None:
        """Return the newest trusted state of a position in between, the last included; None when there is none."""
        return load_trusted(self._log, self._partition, after=after, upto=upto) if after < upto else None

    def restore(self, data: bytes, books: Books) -> int:
        """Put a state into empty books; return its position, 0 where it is of another form, or of other days."""
        try:
            return restore(data, books).position
        except ValueError:
            return 0
