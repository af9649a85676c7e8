"""What a bank does with its cards. Each command on a card is refused for what the card is, then for what it asks."""

from typing import TYPE_CHECKING, Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from domain import card_tokens, wallet
from domain.card import (
    UNUSABLE,
    Card,
    CardBlocked,
    CardBound,
    CardClosed,
    CardIssued,
    CardNotificationsSet,
    CardRenewed,
    CardReplaced,
    CardReportedLost,
    CardUnblocked,
    CardUnbound,
    Loss,
    Status,
    UnboundBy,
    find,
)
from domain.command import AccountId, Command, Explanation, ParticipantId, Reference
from domain.event import Change, Context, Event
from domain.pan import Expiry, Masked, NumberFault, expired, number_refusal
from domain.refusals import Reason, Refusal, refuse
from domain.token import Cause

if TYPE_CHECKING:
    from domain.books import Books

PAR = r"^[A-Z0-9]{29}$"
"""A payment account reference: 29 upper-case alphanumerics (EMVCo, Payment Account Reference)."""


class IssueCard(Command):
    """Make a card known whose number has been looked at, and reserved in the vault unless another card has it."""

    NAME: ClassVar[str] = "issue_card"
    SECRETS: ClassVar[frozenset[str]] = frozenset({"par", "taken", "number_fault"})

    participant_id: ParticipantId
    account_id: AccountId
    masked_number: Masked
    number_fault: NumberFault | None = None
    expires: Expiry
    par: Annotated[str, Field(pattern=PAR)]
    reference: Reference = ""
    taken: bool = False

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: the number, the expiry, the account (known, the bank's, a customer's, open), the number."""
        policy = context.policy
        reason = number_refusal(self.masked_number, self.number_fault, policy.card_prefix, policy.tokens.bin)
        if reason is None and expired(self.expires, context.now, context.policy.utc_offset_seconds):
            reason = Reason.CARD_EXPIRY_PAST
        if reason is not None:
            return refuse(reason)
        refusal = self._account(books)
        if refusal is not None:
            return refusal
        if self.taken:
            return refuse(Reason.CARD_ALREADY_ISSUED)
        issued = CardIssued(
            participant=self.participant_id,
            account=self.account_id,
            masked=self.masked_number,
            expires=self.expires,
            par=self.par,
            reference=self.reference,
            fingerprint=self.fingerprint(),
        )
        return [Change(context.request_id, 1, issued)]

    def _account(self, books: "Books") -> Refusal | None:
        accounts, index = books.accounts, books.accounts.find(self.account_id)
        facts = books.facts(self.account_id)
        if facts is None:
            return refuse(Reason.ACCOUNT_NOT_FOUND, account_id=self.account_id)
        if facts[0] != self.participant_id:
            return refuse(Reason.ACCOUNT_OF_ANOTHER_BANK, account_id=self.account_id)
        if not accounts.is_customer(index):
            return refuse(Reason.ACCOUNT_NOT_FOR_CARDS, account_id=self.account_id)
        if accounts.is_closed(index):
            return refuse(Reason.ACCOUNT_CLOSED, account_id=self.account_id)
        return None


class _CardCommand(Command):
    """A command on one existing card, with the version the caller expects it to have."""

    ALLOWED: ClassVar[frozenset[Status]] = frozenset({Status.ACTIVE, Status.BLOCKED})
    """In which status a card takes the command; in another the refusal says which."""

    card_id: UUID
    expected_version: Annotated[int, Field(ge=1)] | None = None

    def target(self) -> UUID:
        return self.card_id

    def needs(self) -> tuple[bytes, ...]:
        return (self.card_id.bytes,)

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        card = find(books, self.card_id.bytes)
        if isinstance(card, Refusal):
            return card
        if self.expected_version is not None and self.expected_version != card.version:
            return refuse(Reason.EXPECTED_VERSION_MISMATCH, expected=self.expected_version, actual=card.version)
        if card.status not in self.ALLOWED:
            return self._refuse(UNUSABLE.get(card.status, Reason.CARD_NOT_BLOCKED))
        refusal = self._guard(books, card, context)
        if refusal is not None:
            return refusal
        return [Change(card.card_id, card.version + 1, self._event(card)), *self._following(books, card, context)]

    def _refuse(self, reason: Reason, **figures: object) -> Refusal:
        return refuse(reason, card_id=self.card_id, **figures)

    def _guard(self, books: "Books", card: Card, context: Context) -> Refusal | None:
        return None

    def _event(self, card: Card) -> Event:
        raise TypeError("a command on a card names its event")

    def _following(self, books: "Books", card: Card, context: Context) -> list[Change]:
        """Return what else changes in the same append: whatever stands for the card follows it."""
        return []


class BlockCard(_CardCommand):
    """Let nobody use a card until it is unblocked."""

    NAME: ClassVar[str] = "block_card"
    ALLOWED: ClassVar[frozenset[Status]] = frozenset({Status.ACTIVE})

    explanation: Explanation = ""

    def _event(self, card: Card) -> Event:
        return CardBlocked(explanation=self.explanation, fingerprint=self.fingerprint())

    def _following(self, books: "Books", card: Card, context: Context) -> list[Change]:
        return card_tokens.suspended(books, card, context.now)


class UnblockCard(_CardCommand):
    """Lift a block."""

    NAME: ClassVar[str] = "unblock_card"
    ALLOWED: ClassVar[frozenset[Status]] = frozenset({Status.BLOCKED})

    explanation: Explanation = ""

    def _event(self, card: Card) -> Event:
        return CardUnblocked(explanation=self.explanation, fingerprint=self.fingerprint())

    def _following(self, books: "Books", card: Card, context: Context) -> list[Change]:
        return card_tokens.resumed(books, card, context.now)


class ReportCardLost(_CardCommand):
    """Record that a card was lost or stolen: it is never used again."""

    NAME: ClassVar[str] = "report_card_lost"

    how: Loss
    explanation: Explanation = ""

    def _event(self, card: Card) -> Event:
        return CardReportedLost(how=self.how, explanation=self.explanation, fingerprint=self.fingerprint())

    def _following(self, books: "Books", card: Card, context: Context) -> list[Change]:
        """End the block with which tokens were suspended: they may go to a replacement."""
        return card_tokens.resumed(books, card, context.now) if card.status is Status.BLOCKED else []


class ReplaceCard(_CardCommand):
    """Put another card of the same account in the place of a lost or stolen one; its customer moves along."""

    NAME: ClassVar[str] = "replace_card"
    ALLOWED: ClassVar[frozenset[Status]] = frozenset({Status.LOST, Status.STOLEN})

    replacement_card_id: UUID

    def needs(self) -> tuple[bytes, ...]:
        return (self.card_id.bytes, self.replacement_card_id.bytes)

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Refuse, before anything else of the card, one that was not lost."""
        card = books.aggregate(self.card_id.bytes)
        if isinstance(card, Card) and card.status in (Status.ACTIVE, Status.BLOCKED):
            return self._refuse(Reason.CARD_NOT_LOST)
        return super().decide(books, context)

    def _guard(self, books: "Books", card: Card, context: Context) -> Refusal | None:
        if card.replaced_by is not None:
            return self._refuse(Reason.CARD_ALREADY_REPLACED)
        new = find(books, self.replacement_card_id.bytes)
        if isinstance(new, Refusal):
            return new
        fits = (
            new.account == card.account
            and new.status is Status.ACTIVE
            and not expired(new.expires, context.now, context.policy.utc_offset_seconds)
            and new.customer is None
            and new.replaces is None
        )
        if not fits:
            return refuse(Reason.CARD_REPLACEMENT_UNFIT, card_id=self.replacement_card_id)
        return None

    def _event(self, card: Card) -> Event:
        return CardReplaced(by=self.replacement_card_id, fingerprint=self.fingerprint())

    def _following(self, books: "Books", card: Card, context: Context) -> list[Change]:
        new = find(books, self.replacement_card_id.bytes)
        if isinstance(new, Refusal) or card.customer is None:
            return []
        customer = UUID(bytes=card.customer)
        purse = wallet.find(books, card.customer)
        return [
            Change(new.card_id, new.version + 1, CardBound(customer=customer, replaces=self.card_id)),
            *wallet.following(
                purse,
                wallet.WalletCardRemoved(customer=customer, card=self.card_id),
                wallet.WalletCardAdded(customer=customer, card=self.replacement_card_id),
            ),
            *card_tokens.moved(books, card, new, context.now),
        ]


class RenewCard(_CardCommand):
    """Give a card a later expiry; its number stays."""

    NAME: ClassVar[str] = "renew_card"

    expires: Expiry

    def _guard(self, books: "Books", card: Card, context: Context) -> Refusal | None:
        if expired(self.expires, context.now, context.policy.utc_offset_seconds):
            return refuse(Reason.CARD_EXPIRY_PAST)
        if self.expires <= card.expires:
            return self._refuse(Reason.CARD_EXPIRY_NOT_LATER)
        return None

    def _event(self, card: Card) -> Event:
        return CardRenewed(expires=self.expires, fingerprint=self.fingerprint())


class CloseCard(_CardCommand):
    """Close a card for good."""

    NAME: ClassVar[str] = "close_card"
    ALLOWED: ClassVar[frozenset[Status]] = frozenset(Status) - {Status.CLOSED}

    explanation: Explanation = ""

    def _event(self, card: Card) -> Event:
        return CardClosed(explanation=self.explanation, fingerprint=self.fingerprint())

    def _following(self, books: "Books", card: Card, context: Context) -> list[Change]:
        ended = card_tokens.ended(books, card, context.now, Cause.CARD_CLOSED)
        return ended if card.customer is None else [*wallet.removed(books, card.customer, card.card_id), *ended]


class UnbindCard(_CardCommand):
    """Take a card from the customer it is bound to, who may be named: then it must be that one."""

    NAME: ClassVar[str] = "unbind_card"
    ALLOWED: ClassVar[frozenset[Status]] = frozenset(Status) - {Status.CLOSED}

    customer_id: UUID | None = None

    def _guard(self, books: "Books", card: Card, context: Context) -> Refusal | None:
        if card.customer is None or (self.customer_id is not None and self.customer_id.bytes != card.customer):
            return self._refuse(Reason.CARD_NOT_BOUND)
        return None

    def _event(self, card: Card) -> Event:
        by = UnboundBy.BANK if self.customer_id is None else UnboundBy.CUSTOMER
        return CardUnbound(customer=_customer(card), by=by, fingerprint=self.fingerprint())

    def _following(self, books: "Books", card: Card, context: Context) -> list[Change]:
        ended = card_tokens.ended(books, card, context.now, Cause.CARD_UNBOUND)
        return [*wallet.removed(books, _customer(card).bytes, card.card_id), *ended]


class SetCardNotifications(_CardCommand):
    """Subscribe to messages about a card by SMS, or end that."""

    NAME: ClassVar[str] = "set_card_notifications"
    ALLOWED: ClassVar[frozenset[Status]] = frozenset(Status) - {Status.CLOSED}

    sms: bool

    def _event(self, card: Card) -> Event:
        return CardNotificationsSet(sms=self.sms, fingerprint=self.fingerprint())


def _customer(card: Card) -> UUID:
    if card.customer is None:
        raise ValueError(f"card {card.card_id.hex()} is nobody's")
    return UUID(bytes=card.customer)
