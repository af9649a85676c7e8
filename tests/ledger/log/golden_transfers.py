"""Examples of the events of aliases, codes and quotes, least and full."""

from domain.alias import AliasLinked, AliasUnlinked
from domain.event import Event
from domain.limits import Spending
from domain.quote import QuoteConfirmed, QuoteCreated
from domain.recipient import Recipient
from domain.rules import Operation
from domain.transfer_qr import TransferQrIssued
from tests.ledger.log.golden_values import FINGERPRINT, ID, MONEY, SEALED, SPENDING, TIME

TRANSFER_EXAMPLES: dict[type[Event], tuple[Event, Event]] = {
    AliasLinked: (
        AliasLinked(customer=ID, card=ID, phone=SEALED),
        AliasLinked(customer=ID, card=ID, phone=SEALED, fingerprint=FINGERPRINT),
    ),
    AliasUnlinked: (AliasUnlinked(), AliasUnlinked(fingerprint=FINGERPRINT)),
    TransferQrIssued: (
        TransferQrIssued(customer=ID, card=ID, provider="p2p.elcart.kg"),
        TransferQrIssued(
            customer=ID,
            card=ID,
            provider="p2p.elcart.kg",
            dynamic=True,
            amount=MONEY,
            amount_editable=True,
            fingerprint=FINGERPRINT,
        ),
    ),
    QuoteCreated: (
        QuoteCreated(
            operation=Operation.TRANSFER_TO_ACCOUNT,
            customer=ID,
            card=ID,
            account=2,
            participant="bank-a",
            recipient=Recipient(3),
            recipient_participant="bank-a",
            amount=1,
            fee=0,
            currency="KGS",
            rules="default-1",
            expires_at=TIME,
        ),
        QuoteCreated(
            operation=Operation.TRANSFER_BY_QR,
            customer=ID,
            card=ID,
            account=2,
            participant="bank-a",
            recipient=Recipient(3, ID, ID, ID, ID, "p2p.elcart.kg/AZCl8BI0erye7wEjRWeJqw"),
            recipient_participant="bank-b",
            amount=MONEY,
            fee=MONEY,
            currency="KGS",
            rules="rules-1",
            expires_at=TIME,
            fingerprint=FINGERPRINT,
        ),
    ),
    QuoteConfirmed: (
        QuoteConfirmed(transfer=ID, spending=Spending(Operation.TRANSFER_BY_PHONE, 1, ID)),
        QuoteConfirmed(transfer=ID, spending=SPENDING),
    ),
}
