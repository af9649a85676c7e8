"""A batch's outcome with what was repeated settled: each item compared with what the log holds of it."""

from collections.abc import Iterator
from typing import Final

import msgspec

from domain.credit import CreditLineRefused
from domain.crossing import TransferSent
from domain.event import Event
from domain.ports import Row
from domain.refusals import Reason, Refusal, refuse
from domain.transfer import TransferDeclined, TransferPosted
from ledger.engine.tickets import BatchOutcome, BatchTicket, CreditTicket, Repeated
from ledger.log import codec
from ledger.rpc.outcomes import Outcomes, declined, recorded

MAX_GAP: Final = 64
"""Rows read for nothing are cheaper than another query, up to about this many."""
MAX_RUN: Final = 8_192


class NotMade(msgspec.Struct, frozen=True):
    """A transfer of a batch that was not made, and why."""

    index: int
    refusal: Refusal
    recorded: bool


class BatchResult(msgspec.Struct):
    """What became of each transfer, in the terms of CreateTransfersResponse."""

    positions: list[int]
    replayed: list[int]
    refused: list[NotMade]
    partition: int = 0


def settle(outcomes: Outcomes, ticket: BatchTicket, outcome: BatchOutcome) -> BatchResult:
    """Return the result of a batch; blocking when it holds repeated transfers."""
    partition = outcomes.partition
    positions = outcome.positions
    refused = [
        NotMade(index, recorded(item.refusal, partition, item.position, replayed=False), item.position > 0)
        for index, item in outcome.declined
    ]
    replayed: list[int] = []
    if outcome.repeated:
        found = events_at(outcomes, {item.position for _, item in outcome.repeated})
        for index, item in outcome.repeated:
            _settle_one(ticket, index, item, found[item.position], BatchResult(positions, replayed, refused))
        refused.sort(key=lambda item: item.index)
        replayed.sort()
    return BatchResult(positions, replayed, refused, partition)


def settle_lines(outcomes: Outcomes, ticket: CreditTicket, outcome: BatchOutcome) -> BatchResult:
    """Return the result of lines of a credit file; blocking when some were sent before, by whomever."""
    positions = outcome.positions
    refused = [NotMade(index, item.refusal, item.position > 0) for index, item in outcome.declined]
    replayed: list[int] = []
    found = events_at(outcomes, {item.position for _, item in outcome.repeated}) if outcome.repeated else {}
    for index, item in outcome.repeated:
        event = found[item.position][1]
        if ticket.file is None or not ticket.lines[index].same_as(event, ticket.file):
            positions[index] = 0
            refused.append(NotMade(index, refuse(Reason.CREDIT_LINE_REUSED), recorded=False))
            continue
        if item.replayed:
            replayed.append(index)
        if isinstance(event, CreditLineRefused):
            refused.append(NotMade(index, Refusal(Reason[event.reason], event.detail), recorded=True))
    refused.sort(key=lambda item: item.index)
    return BatchResult(positions, sorted(replayed), refused)


def _settle_one(
    ticket: BatchTicket, index: int, repeated: Repeated, found: tuple[Row, Event], result: BatchResult
) -> None:
    row, event = found
    own = row.caller == ticket.caller and isinstance(event, TransferPosted | TransferDeclined | TransferSent)
    if not own or not ticket.transfers[index].same_as(event):  # type: ignore[arg-type] # told by own
        result.positions[index] = 0
        result.refused.append(NotMade(index, refuse(Reason.REQUEST_ID_REUSED), recorded=False))
        return
    result.positions[index] = row.position
    if repeated.replayed:
        result.replayed.append(index)
    refusal = declined(event)
    if refusal is not None:
        refusal = recorded(refusal, row.partition, row.position, replayed=repeated.replayed)
        result.refused.append(NotMade(index, refusal, recorded=True))


def events_at(outcomes: Outcomes, positions: set[int]) -> dict[int, tuple[Row, Event]]:
    """Return the events at these positions with their rows; blocking."""
    return {
        row.position: (row, codec.decode(row.topic, row.state))
        for first, last in _runs(sorted(positions))
        for row in outcomes.rows(first - 1, last - first + 1)
        if row.position in positions
    }


def _runs(positions: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the stretches of the log that hold these positions, with small gaps between them bridged."""
    first = last = positions[0]
    for position in positions[1:]:
        if position - last > MAX_GAP or position - first >= MAX_RUN:
            yield first, last
            first = position
        last = position
    yield first, last
