"""The engine of one partition: requests in, durable outcomes out.

One thread decides, one writes: while a batch is being committed the next one is decided, and a commit carries
everything that arrived meanwhile. A request is answered only when everything its answer depends on is durable.

An engine owns its partition from the moment its ``EngineStarted`` stands in the log. When a write fails, what
was decided is undone, what others wrote is taken in, and the requests are decided again in their order; when
the fate of a write is unknown, only the next ``EngineStarted`` settles what precedes it. An engine that meets
a later epoch than its own becomes a standby, and a standby takes over when the owner gives no sign of life.
"""

from collections.abc import Callable, Collection

import structlog

from domain.books import InTransit
from domain.engine import EngineStarted
from domain.event import Policy
from domain.ports import Clock
from domain.refusals import Reason, Refused, refuse
from domain.times import SECOND
from ledger.engine.batch import Batch
from ledger.engine.committer import Committer
from ledger.engine.conflicts import take_in_conflicts
from ledger.engine.decider import LookUpError
from ledger.engine.errors import EngineError
from ledger.engine.follower import Follower, HistoryChangedError
from ledger.engine.intake import Intake
from ledger.engine.keeper import SnapshotKeeper
from ledger.engine.loading import empty_decider, load_decider
from ledger.engine.lookup import LookUps
from ledger.engine.modes import ANSWERS, Mode
from ledger.engine.observer import NoObserver, Observer
from ledger.engine.owner import is_free, this_owner
from ledger.engine.pace import delay
from ledger.engine.pulse import Pulse
from ledger.engine.settings import EngineSettings
from ledger.engine.taking_over import check_clock, take_over
from ledger.engine.threads import SYSTEM_THREADS, Threads
from ledger.engine.tickets import CommandTicket, Declined, Ticket
from ledger.log.api import Log
from ledger.log.codec import UnknownTopicError
from ledger.log.errors import AppendConflict, LogError, LogUnavailable, StorageFull

_log = structlog.get_logger("esep.engine")

_FRUITLESS = 3
"""Conflicts in a row that the log does not explain before the engine gives up."""

_BREATH = 0.2
"""Seconds between last looks."""


class Engine:
    """Decides for one partition. ``start`` it, ``submit`` tickets, ``stop`` it."""

    def __init__(
        self,
        log: Log,
        clock: Clock,
        *,
        partition: int = 0,
        policy: Policy | None = None,
        settings: EngineSettings | None = None,
        on_fatal: Callable[[BaseException], None] | None = None,
        on_durable: Callable[[], None] | None = None,
        observer: Observer | None = None,
        threads: Threads = SYSTEM_THREADS,
    ) -> None:
        """Make an engine. ``on_fatal`` hears that it cannot go on, ``on_durable`` and ``observer`` of every commit."""
        self.log = log
        self.partition = partition
        self.settings = settings or EngineSettings()
        self.owner = this_owner()
        self.durable = 0
        """The last position known to be durable."""
        self.projections_behind = 0.0
        """Seconds, told by whoever watches the projections."""
        self.mode = Mode.STARTING
        self._clock = clock
        self._policy = policy or Policy()
        self._on_fatal = on_fatal
        self._on_durable = on_durable
        self._changed = threads.condition()
        self._ending = threads.event()
        self._intake = Intake(self.settings.max_queued, self._changed)
        self._snapshots = SnapshotKeeper(self, self._changed, threads)
        self._writing: Batch | None = None
        self._failed: tuple[Batch, BaseException] | None = None
        self._outpaced = False
        self._fruitless = 0
        self._was_owner = False
        self._follower = Follower(log, partition)
        self._decider = empty_decider(partition, self.settings, self._policy, clock)
        self._committer = Committer(log, partition, self._written, observer or NoObserver(), threads)
        self._look_ups = LookUps(log, partition, lambda: self.durable, threads)
        self._thread = threads.thread(self._run, f"esep-decide-{partition}")
        self.pulse = Pulse(self, threads)

    # For callers.

    @property
    def serving(self) -> bool:
        """Whether requests are taken."""
        return self.mode in (Mode.OWNER, Mode.RECOVERING)

    @property
    def queued(self) -> int:
        """How many requests wait for their outcome, each transfer of a batch counted."""
        return self._intake.queued

    @property
    def decided(self) -> int:
        """The last position decided, durable or not."""
        return self._decider.position

    @property
    def epoch(self) -> int:
        """The epoch of the partition as far as this engine has followed it."""
        return self._decider.books.life.epoch

    def account_facts(self, account: int) -> tuple[str, str] | None:
        """Return an account's participant and currency, None when this engine does not know the account."""
        return self._decider.books.facts(account)

    def kept_by(self, participant: str, accounts: Collection[int]) -> bool:
        """Tell whether this engine knows each of these accounts as this participant's."""
        return self._decider.books.kept_by(participant, accounts)

    def in_transit(self) -> dict[bytes, InTransit]:
        """Return what the partition has sent to others and not seen the end of, durable or not. For any thread."""
        return dict(self._decider.books.transit)

    def start(self) -> None:
        """Load the state and become owner or standby, in the background."""
        self._committer.start()
        self._thread.start()
        self.pulse.start()

    def wait_until_serving(self, timeout: float) -> bool:
        """Wait until requests are taken; return whether they are."""
        with self._changed:
            return self._changed.wait_for(lambda: self.serving, timeout)

    def submit(self, ticket: Ticket) -> None:
        """Take a ticket, to be delivered once it has an outcome; raises Refused when it cannot be taken."""
        at_hand = self._at_hand(ticket)
        with self._changed:
            self._admit(ticket)
            if at_hand:
                self._intake.put(ticket, at_once=self._writing is None)
        if not at_hand:
            self._look_ups.start(ticket, self._looked_up)

    def stop(self, grace: float = 30.0) -> None:
        """Refuse new tickets, finish those taken, keep a snapshot, and give up the partition."""
        with self._changed:
            self._end_intake()
        self._thread.join(grace)
        self._look_ups.close()
        self._committer.stop(grace)
        self._intake.refuse_all(Reason.SHUTTING_DOWN)

    # Taking tickets.

    def outpaced(self) -> None:
        """Hear that the log holds more than this engine has decided: somebody else has written."""
        with self._changed:
            self._outpaced = True
            self._changed.notify_all()

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than until the engine is stopped."""
        self._ending.wait(seconds)

    def _end_intake(self) -> None:
        self._was_owner = self.mode is Mode.OWNER
        if self.mode is not Mode.BROKEN:
            self.mode = Mode.STOPPING
        self._ending.set()
        self._changed.notify_all()

    def _admit(self, ticket: Ticket) -> None:
        reason = ANSWERS.get(self.mode)
        if reason is not None:
            raise Refused(refuse(reason))
        self._intake.admit(ticket)

    def _at_hand(self, ticket: Ticket) -> bool:
        """Tell whether the ticket can probably be decided from memory; the decider makes sure."""
        if not isinstance(ticket, CommandTicket):
            return True
        recent, books = self._decider.recent, self._decider.books
        known = recent.find(ticket.request_id) or recent.is_new(ticket.request_id, self._clock.now())
        return bool(known or ticket.looked_up >= recent.floor) and all(books.at_hand(need) for need in ticket.needs())

    def _looked_up(self, ticket: Ticket, refusal: Declined | None) -> None:
        with self._changed:
            reason = ANSWERS.get(self.mode) if self.mode is not Mode.STOPPING else None
            if refusal is None and reason is None:
                self._intake.put(ticket, at_once=self._writing is None)
                return
        ticket.outcome = refusal if reason is None else Declined(refuse(reason))
        self._intake.deliver([ticket])

    # The decision thread.

    def _run(self) -> None:
        try:
            self._load()
            while self.mode is not Mode.STOPPING:
                if self.mode is Mode.OWNER:
                    self._own()
                else:
                    self._regain_or_stand_by()
            self._finish()
        except UnknownTopicError as unknown:
            _log.error("engine.blocked", partition=self.partition, topic=unknown.topic)
            self._enter(Mode.BLOCKED)
            self._intake.refuse_all(Reason.UNKNOWN_EVENT)
        except BaseException as failure:  # noqa: BLE001 - the thread's last word
            _log.error("engine.broken", partition=self.partition, error=repr(failure))
            self._enter(Mode.BROKEN)
            self._intake.refuse_all(Reason.LEDGER_UNAVAILABLE)
            if self._on_fatal is not None:
                self._on_fatal(failure)

    def _regain_or_stand_by(self) -> None:
        try:
            if self.mode in (Mode.RECOVERING, Mode.CUT_OFF):
                self._regain()
            else:
                self._stand_by()
        except HistoryChangedError as changed:
            _log.error("log.changed", partition=self.partition, error=str(changed))
            self._step_back()
            self._load()

    def _enter(self, mode: Mode) -> None:
        with self._changed:
            if self.mode is not Mode.STOPPING or mode is Mode.BROKEN:
                self.mode = mode
            self._changed.notify_all()

    def _load(self) -> None:
        """Take in the newest trusted snapshot and everything after it."""
        while self.mode is not Mode.STOPPING:
            try:
                self._decider = load_decider(self.log, self.partition, self.settings, self._policy, self._clock)
                self._snapshots.start_from(self._decider.position)
                self._follower.start_from(self._decider.position)
                self._follow()
            except (LogUnavailable, HistoryChangedError) as failure:
                _log.warning("log.unavailable", partition=self.partition, error=str(failure))
                self.pause(self.settings.retry_interval)
            else:
                self._enter(Mode.STANDBY)
                return

    def _follow(self) -> int:
        """Take in what the log holds after the last decided position; return how many events that were."""
        taken = self._follower.follow(self._decider)
        self.durable = self._decider.position
        return taken

    # Owning.

    def _own(self) -> None:
        """Decide until a write fails, somebody else writes, or the engine is stopped."""
        batch = self._decider.begin()
        while True:
            with self._changed:
                self._await_work(batch)
                failed, outpaced = self._failed, self._outpaced
                room = 0 if failed is not None or outpaced else self.settings.max_batch_events - len(batch.rows)
                tickets = self._intake.take(room)
            if failed is not None or outpaced:
                self._recover(batch)
                return
            self._wait_for_projections(tickets)
            for ticket in tickets:
                self._decide(ticket, batch)
            self._add_own(batch)
            if batch and self._may_write():
                batch = self._hand_over(batch)
            if self.mode is Mode.STOPPING and not batch and self._idle():
                return

    def _await_work(self, batch: Batch) -> None:
        self._changed.wait_for(lambda: self._something_to_do(batch), self._until_due())

    def _something_to_do(self, batch: Batch) -> bool:
        if self._failed is not None or self._outpaced:
            return True
        if self._writing is None:
            stopping = self.mode is Mode.STOPPING and not self._intake.queued
            return stopping or bool(batch or self._intake or self._snapshots.taken)
        return self._intake.many() and len(batch.rows) < self.settings.max_batch_events

    def _until_due(self) -> float | None:
        due = self._decider.books.next_due()
        if self.mode is Mode.STOPPING:
            return _BREATH  # What is being looked up comes back, or is answered, without a word to this thread.
        return None if due is None else min(max((due - self._clock.now()) / SECOND, 0.001), 1.0)

    def _wait_for_projections(self, tickets: list[Ticket]) -> None:
        if self.projections_behind > self.settings.max_projection_lag:
            events = sum(ticket.weight for ticket in tickets)
            self.pause(delay(events, self.projections_behind, self.settings.max_projection_lag))

    def _decide(self, ticket: Ticket, batch: Batch) -> None:
        try:
            self._decider.decide(ticket, batch)
        except LookUpError:
            self._look_ups.start(ticket, self._looked_up)
        except Exception:  # noqa: BLE001 - one bad command must not stop the others
            _log.exception("decision.failed", partition=self.partition)
            ticket.outcome = Declined(refuse(Reason.INTERNAL))
            batch.tickets.append(ticket)

    def _add_own(self, batch: Batch) -> None:
        """Record what the engine has to say by itself: expiries that are due, snapshots taken."""
        if self._decider.books.any_lapsed(self._clock.now()) and len(batch.rows) < self.settings.max_batch_events:
            self._decider.expire_due(batch, self.settings.expiries_per_batch)
        self._snapshots.record(self._decider, batch)

    def _hand_over(self, batch: Batch) -> Batch:
        self._decider.seal(batch)
        with self._changed:
            self._writing = batch
        self._committer.give(batch)
        self._snapshots.consider(self._decider)
        return self._decider.begin()

    def _may_write(self) -> bool:
        """Tell whether a batch may be handed over: what follows a failed one would stand after a gap."""
        with self._changed:
            return self._writing is None and self._failed is None

    def _idle(self) -> bool:
        with self._changed:
            return self._writing is None and self._intake.queued == 0 and self._failed is None

    def _written(self, batch: Batch, error: BaseException | None) -> None:
        """Hear from the committer that a batch is durable, or is not."""
        if error is None:
            self.durable = batch.last
            if batch.rows:
                self._follower.wrote(batch.rows[-1])
            self._fruitless = 0
            self._intake.deliver(batch.tickets)
            if batch.rows and self._on_durable is not None:
                self._on_durable()
        with self._changed:
            self._writing = None
            if error is not None:
                self._failed = batch, error
            self._changed.notify_all()

    # When a write fails.

    def _recover(self, open_batch: Batch) -> None:
        """Undo what is not durable, and find out what is."""
        with self._changed:
            self._changed.wait_for(lambda: self._writing is None)
            failed, self._failed, self._outpaced = self._failed, None, False
        self._decider.seal(open_batch)
        batches = [open_batch] if failed is None else [open_batch, failed[0]]
        for batch in batches:
            self._decider.undo(batch)
        self._decider.books.recount_due()
        self._snapshots.undone()
        tickets = [ticket for batch in reversed(batches) for ticket in batch.tickets]
        error = failed[1] if failed is not None else None
        if isinstance(error, StorageFull):
            _log.error("log.storage_full", partition=self.partition)
            self._intake.refuse(tickets, Reason.STORAGE_FULL)
            self.pause(self.settings.retry_interval)  # Or the sweep would try again at once.
            return
        self._intake.put_back(tickets)
        if error is None or isinstance(error, AppendConflict):
            self._settle(failed[0] if failed is not None else None)
        elif isinstance(error, LogUnavailable):
            for ticket in batches[-1].tickets:
                ticket.note_attempt()
            _log.warning("log.unavailable", partition=self.partition, error=str(error))
            self._enter(Mode.RECOVERING)
        else:
            raise error

    def _settle(self, failed: Batch | None) -> None:
        """After a conflict: take in what stands in the way, so that deciding again cannot meet it again."""
        try:
            taken = self._follow()
            found = take_in_conflicts(self.log, self._decider, failed) if failed is not None else 0
        except (LogUnavailable, HistoryChangedError):
            self._enter(Mode.RECOVERING)
            return
        self._fruitless = 0 if taken or found else self._fruitless + 1
        if self._superseded():
            _log.warning("engine.superseded", partition=self.partition, epoch=self._decider.books.life.epoch)
            self._step_back()
        elif self._fruitless > _FRUITLESS:
            raise EngineError("appends conflict with nothing that the log shows")

    def _superseded(self) -> bool:
        return self._decider.books.life.owner != self.owner

    def _step_back(self) -> None:
        self._enter(Mode.STANDBY)
        self._intake.refuse_all(Reason.NOT_THE_OWNER)

    def _regain(self) -> None:
        """After an unknown fate: only an ``EngineStarted`` of our own proves what precedes it."""
        waited = 0.0
        while self.mode in (Mode.RECOVERING, Mode.CUT_OFF):
            try:
                self._follow()
                if self._superseded():
                    self._step_back()
                elif self._take_over():
                    return
                else:
                    continue
            except (LogUnavailable, StorageFull) as failure:
                _log.warning("log.unavailable", partition=self.partition, error=str(failure))
                self.pause(self.settings.retry_interval)
                waited += self.settings.retry_interval
                if waited >= self.settings.patience and self.mode is Mode.RECOVERING:
                    self._enter(Mode.CUT_OFF)
                    self._intake.refuse_all(Reason.LEDGER_UNAVAILABLE)

    # Taking over.

    def _stand_by(self) -> None:
        """Follow the log, and take over when its owner is gone."""
        try:
            self._follow()
            beat = self.log.last_beat(self.partition)
            if is_free(beat, self.settings.takeover_after) and self._take_over():
                return
        except (LogUnavailable, StorageFull) as failure:
            _log.warning("log.unavailable", partition=self.partition, error=str(failure))
        self.pause(self.settings.standby_interval)

    def _take_over(self) -> bool:
        """Append ``EngineStarted``; return whether the partition is ours."""
        check_clock(self._decider, self.settings.max_clock_lag)
        started = EngineStarted(epoch=self.epoch + 1, owner=self.owner, policy=self._policy)
        position = take_over(self.log, self._decider, self._follower, started)
        if position is None:
            return False
        self.durable = position
        self.pulse.beat()
        _log.info("engine.started", partition=self.partition, epoch=self.epoch, position=position)
        self._enter(Mode.OWNER)
        return True

    # The end.

    def _finish(self) -> None:
        """Keep a last snapshot and say goodbye."""
        if not self._was_owner or self._superseded():
            return
        try:
            decider = self._decider
            taken = self._snapshots.keep_now(decider)
            if taken is not None:
                batch = decider.begin()
                decider.record_own(taken, batch)
                self.log.append(batch.rows)
                self.durable = batch.last
            self.pulse.end()  # A sign of life that is still under way would take the goodbye back.
            self.log.release(self.partition, self.owner)
        except LogError as failure:
            _log.warning("goodbye.failed", partition=self.partition, error=str(failure))
