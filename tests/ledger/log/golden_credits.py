"""Examples of the events of credit files."""

from domain.credit import Category, CreditFileClosed, CreditFileOpened, CreditLineRefused, CreditLinesDecided
from domain.event import Event, Leg
from domain.transfer import TransferPosted
from tests.ledger.log.golden_values import FINGERPRINT, ID, MONEY

CREDIT_EXAMPLES: dict[type[Event], tuple[Event, Event]] = {
    CreditFileOpened: (
        CreditFileOpened(
            category=Category.SALARY,
            participant="bank-a",
            account=1,
            currency="KGS",
            lines=1,
            total=1,
            payer_name="Ала-Тоо Текстиль",
        ),
        CreditFileOpened(
            category=Category.PENSION,
            participant="bank-a",
            account=1,
            currency="KGS",
            lines=100_000,
            total=MONEY,
            payer_name="Социалдык фонд",
            reference="2026-11",
            fingerprint=FINGERPRINT,
        ),
    ),
    CreditLinesDecided: (
        CreditLinesDecided(),
        CreditLinesDecided(posted=8_000, posted_total=MONEY, refused=2, refused_total=35_000),
    ),
    CreditFileClosed: (CreditFileClosed(), CreditFileClosed(fingerprint=FINGERPRINT)),
    CreditLineRefused: (
        CreditLineRefused(file=ID, line=1, reason="CREDIT_AMOUNT_ZERO", target="account:2"),
        CreditLineRefused(
            file=ID,
            line=1_000_000,
            reason="ACCOUNT_CLOSED",
            detail={"account_id": "2"},
            target="number:bank-b/1080000000000001",
            account=2,
            amount=MONEY,
            reference="2026-11",
        ),
    ),
}

CREDITED: dict[type[Event], dict[str, Event]] = {
    TransferPosted: {
        "credited": TransferPosted(
            2,
            3,
            MONEY,
            kind="pension",
            reference="2026-11",
            legs=(Leg("pension", 3, 4, MONEY),),
            credit_file=ID,
            credit_line=17,
        )
    },
}
"""Forms of events that gained fields for the credit file whose line they pay."""
