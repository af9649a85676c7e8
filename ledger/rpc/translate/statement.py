"""Balances and statements as they are told, and the moments that questions are about."""

from collections.abc import Iterable
from typing import Final

from domain import ids
from domain.authorization import State
from ledger.rpc.intake import Intake, set_timestamp
from ledger.rpc.translate.account import KIND_NUMBERS
from ledger.rpc.translate.authorization_answers import STATES
from projections.answers import (
    AsOf,
    AtEffectiveTime,
    AtPosition,
    AtRecordedTime,
    Axis,
    Balance,
    Source,
    StatementLine,
    TrialBalanceLine,
)
from protos.esep.v1 import common_pb2, statement_pb2, statement_service_pb2

AXES: Final = {
    statement_service_pb2.STATEMENT_AXIS_UNSPECIFIED: Axis.RECORDED,
    statement_service_pb2.STATEMENT_AXIS_RECORDED: Axis.RECORDED,
    statement_service_pb2.STATEMENT_AXIS_EFFECTIVE: Axis.EFFECTIVE,
}
STATES_BY_NUMBER: Final[dict[int, State]] = {number: state for state, number in STATES.items()}
SOURCE_FIELDS: Final = {
    Source.TRANSFER: "transfer_id",
    Source.AUTHORIZATION: "authorization_id",
    Source.FORCE_POSTING: "force_posting_id",
    Source.REFUND: "refund_id",
    Source.BULK: "bulk_id",
}
MOST: Final = (1 << 63) - 1
"""The largest amount that has room in a field of 64 bits."""
_SHOWN: Final = 4
"""How many last characters of an account are shown to the other side."""


def as_of(intake: Intake, moment: common_pb2.AsOf, accounts: Iterable[int]) -> AsOf | None:
    """Return the moment that a question about these accounts is about, None for now."""
    match moment.WhichOneof("point"):
        case "position":
            if moment.position.position < 0 or moment.position.partition < 0:
                intake.wrong("as_of.position", "NEGATIVE", "is negative")
            if any(ids.account_partition(account) != moment.position.partition for account in accounts):
                intake.wrong("as_of.position.partition", "MISMATCH", "is not the partition of the accounts")
            return AtPosition(moment.position.partition, moment.position.position)
        case "record_time":
            return AtRecordedTime(intake.time(moment.record_time, "as_of.record_time"))
        case "effective_time":
            return AtEffectiveTime(intake.time(moment.effective_time, "as_of.effective_time"))
        case None:
            return None


def balance_message(balance: Balance) -> statement_pb2.Balance:
    """Return a balance as it is told."""
    return statement_pb2.Balance(
        account_id=balance.account_id,
        currency_code=balance.currency,
        posted_tyiyn=balance.posted,
        held_tyiyn=balance.held,
        available_tyiyn=balance.available,
        overdraft_limit_tyiyn=balance.overdraft_limit,
        minimum_balance_tyiyn=balance.minimum_balance,
    )


def fill_line(message: statement_pb2.StatementLine, line: StatementLine) -> None:
    """Fill in one movement as it is told: in place, for messages that are handed to others are copied."""
    message.position.partition, message.position.position = line.partition, line.position
    message.leg = line.leg
    set_timestamp(message.record_time, line.recorded_at)
    set_timestamp(message.effective_time, line.effective_time)
    message.kind = line.kind
    message.counterparty = counterparty(line)
    message.counterparty_account_id = line.counterparty
    message.amount_tyiyn = line.amount
    message.balance_after_tyiyn = line.balance_after
    message.reference = line.reference
    setattr(message, SOURCE_FIELDS[line.source_type], ids.format_uuid(line.source_id))


def counterparty(line: StatementLine) -> str:
    """Return the other side as a person may see it: the merchant's name, or the end of the account's number."""
    if line.merchant_name:
        return line.merchant_name
    if len(line.counterparty_number) > _SHOWN:
        return f"**** {line.counterparty_number[-_SHOWN:]}"
    return f"account ****{str(line.counterparty)[-_SHOWN:]}"


def trial_balance_messages(line: TrialBalanceLine) -> list[statement_pb2.TrialBalanceLine]:
    """Return the sum of one kind of account as it is told: in several lines where it has no room in one."""
    posted, accounts = line.posted, line.account_count
    told = []
    while posted or accounts:
        part = max(-MOST, min(posted, MOST))
        told.append(
            statement_pb2.TrialBalanceLine(
                currency_code=line.currency,
                kind=KIND_NUMBERS[line.kind],
                posted_tyiyn=part,
                account_count=accounts,
            )
        )
        posted, accounts = posted - part, 0
    return told
