"""Hashes batches: the small ones here, the large ones in a process of their own while the database takes them in.

What a batch is handed over as was joined for the database anyway: it is copied into memory that both share, which
costs a tenth of hashing it. The process is a help and nothing else: when it is not there yet, dies, is stopped or
answers something else, the batch is hashed here, and another one is started some time later.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from mmap import mmap
from pathlib import Path
from struct import pack
from typing import IO, Final

import structlog

from domain.leaf import leaf_hash
from ledger.log.hasher import READY, answer_bytes, receive, request_of
from ledger.log.merkle import HASH_BYTES, Frontier
from ledger.log.runs import Batch, Part

_log = structlog.get_logger("esep.log")

LEAST_ROWS: Final = 512
"""Rows from which handing a batch over is worth it."""
_SHARED_BYTES: Final = 64 << 20
"""Of address space; memory is what the largest batch took. One that does not fit in is hashed here."""
_PATIENCE_SECONDS: Final = 2.0
"""How long a batch waits for the process to take it, and again to answer it, at most twice so long where the answer
comes in drops: others wait for the log meanwhile."""
_RESTART_SECONDS: Final = 30.0
_START_SECONDS: Final = 120.0
_COMMAND = (sys.executable, "-m", "ledger.log.hasher")
_PROJECT = Path(__file__).resolve().parents[2]


class Hashing:
    """Hashes one batch after another, for one thread at a time."""

    def __init__(self) -> None:
        """Begin without a process: the first large batch starts it."""
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._shared: mmap | None = None
        self._filled = 0
        self._ready = False
        self._owed = 0
        self._since = 0.0
        self._not_before = 0.0

    @property
    def helper(self) -> int | None:
        """The process's id, None while there is none that would be asked."""
        return self._process.pid if self._process is not None and self._ready else None

    def begin(self, tree: Frontier, batch: Batch) -> Callable[[], Frontier] | None:
        """Hand over a batch that follows a tree; what is returned waits for the tree with the batch.

        None for a small batch, and while nobody is there to be asked. One begins when the one before it is complete,
        or its append has failed.
        """
        if len(batch.rows) < LEAST_ROWS or not self._at_hand():
            return None
        if self._owed:  # to an append that failed
            self._received()
        size, self._filled = tree.size, 0
        for part in batch.parts:
            if not self._handed_over(size, part):
                return None
            size += len(part.rows)
        return partial(self._finish, tree, batch)

    def close(self) -> None:
        """End the process. Closing twice is allowed; a batch that comes later is hashed here."""
        self._not_before = float("inf")
        self._end()

    def _at_hand(self) -> bool:
        """Return whether the process can be asked; start it if there is none."""
        if self._socket is None:
            if time.monotonic() >= self._not_before:
                self._start()
            return False
        if not self._ready:
            try:
                self._ready = self._socket.recv(len(READY), socket.MSG_DONTWAIT) == READY
            except BlockingIOError:
                if time.monotonic() - self._since > _START_SECONDS:
                    self._lose("it did not start")
                return False
            except OSError as error:
                self._lose(str(error))
                return False
            if not self._ready:
                self._lose("it ended while it started")
        return self._ready

    def _handed_over(self, size: int, part: Part) -> bool:
        """Send rows that follow ``size`` leaves; return whether all was taken."""
        if self._socket is None or self._shared is None:
            return False
        request, columns = request_of(size, self._filled, part.columns, part.joined_states)
        if self._filled + sum(map(len, columns)) > _SHARED_BYTES:
            return False
        for column in columns:
            self._shared[self._filled : self._filled + len(column)] = column
            self._filled += len(column)
        try:
            sent = self._socket.send(request)
        except OSError as error:
            self._lose(_reason(error))
            return False
        if sent != len(request):
            self._lose("it takes nothing")
            return False
        self._owed += answer_bytes(size, len(part.rows))
        return True

    def _finish(self, tree: Frontier, batch: Batch) -> Frontier:
        """Return the tree with the batch by the process's answer; without one, or one about other rows, hash here."""
        answer, grown, start = self._received(), tree, 0
        for part in batch.parts if answer else ():
            end = start + answer_bytes(grown.size, len(part.rows))
            last, *roots = (answer[each : each + HASH_BYTES] for each in range(start, end, HASH_BYTES))
            if last != leaf_hash(part.rows[-1]):
                self._lose("its answer is about something else")
                break
            grown, start = grown.joined(len(part.rows), roots), end
        return grown if grown.size == tree.size + len(batch.rows) else tree.grown(batch.hashes)

    def _received(self) -> bytes:
        """Return what the process still has to say, nothing when it does not say it."""
        if self._socket is None:
            return b""
        try:
            answer = receive(self._socket, self._owed, time.monotonic() + _PATIENCE_SECONDS)
        except OSError as error:
            self._lose(_reason(error))
            return b""
        if not answer:
            self._lose("it has ended")
        self._owed = 0
        return answer

    def _start(self) -> None:
        with ExitStack() as opened:
            try:
                shared = opened.enter_context(_memory())
                shared.truncate(_SHARED_BYTES)
                ours, theirs = socket.socketpair()
                opened.enter_context(theirs)
                bound = pack("@ll", int(_PATIENCE_SECONDS), int(_PATIENCE_SECONDS % 1 * 1e6))
                # The system waits, not Python: it would ask for the interpreter again at every piece.
                ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, bound)
                ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, bound)
                self._socket, self._shared = ours, mmap(shared.fileno(), _SHARED_BYTES)
                self._process = subprocess.Popen(  # noqa: S603 - our own program
                    (*_COMMAND, str(shared.fileno())),
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    cwd=_PROJECT,
                    pass_fds=[shared.fileno()],
                )
            except OSError as error:
                self._lose(str(error))
        self._since = time.monotonic()

    def _lose(self, reason: str) -> None:
        """Do without the process for a while."""
        self._end()
        self._not_before = time.monotonic() + _RESTART_SECONDS
        _log.warning("hasher.lost", reason=reason, again_in_seconds=_RESTART_SECONDS)

    def _end(self) -> None:
        process, connection, shared = self._process, self._socket, self._shared
        self._process = self._socket = self._shared = None
        self._ready, self._owed = False, 0
        for each in (connection, shared):
            if each is not None:
                each.close()
        if process is not None:
            process.kill()  # It has nothing to lose, and may be stopped.
            with suppress(subprocess.TimeoutExpired):
                process.wait(_PATIENCE_SECONDS)


def _memory() -> IO[bytes]:
    """Open memory that has no name."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("esep-hasher"), "w+b")
    return tempfile.TemporaryFile()


def _reason(error: OSError) -> str:
    return "it does not answer" if isinstance(error, BlockingIOError) else str(error)
