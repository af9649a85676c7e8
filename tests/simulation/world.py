"""One seed: engines that come and go, a database that fails, projections, clients and an auditor, until all is quiet.

While the faults last, anything may happen to anybody. Then they end, every client gets its outcome, and whatever was
promised must be there: the log against what was answered, engines and projections against the log, and an engine that
starts from a snapshot against one that reads everything.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple
from unittest.mock import patch

import msgspec
import structlog

from domain.event import Policy
from domain.leaf import leaf_hash
from ledger.engine import snapshot
from ledger.engine.decider import Decider
from ledger.engine.engine import Engine
from ledger.engine.follower import Follower
from ledger.engine.loading import empty_decider, load_decider
from ledger.engine.modes import Mode
from ledger.engine.settings import EngineSettings
from ledger.engine.tickets import Ticket
from tests.faults.rival import Ask
from tests.simulation.auditor import DIVERGED, Auditor, Violation, require
from tests.simulation.bulks import BulkTraffic, moved_back
from tests.simulation.clients import Clients, Deliver, Wire, make_ticket, submit, told_of
from tests.simulation.database import PARTITION, Connection, Database
from tests.simulation.faults import Fault, Faults
from tests.simulation.projector import ONE_BY_ONE, Projections
from tests.simulation.scheduler import SECOND, Process, Scheduler, Threads

START: Final = 1_790_000_000 * SECOND
DAY: Final = 86_400
_ENGINES: Final = 2
_LIMIT_SECONDS: Final = 600
"""Within which, once nothing fails any more, every request must have its outcome."""
_LOOK_STEPS: Final = 64
_MOST_STEPS: Final = 100_000
"""Turns after which a seed is going round in circles; most take a tenth of that."""


class Result(NamedTuple):
    """What became of a seed."""

    seed: int
    commands: int
    acknowledged: int
    faults: Counter[Fault]
    kinds: Counter[str]
    digest: str
    steps: int
    violation: str
    """What must not have been, with the kind that it is counted as before it; nothing when all was well."""


class HostClock:
    """One process's clock: the time, and by how much it is wrong."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.offset = 0

    def now(self) -> int:
        if self._scheduler.running:
            self._scheduler.yield_turn()
        return self._scheduler.now + self.offset


class Host:
    """A process with an engine and the edge before it."""

    def __init__(self, world: "World", number: int) -> None:
        scheduler = world.scheduler
        self.world = world
        self.process: Process = scheduler.process(f"engine-{number}")
        self.connection = Connection(world.database, self.process, lambda: world.kill_soon(self))
        self.clock = HostClock(scheduler)
        self._inbox: list[Callable[[], None]] = []
        self.engine = Engine(
            self.connection,
            self.clock,
            policy=world.policy,
            settings=world.settings,
            on_fatal=world.broke,
            threads=Threads(scheduler, self.process),
        )
        self.engine.owner = self.process.name
        self._edge = scheduler.start(self.process, "edge", self._serve)

    def arrive(self, ask: Ask, deliver: Deliver, *, trial: bool) -> None:
        """Take a message from the network."""
        ticket = make_ticket(ask, trial=trial)

        def answer(answered: Ticket) -> None:
            # When the outcome is told, not when it arrives: by then the log may have moved on.
            told = told_of(answered, ask, self)
            self.world.wire.carry(lambda: deliver(told), request=False)

        ticket.deliver = answer
        self._inbox.append(lambda: submit(self.engine, ticket))
        self.world.scheduler.wake(self._edge)

    @property
    def log(self) -> "Host":
        """What reads a first outcome again, without a fault of its own."""
        return self

    def read(self, partition: int, after: int, limit: int) -> list[Any]:
        rows = self.world.database.rows[after : after + limit]
        require(rows, "lost", f"an answer stands on position {after + 1}, where nothing is")
        return rows

    def _serve(self) -> None:
        self.engine.start()
        while True:
            while self._inbox:
                self._inbox.pop(0)()
            self.world.scheduler.block()


class World:
    """Everything there is under one seed."""

    def __init__(self, seed: int, *, commands: int, directory: Path | None, only: frozenset[Fault] | None) -> None:
        self.seed = seed
        self.scheduler = Scheduler(seed, START)
        random = self.scheduler.random
        self.faults = Faults(random, only)
        self.scheduler.preempt = random.choice((0.0, 0.02, 0.1, 0.3))
        self.settings = EngineSettings(
            max_batch_events=random.choice((1, 4, 30, 8_192)),
            max_queued=random.choice((20, 200_000)),
            recent_requests=random.choice((8, 60, 500_000)),
            cached_aggregates=random.choice((2, 20, 100_000)),
            expiries_per_batch=random.choice((1, 500)),
            snapshot_every=random.choice((7, 30, 1_000_000)),
            beat_interval=1.0,
            takeover_after=random.choice((2.0, 5.0)),
            standby_interval=0.8,
        )
        self.many = random.choice((1, 3, 64))
        self.most_bulks = random.choice((1, 2, 64))
        self.together = random.choice((1, 4, ONE_BY_ONE))
        self.database = Database(self.scheduler, self.faults)
        self.policy = Policy(currencies=("KGS", "USD"), hold_ttl_seconds=random.choice((3, 20, 7 * DAY)))
        self.auditor = Auditor(self.database, hold_seconds=self.policy.hold_ttl_seconds)
        self.auditor.on_takeover = self._taken_over
        self.wire = Wire(self.scheduler, self.faults)
        traffic = BulkTraffic(Random(random.randrange(1 << 62)))
        self.clients = Clients(
            self.scheduler, traffic, self.auditor, self._send, number=random.choice((1, 4, 10)), commands=commands
        )
        self.hosts: list[Host | None] = [None] * _ENGINES
        self.made = 0
        self.projections = None if directory is None else Projections(self.scheduler, self.database, directory)

    def run(self) -> None:
        """Let the seed happen."""
        for slot in range(_ENGINES):
            self._boot(slot)
        if self.projections is not None:
            self.projections.boot()
        self.clients.begin()
        for kind, strike in self._strikes().items():
            if kind in self.faults.kinds:
                self._plan(kind, strike)
        self.scheduler.run(self._look_and(lambda: self.clients.settled or not self.clients.open))
        self._calm_down()
        end = self.scheduler.now + _LIMIT_SECONDS * SECOND
        self.scheduler.run(self._look_and(lambda: self._quiet() or self.scheduler.now > end))
        require(self.clients.settled, DIVERGED, f"no outcome for {self.clients.waiting[:3]}; {self._modes()}")
        require(self._quiet(), DIVERGED, f"it never grew quiet: {self._modes()}")
        self._finish()

    def close(self) -> None:
        self.scheduler.close()

    # Engines.

    def _boot(self, slot: int) -> None:
        self.made += 1
        self.hosts[slot] = Host(self, self.made)

    def kill_soon(self, host: Host) -> None:
        delay = self.scheduler.random.choice((0.0, 0.0005, 0.002, 0.02))
        self.scheduler.after(delay, lambda: self._kill(host), alone=True)

    def _kill(self, host: Host) -> None:
        if host.process.dead or self.faults.calm:
            return
        slot = self.hosts.index(host)
        self.scheduler.kill(host.process)
        self.hosts[slot] = None
        self.scheduler.after(self.scheduler.random.choice((0.05, 1.0, 8.0)), lambda: self._boot(slot), alone=True)

    def _taken_over(self, before: str, after: str) -> None:
        alive = {host.process.name: host.engine for host in self.hosts if host is not None}
        if before != after and before in alive and alive[before].serving:
            self.faults.happened(Fault.TAKEOVER)

    def broke(self, failure: BaseException) -> None:
        self.scheduler.fail(Violation(DIVERGED, f"an engine cannot go on: {failure!r}"))

    def _send(self, slot: int, ask: Ask, trial: bool, deliver: Deliver) -> None:  # noqa: FBT001 - a Send
        def arrive() -> None:
            host = self.hosts[slot]
            if host is not None:
                host.arrive(ask, deliver, trial=trial)

        self.wire.carry(arrive, request=True)

    # Faults that come by themselves.

    def _strikes(self) -> dict[Fault, Callable[[], bool]]:
        return {
            Fault.CUT_OFF: self._cut_off,
            Fault.FAILOVER: self._fail_over,
            Fault.CRASH: self._crash,
            Fault.PAUSE: self._pause,
            Fault.STOP: self._stop,
            Fault.CLOCK: self._set_clock,
            Fault.LEAP: self._leap,
            Fault.PROJECTOR_CRASH: self._crash_projector,
            Fault.REBUILD: self._rebuild,
        }

    def _plan(self, kind: Fault, strike: Callable[[], bool]) -> None:
        def happen() -> None:
            if self.faults.calm:
                return
            if strike():
                self.faults.happened(kind)
                self.scheduler.note(kind)
            self._plan(kind, strike)

        self.scheduler.after(self.faults.next_in(kind), happen, alone=True)

    def _some_host(self) -> Host | None:
        alive = [host for host in self.hosts if host is not None and not host.process.paused]
        owners = [host for host in alive if host.engine.mode is Mode.OWNER]
        if owners and self.scheduler.random.random() < 0.7:
            return owners[0]
        return self.scheduler.random.choice(alive) if alive else None

    def _cut_off(self) -> bool:
        host = self._some_host()
        if host is None:
            return False
        connection = host.connection
        connection.cut_off = True

        def mend() -> None:
            connection.cut_off = False

        self.scheduler.after(self.scheduler.random.uniform(0.5, 12), mend)
        return True

    def _fail_over(self) -> bool:
        """Let the database ail for a while, so that nobody hears of a commit that readers see, and then be replaced."""
        if self.database.ailing:
            return False
        self.database.ailing = True
        self.scheduler.after(self.scheduler.random.choice((0.0, 0.5, 3.0, 8.0)), self.database.fail_over)
        return True

    def _crash(self) -> bool:
        host = self._some_host()
        if host is not None:
            self._kill(host)
        return host is not None

    def _pause(self) -> bool:
        host = self._some_host()
        if host is None:
            return False
        process = host.process
        self.scheduler.pause(process)
        self.scheduler.after(self.scheduler.random.uniform(0.2, 20), lambda: self.scheduler.resume(process))
        return True

    def _stop(self) -> bool:
        host = self._some_host()
        if host is None:
            return False
        slot = self.hosts.index(host)

        def stop() -> None:
            host.engine.stop(20.0)
            self.scheduler.after(0.0, gone, alone=True)

        def gone() -> None:
            self.scheduler.kill(host.process)
            if self.hosts[slot] is host:
                self._boot(slot)

        self.scheduler.start(host.process, "stop", stop)
        return True

    def _set_clock(self) -> bool:
        host = self._some_host()
        if host is None:
            return False
        host.clock.offset = int(self.scheduler.random.uniform(-10, 10) * SECOND)
        return True

    def _leap(self) -> bool:
        self.scheduler.leap(self.scheduler.random.choice((1, 4, 8)) * DAY)
        return True

    def _crash_projector(self) -> bool:
        return self.projections is not None and self.projections.crash()

    def _rebuild(self) -> bool:
        return self.projections is not None and self.projections.rebuild()

    # Looking.

    def _look_and(self, until: Callable[[], bool]) -> Callable[[], bool]:
        """Look at the engines now and then, whatever else is waited for."""
        last = 0

        def look() -> bool:
            nonlocal last
            if self.scheduler.steps - last >= _LOOK_STEPS:
                last = self.scheduler.steps
                self._compare_engines()
                require(last < _MOST_STEPS, DIVERGED, f"it goes round in circles: {self._modes()}")
            return until()

        return look

    def _compare_engines(self) -> None:
        position = self.auditor.position
        if not position or position != self.database.head:
            return
        last = leaf_hash(self.database.rows[-1])
        for host in self.hosts:
            # One that has decided more than it knows to be durable may be about to learn that it was not, and one
            # that has seen what a failover dropped will learn that when it next looks.
            engine = None if host is None else host.engine
            if engine is not None and engine.decided == engine.durable == position and engine._follower.last == last:
                compare(self.auditor, engine.owner, engine._decider)

    def _modes(self) -> list[str]:
        return [f"{host.process.name} {host.engine.mode.name}" for host in self.hosts if host is not None]

    # The end.

    def _calm_down(self) -> None:
        """Nothing fails any more; whoever stands still goes on, whoever is dead comes back."""
        self.faults.calm = True
        for host in self.hosts:
            if host is not None:
                host.connection.cut_off = False
                host.clock.offset = 0
                self.scheduler.resume(host.process)
        if self.projections is not None:
            self.projections.calm_down()

    def _quiet(self) -> bool:
        """Tell whether everybody has seen everything, and nothing is left to do."""
        if not self.clients.settled or self.database.settled != self.database.head:
            return False
        now = self.scheduler.now
        alive = [host for host in self.hosts if host is not None]
        engines = [host.engine for host in alive]
        return (
            any(engine.mode is Mode.OWNER for engine in engines)
            and len(engines) == _ENGINES
            and all(engine.decided == self.database.head and not engine.queued for engine in engines)
            and not any(one.expires_at <= now for engine in engines for one in engine._decider.books.open.values())
            and (self.projections is None or self.projections.in_step)
        )

    def _finish(self) -> None:
        self.auditor.finish()
        self._compare_engines()
        if self.projections is not None:
            self.projections.compare(self.auditor)
        reader = self.scheduler.process("reader")
        self.scheduler.start(reader, "reader", lambda: self._restart(reader))
        self.scheduler.run(lambda: not reader.tasks)

    def _restart(self, process: Process) -> None:
        """Compare a start from a snapshot with one that reads everything."""
        log = Connection(self.database, process)
        while True:
            kept = self._started(log, load_decider)
            made = self._started(log, lambda log, *rest: empty_decider(*rest))
            if kept["position"] == made["position"]:
                break  # Or a hold has lapsed between the two.
        other = [name for name in kept if kept[name] != made[name]]
        require(not other, DIVERGED, f"a start from a snapshot is not one from the beginning: {other}")

    def _started(self, log: Connection, load: Callable[..., Decider]) -> dict[str, Any]:
        decider = load(log, PARTITION, self.settings, self.policy, HostClock(self.scheduler))
        follower = Follower(log, PARTITION)
        follower.start_from(decider.position)
        follower.follow(decider)
        compare(self.auditor, "a start", decider)
        ahead = decider.recent.ahead(decider.recorded_at)
        state: dict[str, Any] = msgspec.msgpack.decode(
            snapshot.dump(decider.books, decider.position, decider.recorded_at, ahead)
        )
        state["open"].sort()  # What was undone and done again stands behind what was not.
        del state["ahead"]  # Which ids are kept, and which looked up, goes by when a generation was full.
        return state


def compare(auditor: Auditor, whose: str, decider: Any) -> None:
    """Compare an engine's books with the auditor's figures."""
    accounts = decider.books.accounts
    now = auditor.recorded_at

    def figures(account: int) -> tuple[int, int] | None:
        index = accounts.find(account)
        if index < 0:
            return None
        lapsed = sum(one.remaining for one in decider.books.lapsed((account,), now))
        return accounts.posted[index], accounts.held[index] - lapsed

    auditor.compare(whose, figures)
    held = {key for key, one in auditor.reference.authorizations.items() if one["state"] == "open"}
    held = {key for key in held if auditor.reference.authorizations[key]["expires"] > now}
    found = {key for key, one in decider.books.open.items() if one.expires_at > now}
    require(held == found, DIVERGED, f"{whose} holds other authorisations open")
    for leg, back in moved_back(decider.books).items():
        due = auditor.reference.bulk_legs[leg]["reversed"]
        require(back == due, DIVERGED, f"{whose} has {back} moved back of leg {leg[1]} of {leg[0].hex()}, not {due}")


@contextmanager
def quiet(world: World) -> Iterator[None]:
    """Leave the engine's own log out, and go other ways with as few of a thing as the seed says."""
    with ExitStack() as stack:
        stack.enter_context(patch("ledger.engine.intake._MANY", world.many))
        stack.enter_context(patch("domain.books.MOST_BULKS", world.most_bulks))
        stack.enter_context(patch("projections.statements._LEAST_TOGETHER", world.together))
        stack.enter_context(structlog.testing.capture_logs())
        yield


def simulate(seed: int, *, commands: int = 60, projected: bool = True, only: frozenset[Fault] | None = None) -> Result:
    """Run one seed; the same seed gives the same result."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="esep-seed-", dir=_memory())))
        world = World(seed, commands=commands, directory=directory if projected else None, only=only)
        stack.enter_context(quiet(world))
        violation = ""
        try:
            world.run()
        except Exception as failure:  # noqa: BLE001 - it is the result
            violation = str(failure) if isinstance(failure, Violation) else f"{DIVERGED}: {failure!r}"
        finally:
            world.close()
        return Result(
            seed,
            world.clients.commands,
            world.auditor.acknowledged,
            world.faults.counts,
            world.auditor.kinds,
            world.scheduler.digest(),
            world.scheduler.steps,
            violation,
        )


def _memory() -> str | None:
    """Return where files cost no disk, None where the system says nothing of it."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a directory is made in it
