"""``python -m ledger.log.hasher``: hashes large batches, so that the process that decides need not.

It is asked over its standard input, a socket, and answers over the same. It keeps nothing between two batches, opens
nothing, and ends with the other end of the socket, however that comes to its end.
"""

import gc
import signal
import socket
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise
from struct import Struct
from typing import Final

import msgspec
import numpy as np

from domain.leaves import AT_A_TIME, Columns, Integers, Words, hash_columns
from ledger.log.merkle import HASH_BYTES, heights, subtrees

READY: Final = b"\x06"
"""What it says when it is there, once."""

_PREFIX: Final = Struct("@II")


class _Request(msgspec.Struct, array_like=True):
    """What a batch begins with: how many leaves stand before it, its texts, and the sizes of the columns behind."""

    size: int
    topics: tuple[str, ...]
    callers: tuple[str, ...]
    column_bytes: tuple[int, ...]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Request).decode


def request_of(size: int, columns: Columns, states: bytes) -> list[bytes]:
    """Return a batch as it is sent, in pieces."""
    numbers = (
        columns.partitions,
        columns.positions,
        columns.versions,
        columns.lengths,
        columns.times,
        columns.topics.each,
        columns.callers.each,
        columns.request_lengths,
    )
    sent = [*(column.tobytes() for column in numbers), columns.originator_ids, columns.request_ids, states]
    sizes = tuple(map(len, sent))
    request = _encode(_Request(size, columns.topics.different, columns.callers.different, sizes))
    return [_PREFIX.pack(len(request), sum(sizes)) + request, *sent]


def answer_bytes(size: int, count: int) -> int:
    """Return how long the answer about so many rows that follow ``size`` leaves is."""
    return HASH_BYTES * (1 + len(heights(size, count)))


def answer_to(request: _Request, body: bytes) -> bytes:
    """Return the hash of the last leaf, and the roots of the subtrees that the batch makes up."""
    start = 0
    numbers: list[Integers] = []
    for size in request.column_bytes[:8]:
        numbers.append(np.frombuffer(body, np.int64, size // 8, start))
        start += size
    partitions, positions, versions, lengths, times, topics, callers, request_lengths = numbers
    ids_end = start + request.column_bytes[8]
    requests_end = ids_end + request.column_bytes[9]
    columns = Columns(
        partitions,
        positions,
        body[start:ids_end],
        versions,
        Words(request.topics, topics),
        lengths,
        times,
        request_lengths,
        body[ids_end:requests_end],
        Words(request.callers, callers),
    )
    leaves = hash_columns(columns, _cut(body, requests_end + np.concatenate(([0], lengths.cumsum()))))
    return b"".join([leaves[-1], *subtrees(request.size, leaves)])


def _cut(body: bytes, bounds: Integers) -> Iterator[bytes]:
    """Return what stands between the bounds."""
    few = (bounds[start : start + AT_A_TIME + 1].tolist() for start in range(0, len(bounds) - 1, AT_A_TIME))
    return chain.from_iterable([body[start:end] for start, end in pairwise(each)] for each in few)


def serve(connection: socket.socket) -> None:
    """Answer batches until the other end is closed."""
    connection.sendall(READY)
    while prefix := receive(connection, _PREFIX.size):
        request_bytes, column_bytes = _PREFIX.unpack(prefix)
        request = _decode(receive(connection, request_bytes))
        connection.sendall(answer_to(request, receive(connection, column_bytes)))


def receive(connection: socket.socket, size: int) -> bytes:
    """Return so many bytes, or nothing when the other end is closed before."""
    received = connection.recv(size, socket.MSG_WAITALL)
    while 0 < len(received) < size:  # a signal came in between
        more = connection.recv(size - len(received), socket.MSG_WAITALL)
        received = received + more if more else b""
    return received


def main(ignored: Sequence[signal.Signals] = (signal.SIGINT, signal.SIGTERM)) -> None:
    """Serve whoever started this process."""
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)  # The parent is asked to stop, and closes the socket.
    gc.disable()  # Nothing here refers to itself.
    with socket.socket(fileno=0) as connection:
        try:
            serve(connection)
        except ConnectionError:
            return  # The parent is gone.


if __name__ == "__main__":
    main()
