"""Look-ups in the log for tickets that cannot be decided from memory alone, on threads of their own.

A ticket comes back with the request ids that were found, and with the aggregates its command needs, each with
a position at or after which it was read. Whether that is recent enough is for the decider to say.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import structlog

from domain.aggregate import Aggregate, fold
from domain.command import Command
from domain.event import Change
from domain.ports import LogReader, Row
from domain.refusals import Reason, refuse
from ledger.engine.threads import Threads
from ledger.engine.tickets import BatchTicket, CommandTicket, CreditTicket, Declined, Ticket
from ledger.log.codec import UnknownTopicError, decode
from ledger.log.errors import LogError, SegmentUnreadable

_THREADS: Final = 2

_log = structlog.get_logger("esep.engine")


def history(rows: Iterable[Row]) -> Iterator[tuple[Change, int]]:
    """Return rows of one aggregate as changes with their recorded times."""
    for row in rows:
        yield Change(row.originator_id, row.originator_version, decode(row.topic, row.state)), row.recorded_at


def request_ids(ticket: Ticket) -> list[bytes]:
    """Return every request id a ticket carries."""
    ids = [ticket.request_id] if ticket.request_id else []
    if isinstance(ticket, BatchTicket):
        ids += [transfer.request_id for transfer in ticket.transfers]
    elif isinstance(ticket, CreditTicket):
        ids += [line.line_id for line in ticket.lines]
    return ids


class LookUps:
    """Reads for tickets, then hands them back."""

    def __init__(self, log: LogReader, partition: int, durable: Callable[[], int], threads: Threads) -> None:
        self._log = log
        self._partition = partition
        self._durable = durable
        self._pool = threads.pool(_THREADS, "esep-lookup")

    def start(self, ticket: Ticket, then: Callable[[Ticket, Declined | None], None]) -> None:
        """Look things up for the ticket, then call ``then`` with it, and with a refusal when that failed."""
        try:
            self._pool.submit(self._run, ticket, then)
        except RuntimeError:  # Closed: the engine was stopped just when it had taken the ticket.
            then(ticket, Declined(refuse(Reason.SHUTTING_DOWN)))

    def close(self) -> None:
        """Finish what was started."""
        self._pool.shutdown(wait=True)

    def _run(self, ticket: Ticket, then: Callable[[Ticket, Declined | None], None]) -> None:
        refusal: Declined | None = None
        try:
            self._look_up(ticket)
        except SegmentUnreadable as lost:
            _log.error("archive.unreadable", partition=self._partition, segment=lost.segment, error=str(lost))
            refusal = Declined(refuse(Reason.ARCHIVE_UNREADABLE, segment=lost.segment))
        except LogError:
            refusal = Declined(refuse(Reason.LEDGER_UNAVAILABLE))
        except UnknownTopicError as unknown:
            refusal = Declined(refuse(Reason.UNKNOWN_EVENT, topic=unknown.topic))
        except Exception:  # noqa: BLE001 - the ticket must be answered, whatever it was
            _log.exception("look_up.failed", partition=self._partition)
            refusal = Declined(refuse(Reason.INTERNAL))
        then(ticket, refusal)

    def _look_up(self, ticket: Ticket) -> None:
        as_of = self._durable()
        ticket.found = self._log.find(self._partition, request_ids(ticket))
        ticket.looked_up = as_of
        needed = dict.fromkeys(ticket.missed)
        if isinstance(ticket, CommandTicket) and isinstance(ticket.command, Command):
            needed |= dict.fromkeys((*ticket.command.needs(), *ticket.command.claims()))
        if needed:
            ticket.loaded = {aggregate_id: (self._load(aggregate_id), as_of) for aggregate_id in needed}

    def _load(self, aggregate_id: bytes) -> Aggregate | None:
        return fold(history(self._log.aggregate(self._partition, aggregate_id)))
