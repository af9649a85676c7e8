"""Why a request is refused: every reason, once, with what follows from it.

A reason's name is on the wire and in the log for good. Its row says what kind of refusal it is (the transport
maps kinds to codes), whether the refusal is *recorded*, and what the caller should do. Recorded refusals
(declines) depend on the state of something that exists: like a success they are final, so the same request id
is answered with the same refusal for ever. The others leave no trace and may be tried again with the same id.
"""

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

import msgspec

from domain import audit_refusals as audits
from domain import bulk_refusals as bulks
from domain import card_refusals as cards
from domain import credit_refusals as credits_
from domain import crossing_refusals as crossings
from domain import customer_refusals as customers
from domain import payment_refusals as payments
from domain import token_refusals as tokens
from domain import transfer_refusals as transfers
from domain.refusal_kinds import Kind, Row

__all__ = ["Kind", "Reason", "Refusal", "Refused", "Row", "Violation", "invalid", "refuse"]


class Reason(Enum):
    """Every reason for a refusal; the value is the row of the table."""

    # Malformed.
    INVALID_ARGUMENT = Row(
        Kind.INVALID,
        False,
        "A field is missing, malformed or out of bounds.",
        "Correct the fields named in the field violations.",
    )
    EFFECTIVE_TIME_OUT_OF_BOUNDS = Row(
        Kind.INVALID,
        False,
        "The effective time lies in the future or too far back.",
        "Leave it out, or move it inside the bounds in the metadata.",
    )
    PAGE_TOKEN_INVALID = Row(
        Kind.INVALID,
        False,
        "The page token is damaged or belongs to a query with other arguments.",
        "Start again without a page token.",
    )
    REPLAY_TOO_FAR = audits.REPLAY_TOO_FAR
    NOTIFICATIONS_DROPPED = Row(
        Kind.CONFLICT,
        False,
        "Notifications behind the cursor are kept no more.",
        "Resume behind the cursor in the metadata; what was before it stands in the statements.",
    )
    CURRENCY_UNKNOWN = Row(
        Kind.INVALID,
        False,
        "The ledger does not keep accounts in this currency.",
        "Use one of the currencies in the metadata.",
    )
    ACCOUNTS_UNKNOWN = bulks.ACCOUNTS_UNKNOWN
    CARD_NUMBER_MALFORMED = cards.CARD_NUMBER_MALFORMED
    CARD_NUMBER_CHECK_DIGIT = cards.CARD_NUMBER_CHECK_DIGIT
    CARD_NUMBER_PREFIX = cards.CARD_NUMBER_PREFIX
    CARD_EXPIRY_MALFORMED = cards.CARD_EXPIRY_MALFORMED
    CARD_EXPIRY_PAST = cards.CARD_EXPIRY_PAST
    CVV_MALFORMED = cards.CVV_MALFORMED
    TOKEN_NUMBER_MALFORMED = tokens.TOKEN_NUMBER_MALFORMED
    TOKEN_NUMBER_CHECK_DIGIT = tokens.TOKEN_NUMBER_CHECK_DIGIT
    TOKEN_NUMBER_PREFIX = tokens.TOKEN_NUMBER_PREFIX
    CARD_NUMBER_OF_TOKEN = tokens.CARD_NUMBER_OF_TOKEN
    DEVICE_WITHOUT_NFC = tokens.DEVICE_WITHOUT_NFC
    ANDROID_TOO_OLD = tokens.ANDROID_TOO_OLD
    PHONE_NUMBER_MALFORMED = transfers.PHONE_NUMBER_MALFORMED
    PHONE_COUNTRY_NOT_SERVED = transfers.PHONE_COUNTRY_NOT_SERVED
    QR_UNREADABLE = transfers.QR_UNREADABLE
    QR_NOT_A_TRANSFER = transfers.QR_NOT_A_TRANSFER
    LEGS_BETWEEN_PARTITIONS = crossings.LEGS_BETWEEN_PARTITIONS

    # Unknown.
    ACCOUNT_NOT_FOUND = Row(Kind.NOT_FOUND, False, "There is no such account.", "Check the account id.")
    TRANSFER_NOT_FOUND = Row(Kind.NOT_FOUND, False, "There is no such transfer.", "Check the transfer id.")
    AUTHORIZATION_NOT_FOUND = Row(
        Kind.NOT_FOUND,
        False,
        "There is no such authorisation.",
        "Check the authorisation id or the acquirer's reference.",
    )
    CLEARING_REFERENCE_NOT_FOUND = Row(
        Kind.NOT_FOUND,
        False,
        "No movement was posted under this clearing reference.",
        "Post the movement, or check the reference.",
    )
    SERVICE_NOT_FOUND = payments.SERVICE_NOT_FOUND
    CUSTOMER_NOT_FOUND = customers.CUSTOMER_NOT_FOUND
    RETENTION_NOT_FOUND = customers.RETENTION_NOT_FOUND
    BINDING_NOT_FOUND = cards.BINDING_NOT_FOUND
    PARTICIPANT_NOT_FOUND = Row(
        Kind.NOT_FOUND, False, "No such participant is registered.", "Check the participant id, or register it."
    )
    RULES_NOT_FOUND = Row(
        Kind.NOT_FOUND, False, "No rules of this version are published.", "List the versions, or check the number."
    )
    BULK_NOT_FOUND = bulks.BULK_NOT_FOUND
    BULK_LEG_NOT_FOUND = bulks.BULK_LEG_NOT_FOUND
    CREDIT_FILE_NOT_FOUND = credits_.CREDIT_FILE_NOT_FOUND
    PROPOSAL_NOT_FOUND = Row(
        Kind.NOT_FOUND, False, "There is no such proposal.", "Check its id; list what waits for a second operator."
    )
    CARD_NOT_FOUND = cards.CARD_NOT_FOUND
    TOKEN_NOT_FOUND = tokens.TOKEN_NOT_FOUND
    DEVICE_NOT_FOUND = tokens.DEVICE_NOT_FOUND
    OPERATION_NOT_FOUND = Row(
        Kind.NOT_FOUND,
        False,
        "There is no operation with this id that a receipt is written of.",
        "Check the id of the transfer, authorisation, force post or refund.",
    )
    ALIAS_NOT_FOUND = transfers.ALIAS_NOT_FOUND
    RECIPIENT_NOT_FOUND = transfers.RECIPIENT_NOT_FOUND
    TRANSFER_QR_NOT_FOUND = transfers.TRANSFER_QR_NOT_FOUND
    QUOTE_NOT_FOUND = transfers.QUOTE_NOT_FOUND
    PAYEE_NOT_FOUND = payments.PAYEE_NOT_FOUND
    PAYMENT_NOT_FOUND = payments.PAYMENT_NOT_FOUND
    BENEFICIARY_UNKNOWN = payments.BENEFICIARY_UNKNOWN
    AGGREGATE_NOT_FOUND = audits.AGGREGATE_NOT_FOUND
    OUTCOME_NOT_FOUND = audits.OUTCOME_NOT_FOUND

    # The state forbids it.
    ACCOUNT_CLOSED = Row(Kind.STATE, True, "The account is closed.", "Use another account.")
    ACCOUNT_FROZEN = Row(
        Kind.STATE,
        True,
        "The account is frozen for this direction of movement.",
        "Wait until it is unfrozen, then send a new request.",
    )
    ACCOUNT_NOT_EMPTY = Row(
        Kind.STATE,
        True,
        "An account closes only at balance 0 with nothing held.",
        "Empty the account and resolve its holds, then send a new request.",
    )
    ACCOUNT_NUMBER_TAKEN = Row(
        Kind.STATE, True, "The bank already has an account with this number.", "Choose another number."
    )
    CURRENCY_MISMATCH = Row(
        Kind.STATE,
        True,
        "The accounts, or the account and the request, differ in currency.",
        "Use accounts of one currency.",
    )
    INSUFFICIENT_FUNDS = Row(
        Kind.STATE,
        True,
        "The available balance does not cover the amount.",
        "Send a new request when there are funds, or with a smaller amount.",
    )
    BALANCE_LIMIT = Row(Kind.STATE, True, "A balance would pass 2^62 tyiyn.", "Use a smaller amount.")
    OVER_REVERSAL = Row(
        Kind.STATE,
        True,
        "The reversal is larger than what is left.",
        "Reverse at most the remaining amount in the metadata.",
    )
    OVER_REFUND = Row(
        Kind.STATE, True, "The refunds would exceed what was captured.", "Refund at most the amount in the metadata."
    )
    ALREADY_RESOLVED = Row(
        Kind.STATE,
        True,
        "The hold was resolved before; the metadata says how it ended.",
        "Nothing is left to do; read the authorisation.",
    )
    ALREADY_REVERSED = Row(
        Kind.STATE, True, "The transfer is already reversed as a whole.", "Nothing is left to do; read the transfer."
    )
    AUTHORIZATION_DECLINED = Row(
        Kind.STATE,
        True,
        "The authorisation was declined: it cannot be captured or changed.",
        "Force post the amount if it is owed all the same.",
    )
    REVERSED_BEFORE = Row(
        Kind.STATE,
        True,
        "A reversal of this authorisation arrived before it.",
        "Nothing is held; nothing is left to do.",
    )
    ACQUIRER_REFERENCE_SEEN = Row(
        Kind.STATE, True, "The acquirer has used this reference for another authorisation.", "Use a new reference."
    )
    CLEARING_REFERENCE_SEEN = Row(
        Kind.STATE,
        True,
        "A movement was already posted under this clearing reference.",
        "It is a duplicate; if not, use a new reference.",
    )

    PARTICIPANT_ALREADY_REGISTERED = Row(
        Kind.STATE, True, "The participant is registered already.", "Update it, or choose another participant id."
    )
    TRANSFER_CROSSED = crossings.TRANSFER_CROSSED
    ACCOUNT_RESERVED = crossings.ACCOUNT_RESERVED
    ADJUSTMENT_NOT_REVERSIBLE = Row(
        Kind.STATE,
        True,
        "The transfer was posted by an adjustment, which one operator alone does not undo.",
        "Propose an adjustment the other way, and have another operator approve it.",
    )
    SAME_OPERATOR = Row(
        Kind.STATE,
        True,
        "Whoever proposed may not approve: a second operator is needed.",
        "Have another operator approve it with a new request.",
    )
    PROPOSAL_RESOLVED = Row(
        Kind.STATE,
        True,
        "The proposal was approved or rejected before; the metadata says which.",
        "Nothing is left to do; read the proposal, or make another.",
    )
    PROPOSAL_EXPIRED = Row(
        Kind.STATE, True, "The proposal waited too long for a second operator.", "Propose it again, if it still holds."
    )
    PROPOSAL_OUTDATED = Row(
        Kind.STATE,
        True,
        "Other rules were published after these were proposed: approving them would undo what those changed.",
        "Read the newest rules, and propose again on top of them.",
    )
    LIMIT_EXCEEDED = Row(
        Kind.STATE,
        True,
        "The operation would pass a limit; the metadata names it, its period and what it counts.",
        "Send a new request with a smaller amount, or when the period is over.",
    )

    LOGIN_TAKEN = customers.LOGIN_TAKEN
    PHONE_TAKEN = customers.PHONE_TAKEN
    CUSTOMER_ERASED = customers.CUSTOMER_ERASED
    ERASURE_FORBIDDEN = customers.ERASURE_FORBIDDEN
    RETENTION_OF_ANOTHER = customers.RETENTION_OF_ANOTHER
    RETENTION_ALREADY_LIFTED = customers.RETENTION_ALREADY_LIFTED
    RETENTION_LAPSED = customers.RETENTION_LAPSED
    TOO_MANY_RETENTIONS = customers.TOO_MANY_RETENTIONS
    CUSTOMER_ALREADY_CONFIRMED = customers.CUSTOMER_ALREADY_CONFIRMED
    CUSTOMER_NOT_CONFIRMED = customers.CUSTOMER_NOT_CONFIRMED
    CUSTOMER_ALREADY_IDENTIFIED = customers.CUSTOMER_ALREADY_IDENTIFIED
    CONFIRMATION_CODE_WRONG = customers.CONFIRMATION_CODE_WRONG
    CONFIRMATION_LOCKED = customers.CONFIRMATION_LOCKED
    CONFIRMATION_EXPIRED = customers.CONFIRMATION_EXPIRED
    PASSWORD_WRONG = customers.PASSWORD_WRONG
    PASSWORD_LOCKED = customers.PASSWORD_LOCKED

    CUSTOMER_NOT_IDENTIFIED = customers.CUSTOMER_NOT_IDENTIFIED

    ACCOUNT_OF_ANOTHER_BANK = Row(
        Kind.STATE, True, "Another bank keeps the account.", "Use an account of the bank that is named."
    )
    ACCOUNT_NOT_FOR_CARDS = Row(
        Kind.STATE, True, "Cards are issued for customers' accounts only.", "Use an account of the kind customer."
    )
    CARD_ALREADY_ISSUED = cards.CARD_ALREADY_ISSUED
    CARD_BLOCKED = cards.CARD_BLOCKED
    CARD_NOT_BLOCKED = cards.CARD_NOT_BLOCKED
    CARD_LOST = cards.CARD_LOST
    CARD_NOT_LOST = cards.CARD_NOT_LOST
    CARD_ALREADY_REPLACED = cards.CARD_ALREADY_REPLACED
    CARD_REPLACEMENT_UNFIT = cards.CARD_REPLACEMENT_UNFIT
    CARD_CLOSED = cards.CARD_CLOSED
    CARD_EXPIRED = cards.CARD_EXPIRED
    CARD_EXPIRY_NOT_LATER = cards.CARD_EXPIRY_NOT_LATER
    CARD_NOT_BOUND = cards.CARD_NOT_BOUND
    CARD_ALREADY_BOUND = cards.CARD_ALREADY_BOUND
    CARD_BOUND_ELSEWHERE = cards.CARD_BOUND_ELSEWHERE
    CARD_DETAILS_WRONG = cards.CARD_DETAILS_WRONG
    CARD_DETAILS_LOCKED = cards.CARD_DETAILS_LOCKED
    BINDING_LIMIT = cards.BINDING_LIMIT
    BINDING_AMOUNT_WRONG = cards.BINDING_AMOUNT_WRONG
    BINDING_LOCKED = cards.BINDING_LOCKED
    BINDING_CANCELLED = cards.BINDING_CANCELLED
    BINDING_EXPIRED = cards.BINDING_EXPIRED
    BINDING_NOT_OPEN = cards.BINDING_NOT_OPEN
    VERIFICATION_HOLD = cards.VERIFICATION_HOLD

    TOKEN_DECLINED = tokens.TOKEN_DECLINED
    TOKEN_NOT_PROVISIONED = tokens.TOKEN_NOT_PROVISIONED
    TOKEN_ALREADY_PROVISIONED = tokens.TOKEN_ALREADY_PROVISIONED
    TOKEN_NOT_ACTIVE = tokens.TOKEN_NOT_ACTIVE
    TOKEN_ALREADY_ACTIVE = tokens.TOKEN_ALREADY_ACTIVE
    TOKEN_SUSPENDED = tokens.TOKEN_SUSPENDED
    TOKEN_ALREADY_SUSPENDED = tokens.TOKEN_ALREADY_SUSPENDED
    TOKEN_NOT_SUSPENDED = tokens.TOKEN_NOT_SUSPENDED
    TOKEN_DEACTIVATED = tokens.TOKEN_DEACTIVATED
    TOO_MANY_TOKENS = tokens.TOO_MANY_TOKENS
    TOKEN_EXPIRED = tokens.TOKEN_EXPIRED
    TOKEN_EXPIRY_WRONG = tokens.TOKEN_EXPIRY_WRONG
    ENTRY_MODE_NOT_ALLOWED = tokens.ENTRY_MODE_NOT_ALLOWED
    DEVICE_BLOCKED = tokens.DEVICE_BLOCKED
    DEVICE_NOT_BLOCKED = tokens.DEVICE_NOT_BLOCKED
    DEVICE_LOCKED = tokens.DEVICE_LOCKED
    CRYPTOGRAM_WRONG = tokens.CRYPTOGRAM_WRONG
    COUNTER_REPEATED = tokens.COUNTER_REPEATED
    COUNTER_TOO_OLD = tokens.COUNTER_TOO_OLD
    COUNTER_JUMPED = tokens.COUNTER_JUMPED
    COUNTER_NEAR_END = tokens.COUNTER_NEAR_END
    KEY_SUPERSEDED = tokens.KEY_SUPERSEDED
    KEY_USED_UP = tokens.KEY_USED_UP
    KEYS_EXHAUSTED = tokens.KEYS_EXHAUSTED
    TAP_DATE_WRONG = tokens.TAP_DATE_WRONG
    FISCAL_RECEIPT_SEEN = tokens.FISCAL_RECEIPT_SEEN

    ALIAS_CODE_REQUIRED = transfers.ALIAS_CODE_REQUIRED
    ALIAS_CODE_WRONG = transfers.ALIAS_CODE_WRONG
    ALIAS_CODE_LOCKED = transfers.ALIAS_CODE_LOCKED
    ALIAS_CODE_EXPIRED = transfers.ALIAS_CODE_EXPIRED
    ALIAS_ALREADY_LINKED = transfers.ALIAS_ALREADY_LINKED
    ALIAS_NOT_LINKED = transfers.ALIAS_NOT_LINKED
    QR_ALTERED = transfers.QR_ALTERED
    QR_AMOUNT_NOT_EDITABLE = transfers.QR_AMOUNT_NOT_EDITABLE
    QR_USED = transfers.QR_USED
    RECIPIENT_UNAVAILABLE = transfers.RECIPIENT_UNAVAILABLE
    RECIPIENT_IS_PAYER = transfers.RECIPIENT_IS_PAYER
    QUOTE_USED = transfers.QUOTE_USED
    QUOTE_EXPIRED = transfers.QUOTE_EXPIRED
    QUOTE_STALE = transfers.QUOTE_STALE

    PAYMENT_HOLD = payments.PAYMENT_HOLD
    PAYEE_CODE_TAKEN = payments.PAYEE_CODE_TAKEN
    PAYEE_ACCOUNT_UNFIT = payments.PAYEE_ACCOUNT_UNFIT
    PAYEE_NOT_ACTIVE = payments.PAYEE_NOT_ACTIVE
    PAYMENT_ALREADY_CONFIRMED = payments.PAYMENT_ALREADY_CONFIRMED
    PAYMENT_LAPSED = payments.PAYMENT_LAPSED
    PAYMENT_STALE = payments.PAYMENT_STALE
    PAYMENT_NOT_ASKED = payments.PAYMENT_NOT_ASKED
    PAYMENT_ALREADY_ANSWERED = payments.PAYMENT_ALREADY_ANSWERED
    PAYMENT_NOT_SUCCEEDED = payments.PAYMENT_NOT_SUCCEEDED

    CREDIT_FILE_CLOSED = credits_.CREDIT_FILE_CLOSED
    CREDIT_FILE_INCOMPLETE = credits_.CREDIT_FILE_INCOMPLETE
    CREDIT_AMOUNT_ZERO = credits_.CREDIT_AMOUNT_ZERO

    # The request id, and the caller's picture of the state.
    REQUEST_ID_REUSED = Row(
        Kind.REUSED,
        False,
        "The request id already stands for a request with other content.",
        "Use a new request id for a new request.",
    )
    CREDIT_LINE_REUSED = credits_.CREDIT_LINE_REUSED
    EXPECTED_VERSION_MISMATCH = Row(
        Kind.CONFLICT,
        False,
        "The resource has changed since the version that was expected.",
        "Read it again, and decide again.",
    )
    UNAUTHENTICATED = Row(
        Kind.UNAUTHENTICATED,
        False,
        "The call shows no token that is believed.",
        "Get a new token from the issuer, and send the same request again.",
    )
    PERMISSION_DENIED = Row(
        Kind.DENIED, False, "The caller's role may not do this.", "Use a caller with the right role."
    )

    # Not now.
    QUEUE_FULL = Row(
        Kind.EXHAUSTED,
        False,
        "More requests are waiting than the ledger can answer in time.",
        "Wait as told by RetryInfo, then send the same request again.",
    )
    RATE_LIMITED = Row(
        Kind.EXHAUSTED,
        False,
        "More calls than are answered in such a time; the metadata says of whom, or about what.",
        "Wait as told by RetryInfo, then send the same request again.",
    )
    TOO_MANY_CODES = transfers.TOO_MANY_CODES
    STORAGE_FULL = Row(
        Kind.EXHAUSTED,
        False,
        "The storage has no room left; nothing was recorded.",
        "Make room, then send the same request again.",
    )
    TOO_MANY_STREAMS = Row(
        Kind.EXHAUSTED,
        False,
        "As many streams are open as the server serves at once.",
        "Close streams that are not read, or wait as told by RetryInfo; one stream can follow everything.",
    )
    MESSAGE_TOO_LARGE = Row(Kind.EXHAUSTED, False, "The message exceeds the size limit.", "Split the request.")
    LEDGER_UNAVAILABLE = Row(
        Kind.UNAVAILABLE,
        False,
        "The database does not answer; the outcome may be unknown.",
        "Wait as told by RetryInfo, then send the same request again.",
    )
    ARCHIVE_UNREADABLE = audits.ARCHIVE_UNREADABLE
    ISSUER_UNAVAILABLE = Row(
        Kind.UNAVAILABLE,
        False,
        "The card's issuer cannot be asked for the CVV; nothing was recorded.",
        "Wait as told by RetryInfo, then send the same request again.",
    )
    PROVIDER_UNAVAILABLE = payments.PROVIDER_UNAVAILABLE
    CODE_NOT_SENT = Row(
        Kind.UNAVAILABLE,
        False,
        "The confirmation code could not be handed to its sender; nothing was recorded.",
        "Wait as told by RetryInfo, then send the same request again.",
    )
    NOT_THE_OWNER = Row(
        Kind.UNAVAILABLE,
        False,
        "Another server owns this part of the ledger, or ownership is changing.",
        "Wait as told by RetryInfo, then send the same request again.",
    )
    OWNER_UNREACHABLE = Row(
        Kind.UNAVAILABLE,
        False,
        "The server that owns this part of the ledger gave no answer; whether it did what was asked is not known.",
        "Wait as told by RetryInfo, then send the same request again: it is done once.",
    )
    CLEARING_NOT_OPEN = crossings.CLEARING_NOT_OPEN
    SHUTTING_DOWN = Row(
        Kind.UNAVAILABLE, False, "The server is stopping.", "Send the same request to another server, or later."
    )
    UNKNOWN_EVENT = Row(
        Kind.UNAVAILABLE,
        False,
        "The log holds an event of a kind this server does not know; it decides nothing rather than skip it.",
        "Update the server.",
    )
    POSITION_NOT_REACHED = Row(
        Kind.UNAVAILABLE, False, "The projections did not reach the asked position within the deadline.", "Ask again."
    )
    DEADLINE_EXCEEDED = Row(
        Kind.DEADLINE,
        False,
        "The deadline passed before the outcome was known.",
        "Send the same request again, or ask for its outcome.",
    )
    INTERNAL = Row(Kind.INTERNAL, False, "Something failed that should not have.", "Report the correlation id.")

    def __repr__(self) -> str:
        return f"Reason.{self.name}"


class Violation(NamedTuple):
    """A field that breaks a rule: its dotted path, the rule's name in upper snake case, and what is wrong."""

    field: str
    rule: str
    description: str


class Refusal(msgspec.Struct, frozen=True):
    """A request was refused: why, with the figures that explain it and the fields that are wrong."""

    reason: Reason
    metadata: Mapping[str, str] = {}
    violations: tuple[Violation, ...] = ()

    @property
    def message(self) -> str:
        """One sentence for a person."""
        if self.violations:
            return "; ".join(f"{wrong.field}: {wrong.description}" for wrong in self.violations)
        return self.reason.value.meaning


class Refused(Exception):
    """Carries a refusal through code that returns something else."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def refuse(reason: Reason, **metadata: object) -> Refusal:
    """Return a refusal with its explaining figures as text."""
    return Refusal(reason, {key: str(value) for key, value in metadata.items()})


def invalid(field: str, rule: str, description: str) -> Refusal:
    """Return the refusal of a malformed request, for one field."""
    return Refusal(Reason.INVALID_ARGUMENT, violations=(Violation(field, rule, description),))
