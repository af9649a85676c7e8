"""The leaf hashes of many events at once: what ``domain.leaf`` says of each, with less work.

Rows are taken apart into columns, of which those that all rows share are told once. The numbers of a leaf are laid out
for all rows together, so that what is left for each row is to join a few pieces and to hash them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import chain, repeat
from struct import Struct
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from domain.leaf import LEAF_PREFIX, leaf_hash
from domain.ports import Row

Integers = npt.NDArray[np.int64]

AT_A_TIME: Final = 512
"""Leaves that are made ready together."""
_FEW: Final = 32
"""Rows from which laying them out together costs less than one by one."""
_LENGTH = Struct(">I")
_digest: Callable[[Any], bytes] = type(sha256()).digest
_NOTHING = _LENGTH.pack(0)
# How ``domain.leaf`` lays out what stands before the topic, behind the prefix of a leaf.
_NUMBERS = [
    ("prefix", "u1"),
    ("partition_length", ">u4"),
    ("partition", ">u2"),
    ("position_length", ">u4"),
    ("position", ">u8"),
    ("originator_length", ">u4"),
    ("originator_id", "V16"),
    ("version_length", ">u4"),
    ("version", ">u4"),
    ("recorded_at_length", ">u4"),
    ("recorded_at", ">u8"),
]


class Words(NamedTuple):
    """A column of texts: the different ones, and which of them each row has."""

    different: tuple[str, ...]
    each: Integers
    """One number when there is only one text."""


class Columns(NamedTuple):
    """Rows without their states. Partitions and versions are one number when all rows share it."""

    partitions: Integers
    positions: Integers
    originator_ids: bytes
    versions: Integers
    topics: Words
    lengths: Integers
    """Of the states."""
    times: Integers
    request_lengths: Integers
    """Empty when no row has a request id."""
    request_ids: bytes
    callers: Words


def leaf_hashes(rows: Sequence[Row]) -> list[bytes]:
    """Return the leaf hash of each row."""
    if len(rows) < _FEW:
        return [leaf_hash(row) for row in rows]
    columns, states = columns_of(rows)
    return hash_columns(columns, states)


def columns_of(rows: Sequence[Row]) -> tuple[Columns, tuple[bytes, ...]]:
    """Take rows apart: their columns, and their states one by one."""
    partitions, positions, originators, versions, topics, states, times, requests, callers = zip(*rows, strict=True)
    nobody = requests.count(None) == len(requests)
    ids = () if nobody else [request or b"" for request in requests]
    columns = Columns(
        _shared(partitions),
        np.array(positions, np.int64),
        b"".join(originators),
        _shared(versions),
        _words(topics),
        np.fromiter(map(len, states), np.int64, len(states)),
        np.array(times, np.int64),
        np.fromiter(map(len, ids), np.int64, len(ids)),
        b"".join(ids),
        _words(callers),
    )
    return columns, states


def hash_columns(columns: Columns, states: Iterable[bytes | memoryview]) -> list[bytes]:
    """Return the leaf hash of each row, given the columns and the states one by one."""
    topics, callers = (
        [_told(text.encode()) for text in words.different] for words in (columns.topics, columns.callers)
    )
    joined, hashed = b"".join, sha256
    if len(topics) == len(callers) == 1 and not columns.request_lengths.size:
        heads, tail = _heads(columns, topics[0]), _NOTHING + callers[0]
        return list(map(_digest, map(hashed, map(joined, zip(heads, states, repeat(tail), strict=False)))))
    nobody, told_callers, told_topics = repeat(_NOTHING), _each(callers, columns.callers), _each(topics, columns.topics)
    requests = _requests(columns) if columns.request_lengths.size else nobody
    lengths: list[bytes] = columns.lengths.astype(">u4").view("V4").tolist()
    return [
        hashed(joined((head, topic, length, state, request, caller))).digest()
        for head, topic, length, state, request, caller in zip(
            _heads(columns), told_topics, lengths, states, requests, told_callers, strict=False
        )
    ]


def _heads(columns: Columns, topic: bytes | None = None) -> Iterator[bytes]:
    """Return what each leaf begins with: up to its topic, or with the one that all share and the state's length."""
    fields: list[tuple[str, str]] = list(_NUMBERS)
    if topic is not None:
        fields += [("topic", f"V{len(topic)}"), ("length", ">u4")]
    table: npt.NDArray[Any] = np.zeros(len(columns.positions), np.dtype(fields))
    table["prefix"] = LEAF_PREFIX[0]
    table["partition_length"], table["partition"] = 2, columns.partitions
    table["position_length"], table["position"] = 8, columns.positions
    table["originator_length"], table["originator_id"] = 16, np.frombuffer(columns.originator_ids, "V16")
    table["version_length"], table["version"] = 4, columns.versions
    table["recorded_at_length"], table["recorded_at"] = 8, columns.times
    if topic is not None:
        table["topic"], table["length"] = np.frombuffer(topic, f"V{len(topic)}"), columns.lengths
    whole = table.view(f"V{table.itemsize}")
    # A few at a time, so that they stay in the processor's cache.
    return chain.from_iterable(whole[start : start + AT_A_TIME].tolist() for start in range(0, len(whole), AT_A_TIME))


def _requests(columns: Columns) -> list[bytes]:
    """Return each row's request id after its length."""
    ids, lengths, ends = columns.request_ids, columns.request_lengths, columns.request_lengths.cumsum()
    cut = zip((ends - lengths).tolist(), ends.tolist(), strict=True)
    return [_told(ids[start:end]) if end > start else _NOTHING for start, end in cut]


def _shared(numbers: Sequence[int]) -> Integers:
    return np.array(numbers[:1] if numbers.count(numbers[0]) == len(numbers) else numbers, np.int64)


def _words(texts: Sequence[str]) -> Words:
    if texts.count(texts[0]) == len(texts):
        return Words((texts[0],), np.zeros(1, np.int64))
    places: dict[str, int] = {}
    each = [places.setdefault(text, len(places)) for text in texts]
    return Words(tuple(places), np.array(each, np.int64))


def _each(told: Sequence[bytes], words: Words) -> Iterator[bytes]:
    """Return each row's text as it is told, without end when all share it."""
    return repeat(told[0]) if len(told) == 1 else map(told.__getitem__, words.each.tolist())


def _told(value: bytes) -> bytes:
    return _LENGTH.pack(len(value)) + value
