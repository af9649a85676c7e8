"""What the log keeps of a request, and requests that are decided otherwise than by a command of their own."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from domain.aggregate import Aggregate
from domain.authorization import Authorization
from domain.books import Books
from domain.columns import undo
from domain.command import Command
from domain.credit import CreditFile, CreditLine, CreditLineRefused, decide_line, refused
from domain.event import Change, Context, Event
from domain.ports import Row
from domain.refusals import Refusal, Refused
from domain.refused_batch import asked
from domain.resolve import expire
from domain.transfer import BatchDeclined, BatchPosted, CreateTransfer
from ledger.log.fingerprint import BatchFingerprint


class Kept(NamedTuple):
    """A request's first event, the events behind it in the log, and the aggregates as they were before it."""

    row: Row
    event: Event
    following: Sequence[tuple[Row, Event]]
    find: Callable[[bytes], Aggregate | None]

    @property
    def before(self) -> Aggregate | None:
        """The event's own aggregate as it was before it."""
        return self.find(self.row.originator_id)


class NotKept(NamedTuple):
    """A request whose content cannot be had from the log: which fields of it are missing, and why."""

    command: str
    missing: tuple[str, ...]
    explanation: str


class Decidable(Protocol):
    """Something that was asked for, and can be decided again."""

    NAME: str

    def fingerprint(self) -> str:
        """Return what tells its content from any other's; empty for what has no fingerprint."""
        ...

    def decide(self, books: Books, context: Context) -> list[Change] | Refusal: ...

    def refused(self, books: Books, refusal: Refusal, context: Context) -> list[Change]:
        """Return the changes by which a refusal is recorded."""
        ...


class Transferred:
    """A transfer between accounts. Its event keeps all of its request."""

    NAME = CreateTransfer.NAME

    def __init__(self, command: CreateTransfer) -> None:
        self.command = command

    def fingerprint(self) -> str:
        return ""

    def decide(self, books: Books, context: Context) -> list[Change] | Refusal:
        return self.command.decide(books, context)

    def refused(self, books: Books, refusal: Refusal, context: Context) -> list[Change]:
        return [Change(context.request_id, 1, self.command.declined(refusal))]


class Batched:
    """A batch of transfers, to be made all together or not at all."""

    NAME = "create_transfers"

    def __init__(self, transfers: Sequence[CreateTransfer]) -> None:
        self.transfers = transfers
        self._fingerprint = fingerprint_of(transfers)

    def fingerprint(self) -> str:
        return self._fingerprint

    def decide(self, books: Books, context: Context) -> list[Change] | Refusal:
        mark = len(books.journal)
        first = Change(context.request_id, 1, BatchPosted(count=len(self.transfers), fingerprint=self._fingerprint))
        try:
            return [first, *self._posted(books, context)]
        except Refused as refused:
            return refused.refusal
        finally:
            undo(books.journal, mark)

    def _posted(self, books: Books, context: Context) -> list[Change]:
        posted: list[Change] = []
        for index, transfer in enumerate(self.transfers):
            decided = transfer.decide(books, context._replace(now=context.now + index + 1))
            if isinstance(decided, Refusal):
                named = {**decided.metadata, "index": str(index)}
                raise Refused(msgspec.structs.replace(decided, metadata=named))
            for change in decided:
                books.evolve(change, context.now, 0)
            posted += decided
        return posted

    def refused(self, books: Books, refusal: Refusal, context: Context) -> list[Change]:
        event = BatchDeclined(
            index=int(refusal.metadata["index"]),
            reason=refusal.reason.name,
            detail=dict(refusal.metadata),
            fingerprint=self._fingerprint,
            transfers=asked(self.transfers),
        )
        return [Change(context.request_id, 1, event)]


def fingerprint_of(transfers: Sequence[CreateTransfer]) -> str:
    """Return the fingerprint of a batch."""
    found = BatchFingerprint()
    found.add(transfers)
    return found.text()


class Credited:
    """A line of a credit file."""

    NAME = "credit_line"

    def __init__(self, file: CreditFile, line: CreditLine) -> None:
        self.file = file
        self.line = line

    def fingerprint(self) -> str:
        return ""

    def decide(self, books: Books, context: Context) -> list[Change] | Refusal:
        decided = decide_line(books, context, self.file, self.line)
        return decided if isinstance(decided, Refusal) else [Change(self.line.line_id, 1, decided)]

    def refused(self, books: Books, refusal: Refusal, context: Context) -> list[Change]:
        event: CreditLineRefused = refused(self.file, self.line, refusal)
        return [Change(self.line.line_id, 1, event)]


class Expired:
    """A hold whose time had come: what the ledger does by itself."""

    NAME = "expire"

    def __init__(self, authorization: Authorization) -> None:
        self.authorization = authorization

    def fingerprint(self) -> str:
        return ""

    def decide(self, books: Books, context: Context) -> list[Change] | Refusal:
        if context.now < self.authorization.expires_at:
            return []
        held = books.open.get(self.authorization.authorization_id)
        return [] if held is None else [expire(held)]

    def refused(self, books: Books, refusal: Refusal, context: Context) -> list[Change]:
        raise TypeError("an expiry is not refused")


class Commanded:
    """A command that was asked for."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.NAME = command.NAME

    def fingerprint(self) -> str:
        return self.command.fingerprint()

    def decide(self, books: Books, context: Context) -> list[Change] | Refusal:
        return self.command.decide(books, context)

    def refused(self, books: Books, refusal: Refusal, context: Context) -> list[Change]:
        return self.command.declined(books, refusal, context)
