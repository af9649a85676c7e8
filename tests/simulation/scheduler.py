"""Threads of which one runs at a time, in virtual time, and a seed that says which one is next.

A simulated thread is a thread of the system that waits for its turn whenever it would wait for anything: it hands the
turn over itself. So the product's code runs as it is, and the same seed gives the same history, step by step.
What belongs to a process that was killed never runs again; its threads are unwound at once, by an exception that
passes through them.
"""

import threading
from collections.abc import Callable
from hashlib import sha256
from heapq import heappop, heappush
from random import Random
from typing import Any, Final

SECOND: Final = 1_000_000
_LONGEST_STEP: Final = 30
"""Microseconds that pass while one thread has its turn, at the most."""

Callback = Callable[[], object]


class Killed(BaseException):
    """The process of this thread was killed."""


class Process:
    """What is killed, paused and resumed together: the threads of one program."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        self.paused = False
        self.tasks: list[Task] = []
        self.parked: list[Task] = []

    def check(self) -> None:
        if self.dead:
            raise Killed


class Task:
    """One simulated thread."""

    def __init__(self, scheduler: "Scheduler", process: Process, name: str, work: Callback) -> None:
        self.process = process
        self.name = name
        self.finished = False
        self.waits = 0
        self.blocked = False
        self.woken = False
        self.joiners: list[Task] = []
        self.baton = threading.Lock()
        self.baton.acquire()
        self.ended = threading.Lock()
        self.ended.acquire()
        self._scheduler = scheduler
        self._work = work
        self._thread = threading.Thread(target=self._run, name=f"{process.name}:{name}", daemon=True)

    def begin(self) -> None:
        self.process.tasks.append(self)
        self._thread.start()
        self._scheduler.make_ready(self)

    def _run(self) -> None:
        self.baton.acquire()
        try:
            self.process.check()
            self._work()
        except Killed:
            pass
        except BaseException as failure:  # noqa: BLE001 - told by the scheduler
            self._scheduler.fail(failure)
        self.finished = True
        if self.process.dead:
            self.ended.release()
            return
        self.process.tasks.remove(self)
        for joiner in self.joiners:
            self._scheduler.wake(joiner)
        self._scheduler.leave()

    def unwind(self) -> None:
        """Let a thread of a killed process come to its end, which it does without handing over the turn."""
        self.baton.release()
        self.ended.acquire()
        self._thread.join()


class Scheduler:
    """Whose turn it is, and what time."""

    def __init__(self, seed: int, start: int) -> None:
        self.random = Random(seed)
        self.now = start
        self.steps = 0
        self.failure: BaseException | None = None
        self.preempt = 0.03
        """How likely a thread loses its turn where it need not."""
        self.processes: list[Process] = []
        self._digest = sha256()
        self._ready: list[Task] = []
        self._timers: list[tuple[int, int, bool, Callback]] = []
        self._made = 0
        self._current: Task | None = None
        self._main = threading.Lock()
        self._main.acquire()
        self._on_main: Callback | None = None
        self._until: Callable[[], bool] = lambda: True

    # What happened.

    @property
    def running(self) -> bool:
        """Whether a simulated thread is having its turn."""
        return self._current is not None

    def note(self, *what: object) -> None:
        """Let something be part of the history that is the same for the same seed."""
        self._digest.update(f"{self.steps} {self.now} {what!r}\n".encode())

    def digest(self) -> str:
        return self._digest.hexdigest()

    def fail(self, failure: BaseException) -> None:
        if self.failure is None:
            self.failure = failure

    # Processes and their threads.

    def process(self, name: str) -> Process:
        made = Process(name)
        self.processes.append(made)
        return made

    def start(self, process: Process, name: str, work: Callback) -> Task:
        task = Task(self, process, name, work)
        task.begin()
        return task

    def kill(self, process: Process) -> None:
        """Kill a process; only from ``run`` itself, so not from a thread that might be one of its own."""
        if process.dead:
            return
        self.note("killed", process.name)
        process.dead = True
        for task in process.tasks:
            task.unwind()
        self._ready = [task for task in self._ready if task.process is not process]
        process.tasks.clear()
        process.parked.clear()

    def pause(self, process: Process) -> None:
        process.paused = True

    def resume(self, process: Process) -> None:
        process.paused = False
        for task in process.parked:
            self.make_ready(task)
        process.parked.clear()

    # Turns.

    @property
    def current(self) -> Task:
        if self._current is None:
            raise RuntimeError("no simulated thread is running")
        return self._current

    def make_ready(self, task: Task) -> None:
        self._ready.append(task)

    def yield_turn(self) -> None:
        """Let another thread go on, perhaps."""
        task = self.current
        task.process.check()
        if self.random.random() < self.preempt:
            self.make_ready(task)
            self._switch(task)

    def sleep(self, seconds: float) -> None:
        self.block(seconds)

    def block(self, seconds: float | None = None) -> bool:
        """Wait until woken, no longer than so many seconds; return whether somebody did."""
        task = self.current
        task.process.check()
        task.waits += 1
        task.blocked, task.woken = True, False
        if seconds is not None:
            turn = task.waits
            self.after(seconds, lambda: self._time_out(task, turn))
        self._switch(task)
        return task.woken

    def wake(self, task: Task) -> None:
        if task.blocked and not task.process.dead:
            task.blocked, task.woken = False, True
            self.make_ready(task)

    def _time_out(self, task: Task, turn: int) -> None:
        if task.blocked and task.waits == turn and not task.process.dead:
            task.blocked = False
            self.make_ready(task)

    def after(self, seconds: float, callback: Callback, *, alone: bool = False) -> None:
        """Have something done later; ``alone`` where no thread may be having its turn meanwhile."""
        self._made += 1
        heappush(self._timers, (self.now + max(0, int(seconds * SECOND)), self._made, alone, callback))

    def leap(self, seconds: float) -> None:
        """Let a long time pass at once."""
        self.now += int(seconds * SECOND)

    def run(self, until: Callable[[], bool]) -> None:
        """Let everybody have turns until something is so, or something fails."""
        self._until = until
        while self.failure is None and not until():
            task = self._pick()
            if task is not None:
                self._current = task
                task.baton.release()
                self._main.acquire()
                self._current = None
            elif self._on_main is not None:
                callback, self._on_main = self._on_main, None
                callback()
            elif not self._reached():
                raise RuntimeError("nothing will ever happen any more")
        if self.failure is not None:
            raise self.failure

    def close(self) -> None:
        """End every thread there is."""
        for process in self.processes:
            self.kill(process)

    def _switch(self, task: Task) -> None:
        self.hand_over(self._pick(), task)
        if task.process.dead:
            raise Killed
        self._current = task

    def hand_over(self, chosen: Task | None, task: Task) -> None:
        if chosen is task:
            return
        if chosen is None:
            self._main.release()
        else:
            self._current = chosen
            chosen.baton.release()
        task.baton.acquire()

    def leave(self) -> None:
        """Hand over the turn for good."""
        chosen = self._pick()
        if chosen is None:
            self._main.release()
        else:
            self._current = chosen
            chosen.baton.release()

    def _reached(self) -> bool:
        try:
            return self._until()
        except Exception as failure:  # noqa: BLE001 - told by ``run``: the product is on the stack
            self.fail(failure)
            return True

    def _pick(self) -> Task | None:
        """Return whose turn it is, None for whoever called ``run``."""
        ready, timers = self._ready, self._timers
        while self.failure is None and self._on_main is None:
            self.steps += 1
            if self._reached():
                return None
            if timers and (timers[0][0] <= self.now or not ready):
                at, _, alone, callback = heappop(timers)
                self.now = max(self.now, at)
                if alone:
                    self._on_main = callback
                    return None
                try:
                    callback()
                except BaseException as failure:  # noqa: BLE001 - told by ``run``
                    self.fail(failure)
                ready = self._ready
                continue
            if not ready:
                return None
            index = int(self.random.random() * len(ready))
            ready[index], ready[-1] = ready[-1], ready[index]
            task = ready.pop()
            if task.process.paused:
                task.process.parked.append(task)
                continue
            self.now += 1 + int(self.random.random() * _LONGEST_STEP)
            self._digest.update(f"{self.now}{task.process.name}{task.name}".encode())
            return task
        return None


class Threads:
    """The product's threads, of one simulated process."""

    def __init__(self, scheduler: Scheduler, process: Process) -> None:
        self._scheduler = scheduler
        self._process = process

    def thread(self, target: Callable[..., object], name: str, *arguments: Any) -> "SimulatedThread":
        return SimulatedThread(self._scheduler, self._process, name, lambda: target(*arguments))

    def condition(self) -> Any:
        return SimulatedCondition(self._scheduler, self._process)

    def event(self) -> Any:
        return SimulatedEvent(self._scheduler, self._process)

    def pool(self, threads: int, name: str) -> Any:
        return SimulatedPool(self._scheduler, self._process, threads, name)


class SimulatedThread:
    """A thread that is started and joined."""

    def __init__(self, scheduler: Scheduler, process: Process, name: str, work: Callback) -> None:
        self._scheduler = scheduler
        self._task = Task(scheduler, process, name, work)

    def start(self) -> None:
        self._task.process.check()
        self._task.begin()

    def join(self, timeout: float | None = None) -> None:
        if not self._task.finished:
            self._task.joiners.append(self._scheduler.current)
            self._scheduler.block(timeout)


class SimulatedCondition:
    """A condition with a lock that its holder may take again."""

    def __init__(self, scheduler: Scheduler, process: Process) -> None:
        self._scheduler = scheduler
        self._process = process
        self._holder: Task | None = None
        self._depth = 0
        self._at_the_door: list[Task] = []
        self._waiting: list[Task] = []

    def __enter__(self) -> bool:
        self._process.check()
        task = self._scheduler.current
        if self._holder is task:
            self._depth += 1
            return True
        self._scheduler.yield_turn()
        self._take(task, 1)
        return True

    def __exit__(self, *_: object) -> None:
        if self._process.dead:
            return
        self._depth -= 1
        if not self._depth:
            self._let_go()

    def wait(self, timeout: float | None = None) -> bool:
        task, depth = self._scheduler.current, self._depth
        if self._holder is not task:
            raise RuntimeError("waited for a condition that was not held")
        self._waiting.append(task)
        self._let_go()
        woken = self._scheduler.block(timeout)
        if task in self._waiting:
            self._waiting.remove(task)
        self._take(task, depth)
        return woken

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        end = None if timeout is None else self._scheduler.now + int(timeout * SECOND)
        while not (result := predicate()):
            left = None if end is None else (end - self._scheduler.now) / SECOND
            if left is not None and left <= 0:
                break
            self.wait(left)
        return result

    def notify(self, n: int = 1) -> None:
        for task in self._waiting[:n]:
            self._waiting.remove(task)
            self._scheduler.wake(task)

    def notify_all(self) -> None:
        self.notify(len(self._waiting))

    def _take(self, task: Task, depth: int) -> None:
        while self._holder is not None:
            self._at_the_door.append(task)
            self._scheduler.block()
        self._holder, self._depth = task, depth

    def _let_go(self) -> None:
        self._holder, self._depth = None, 0
        waiting, self._at_the_door = self._at_the_door, []
        for task in waiting:
            self._scheduler.wake(task)


class SimulatedEvent:
    """Something that happens once."""

    def __init__(self, scheduler: Scheduler, process: Process) -> None:
        self._condition = SimulatedCondition(scheduler, process)
        self._happened = False

    def is_set(self) -> bool:
        return self._happened

    def set(self) -> None:
        with self._condition:
            self._happened = True
            self._condition.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        with self._condition:
            self._condition.wait_for(lambda: self._happened, timeout)
            return self._happened


class SimulatedPool:
    """Threads that take work in turn: one for each piece of work, so many at a time."""

    def __init__(self, scheduler: Scheduler, process: Process, threads: int, name: str) -> None:
        self._condition = SimulatedCondition(scheduler, process)
        self._work: list[Callback] = []
        self._closed = False
        self._threads = [SimulatedThread(scheduler, process, f"{name}-{i}", self._run) for i in range(threads)]
        self._started = False

    def submit(self, function: Callable[..., object], *arguments: Any) -> None:
        with self._condition:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            if not self._started:
                self._started = True
                for thread in self._threads:
                    thread.start()
            self._work.append(lambda: function(*arguments))
            self._condition.notify()

    def shutdown(self, wait: bool = True) -> None:  # noqa: FBT001, FBT002 - the standard library's signature
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        if wait and self._started:
            for thread in self._threads:
                thread.join()

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._work or self._closed)
                if not self._work:
                    return
                work = self._work.pop(0)
            work()
