"""The partitions that one process owns: an engine, a log and a courier for each.

Every engine writes through a handle of the log of its own, so that their commits do not wait for each other. Their
clearing accounts are opened when they begin to decide, once for the whole life of the ledger. A ledger of one
partition has none of this: no courier, no clearing account, one engine as ever.
"""

import threading
from collections.abc import Callable, Mapping, Sequence

import structlog

from domain.event import Policy
from domain.ids import claim_id
from domain.ports import Clock
from domain.refusals import Reason, Refused, refuse
from domain.transit import OpenClearing
from ledger.engine.decider import TIMER
from ledger.engine.engine import Engine
from ledger.engine.observer import Observer
from ledger.engine.settings import EngineSettings
from ledger.engine.tickets import Accepted, CommandTicket, Repeated, Ticket
from ledger.log.api import Log
from ledger.process.courier import Courier, Post

_log = structlog.get_logger("esep.partitions")

_AGAIN_SECONDS = 0.5


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
        elsewhere: Post | None = None,
    ) -> None:
        """Take a log for each partition that is owned, and the way to partitions that are owned elsewhere."""
        self._elsewhere = elsewhere
        self._wake_projections = on_durable
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
        self.couriers = (
            {partition: Courier(engine, engine.log, self.post) for partition, engine in self.engines.items()}
            if self._several
            else {}
        )
        self._stopping = threading.Event()
        self._opener = threading.Thread(target=self._open_clearing, name="esep-clearing", daemon=True)

    @property
    def owned(self) -> Sequence[int]:
        """The partitions of this process, in order."""
        return sorted(self.engines)

    @property
    def serving(self) -> bool:
        """Whether every one of them takes requests."""
        return all(engine.serving for engine in self.engines.values())

    def start(self) -> None:
        """Let every engine become owner or standby, in the background."""
        for engine in self.engines.values():
            engine.start()
        for courier in self.couriers.values():
            courier.start()
        if self._several:
            self._opener.start()

    def stop(self, grace: float = 30.0) -> None:
        """Refuse new tickets, finish those taken, and give up the partitions."""
        self._stopping.set()
        for courier in self.couriers.values():
            courier.stop(grace)
        if self._opener.is_alive():
            self._opener.join(grace)
        ending = [threading.Thread(target=engine.stop, args=(grace,)) for engine in self.engines.values()]
        for each in ending:
            each.start()
        for each in ending:
            each.join()

    def post(self, partition: int, ticket: CommandTicket) -> None:
        """Hand a ticket to a partition's engine, here or elsewhere; raises Refused when it cannot be taken now."""
        engine = self.engines.get(partition)
        if engine is not None:
            engine.submit(ticket)
        elif self._elsewhere is not None:
            self._elsewhere(partition, ticket)
        else:
            raise Refused(refuse(Reason.NOT_THE_OWNER))

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
