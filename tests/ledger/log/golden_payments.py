"""Examples of the events of payees and payments, least and full."""

from uuid import UUID

from domain.event import Event
from domain.payee import PayeeKind, PayeeRegistered, PayeeUpdated
from domain.payment import (
    Decider,
    Details,
    PaymentConfirmed,
    PaymentFailed,
    PaymentPrepared,
    PaymentRefunded,
    PaymentSucceeded,
    PaymentUnresolved,
    ProviderAsked,
)
from domain.rules import Operation
from tests.ledger.log.golden_values import FINGERPRINT, ID, MONEY, SEALED, TIME

_LEAST = Details(
    customer=ID,
    card=ID,
    account=2,
    participant="bank-a",
    operation=Operation.QR_PAYMENT,
    payee=ID,
    payee_kind=PayeeKind.MERCHANT,
    payee_name="КАФЕ КЕНТ",
    credit_account=3,
    amount=1,
    currency="KGS",
)
_FULL = Details(
    customer=ID,
    card=UUID(int=ID.int + 1),
    account=2,
    participant="bank-a",
    operation=Operation.SERVICE_PAYMENT,
    payee=UUID(int=ID.int + 2),
    payee_kind=PayeeKind.PROVIDER,
    payee_name="Бишкекводоканал",
    credit_account=3,
    amount=MONEY,
    fee=100,
    currency="KGS",
    service="bishkek-water",
    merchant_category_code="4900",
    fields={"account": SEALED},
    code_key="qr.demirbank.kg/0001",
)

PAYMENT_EXAMPLES: dict[type[Event], tuple[Event, Event]] = {
    PayeeRegistered: (
        PayeeRegistered(kind=PayeeKind.MERCHANT, code="kent", participant="bank-a", account=3, name="КАФЕ КЕНТ"),
        PayeeRegistered(
            kind=PayeeKind.PROVIDER,
            code="bishkek-water",
            participant="bank-a",
            account=3,
            name="Бишкекводоканал",
            merchant_category_code="4900",
            reference="contract 7",
            fingerprint=FINGERPRINT,
        ),
    ),
    PayeeUpdated: (
        PayeeUpdated(account=3, name="КАФЕ КЕНТ", active=False),
        PayeeUpdated(account=3, name="КАФЕ КЕНТ", active=True, fingerprint=FINGERPRINT),
    ),
    PaymentPrepared: (
        PaymentPrepared(details=_LEAST, rules="default-1", expires_at=TIME),
        PaymentPrepared(details=_FULL, rules="rules-1", expires_at=TIME, fingerprint=FINGERPRINT),
    ),
    PaymentConfirmed: (
        PaymentConfirmed(authorization=ID),
        PaymentConfirmed(authorization=ID, fingerprint=FINGERPRINT),
    ),
    ProviderAsked: (ProviderAsked(), ProviderAsked(attempt=2)),
    PaymentUnresolved: (PaymentUnresolved(), PaymentUnresolved(fingerprint=FINGERPRINT)),
    PaymentSucceeded: (
        PaymentSucceeded(by=Decider.LEDGER),
        PaymentSucceeded(
            by=Decider.PROVIDER,
            provider_reference="p-1",
            explanation="төлөндү",
            late=True,
            fingerprint=FINGERPRINT,
        ),
    ),
    PaymentFailed: (
        PaymentFailed(by=Decider.OPERATOR),
        PaymentFailed(by=Decider.PROVIDER, provider_reference="p-1", explanation="эсеп жок", fingerprint=FINGERPRINT),
    ),
    PaymentRefunded: (
        PaymentRefunded(amount=1),
        PaymentRefunded(amount=MONEY, fee=100, explanation="товар кайтарылды", fingerprint=FINGERPRINT),
    ),
}
