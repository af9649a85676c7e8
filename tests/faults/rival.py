"""One of two engines over one database, in a process of its own, that can stop itself in the middle of a commit.

The log is the product's, with a place in its append at which the whole process is stopped (SIGSTOP), as a
machine's pause would stop it: no thread of it runs and no connection is closed. What is asked comes over a
pipe, and what is answered goes back over it.
"""

import os
import queue
import signal
import threading
from collections.abc import Callable, Sequence
from enum import Enum, auto
from hashlib import sha256
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import psycopg
import structlog
from psycopg.pq import ConnStatus, ExecStatus

from domain.event import Policy
from domain.ports import Row
from domain.refusals import Refused
from ledger.engine.clock import OffsetClock
from ledger.engine.settings import EngineSettings
from ledger.engine.tickets import BatchOutcome, BatchTicket, CommandTicket, Declined, Repeated, Ticket
from ledger.log.direct import DirectConnection
from ledger.log.errors import LogError
from ledger.log.postgres import _COPY, PostgresLog, _grow
from ledger.log.trees import Growth
from tests.ledger.engine.translation import Content, to_command, to_transfer, verdict
from tests.ledger.engine.world import Desk

POLICY: Final = Policy(currencies=("KGS", "USD"))
SETTINGS: Final = EngineSettings(
    beat_interval=0.05, standby_interval=0.02, retry_interval=0.01, patience=0.2, takeover_after=2.0
)
"""The silence is long enough that an owner is not taken for dead before it is paused, by a machine that is busy."""


class Point(Enum):
    """Where in an append the process stops."""

    COPYING = auto()
    """The rows are on their way, the COPY is not ended."""
    BEFORE_COMMIT = auto()
    """The rows are in, the COMMIT is not sent."""
    COMMIT_SENT = auto()
    """The COMMIT is sent, its answer not read."""
    ANSWER_LOST = auto()
    """The COMMIT is sent, and its answer never read: the connection breaks while the process stands still."""


class Ask(NamedTuple):
    """A request; ``name`` is the reference ledger's, or ``each`` for a batch of separate transfers."""

    tag: int
    name: str
    request: bytes
    content: Content
    caller: str


class StopAt(NamedTuple):
    """Stop in the next append, at this point of it."""

    point: Point


class TellFigures(NamedTuple):
    """Tell every figure of every account."""

    tag: int


class Told(NamedTuple):
    """What became of one item of a request; ``position`` is 0 where nothing is recorded of it."""

    verdict: str
    position: int
    replayed: bool


class Answer(NamedTuple):
    """An answer to the message with this tag: outcomes by item, or figures."""

    tag: int
    told: list[Told]
    figures: dict[str, list[int]]


class StoppingLog(PostgresLog):
    """A log in which an append can be made to stop the process."""

    stop_at: Point | None = None
    _armed: Point | None = None

    def append(self, rows: Sequence[Row]) -> None:
        self._armed, self.stop_at = self.stop_at, None
        super().append(rows)

    def _insert(self, writer: DirectConnection, rows: Sequence[Row], growth: Growth) -> None:
        point, self._armed = self._armed, None
        if point is None:
            super()._insert(writer, rows, growth)
        elif point is Point.COPYING:
            self._copy_and_stop(writer, rows, growth)
        else:
            self._insert_and_stop(writer, rows, growth, point)

    def _copy_and_stop(self, writer: DirectConnection, rows: Sequence[Row], growth: Growth) -> None:
        libpq = writer.connection.pgconn
        writer._checked(libpq.exec_(f"{_COPY}; {_grow(growth)}".encode()), ExecStatus.COPY_IN)
        libpq.put_copy_data(self._packer.pack(growth.batch))
        libpq.flush()
        stop()
        libpq.put_copy_end()
        _finish(writer)

    def _insert_and_stop(self, writer: DirectConnection, rows: Sequence[Row], growth: Growth, point: Point) -> None:
        libpq = writer.connection.pgconn
        writer._checked(libpq.exec_(b"BEGIN"), ExecStatus.COMMAND_OK)
        super()._insert(writer, rows, growth)
        if point is Point.BEFORE_COMMIT:
            stop()
        libpq.send_query(b"COMMIT")
        libpq.flush()
        if point is not Point.BEFORE_COMMIT:
            stop()
        if point is Point.ANSWER_LOST:
            writer.close()
            raise psycopg.OperationalError("the connection broke")
        _finish(writer)


def _finish(writer: DirectConnection) -> None:
    """Read the outcome of the command under way, and that there is no other."""
    libpq = writer.connection.pgconn
    outcome = following = libpq.get_result()
    while libpq.status == ConnStatus.OK and following is not None:
        outcome, following = following, libpq.get_result()
    writer._checked(outcome, ExecStatus.COMMAND_OK)


def stop() -> None:
    """Stop every thread of this process until somebody lets it go on."""
    os.kill(os.getpid(), signal.SIGSTOP)


def serve(pipe: Connection, url: str, clock_file: Path) -> None:
    """Answer what comes over the pipe until its other end is closed. Runs in the child."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    log = StoppingLog(url)
    desk = Desk(log, OffsetClock(clock_file), settings=SETTINGS, policy=POLICY)  # type: ignore[arg-type]
    rival = Rival(pipe, desk)
    threading.Thread(target=rival.answer, daemon=True).start()
    try:
        while True:
            message = pipe.recv()
            if isinstance(message, StopAt):
                log.stop_at = message.point
            elif isinstance(message, TellFigures):
                rival.tell_figures(message.tag)
            else:
                rival.ask(message)
    except EOFError:
        desk.stop()
        log.close()


class Rival:
    """Hands requests to the engine, and its outcomes to the pipe, in the reference ledger's terms."""

    def __init__(self, pipe: Connection, desk: Desk) -> None:
        self._pipe = pipe
        self._desk = desk
        self._answers: queue.SimpleQueue[Callable[[], Answer]] = queue.SimpleQueue()

    def ask(self, ask: Ask) -> None:
        """Submit a request."""
        ticket = ticket_of(ask)

        def deliver(answered: Ticket) -> None:
            self._answers.put(lambda: Answer(ask.tag, self._told(answered, ask), {}))

        ticket.deliver = deliver
        try:
            self._desk.engine.submit(ticket)
        except Refused as refused:
            ticket.outcome = Declined(refused.refusal)
            deliver(ticket)

    def tell_figures(self, tag: int) -> None:
        """Answer with the figures of now."""
        self._answers.put(lambda: Answer(tag, [], figures(self._desk)))

    def answer(self) -> None:
        """Send answers as they come."""
        while True:
            self._pipe.send(self._answers.get()())

    def _told(self, ticket: Ticket, ask: Ask) -> list[Told]:
        outcome = ticket.outcome
        try:
            if isinstance(outcome, BatchOutcome):
                assert isinstance(ticket, BatchTicket)
                special = dict(outcome.declined) | dict(outcome.repeated)
                return [
                    self._one(special[index], ask, ticket.transfers[index])
                    if index in special
                    else Told("OK", outcome.positions[index], replayed=False)
                    for index in range(len(ticket.transfers))
                ]
            command = ticket.fingerprint if isinstance(ticket, BatchTicket) else ticket.command  # type: ignore[attr-defined]
            told = self._one(outcome, ask, command)
        except LogError:
            told = Told("LEDGER_UNAVAILABLE", 0, replayed=False)  # The first outcome could not be read.
        return [told] * (len(ticket.transfers) if ask.name == "each" and isinstance(ticket, BatchTicket) else 1)

    def _one(self, outcome: Any, ask: Ask, command: Any) -> Told:
        said = verdict(self._desk, outcome, ask.caller, command)
        repeated = isinstance(outcome, Repeated) and outcome.replayed
        return Told(said, 0 if said == "REQUEST_ID_REUSED" else outcome.position, replayed=repeated)


def ticket_of(ask: Ask) -> Ticket:
    """Return the engine's ticket for a request."""
    if ask.name not in ("batch", "each"):
        return CommandTicket(to_command(ask.name, ask.request, ask.content), ask.request, ask.caller)
    transfers = [to_transfer(request, content) for request, content in ask.content["items"]]
    if ask.name == "each":
        return BatchTicket(transfers, ask.caller)
    fingerprint = sha256(msgspec.json.encode([repr(item) for item in ask.content["items"]])).hexdigest()
    return BatchTicket(transfers, ask.caller, atomic=True, request_id=ask.request, fingerprint=fingerprint)


def figures(desk: Desk) -> dict[str, list[int]]:
    """Return what an engine holds of each account, and how far it has followed the log."""
    accounts = desk.books.accounts
    names = ("posted", "held", "overdraft_limit", "minimum_balance", "version", "restrictions")
    found = {name: list(getattr(accounts, name)) for name in names}
    return found | {"durable": [desk.engine.durable], "open": [len(desk.books.open)]}
