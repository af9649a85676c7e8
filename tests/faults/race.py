"""Two engines racing for one partition: clients that ask either, pauses, and the audit afterwards.

A client keeps its request id until it has an outcome: an engine that does not answer, or says that it is not
the owner, is left for the other one. Every answer is kept, also those that come late from an engine that was
paused. The audit holds them against the log, and the log against the reference ledger.
"""

import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from random import Random
from typing import Any, Final, cast

from ledger.engine.clock import OffsetClock
from ledger.log.postgres import PostgresLog
from scripts.demo_server import ServerClock
from tests.faults.rival import POLICY, Answer, Ask, Point, StopAt, TellFigures, Told, figures, serve
from tests.faults.traffic import Traffic
from tests.ledger.engine.world import BRISK, Desk, HandClock
from tests.reference.ledger import Ledger
from tests.waiting import eventually

CLIENTS: Final = 16
MOST_UNANSWERED: Final = 60
PATIENCE_SECONDS: Final = 0.4
PAUSE_SECONDS: Final = 0.02
LIMIT_SECONDS: Final = 60.0
ELSEWHERE: Final = frozenset(("NOT_THE_OWNER", "LEDGER_UNAVAILABLE", "SHUTTING_DOWN"))


class Racer:
    """The parent's end of one engine's process."""

    def __init__(self, url: str, clock_file: Path) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, url, clock_file), daemon=True)
        self._process.start()
        theirs.close()
        self.unanswered: dict[int, Ask] = {}

    @property
    def stopped(self) -> bool:
        """Whether the whole process stands still."""
        state = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state == "T"

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)
        eventually(lambda: self.stopped)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def end(self) -> None:
        """Close the pipe, which asks it to stop; make sure that it does."""
        self.resume()
        self.pipe.close()
        self._process.join(20.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _signal(self, number: int) -> None:
        if self._process.pid is not None and self._process.is_alive():
            os.kill(self._process.pid, number)


class Race:
    """Clients, two engines, and everything that was said."""

    def __init__(self, url: str, directory: Path, seed: int) -> None:
        self.random = Random(seed)
        self.traffic = Traffic(self.random)
        self.url = url
        self.clock = ServerClock(directory / "clock")
        self.racers = [Racer(url, directory / "clock") for _ in range(2)]
        self.owner = 0
        """The engine that last told an outcome of its own."""
        self.finished = 0
        self.asked: dict[bytes, Ask] = {}
        self.told: dict[bytes, list[Told]] = defaultdict(list)
        """Every answer about an item, by its id; those that name no outcome are left out."""
        self.late = 0
        """Answers that came when the client had its outcome from elsewhere."""
        self._open: dict[bytes, tuple[Ask, int, float]] = {}
        self._retry: list[tuple[float, Ask, int]] = []
        self._told_figures: dict[int, dict[str, list[int]]] = {}
        for ask in self.traffic.founding(self.clock.now()):
            self._begin(ask)
            self.until(lambda: not self._open)

    def close(self) -> None:
        for racer in self.racers:
            racer.end()

    # Playing.

    def play(self, outcomes: int) -> None:
        """Let clients ask until there are so many more outcomes."""
        enough = self.finished + outcomes
        self.until(lambda: self.finished >= enough, busy=True)

    def settle(self) -> None:
        """Let every client have its outcome."""
        self.until(lambda: not self._open)

    def until(self, reached: Callable[[], bool], *, busy: bool = False) -> None:
        """Serve the clients until something has come about; ``busy`` clients ask for more meanwhile."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while not reached():
            assert time.monotonic() < deadline, self._situation()
            while busy and len(self._open) < CLIENTS:
                self._begin(self.traffic.next(self.clock.now()))
                if self.random.random() < 0.15:
                    self._ask_again()
            self._hear(0.01)
            self._lose_patience()

    def _situation(self) -> str:
        left = [[(ask.name, ask.request.hex()) for ask in racer.unanswered.values()] for racer in self.racers]
        return f"it never came about; {len(self._open)} requests are open, unanswered are {left}"

    def pause_owner_at(self, point: Point) -> Racer:
        """Stop the owner in its next append, at this point."""
        racer = self.racers[self.owner]
        racer.pipe.send(StopAt(point))
        self.until(lambda: racer.stopped, busy=True)
        return racer

    def _begin(self, ask: Ask) -> None:
        self.asked[ask.request] = ask
        self._send(ask, self.owner if self.random.random() < 0.9 else 1 - self.owner)

    def _send(self, ask: Ask, to: int) -> None:
        """Hand a request to an engine; to the other one if this one has left too much unanswered."""
        if len(self.racers[to].unanswered) >= MOST_UNANSWERED:
            to = 1 - to
        self._open[ask.request] = ask, to, time.monotonic()
        self._post(ask, to)

    def _post(self, ask: Ask, to: int) -> None:
        tagged = ask._replace(tag=self.traffic.tag())
        self.racers[to].unanswered[tagged.tag] = tagged
        self.racers[to].pipe.send(tagged)

    def _ask_again(self) -> None:
        """Repeat a finished request, with the same or with other content, at either engine."""
        finished = [ask for request, ask in self.asked.items() if request not in self._open]
        to = self.random.randrange(2)
        if finished and len(self.racers[to].unanswered) < MOST_UNANSWERED:
            ask = self.random.choice(finished)
            other = ask.name not in ("batch", "each") and self.told[ask.request][0].position > 0
            other = other and self.random.random() < 0.3
            self._post(self.traffic.again(ask, other_content=other), to)

    def _hear(self, seconds: float) -> None:
        pipes = {racer.pipe: index for index, racer in enumerate(self.racers)}
        for ready in wait(list(pipes), seconds):
            pipe = cast("Connection", ready)
            answer: Answer = pipe.recv()
            if answer.figures:
                self._told_figures[answer.tag] = answer.figures
            else:
                self._take(pipes[pipe], answer)

    def _take(self, source: int, answer: Answer) -> None:
        ask = self.racers[source].unanswered.pop(answer.tag)
        first = self.asked[ask.request]
        if (ask.content, ask.caller) != (first.content, first.caller):
            assert {told.verdict for told in answer.told} <= {"REQUEST_ID_REUSED", *ELSEWHERE}, (ask, answer)
            return
        if any(told.verdict in ELSEWHERE for told in answer.told):
            current = self._open.get(ask.request)
            if current is not None and current[1] == source:
                self._retry.append((time.monotonic() + PAUSE_SECONDS, ask, 1 - source))
            return
        for item, told in zip(items_of(ask), answer.told, strict=True):
            self.told[item].append(told)
        if self._open.pop(ask.request, None) is None:
            self.late += 1
            return
        self.finished += 1
        if any(told.position and not told.replayed for told in answer.told):
            self.owner = source
        if answer.told[0].verdict == "OK":
            {"transfer": self.traffic.transfers, "authorize": self.traffic.holds, "advise": self.traffic.holds}.get(
                ask.name, []
            ).append(ask.request)

    def _lose_patience(self) -> None:
        now = time.monotonic()
        due, self._retry = (
            [retry for retry in self._retry if retry[0] <= now],
            [retry for retry in self._retry if retry[0] > now],
        )
        for _, ask, to in due:
            if ask.request in self._open:
                self._send(ask, to)
        for ask, to, sent in list(self._open.values()):
            if now - sent > PATIENCE_SECONDS:
                self._send(ask, 1 - to)

    # The audit.

    def audit(self) -> None:
        """Hold what was told against the log, and the log against the reference ledger."""
        log = PostgresLog(self.url)
        try:
            rows = {row.position: row for row in log.read(0, 0, 1_000_000)}
            assert sorted(rows) == list(range(1, len(rows) + 1))
            recorded = log.find(0, [item for ask in self.asked.values() for item in (ask.request, *items_of(ask))])
            self._audit_answers(recorded)
            reference = Ledger(currencies=("KGS", "USD"))
            self._replay(recorded, rows, reference)
            self._audit_figures(log, reference)
        finally:
            log.close()

    def _audit_answers(self, recorded: dict[bytes, int]) -> None:
        for item, answers in self.told.items():
            assert len({(told.verdict, told.position) for told in answers}) == 1, answers
            assert answers[0].position == recorded.get(item, 0), (answers, recorded.get(item))
            assert len([told for told in answers if told.position and not told.replayed]) <= 1, answers
        for request, ask in self.asked.items():
            assert all(self.told[item] for item in items_of(ask)), request.hex()

    def _replay(self, recorded: dict[bytes, int], rows: dict[int, Any], reference: Ledger) -> None:
        """Ask the reference the same in the order of the log; what left no trace is tried at the end."""
        asked = [one for ask in self.asked.values() for one in singles(ask)]
        asked.sort(key=lambda one: recorded.get(one.request, 1 << 62))
        known = set()
        for ask in asked:
            position = recorded.get(ask.request, 0)
            known.add(position)
            at = rows[position].recorded_at if position else reference.now + 1
            said = reference.ask(ask.name, ask.caller, ask.request, at, ask.content, trial=not position)
            assert said == self.told[ask.request][0].verdict, (said, ask, position, self.told[ask.request])
            if ask.name == "batch" and said == "OK":
                known.update(range(position + 1, position + 1 + len(ask.content["items"])))
        for position in rows.keys() - known:
            # What nobody asked for is the engine's own, or stands beside what was asked for.
            topic = rows[position].topic
            assert topic.startswith(("engine.", "claim.", "authorization.expired", "early_reversal.")), topic

    def _audit_figures(self, log: PostgresLog, reference: Ledger) -> None:
        """Compare a third engine, which has read the whole log, with the reference and with both rivals."""
        clock = cast("HandClock", OffsetClock(self.clock._path))
        third = Desk(log, clock, settings=BRISK.__replace__(takeover_after=1e9), policy=POLICY)
        try:
            eventually(lambda: third.engine.durable == log.head(0))
            eventually(lambda: not lapsed_holds(third, reference.now))
            assert posted_and_held(third, reference) == {
                account: (reference.posted(account), reference.held(account, reference.now), own["version"])
                for account, own in reference.accounts.items()
            }
            for key, one in reference.authorizations.items():
                actual: Any = third.aggregate(key)
                assert (actual.state.value, actual.remaining, actual.captured, actual.refunded) == (
                    one["state"],
                    one["remaining"],
                    one["captured"],
                    one["refunded"],
                )
            for racer in self.racers:
                eventually(lambda racer=racer: self._figures_of(racer) == figures(third))  # type: ignore[misc]
        finally:
            third.stop()

    def _figures_of(self, racer: Racer) -> dict[str, list[int]]:
        tag = self.traffic.tag()
        racer.pipe.send(TellFigures(tag))
        self.until(lambda: tag in self._told_figures)
        return self._told_figures.pop(tag)


def items_of(ask: Ask) -> list[bytes]:
    """Return the ids under which a request's outcomes are told."""
    return [request for request, _ in ask.content["items"]] if ask.name == "each" else [ask.request]


def singles(ask: Ask) -> list[Ask]:
    """Return what the reference is asked: each transfer of a batch of separate ones by itself, and once."""
    if ask.name != "each":
        return [ask]
    unique = dict(ask.content["items"])
    return [ask._replace(name="transfer", request=request, content=content) for request, content in unique.items()]


def lapsed_holds(desk: Desk, now: int) -> list[Any]:
    """Return the open holds whose end the owner has still to record."""
    return [held for held in list(desk.books.open.values()) if held.expires_at <= now]


def posted_and_held(desk: Desk, reference: Ledger) -> dict[int, tuple[int, int, int]]:
    """Return what an engine holds of the reference's accounts."""
    return {
        account: (desk.posted(account), desk.held(account), desk.books.accounts.version[account])
        for account in reference.accounts
    }
