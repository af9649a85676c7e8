"""Whatever is decided can be decided again from what is recorded of it: asked of every decision of every spec."""

from collections.abc import Callable

from domain.aggregate import Aggregate
from domain.books import Books
from domain.command import Command
from domain.event import Change, Context
from domain.ports import Row
from domain.refusals import Refusal
from domain.transfer import CreateTransfer
from ledger.audit.replay.kept import Commanded, Decidable, Kept, Transferred
from ledger.audit.replay.rebuild import rebuild
from ledger.log.codec import decode, encode

Decision = list[Change] | Refusal
Decide = Callable[[Command | CreateTransfer, Context], Decision]


def recorded(command: Command | CreateTransfer, decision: Decision, books: Books, context: Context) -> list[Change]:
    """Return what is recorded of a decision; nothing of a refusal that is not final."""
    if isinstance(decision, list):
        return decision
    if not decision.reason.value.recorded:
        return []
    if isinstance(command, CreateTransfer):
        return [Change(context.request_id, 1, command.declined(decision))]
    return command.declined(books, decision, context)


def rows_of(changes: list[Change], context: Context) -> list[Row]:
    """Return changes as they would stand in a log."""
    rows = []
    for number, (originator_id, version, event) in enumerate(changes):
        first_of_others = number == 0 and originator_id != context.request_id
        request_id = context.request_id if first_of_others else None
        at = (context.now + number, request_id, "spec")
        rows.append(Row(0, number + 1, originator_id, version, event.TOPIC, encode(event), *at))
    return rows


def assert_decided_again(
    command: Command | CreateTransfer,
    decision: Decision,
    books: Books,
    context: Context,
    find: Callable[[bytes], Aggregate | None],
    decide: Decide,
) -> None:
    """Rebuild a request from its record alone, decide it again on the same books, and compare byte for byte."""
    changes = recorded(command, decision, books, context)
    if not changes:
        return
    rows = rows_of(changes, context)
    events = [decode(row.topic, row.state) for row in rows]
    asked: Decidable | object = rebuild(Kept(rows[0], events[0], list(zip(rows[1:], events[1:], strict=True)), find))
    assert isinstance(asked, Commanded | Transferred), (asked, command)
    again = decide(asked.command, context)
    reason = decision.reason if isinstance(decision, Refusal) else None
    assert (again.reason if isinstance(again, Refusal) else None) is reason, command
    assert rows_of(recorded(asked.command, again, books, context), context) == rows
