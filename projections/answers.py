"""What questions are asked with, and what they are answered with: frozen structs.

Amounts are tyiyn, times microseconds since the Unix epoch, ids the 16 bytes of a UUID.
"""

from enum import IntEnum, StrEnum
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from domain.account import Account, AccountKind
from domain.authorization import Authorization

T = TypeVar("T")


class Answer(NamedTuple, Generic[T]):
    """A result, and the position of each partition that it reflects."""

    result: T
    positions: dict[int, int]


class AtPosition(msgspec.Struct, frozen=True):
    """The books right after the event at a position; of one partition."""

    partition: int
    position: int


class AtRecordedTime(msgspec.Struct, frozen=True):
    """Everything recorded at or before a time."""

    time: int


class AtEffectiveTime(msgspec.Struct, frozen=True):
    """Every movement known today that happened at or before a time."""

    time: int


AsOf = AtPosition | AtRecordedTime | AtEffectiveTime


class PositionInFutureError(Exception):
    """A question names a position or a time that is later than what is known."""

    def __init__(self, asked: int, newest: int) -> None:
        super().__init__(f"{asked} is later than {newest}")
        self.asked = asked
        self.newest = newest


class Balance(msgspec.Struct, frozen=True, gc=False):
    """What an account has. ``held`` and ``available`` are None as of an effective time."""

    account_id: int
    currency: str
    posted: int
    held: int | None
    available: int | None
    overdraft_limit: int
    minimum_balance: int


class Figures(msgspec.Struct, frozen=True, gc=False):
    """What an account had right after a position."""

    account_id: int
    participant: str
    kind: AccountKind
    currency: str
    posted: int
    held: int
    overdraft_limit: int
    minimum_balance: int


class TrialBalanceLine(msgspec.Struct, frozen=True, gc=False):
    """The sum of one kind of account in one currency."""

    currency: str
    kind: AccountKind
    posted: int
    account_count: int


class Source(IntEnum):
    """What sort of thing moved the money."""

    TRANSFER = 1
    AUTHORIZATION = 2
    FORCE_POSTING = 3
    REFUND = 4
    BULK = 5


class StatementLine(msgspec.Struct, frozen=True, gc=False):
    """One movement as one account sees it. Its key is (position, leg); ``amount`` is positive for a credit."""

    partition: int
    position: int
    leg: int
    recorded_at: int
    effective_time: int
    kind: str
    amount: int
    balance_after: int
    counterparty: int
    counterparty_number: str
    source_type: Source
    source_id: bytes
    reference: str
    merchant_name: str


class Axis(IntEnum):
    """Which of a movement's two times puts it into a period and in order."""

    RECORDED = 1
    EFFECTIVE = 2


class LineCursor(msgspec.Struct, frozen=True, array_like=True):
    """After which line the next page of a statement begins, and the position all its pages reflect."""

    bound: int
    time: int
    position: int
    leg: int


class Statement(msgspec.Struct, frozen=True):
    """A page of a period's movements, oldest first, and the period's figures, the same on every page.

    ``opening + total_credits - total_debits = closing``. ``position`` is what all pages reflect.
    """

    account_id: int
    currency: str
    position: int
    opening: int
    closing: int
    total_debits: int
    total_credits: int
    count: int
    lines: tuple[StatementLine, ...]
    next: LineCursor | None


class AuthorizationRecord(msgspec.Struct, frozen=True):
    """An authorisation as at the time it was asked for, and the bank that keeps its account."""

    partition: int
    position: int
    participant: str
    authorization: Authorization

    @property
    def cursor(self) -> "RecordCursor":
        """Where a list goes on after it."""
        return RecordCursor(self.authorization.created_at, self.partition, self.position)


class MiniStatement(msgspec.Struct, frozen=True):
    """The last movements in recorded order and the authorisations that hold something, both newest first."""

    balance: Balance
    lines: tuple[StatementLine, ...]
    open_authorizations: tuple[AuthorizationRecord, ...]


class Overview(msgspec.Struct, frozen=True):
    """An account with what it has, its last movements in recorded order and its authorisations, both newest first."""

    account: Account
    balance: Balance
    lines: tuple[StatementLine, ...]
    authorizations: tuple[AuthorizationRecord, ...]


class NoticeKind(StrEnum):
    """What a notice tells."""

    SALARY_CREDITED = "salary_credited"
    PENSION_CREDITED = "pension_credited"
    MONEY_IN = "money_in"
    PAYMENT_MADE = "payment_made"
    TRANSFER_SENT = "transfer_sent"
    MONEY_OUT = "money_out"
    HOLD_PLACED = "hold_placed"
    HOLD_RELEASED = "hold_released"
    VERIFICATION_HOLD = "verification_hold"
    CARD_BOUND = "card_bound"
    CARD_UNBOUND = "card_unbound"
    CARD_BINDING_LOCKED = "card_binding_locked"
    CARD_BLOCKED = "card_blocked"
    CARD_UNBLOCKED = "card_unblocked"
    CARD_LOST = "card_lost"
    CARD_CLOSED = "card_closed"
    HOLD_CHANGED = "hold_changed"
    PAYMENT_DECLINED = "payment_declined"
    PAYMENT_FAILED = "payment_failed"
    PAYMENT_UNRESOLVED = "payment_unresolved"
    TOKEN_REQUESTED = "token_requested"  # noqa: S105 - a payment token, no secret
    TOKEN_ACTIVATED = "token_activated"  # noqa: S105
    TOKEN_SUSPENDED = "token_suspended"  # noqa: S105
    TOKEN_RESUMED = "token_resumed"  # noqa: S105
    TOKEN_DEACTIVATED = "token_deactivated"  # noqa: S105


class Channel(IntEnum):
    """The way a notice is told."""

    PUSH = 1
    SMS = 2


class Cursor(NamedTuple):
    """A place in the outbox: behind a notice."""

    position: int = 0
    item: int = 2**31 - 1


class Notice(msgspec.Struct, frozen=True, gc=False):
    """What somebody is to be told. ``customer`` is empty where it is the bank's own business."""

    partition: int
    cursor: Cursor
    kind: NoticeKind
    channel: Channel
    participant: str
    account_id: int
    account_number: str
    currency: str
    customer: bytes
    card: bytes
    masked_card: str | None
    amount: int
    fee: int
    counterparty: int
    counterparty_number: str | None
    category: str
    merchant: str
    happened: int
    source_id: bytes


class Wanted(NamedTuple):
    """Which notices a reader wants; None wants all."""

    participant: str | None = None
    customer: bytes | None = None
    channel: Channel | None = None
    account: int | None = None
    served: str | None = None
    """The participant whose customers are told: none of those is wanted then that are the bank's own business."""


class NoticePage(NamedTuple):
    """Notices in order, the place up to which all that are wanted are among them, and how far the tables are."""

    notices: tuple[Notice, ...]
    reached: Cursor
    tracked: int

    @property
    def last(self) -> bool:
        """Whether there is nothing more, for now. So it is too while the tables are made anew, behind the reader."""
        return self.reached >= Cursor(self.tracked)


class NoticeList(NamedTuple):
    """Notices, newest first; where those before them begin, None where there are none; and which are kept no more."""

    notices: tuple[Notice, ...]
    before: Cursor | None
    dropped: Cursor | None
    tracked: int


class RecordCursor(msgspec.Struct, frozen=True, array_like=True):
    """After which record the next page of a list, newest first, begins."""

    recorded_at: int
    partition: int
    position: int


BEGINNING: Final = RecordCursor(0, 0, 0)
"""Before every record."""
END: Final = RecordCursor(2**63 - 1, 2**15 - 1, 2**63 - 1)
"""After every record."""


class Located(msgspec.Struct, frozen=True, gc=False):
    """Where something that is listed stands in the log, which has the thing itself."""

    partition: int
    position: int
    recorded_at: int
    originator_id: bytes

    @property
    def cursor(self) -> RecordCursor:
        """Where a list goes on after it."""
        return RecordCursor(self.recorded_at, self.partition, self.position)
