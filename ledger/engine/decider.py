"""Deciding: tickets become rows and outcomes, one after another, against the state in memory.

This is the engine without its threads: it does no I/O and never waits. What it does not know (an aggregate
that is not at hand, a request id that may be old) it sends back to be looked up, and goes on with the next
ticket. Everything it changes can be undone, batch by batch.
"""

from itertools import repeat
from typing import Final
from uuid import UUID

import msgspec

from domain.aggregate import Aggregate
from domain.books import Books, NotAtHandError
from domain.columns import undo
from domain.command import Command
from domain.credit import CreditFile, CreditLinesDecided, decide_line, not_taken, refused
from domain.engine import ENGINE_ID, CommandDeclined
from domain.event import Change, Context, Event, Policy
from domain.ids import derived_id
from domain.plain import PlainTransfers, try_move_all
from domain.ports import Clock, Row
from domain.refusals import Reason, Refusal, refuse
from domain.refused_batch import asked
from domain.resolve import expire
from domain.transfer import BatchDeclined, BatchPosted, CreateTransfer, TransferPosted
from ledger.engine.batch import Batch
from ledger.engine.requests import RecentRequests
from ledger.engine.tickets import (
    Accepted,
    BatchOutcome,
    BatchTicket,
    CommandTicket,
    CreditTicket,
    Declined,
    Outcome,
    Repeated,
    Ticket,
)
from ledger.engine.trials import as_trial
from ledger.log.codec import decode, encode

TIMER: Final = "esep"
"""The caller in the records of what the ledger does by itself."""


class LookUpError(Exception):
    """The ticket cannot be decided before something about it has been read from the log."""


class Decider:
    """Decides tickets against one partition's books."""

    def __init__(self, books: Books, recent: RecentRequests, policy: Policy, clock: Clock) -> None:
        self.books = books
        self.recent = recent
        self.policy = policy
        self.clock = clock
        self.position = 0
        """The last position decided."""
        self.recorded_at = 0
        """Its recorded time."""

    # What happened: events from the log, decided by whomever.

    def follow(self, rows: list[Row]) -> None:
        """Take in rows of the log; raises ``codec.UnknownTopicError`` at one that it does not understand."""
        books, recent = self.books, self.recent
        for row in rows:
            change = Change(row.originator_id, row.originator_version, decode(row.topic, row.state))
            books.evolve(change, row.recorded_at, row.position)
            if row.request_id is not None:
                recent.add(row.request_id, row.position, row.recorded_at)
            if row.originator_version == 1:
                recent.add(row.originator_id, row.position, row.recorded_at)
            self.position = row.position
            self.recorded_at = row.recorded_at
        books.journal.clear()
        recent.roll(self.recorded_at, self.position)

    # What is to happen.

    def begin(self) -> Batch:
        """Return an empty batch that continues after the last decided position."""
        self.recent.roll(self.recorded_at, self.position)
        return Batch(self.position + 1)

    def seal(self, batch: Batch) -> None:
        """Close the batch: what it changed is its own to undo from now on."""
        batch.journal, self.books.journal = self.books.journal, []

    def undo(self, batch: Batch) -> None:
        """Take back everything a batch changed; the newest batch first."""
        if batch.journal:
            undo(batch.journal)
        for request_id in batch.ids:
            self.recent.remove(request_id)
        self.position = batch.first - 1
        self.recent.went_back(self.position)

    def decide(self, ticket: Ticket, batch: Batch) -> None:
        """Decide one ticket: its rows join the batch, its outcome waits with it.

        Raises LookUpError, with nothing changed, when something must be read from the log first.
        """
        mark, rows, ids = len(self.books.journal), len(batch.rows), len(batch.ids)
        before = self.position, self.recorded_at
        try:
            if isinstance(ticket, BatchTicket):
                outcome: object = self._atomic(ticket, batch) if ticket.atomic else self._each(ticket, batch)
            elif isinstance(ticket, CreditTicket):
                outcome = self._credit(ticket, batch)
            elif isinstance(ticket, CommandTicket):
                outcome = self._command(ticket, ticket.command, ticket.request_id, batch)
            else:
                raise TypeError(f"{type(ticket).__name__} cannot be decided")
        except (LookUpError, NotAtHandError) as missing:
            self._roll_back(batch, mark, rows, ids, before)
            if isinstance(missing, NotAtHandError):
                ticket.missed += missing.aggregate_ids
            raise LookUpError from missing
        except BaseException:
            self._roll_back(batch, mark, rows, ids, before)
            raise
        if ticket.validate_only:
            self._roll_back(batch, mark, rows, ids, before)
            outcome = as_trial(outcome, ticket, self.position)
        ticket.outcome = outcome
        batch.tickets.append(ticket)

    def _roll_back(self, batch: Batch, mark: int, rows: int, ids: int, before: tuple[int, int]) -> None:
        undo(self.books.journal, mark)
        del batch.rows[rows:]
        for request_id in batch.ids[ids:]:
            self.recent.remove(request_id)
        del batch.ids[ids:]
        self.position, self.recorded_at = before

    def record_own(self, event: Event, batch: Batch) -> None:
        """Record what the engine has to say of itself."""
        change = Change(ENGINE_ID, self.books.life.version + 1, event)
        self._append([change], batch, TIMER, None, self.now())

    def now(self) -> int:
        """Return the recorded time of the next event: the clock, or just after the last record."""
        return max(self.clock.now(), self.recorded_at + 1)

    def expire_due(self, batch: Batch, limit: int) -> int:
        """Record the expiry of up to ``limit`` lapsed holds; return how many."""
        lapsed = self.books.due(self.now(), limit)
        for authorization in lapsed:
            self._expire(expire(authorization), batch, authorization.expires_at)
        return len(lapsed)

    # One command.

    def _command(
        self,
        ticket: Ticket,
        command: Command | CreateTransfer,
        request_id: bytes,
        batch: Batch,
        index: int = 0,
    ) -> Outcome:
        books = self.books
        now = self.now()
        repeated = self._repeat(ticket, request_id, now, index)
        if repeated is not None:
            return repeated
        self._bring_to_hand(ticket, command)
        while books.any_lapsed(now) and self._expire_lapsed(command, batch, now):
            now = self.recorded_at + 1
        context = Context(request_id, now, self.policy)
        decided = command.decide(books, context)
        if isinstance(command, Command) and (isinstance(decided, Refusal) or ticket.validate_only):
            self._see_claims(command)
        if isinstance(decided, Refusal):
            return self._decline(ticket, command, request_id, decided, context, batch)
        creates = decided[0].originator_id == request_id
        position = self._append(decided, batch, ticket.caller, None if creates else request_id, now)
        batch.ids.append(request_id)
        self.recent.add(request_id, position, now)
        first = decided[0]
        return Accepted(position, now, first, self._subject(first))

    def _decline(
        self,
        ticket: Ticket,
        command: Command | CreateTransfer,
        request_id: bytes,
        refusal: Refusal,
        context: Context,
        batch: Batch,
    ) -> Declined:
        if not refusal.reason.value.recorded:
            return Declined(refusal)
        if isinstance(command, CreateTransfer):
            changes = [Change(request_id, 1, command.declined(refusal))]
        else:
            changes = command.declined(self.books, refusal, context)
        # In the request's column too, where the log holds it against every other use of the id.
        column = request_id if isinstance(changes[0].event, CommandDeclined) else None
        position = self._append(changes, batch, ticket.caller, column, context.now)
        batch.ids.append(request_id)
        self.recent.add(request_id, position, context.now)
        return Declined(refusal, position, context.now)

    def _append(
        self, changes: list[Change], batch: Batch, caller: str, request_id: bytes | None, recorded_at: int
    ) -> int:
        """Append changes in order and evolve them; return the position of the first."""
        first = position = self.position + 1
        for change in changes:
            event = change.event
            batch.rows.append(
                Row(
                    self.books.partition,
                    position,
                    change.originator_id,
                    change.version,
                    event.TOPIC,
                    encode(event),
                    recorded_at,
                    request_id,
                    caller,
                )
            )
            self.books.evolve(change, recorded_at, position)
            request_id = None
            position += 1
            recorded_at += 1
        self.position = position - 1
        self.recorded_at = recorded_at - 1
        return first

    def _expire(self, change: Change, batch: Batch, expires_at: int) -> None:
        request_id = derived_id(change.originator_id, f"expire:{expires_at}")
        self._append([change], batch, TIMER, request_id, self.now())

    def _expire_lapsed(self, command: Command | CreateTransfer, batch: Batch, now: int) -> int:
        """End the holds that have lapsed on the accounts the command touches, before it is decided."""
        lapsed = self.books.lapsed(command.touched_accounts(self.books), now)
        for authorization in lapsed:
            self._expire(expire(authorization), batch, authorization.expires_at)
        return len(lapsed)

    def _see_claims(self, command: Command) -> None:
        """Make sure that no claim is unknown which would have led to another refusal."""
        if not all(self.books.at_hand(claim) for claim in command.claims()):
            raise LookUpError

    def _subject(self, change: Change) -> Aggregate | None:
        """Return the aggregate as it is just after the change, where it is one the caller gets to see."""
        books = self.books
        if books.at_hand(change.originator_id):
            return books.aggregate(change.originator_id)
        return None

    # Requests made before, and aggregates to have at hand.

    def _repeat(self, ticket: Ticket, request_id: bytes, now: int, index: int = 0) -> Repeated | None:
        recent = self.recent
        position = recent.find(request_id)
        if not position and not recent.is_new(request_id, now):
            if ticket.looked_up < recent.floor:
                raise LookUpError
            position = ticket.found.get(request_id, 0)
        return Repeated(position, replayed=ticket.attempted.get(index) != position) if position else None

    def _bring_to_hand(self, ticket: Ticket, command: Command | CreateTransfer | None) -> None:
        """Take what was loaded for the ticket into the books, where it is certainly not out of date."""
        books = self.books
        for aggregate_id, (aggregate, as_of) in ticket.loaded.items():
            if books.at_hand(aggregate_id):
                continue
            if as_of < max(books.evicted_at, self.recent.floor, self.recent.find(aggregate_id)):
                raise LookUpError
            books.remember(aggregate_id, aggregate)
        if isinstance(command, Command):
            for aggregate_id in command.needs():
                if not books.at_hand(aggregate_id):
                    raise LookUpError

    # Many transfers.

    def _each(self, ticket: BatchTicket, batch: Batch) -> BatchOutcome:
        """Decide every transfer by itself; those that are plainly new and plainly allowed take a short way.

        The short way is ``_command`` with what cannot happen left out: no repeat, no lapsed hold, no refusal.
        """
        outcome = BatchOutcome(self.now())
        self.recorded_at = outcome.recorded_at - 1
        if isinstance(ticket.transfers, PlainTransfers) and self._all_at_once(ticket.transfers, batch, ticket.caller):
            outcome.positions = list(range(self.position - len(ticket.transfers) + 1, self.position + 1))
            return outcome
        accounts, journal = self.books.accounts, self.books.journal
        is_newcomer = self.recent.newcomers(outcome.recorded_at)
        quiet = not self.books.any_lapsed(outcome.recorded_at + len(ticket.transfers))
        positions = outcome.positions
        for index, transfer in enumerate(ticket.transfers):
            if (
                quiet
                and transfer.plain()
                and is_newcomer(transfer.request_id)
                and accounts.try_move(transfer.debit_account, transfer.credit_account, transfer.amount, journal)
            ):
                positions.append(self._post(transfer, batch, ticket.caller))
                continue
            result = self._command(ticket, transfer, transfer.request_id, batch, index)
            quiet = not self.books.any_lapsed(self.recorded_at + len(ticket.transfers))
            positions.append(result.position)
            if isinstance(result, Declined):
                outcome.declined.append((index, result))
            elif isinstance(result, Repeated):
                outcome.repeated.append((index, result))
        return outcome

    def _all_at_once(self, transfers: PlainTransfers, batch: Batch, caller: str) -> bool:
        """Post a whole batch over its columns, if all of it is plainly new and plainly allowed."""
        books, ids, count = self.books, transfers.request_ids, len(transfers)
        if (
            books.any_lapsed(self.recorded_at + count)
            or not self.recent.all_new(ids, self.recorded_at)
            or not books.none_asked_for(ids)
            or not try_move_all(transfers.posted, books.accounts, books.journal)
        ):
            return False
        first, recorded_at = self.position + 1, self.recorded_at + 1
        columns = (
            repeat(books.partition, count),
            range(first, first + count),
            ids,
            repeat(1),
            repeat(TransferPosted.TOPIC),
            map(encode, transfers.posted),
            range(recorded_at, recorded_at + count),
            repeat(None),
            repeat(caller),
        )
        batch.rows += map(tuple.__new__, repeat(Row), zip(*columns, strict=False))  # _make, without its call
        batch.ids += ids
        self.recent.add_all(ids, first)
        self.position += count
        self.recorded_at += count
        return True

    def _post(self, transfer: CreateTransfer, batch: Batch, caller: str) -> int:
        """Append a transfer that has moved already; return its position."""
        request_id = transfer.request_id
        self.position = position = self.position + 1
        self.recorded_at = recorded_at = self.recorded_at + 1
        state = encode(transfer.posted())
        row = (self.books.partition, position, request_id, 1, TransferPosted.TOPIC, state, recorded_at, None, caller)
        batch.rows.append(Row._make(row))
        self.books.forget_absence(request_id)
        batch.ids.append(request_id)
        self.recent.add_newcomer(request_id, position)
        return position

    def _atomic(self, ticket: BatchTicket, batch: Batch) -> Outcome:
        """Post every transfer or none: the first refusal refuses the whole batch."""
        now = self.now()
        repeated = self._repeat(ticket, ticket.request_id, now)
        if repeated is not None:
            return repeated
        self._bring_to_hand(ticket, None)
        if self.books.any_lapsed(now):
            for transfer in ticket.transfers:
                self._expire_lapsed(transfer, batch, now)
        mark, rows, ids = len(self.books.journal), len(batch.rows), len(batch.ids)
        before = self.position, self.recorded_at
        now = self.now()
        posted = BatchPosted(count=len(ticket.transfers), fingerprint=ticket.fingerprint)
        first = Change(ticket.request_id, 1, posted)
        head = self._append([first], batch, ticket.caller, None, now)
        batch.ids.append(ticket.request_id)
        self.recent.add(ticket.request_id, head, now)
        for index, transfer in enumerate(ticket.transfers):
            refusal = self._part(ticket, transfer, batch)
            if refusal is not None:
                self._roll_back(batch, mark, rows, ids, before)
                return self._decline_batch(ticket, index, refusal, batch)
        return Accepted(head, now, first, posted)

    def _part(self, ticket: BatchTicket, transfer: CreateTransfer, batch: Batch) -> Refusal | None:
        now = self.now()
        if self._repeat(ticket, transfer.request_id, now) is not None:
            return Refusal(Reason.REQUEST_ID_REUSED)
        context = Context(transfer.request_id, now, self.policy)
        decided = transfer.decide(self.books, context)
        if isinstance(decided, Refusal):
            return decided
        position = self._append(decided, batch, ticket.caller, None, context.now)
        batch.ids.append(transfer.request_id)
        self.recent.add(transfer.request_id, position, context.now)
        return None

    def _decline_batch(self, ticket: BatchTicket, index: int, refusal: Refusal, batch: Batch) -> Declined:
        refusal = msgspec.structs.replace(refusal, metadata={**refusal.metadata, "index": str(index)})
        if not refusal.reason.value.recorded:
            return Declined(refusal)
        event = BatchDeclined(
            index=index,
            reason=refusal.reason.name,
            detail=dict(refusal.metadata),
            fingerprint=ticket.fingerprint,
            transfers=asked(ticket.transfers),
        )
        now = self.now()
        position = self._append([Change(ticket.request_id, 1, event)], batch, ticket.caller, None, now)
        batch.ids.append(ticket.request_id)
        self.recent.add(ticket.request_id, position, now)
        return Declined(refusal, position, now)

    # Many credits.

    def _credit(self, ticket: CreditTicket, batch: Batch) -> BatchOutcome | Declined:
        """Decide every line by itself, and record in the same append what all of them come to."""
        books = self.books
        self._bring_to_hand(ticket, None)
        file = books.aggregate(ticket.file_id)
        if not isinstance(file, CreditFile):
            return Declined(refuse(Reason.CREDIT_FILE_NOT_FOUND, credit_file_id=UUID(bytes=ticket.file_id)))
        ticket.file = file
        for lapsed in books.lapsed((file.account,), self.now()):
            self._expire(expire(lapsed), batch, lapsed.expires_at)
        outcome = BatchOutcome(self.now())
        posted: list[int] = []
        declined: list[int] = []
        received = file.received_total
        for index, line in enumerate(ticket.lines):
            now = self.now()
            repeated = self._repeat(ticket, line.line_id, now, index)
            if repeated is not None:
                outcome.positions.append(repeated.position)
                outcome.repeated.append((index, repeated))
                continue
            untaken = not_taken(file, line, received)
            if untaken is not None:
                outcome.positions.append(0)
                outcome.declined.append((index, Declined(untaken)))
                continue
            received += line.amount
            decided = decide_line(books, Context(line.line_id, now, self.policy), file, line)
            event = refused(file, line, decided) if isinstance(decided, Refusal) else decided
            position = self._append([Change(line.line_id, 1, event)], batch, ticket.caller, None, now)
            batch.ids.append(line.line_id)
            self.recent.add(line.line_id, position, now)
            outcome.positions.append(position)
            if isinstance(decided, Refusal):
                outcome.declined.append((index, Declined(decided, position, now)))
            (declined if isinstance(decided, Refusal) else posted).append(line.amount)
        if posted or declined:
            sums = CreditLinesDecided(
                posted=len(posted), posted_total=sum(posted), refused=len(declined), refused_total=sum(declined)
            )
            self._append([Change(ticket.file_id, file.version + 1, sums)], batch, ticket.caller, None, self.now())
        return outcome
