"""Credit files: salaries and pensions, up to a million lines paid from one account.

A file is opened with what it should hold, its lines are paid in chunks, and it is closed when all have arrived. Each
line is decided by itself and for good: it is a transfer, or a recorded refusal, under an id that follows from the file
and the line's number, so that any line may be sent again and is paid once. The file keeps sums, never its lines.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, ClassVar, Final
from uuid import UUID

import msgspec
from pydantic import AfterValidator, Field

from domain.command import AccountId, Command, ParticipantId, Reference, printable
from domain.event import Change, Context, Event, Leg
from domain.ids import derived_id
from domain.money import MAX_BALANCE
from domain.participant import Participant, find_participant
from domain.refusals import Reason, Refusal, invalid, refuse
from domain.transfer import INTERBANK, CreateTransfer, TransferPosted

if TYPE_CHECKING:
    from domain.books import Books

MAX_LINE_NUMBER: Final = 1_000_000
MAX_LINES: Final = 8_190
_STRAIGHT: Final = 2

PayerName = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(printable)]
LineCount = Annotated[int, Field(strict=True, ge=1, le=MAX_LINE_NUMBER)]
Total = Annotated[int, Field(strict=True, ge=0, le=MAX_BALANCE)]


class Category(StrEnum):
    """What a file pays, and the kind of its transfers."""

    SALARY = "salary"
    PENSION = "pension"


class CreditFileOpened(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A bank announced a file: ``lines`` credits that sum to ``total`` tyiyn, paid from ``account``."""

    TOPIC: ClassVar[str] = "credit_file.opened.v1"

    category: Category
    participant: str
    account: int
    currency: str
    lines: int
    total: int
    payer_name: str
    reference: str = ""
    fingerprint: str = ""


class CreditLinesDecided(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Lines of a file were decided, in the same append: so many paid, so many refused, with their sums in tyiyn."""

    TOPIC: ClassVar[str] = "credit_file.lines_decided.v1"

    posted: int = 0
    posted_total: int = 0
    refused: int = 0
    refused_total: int = 0


class CreditFileClosed(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The file holds all that it should: it takes no more lines."""

    TOPIC: ClassVar[str] = "credit_file.closed.v1"

    fingerprint: str = ""


class CreditLineRefused(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A line of a file was refused for good; nothing moved. ``target`` is whom it named."""

    TOPIC: ClassVar[str] = "credit_line.refused.v1"

    file: UUID
    line: int
    reason: str
    detail: dict[str, str] = {}
    target: str
    account: int = 0
    amount: int = 0
    reference: str = ""


class CreditFile(msgspec.Struct, frozen=True):
    """A file and the sums of what became of its lines."""

    file_id: bytes
    uuid: UUID
    """The same as ``file_id``, made once for the events of all its lines."""
    category: Category
    participant: str
    account: int
    currency: str
    lines: int
    total: int
    payer_name: str
    reference: str
    created_at: int
    updated_at: int
    version: int = 1
    posted: int = 0
    posted_total: int = 0
    refused: int = 0
    refused_total: int = 0
    closed: bool = False

    @property
    def received(self) -> int:
        """How many lines were decided."""
        return self.posted + self.refused

    @property
    def received_total(self) -> int:
        """What the decided lines sum to."""
        return self.posted_total + self.refused_total


class CreditLine(msgspec.Struct, frozen=True, gc=False):
    """A line to be paid to ``account``, 0 when ``unknown`` says why whom it names (``target``) has none.

    An empty ``reference`` stands for the file's own.
    """

    line_id: bytes
    number: int
    target: str
    account: int
    amount: int
    reference: str = ""
    unknown: Refusal | None = None

    def same_as(self, event: Event, file: CreditFile) -> bool:
        """Tell whether an event records this very line."""
        reference = self.reference or file.reference
        match event:
            case TransferPosted():
                paid = event.legs[-1].credit_account if event.legs else event.credit_account
                return (paid, event.amount, event.reference) == (self.account, self.amount, reference)
            case CreditLineRefused():
                return (event.target, event.amount, event.reference) == (self.target, self.amount, reference)
            case _:
                return False


def line_id(file_id: bytes, number: int) -> bytes:
    """Return the id of a line, which is that of its transfer."""
    return derived_id(file_id, str(number))


def evolve(state: CreditFile | None, change: Change, recorded_at: int) -> CreditFile:
    """Return the file after one more of its events."""
    event = change.event
    if isinstance(event, CreditFileOpened) and state is None:
        return CreditFile(
            file_id=change.originator_id,
            uuid=UUID(bytes=change.originator_id),
            category=event.category,
            participant=event.participant,
            account=event.account,
            currency=event.currency,
            lines=event.lines,
            total=event.total,
            payer_name=event.payer_name,
            reference=event.reference,
            created_at=recorded_at,
            updated_at=recorded_at,
        )
    if state is None:
        raise ValueError(f"{event.TOPIC} is not the first event of a credit file")
    after = msgspec.structs.replace(state, version=change.version, updated_at=recorded_at)
    match event:
        case CreditLinesDecided():
            return msgspec.structs.replace(
                after,
                posted=state.posted + event.posted,
                posted_total=state.posted_total + event.posted_total,
                refused=state.refused + event.refused,
                refused_total=state.refused_total + event.refused_total,
            )
        case CreditFileClosed():
            return msgspec.structs.replace(after, closed=True)
        case _:
            raise ValueError(f"{event.TOPIC} is not the next event of a credit file")


class OpenCreditFile(Command):
    """Announce a file. ``request_id`` becomes its id."""

    NAME: ClassVar[str] = "open_credit_file"

    category: Category
    participant_id: ParticipantId
    account_id: AccountId
    line_count: LineCount
    sum_tyiyn: Total
    payer_name: PayerName
    reference: Reference = ""

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: the paying account exists, is the participant's, and is open for debits."""
        facts = books.facts(self.account_id)
        if facts is None:
            return refuse(Reason.ACCOUNT_NOT_FOUND, account_id=self.account_id)
        if facts[0] != self.participant_id:
            return invalid("account_id", "PARTICIPANT", "is an account of another participant")
        refusal = books.accounts.debit_refusal(books.accounts.find(self.account_id))
        if refusal is not None:
            return refusal
        event = CreditFileOpened(
            category=self.category,
            participant=self.participant_id,
            account=self.account_id,
            currency=facts[1],
            lines=self.line_count,
            total=self.sum_tyiyn,
            payer_name=self.payer_name,
            reference=self.reference,
            fingerprint=self.fingerprint(),
        )
        return [Change(context.request_id, 1, event)]


class CloseCreditFile(Command):
    """Say that the file is complete: it holds so many lines, with corrections, and they sum to so much."""

    NAME: ClassVar[str] = "close_credit_file"

    file_id: UUID
    line_count: LineCount
    sum_tyiyn: Total

    def target(self) -> UUID:
        """Return the file's id."""
        return self.file_id

    def needs(self) -> tuple[bytes, ...]:
        """Return the aggregates that must be at hand for the decision."""
        return (self.file_id.bytes,)

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: the file, still open; as many lines as announced, or more; the count and the sum."""
        file = books.aggregate(self.file_id.bytes)
        if not isinstance(file, CreditFile):
            return refuse(Reason.CREDIT_FILE_NOT_FOUND, credit_file_id=self.file_id)
        if file.closed:
            return refuse(Reason.CREDIT_FILE_CLOSED, credit_file_id=self.file_id)
        lines = max(self.line_count, file.lines)
        if (file.received, file.received_total) != (lines, self.sum_tyiyn):
            return refuse(
                Reason.CREDIT_FILE_INCOMPLETE,
                credit_file_id=self.file_id,
                expected_lines=lines,
                received_lines=file.received,
                expected_sum=self.sum_tyiyn,
                received_sum=file.received_total,
            )
        return [Change(file.file_id, file.version + 1, CreditFileClosed(fingerprint=self.fingerprint()))]


def not_taken(file: CreditFile, line: CreditLine, received_total: int) -> Refusal | None:
    """Return why a new line cannot even be decided, so that nothing is recorded of it."""
    if file.closed:
        return refuse(Reason.CREDIT_FILE_CLOSED, credit_file_id=file.uuid)
    if received_total + line.amount > MAX_BALANCE:
        return refuse(Reason.BALANCE_LIMIT)
    return None


def decide_line(books: "Books", context: Context, file: CreditFile, line: CreditLine) -> TransferPosted | Refusal:
    """Pay a line, or say why not: whom it names, the amount, not the payer, the banks, then as any transfer."""
    if line.unknown is not None:
        return line.unknown
    if not line.amount:
        return refuse(Reason.CREDIT_AMOUNT_ZERO)
    if line.account == file.account:
        return refuse(Reason.RECIPIENT_IS_PAYER, account_id=line.account)
    hops = _hops(books, file, line.account)
    if isinstance(hops, Refusal):
        return hops
    kind: str = file.category
    legs = _legs(kind, hops, line.amount) if len(hops) > _STRAIGHT else ()
    reference = line.reference or file.reference
    transfer = CreateTransfer(
        line.line_id, file.account, hops[1], line.amount, file.currency, kind, reference, legs=legs
    )
    refusal = transfer.guard(books, context)
    if refusal is not None:
        return refusal
    return TransferPosted(
        file.account,
        hops[1],
        line.amount,
        kind=kind,
        reference=reference,
        legs=legs,
        credit_file=file.uuid,
        credit_line=line.number,
    )


def refused(file: CreditFile, line: CreditLine, refusal: Refusal) -> CreditLineRefused:
    """Return the event that records the refusal of a line."""
    return CreditLineRefused(
        file=file.uuid,
        line=line.number,
        reason=refusal.reason.name,
        detail=dict(refusal.metadata),
        target=line.target,
        account=line.account,
        amount=line.amount,
        reference=line.reference or file.reference,
    )


def _legs(kind: str, hops: tuple[int, ...], amount: int) -> tuple[Leg, ...]:
    """Return what follows the first movement along the hops; the last one is told to the recipient."""
    last = len(hops) - 2
    return tuple(
        Leg(kind if at == last else INTERBANK, hops[at], hops[at + 1], amount) for at in range(1, len(hops) - 1)
    )


def _hops(books: "Books", file: CreditFile, account: int) -> tuple[int, ...] | Refusal:
    """Return the accounts that the money passes: straight within a bank, else through both settlement accounts."""
    facts = books.facts(account)
    if facts is None:
        return refuse(Reason.ACCOUNT_NOT_FOUND, account_id=account)
    if not books.accounts.is_customer(books.accounts.find(account)):
        return refuse(Reason.RECIPIENT_NOT_FOUND, account_id=account)
    if facts[0] == file.participant:
        return (file.account, account)
    through = []
    for participant in (file.participant, facts[0]):
        found = find_participant(books, participant)
        if not isinstance(found, Participant):
            return refuse(Reason.PARTICIPANT_NOT_FOUND, participant_id=participant)
        through.append(found.settlement_account)
    return tuple(dict.fromkeys((file.account, *through, account)))
