"""``python -m ledger.log.hasher``: hashes large batches, so that the process that decides need not.

It is asked over its standard input, a socket, and answers over the same. The rows stand in memory that it shares with
whoever asks, and only reads. It keeps nothing between two batches, opens nothing, and ends with the other end of the
socket, however that comes to its end.
"""

import gc
import os
import signal
import socket
import sys
import time
from io import BytesIO
from math import inf
from mmap import PROT_READ, mmap
from struct import Struct
from typing import Final

import msgspec
import numpy as np

from domain.leaves import Columns, Integers, Words, hash_columns
from ledger.log.merkle import HASH_BYTES, heights, subtrees

READY: Final = b"\x06"
"""What it says when it is there, once."""

_PREFIX: Final = Struct("@I")


class _Request(msgspec.Struct, array_like=True):
    """How many leaves stand before a batch, its texts, and where its columns begin in memory, one after another."""

    size: int
    start: int
    topics: tuple[str, ...]
    callers: tuple[str, ...]
    column_bytes: tuple[int, ...]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Request).decode


def request_of(size: int, start: int, columns: Columns, states: bytes) -> tuple[bytes, list[bytes]]:
    """Return what is said about a batch, and the columns that stand from ``start`` on then."""
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
    shared = [*(column.tobytes() for column in numbers), columns.originator_ids, columns.request_ids, states]
    sizes = tuple(map(len, shared))
    request = _encode(_Request(size, start, columns.topics.different, columns.callers.different, sizes))
    return _PREFIX.pack(len(request)) + request, shared


def answer_bytes(size: int, count: int) -> int:
    """Return how long the answer about so many rows that follow ``size`` leaves is."""
    return HASH_BYTES * (1 + len(heights(size, count)))


def answer_to(request: _Request, shared: mmap) -> bytes:
    """Return the hash of the last leaf, and the roots of the subtrees that the batch makes up."""
    start = request.start
    numbers: list[Integers] = []
    for size in request.column_bytes[:8]:
        numbers.append(np.frombuffer(shared, np.int64, size // 8, start))
        start += size
    partitions, positions, versions, lengths, times, topics, callers, request_lengths = numbers
    ids_end = start + request.column_bytes[8]
    requests_end = ids_end + request.column_bytes[9]
    columns = Columns(
        partitions,
        positions,
        shared[start:ids_end],
        versions,
        Words(request.topics, topics),
        lengths,
        times,
        request_lengths,
        shared[ids_end:requests_end],
        Words(request.callers, callers),
    )
    states = BytesIO(shared[requests_end : requests_end + request.column_bytes[10]])
    leaves = hash_columns(columns, map(states.read, lengths.tolist()))
    return b"".join([leaves[-1], *subtrees(request.size, leaves)])


def serve(connection: socket.socket, shared: mmap) -> None:
    """Answer batches until the other end is closed."""
    connection.sendall(READY)
    while prefix := receive(connection, _PREFIX.size):
        request = receive(connection, *_PREFIX.unpack(prefix))
        if request:
            connection.sendall(answer_to(_decode(request), shared))


def receive(connection: socket.socket, size: int, until: float = inf) -> bytes:
    """Return so many bytes, or nothing when the other end is closed before.

    Raises BlockingIOError where the socket's own patience ends, or where the bytes come in drops and are not all there
    by a time of the monotonic clock.
    """
    received = connection.recv(size, socket.MSG_WAITALL)
    while 0 < len(received) < size:  # a signal came in between, or the socket's patience has ended
        if time.monotonic() >= until:
            raise BlockingIOError
        more = connection.recv(size - len(received), socket.MSG_WAITALL)
        received = received + more if more else b""
    return received


def main(descriptor: int) -> None:
    """Serve whoever started this process and shares the memory behind this descriptor."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # The parent is asked to stop, and closes the socket.
    gc.disable()  # Nothing here refers to itself.
    with socket.socket(fileno=0) as connection, mmap(descriptor, 0, prot=PROT_READ) as shared:
        os.close(descriptor)
        try:
            serve(connection, shared)
        except ConnectionError:
            return  # The parent is gone.


if __name__ == "__main__":
    main(int(sys.argv[1]))
