"""What the logs of two partitions hold of a transfer that one sends to the other, without an engine that decides it."""

from uuid import UUID

from domain.crossing import TransferReceived, TransferSent
from domain.event import Leg
from domain.ids import account_id
from domain.ports import Row
from ledger.log.codec import encode
from tests.ledger.process.harbour import AMOUNT, CLEARING, PAYEE, PAYER


def transfer_id(number: int) -> UUID:
    """Return an id as callers choose them."""
    return UUID(int=(4 << 76) | (8 << 60) | number)


def sent(there: int = 1) -> TransferSent:
    """Return what partition 0 records of a transfer to an account of another one."""
    leg = Leg("transfer", account_id(0, PAYER), account_id(0, CLEARING), AMOUNT)
    to = account_id(there, PAYEE)
    return TransferSent(debit_account=leg.debit_account, credit_account=to, amount=AMOUNT, currency="KGS", legs=(leg,))


def sent_row(position: int, transfer: UUID, event: TransferSent) -> Row:
    """Return the row that holds it."""
    return Row(0, position, transfer.bytes, 1, event.TOPIC, encode(event), position, None, "bank-a")


def received(transfer: UUID, event: TransferSent) -> TransferReceived:
    """Return what the other partition records when the payee has the money."""
    return TransferReceived(
        transfer=transfer,
        home=0,
        sent_at=1,
        debit_account=event.debit_account,
        credit_account=event.credit_account,
        amount=event.amount,
        currency=event.currency,
        legs=event.legs,
    )
