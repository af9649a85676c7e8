"""A payer at bank A, merchants and providers at both banks, and whatever a provider may say. Amounts are in tyiyn."""

from typing import Any, Self
from uuid import UUID

from domain.account import AccountKind, AccountOpened
from domain.event import Change
from domain.ids import account_originator
from domain.pay import ConfirmPayment, PreparePayment
from domain.payee import PayeeKind, PayeeRegistered, payee_id
from domain.payment import Decider, PaymentState, authorization_of
from domain.published import RULES_ID, RulesPublished
from domain.rules import Fee, Holds, Operation
from domain.settle import Answer, AnswerPayment, RefundPayment
from tests.domain.spec import CASH, uid
from tests.domain.transfer_world import ADIL, ADILS, ADILS_CARD, EVERYBODY, TransferSpec

CAFE, MARKET, WATER, MOBILE, OUTSIDE = 16, 17, 18, 19, 20
_ACCOUNTS = (
    (CAFE, "bank-a", AccountKind.MERCHANT),
    (MARKET, "bank-b", AccountKind.MERCHANT),
    (WATER, "bank-a", AccountKind.PROVIDER),
    (MOBILE, "bank-b", AccountKind.PROVIDER),
    (OUTSIDE, "bank-c", AccountKind.MERCHANT),
)
_PAYEES = (
    (PayeeKind.MERCHANT, "cafe", "bank-a", CAFE),
    (PayeeKind.MERCHANT, "market", "bank-b", MARKET),
    (PayeeKind.PROVIDER, "water", "bank-a", WATER),
    (PayeeKind.PROVIDER, "mobile", "bank-b", MOBILE),
    (PayeeKind.MERCHANT, "outside", "bank-c", OUTSIDE),
)
FUNDS = 1_000_000
PAYMENT, OTHER_PAYMENT = uid(71), uid(72)
HOLD = UUID(bytes=authorization_of(PAYMENT.bytes))
OPERATIONS = {"water": Operation.SERVICE_PAYMENT, "mobile": Operation.TOP_UP}
FEES = tuple(Fee(operation, fixed=500) for operation in Operation)


def key(kind: PayeeKind, code: str) -> UUID:
    """Return a payee's id."""
    return UUID(bytes=payee_id(kind, code))


CAFES, WATERS = key(PayeeKind.MERCHANT, "cafe"), key(PayeeKind.PROVIDER, "water")


class PaymentSpec(TransferSpec):
    """Adil with 10,000 som; a café and a waterworks at his bank, a market and a mobile operator at another."""

    def __init__(self, *, fees: tuple[Fee, ...] = ()) -> None:
        super().__init__()
        for account, participant, kind in _ACCOUNTS:
            self.given((account_originator(account), AccountOpened(participant=participant, kind=kind, currency="KGS")))
        for way, code, participant, account in _PAYEES:
            registered = PayeeRegistered(kind=way, code=code, participant=participant, account=account, name=code)
            self.given((payee_id(way, code), registered))
        if fees:
            self.given((RULES_ID, RulesPublished(effective_from=0, holds=Holds(604_800), fees=fees)))

    def prepare(self, code: str = "cafe", amount: int = 10_000, **fields: Any) -> PreparePayment:
        """Return the command for Adil's payment."""
        given: dict[str, Any] = {
            "customer_id": ADIL,
            "card_id": ADILS_CARD,
            "operation": OPERATIONS.get(code, Operation.QR_PAYMENT),
            "payee_kind": PayeeKind.PROVIDER if code in OPERATIONS else PayeeKind.MERCHANT,
            "payee_code": code,
            "amount_tyiyn": amount,
        }
        return PreparePayment(**{**given, **fields})

    def prepared(self, code: str = "cafe", amount: int = 10_000, payment: UUID = PAYMENT, **fields: Any) -> Self:
        """Prepare a payment, which must succeed."""
        self.when(self.prepare(code, amount, **fields), payment)
        assert isinstance(self.decided, list), self.decided
        return self

    def confirm(self, payment: UUID = PAYMENT, customer: UUID = ADIL) -> Self:
        """Confirm a payment."""
        return self.when(ConfirmPayment(payment_id=payment, customer_id=customer))

    def begun(self, code: str = "cafe", amount: int = 10_000, payment: UUID = PAYMENT, **fields: Any) -> Self:
        """Prepare and confirm a payment, which must succeed."""
        self.prepared(code, amount, payment, **fields).confirm(payment)
        assert isinstance(self.decided, list), self.decided
        return self

    def answer(self, answer: Answer, by: Decider = Decider.PROVIDER, payment: UUID = PAYMENT, **fields: Any) -> Self:
        """Take in an answer."""
        return self.when(AnswerPayment(payment_id=payment, answer=answer, by=by, **fields))

    def refund(self, amount: int, fee: int = 0, payment: UUID = PAYMENT) -> Self:
        """Give back."""
        return self.when(RefundPayment(payment_id=payment, amount_tyiyn=amount, fee_tyiyn=fee))

    def state(self, payment: UUID = PAYMENT) -> PaymentState:
        """Return how a payment stands."""
        state: PaymentState = self.life(payment).state
        return state

    def balances(self) -> dict[int, int]:
        """Return every account's posted balance that is not 0, cash left out."""
        posted = self.books.accounts.posted
        known = {*EVERYBODY, *(account for account, _, _ in _ACCOUNTS)} - {CASH}
        return {account: posted[account] for account in sorted(known) if posted[account]}

    def held(self) -> int:
        """Return what is held of Adil's account."""
        return self.books.accounts.held[self.books.accounts.find(ADILS)]

    def kinds(self) -> list[str]:
        """Return the topics of what followed."""
        assert isinstance(self.decided, list), self.decided
        return [change.event.TOPIC for change in self.decided]

    def changes(self) -> list[Change]:
        """Return what followed."""
        assert isinstance(self.decided, list), self.decided
        return self.decided
