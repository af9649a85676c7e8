"""The partitions that one process owns: an engine, a log and a courier for each.

Every engine writes through a handle of the log of its own, so that their commits do not wait for each other. Their
clearing accounts are opened when they begin to decide, once for the whole life of the ledger. A ledger of one
partition has none of this: no courier, no clearing account, one engine as ever.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from domain.event import Policy
from domain.ids import claim_id
from domain.ports import Clock
from domain.refusals import Refused
from domain.transit import OpenClearing
from ledger.engine.absent import AbsentEngine
from ledger.engine.decider import TIMER
from ledger.engine.engine import Engine
from ledger.engine.observer import Observer
from ledger.engine.settings import EngineSettings
from ledger.engine.tickets import Accepted, CommandTicket, Repeated, Ticket
from ledger.log.api import Log
from ledger.log.distribution import distribute
from ledger.log.factory import open_log
from ledger.process.courier import Courier
from ledger.process.inbox import Inbox

_log = structlog.get_logger("esep.partitions")

_AGAIN_SECONDS = 0.5


def count_partitions(log_url: str, wanted: int | None, *, over_citus: bool = False) -> int:
    """Return how many partitions a ledger has; a new one is made with as many as are wanted, 1 by default.

    With ``over_citus`` its tables are spread over the machines of a cluster first, where they are not yet.
    Raises ValueError when an existing one has another number.
    """
    log = open_log(log_url)
    try:
        if over_citus:
            distribute(log_url)
        return log.partitions(wanted)
    finally:
        log.close()


class Partitions:
    """The engines of some partitions of a ledger. ``start`` them, ask them, ``stop`` them."""

    def __init__(
        self,
        logs: Mapping[int, Log],
        clock: Clock,
        *,
        policy: Policy,
        settings: EngineSettings,
        on_fatal: Callable[[BaseException], None] | None = None,
        on_durable: Callable[[], None] | None = None,
        observers: Mapping[int, Observer] | None = None,
    ) -> None:
        """Take a log for each partition that is owned."""
        self._wake_projections = on_durable
        self._count = policy.partitions
        self._several = policy.partitions > 1
        self._currencies = policy.currencies
        self.engines = {
            partition: Engine(
                log,
                clock,
                partition=partition,
                policy=policy,
                settings=settings,
                on_fatal=on_fatal,
                on_durable=lambda partition=partition: self._durable(partition),  # type: ignore[misc]
                observer=(observers or {}).get(partition),
            )
            for partition, log in logs.items()
        }
        self.couriers: dict[int, Courier] = {}
        self.inboxes: list[Inbox] = []
        for partition, engine in self.engines.items() if self._several else ():
            self.couriers[partition] = Courier(engine, engine.log, self.engines)
            if len(self.engines) < self._count:  # Else no other process has anything to send.
                self.inboxes.append(Inbox(engine, engine.log))
        self._closing: list[Log] = []
        self._stopping = threading.Event()
        self._opener = threading.Thread(target=self._open_clearing, name="esep-clearing", daemon=True)

    @classmethod
    def opened(
        cls, log_url: str, owned: Sequence[int], clock: Clock, *, archive: Path | None = None, **options: Any
    ) -> "Partitions":
        """Return the partitions with a handle of the log and its archive each, which ``stop`` closes."""
        logs: dict[int, Log] = {}
        try:
            for partition in owned:
                logs[partition] = open_log(log_url, archive)
            partitions = cls(logs, clock, **options)
        except BaseException:
            for log in logs.values():
                log.close()
            raise
        partitions._closing = list(logs.values())
        return partitions

    @property
    def each(self) -> list[Engine]:
        """The engines, by their partitions."""
        return [self.engines[partition] for partition in sorted(self.engines)]

    @property
    def all(self) -> "list[Engine | AbsentEngine]":
        """What answers for each partition of the ledger: an engine here, or what stands for one elsewhere."""
        log = self.each[0].log
        return [self.engines.get(partition) or AbsentEngine(log, partition) for partition in range(self._count)]

    @property
    def serving(self) -> bool:
        """Whether every one of them takes requests."""
        return all(engine.serving for engine in self.engines.values())

    def advertise(self, address: str) -> None:
        """Have the engines say with every sign of life where other servers reach this one. Before ``start``."""
        for engine in self.engines.values():
            engine.pulse.address = address

    def start(self) -> None:
        """Let every engine become owner or standby, in the background."""
        for engine in self.engines.values():
            engine.start()
        for errand in (*self.couriers.values(), *self.inboxes):
            errand.start()
        if self._several:
            self._opener.start()

    def stop(self, grace: float = 30.0) -> None:
        """Refuse new tickets, finish those taken, and give up the partitions."""
        self._stopping.set()
        for errand in (*self.couriers.values(), *self.inboxes):
            errand.stop(grace)
        if self._opener.is_alive():
            self._opener.join(grace)
        ending = [threading.Thread(target=engine.stop, args=(grace,)) for engine in self.engines.values()]
        for each in ending:
            each.start()
        for each in ending:
            each.join()
        for log in self._closing:
            log.close()

    def _durable(self, partition: int) -> None:
        if self._wake_projections is not None:
            self._wake_projections()
        courier = self.couriers.get(partition)
        if courier is not None:
            courier.wake()

    def _open_clearing(self) -> None:
        """Have a clearing account for every currency in each partition, before anybody needs it."""
        wanted = {(partition, currency) for partition in self.engines for currency in self._currencies}
        while wanted and not self._stopping.is_set():
            for partition, currency in sorted(wanted):
                if self._open(partition, currency):
                    wanted.discard((partition, currency))
            if wanted:
                self._stopping.wait(_AGAIN_SECONDS)

    def _open(self, partition: int, currency: str) -> bool:
        """Open a clearing account; return whether it is open."""
        answered = threading.Event()
        ticket = CommandTicket(OpenClearing(currency=currency), claim_id("open_clearing", currency), TIMER)

        def hear(_ticket: Ticket) -> None:
            answered.set()

        ticket.deliver = hear
        try:
            self.engines[partition].submit(ticket)
        except Refused:
            return False
        while not answered.wait(_AGAIN_SECONDS):
            if self._stopping.is_set():
                return False
        return isinstance(ticket.outcome, Accepted | Repeated)
