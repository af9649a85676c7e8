"""Rows as the databases take them and give them fastest.

PostgreSQL takes a binary COPY, packed here because building it costs less than handing over each value. What rows
of a run share is packed once for all of them.

SQLite's driver lets other Python threads run at every row it steps over, and beside a busy thread waits 5 ms
to be let back in: 200 rows a second. So a page of rows is read in a single step, each column of the page
joined by SQLite into one value, and cut apart here: 80,000 rows a second beside a busy thread.
"""

from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from itertools import chain
from struct import Struct

import msgspec
import numpy as np

from domain.ports import Row
from ledger.log.runs import Batch, Run
from ledger.log.tables import Table
from ledger.log.trees import Growth

_COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_TRAILER = b"\xff\xff"
_FIELDS = 9
_NULL = -1
# Each value is preceded by its length; the row by its number of fields.
_WITHOUT_REQUEST = Struct(">h ih iq i16s ii iq i")
_WITH_REQUEST = Struct(">h ih iq i16s ii iq i16s")
_ID = np.dtype("V16")
_INT2, _INT4, _INT8 = Struct(">h"), Struct(">i"), Struct(">q")
_MOST_TEXTS = 10_000

_decode_integers = msgspec.json.Decoder(list[int]).decode


class CopyPacker:
    """Packs rows for a binary COPY, the columns of variable length last; for one thread at a time."""

    def __init__(self) -> None:
        self._texts: dict[str, bytes] = {}

    def pack(self, batch: Batch) -> bytes:
        """Return the whole of the COPY's data."""
        if len(self._texts) > _MOST_TEXTS:
            self._texts.clear()
        parts = [_COPY_HEADER]
        for piece in batch.pieces():
            parts += self._run(piece) if isinstance(piece, Run) else self._rows(piece)
        parts.append(_COPY_TRAILER)
        return b"".join(parts)

    def _run(self, run: Run) -> Iterable[bytes]:
        """Pack the first row without its state, repeat it, and put in where the others differ."""
        first, count = run.first, len(run)
        *pattern, _state = self._rows([first])
        packed = b"".join(pattern)
        table = np.frombuffer(bytearray(packed * count), _different(len(packed)))
        table["position"] = np.arange(first.position, first.position + count)
        table["originator_id"] = np.frombuffer(run.originator_ids, _ID)
        table["recorded_at"] = np.arange(first.recorded_at, first.recorded_at + count)
        table["length"] = run.lengths
        heads: list[bytes] = np.frombuffer(table.tobytes(), f"V{len(packed)}").tolist()
        return chain.from_iterable(zip(heads, run.states, strict=True))

    def _rows(self, rows: Iterable[Row]) -> list[bytes]:
        texts = self._texts
        without, with_, length = _WITHOUT_REQUEST.pack, _WITH_REQUEST.pack, _INT4.pack
        parts: list[bytes] = []
        for partition, position, originator, version, topic, state, recorded_at, request, caller in rows:
            parts += (
                without(_FIELDS, 2, partition, 8, position, 16, originator, 4, version, 8, recorded_at, _NULL)
                if request is None
                else with_(_FIELDS, 2, partition, 8, position, 16, originator, 4, version, 8, recorded_at, 16, request),
                texts.get(topic) or self._text(topic),
                texts.get(caller) or self._text(caller),
                length(len(state)),
                state,
            )
        return parts

    def _text(self, text: str) -> bytes:
        encoded = text.encode()
        packed = self._texts[text] = _INT4.pack(len(encoded)) + encoded
        return packed


def binary_values(row: Row) -> tuple[bytes | None, ...]:
    """Return a row's values in PostgreSQL's binary formats, in the order of a COPY's."""
    return (
        _INT2.pack(row.partition),
        _INT8.pack(row.position),
        row.originator_id,
        _INT4.pack(row.originator_version),
        _INT8.pack(row.recorded_at),
        row.request_id,
        row.topic.encode(),
        row.caller.encode(),
        row.state,
    )


def binary_growth(growth: Growth) -> tuple[bytes, ...]:
    """Return what an append does to the tree, in PostgreSQL's binary formats."""
    before, after = growth.before, growth.after
    return (
        _INT2.pack(growth.partition),
        _INT8.pack(after.size),
        after.dump(),
        after.root,
        _INT8.pack(before.size),
        before.root,
    )


def _different(size: int) -> "np.dtype[np.void]":
    """Return where rows of a run differ, as they are packed into so many bytes before the state."""
    return np.dtype(
        {
            "names": ["position", "originator_id", "recorded_at", "length"],
            "formats": [">i8", _ID, ">i8", ">i4"],
            "offsets": [12, 24, 52, size - 4],
            "itemsize": size,
        }
    )


#: A page of rows as one row, over a subquery that selects from ``events``. Lengths are in bytes; texts are told apart
#: by a line break, and request ids, which few rows have, by the positions of those that have one. Blobs
#: become texts by ``|| ''``, and separators are texts: for each blob ``group_concat`` would allocate anew (ADR 0018).
PAGE_SQL = (
    "SELECT group_concat(position), group_concat(originator_id || '', ''), group_concat(originator_version),"
    " group_concat(topic, '\n'), group_concat(state || '', ''), group_concat(length(state)), group_concat(recorded_at),"
    " group_concat(request_id || '', ''), group_concat(length(request_id)),"
    " group_concat(iif(request_id IS NULL, NULL, position)), group_concat(caller, '\n')"
    " FROM ({})"
)


class UnevenPageError(ValueError):
    """A page that cannot be cut apart, for a line break or a changed value: its rows are to be read one by one."""


def unpack_page(partition: int, page: Sequence[bytes | None]) -> Table:
    """Return the page that SQLite joined by PAGE_SQL, every value given as bytes; raises UnevenPageError."""
    try:
        table = _cut_apart(partition, page)
    except (ValueError, msgspec.DecodeError) as error:
        raise UnevenPageError from error
    if not table.even:
        raise UnevenPageError
    return table


def _cut_apart(partition: int, page: Sequence[bytes | None]) -> Table:
    joined_positions, originators, versions, topics, states, state_lengths, times = page[:7]
    requests, request_lengths, requested, callers = page[7:]
    if joined_positions is None:
        return Table.of(partition, [])
    positions = _integers(joined_positions)
    return Table(
        partition,
        positions,
        originators or b"",
        _integers(versions),
        _texts(topics, len(positions)),
        _cut(states, state_lengths),
        _integers(times),
        _at(positions, _integers(requested), _cut(requests, request_lengths)) if requested else [b""] * len(positions),
        _texts(callers, len(positions)),
    )


def unpack_positions(ids: bytes | None, positions: bytes | None) -> Iterator[tuple[bytes, int]]:
    """Yield ids of 16 bytes with their positions, each joined by SQLite into one value."""
    if ids is None or positions is None:
        return iter(())
    return zip(_ids(ids), _integers(positions), strict=True)


def _integers(joined: bytes | None) -> list[int]:
    return _decode_integers(b"[%b]" % (joined or b""))


def _texts(joined: bytes | None, count: int) -> list[str]:
    """Return the texts of a column, the same object for the same text; mostly there is one alone."""
    values = (joined or b"").split(b"\n")
    if len(values) != count:
        raise UnevenPageError
    if values.count(values[0]) == count:
        return [values[0].decode()] * count
    return list(map({value: value.decode() for value in set(values)}.__getitem__, values))


def _at(positions: list[int], given: list[int], values: Iterable[bytes]) -> list[bytes]:
    """Return the values of a column that only the given positions have, empty ones for the others."""
    found = dict(zip(given, values, strict=True))
    return [found.get(position, b"") for position in positions]


def _ids(joined: bytes | None) -> Iterable[bytes]:
    ids: list[bytes] = np.frombuffer(joined or b"", _ID).tolist()
    return ids


def _cut(joined: bytes | None, lengths: bytes | None) -> list[bytes]:
    """Return the values of a column, which stand one behind the other."""
    values, sizes = joined or b"", _integers(lengths)
    if sum(sizes) != len(values):
        raise UnevenPageError
    return list(map(BytesIO(values).read, sizes))
