"""Two banks, payers with bound cards, and payees, made over the contract: what every test of payments begins with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self

from domain.qr import Account, EmvDetails, Item, QrCode, QrFormat, write_elqr, write_emvco
from ledger.rpc.client import Ledger
from protos.esep.v1 import (
    account_pb2,
    participant_service_pb2,
    payee_pb2,
    payee_service_pb2,
    payment_pb2,
    transfer_pb2,
)
from protos.esep.v1 import payment_service_pb2 as api
from protos.esep.v1.account_service_pb2 import OpenAccountRequest
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.participant_pb2 import ParticipantNames
from protos.esep.v1.statement_service_pb2 import GetBalanceRequest
from protos.esep.v1.transfer_service_pb2 import CreateTransferRequest
from scripts.demo_client import new_id
from tests import people
from tests.people import Person

SECONDS: Final = 20.0
FUNDS: Final = 1_000_000
MERCHANT: Final = payee_pb2.PAYEE_KIND_MERCHANT
PROVIDER: Final = payee_pb2.PAYEE_KIND_PROVIDER
WATER: Final = "water-bishkek"
MOBILE: Final = "mobile-mega"
PASSPORT: Final = "state-passport"
BAZAR: Final = "qr.kg/osh-bazar"
FIELDS: Final = {"account": "123456"}
_NAMES: Final = ParticipantNames(ky="Банк", ru="Банк", en="Bank")


def call(method: Callable[..., Any], request: Any) -> Any:
    """Call a method that is answered soon."""
    return method(request, timeout=SECONDS)


class Scheme:
    """Two registered banks at a ledger, with cash and payees."""

    def __init__(self, ledger: Ledger, codes: Path) -> None:
        self.ledger = ledger
        self._codes = codes
        self.cash = self.open(account_pb2.ACCOUNT_KIND_CASH)
        self.payees: dict[str, payee_pb2.Payee] = {}
        for participant in ("bank-a", "bank-b"):
            self.ledger.participants.RegisterParticipant(
                participant_service_pb2.RegisterParticipantRequest(
                    request_id=new_id(),
                    participant_id=participant,
                    names=_NAMES,
                    settlement_account_id=self.open(account_pb2.ACCOUNT_KIND_SETTLEMENT, participant),
                    fee_account_id=self.open(account_pb2.ACCOUNT_KIND_FEE_INCOME, participant),
                ),
                timeout=SECONDS,
            )
        self.payee(MERCHANT, "kent-cafe", "bank-a")
        self.payee(MERCHANT, BAZAR, "bank-b")
        self.payee(PROVIDER, WATER, "bank-a")
        self.payee(PROVIDER, "mega", "bank-b")
        self.payee(PROVIDER, "state-services", "bank-b")

    def open(self, kind: account_pb2.AccountKind.ValueType, participant: str = "bank-a") -> int:
        """Open an account; return its id."""
        request = OpenAccountRequest(request_id=new_id(), participant_id=participant, kind=kind)
        return int(self.ledger.accounts.OpenAccount(request, timeout=SECONDS).account.account_id)

    def payee(self, kind: payee_pb2.PayeeKind.ValueType, code: str, participant: str) -> payee_pb2.Payee:
        """Register a payee with an account of its own."""
        of = account_pb2.ACCOUNT_KIND_MERCHANT if kind == MERCHANT else account_pb2.ACCOUNT_KIND_PROVIDER
        request = payee_service_pb2.RegisterPayeeRequest(
            request_id=new_id(),
            kind=kind,
            code=code,
            participant_id=participant,
            account_id=self.open(of, participant),
            name=code,
        )
        self.payees[code] = self.ledger.payees.RegisterPayee(request, timeout=SECONDS).payee
        return self.payees[code]

    def fund(self, account: int, amount: int) -> None:
        """Put cash on an account."""
        new = transfer_pb2.NewTransfer(debit_account_id=self.cash, credit_account_id=account, amount_tyiyn=amount)
        self.ledger.transfers.CreateTransfer(CreateTransferRequest(request_id=new_id(), transfer=new), timeout=SECONDS)

    def payer(self, *, identified: bool = True, bound: bool = True, funds: int = FUNDS) -> Person:
        """Register somebody and bind a card, the way an application does; stop earlier where that is asked for."""
        payer = Person("bank-a", self.open(account_pb2.ACCOUNT_KIND_CUSTOMER))
        self.fund(payer.account_id, funds)
        people.become_customer(call, self.ledger, payer, self._codes)
        people.issue_card(call, self.ledger, payer)
        if identified:
            people.identify(call, self.ledger, payer)
            people.ask_to_bind(call, self.ledger, payer)
        if identified and bound:
            self.bind(payer)
        return payer

    def bind(self, payer: Person) -> None:
        """Name the amount that is held, which binds the card."""
        people.name_amount(call, self.ledger, payer, people.disclosed(call, self.ledger, payer))

    # Paying.

    def service(self, payer: Person, service_id: str = WATER, **fields: Any) -> api.PrepareServicePaymentRequest:
        """Return the request to prepare the payment for a service."""
        given: dict[str, Any] = {
            "request_id": new_id(),
            "customer_id": payer.customer_id,
            "card_id": payer.card_id,
            "service_id": service_id,
            "fields": FIELDS,
            "amount_tyiyn": 20_000,
        }
        given = {**given, **fields}
        return api.PrepareServicePaymentRequest(**{name: value for name, value in given.items() if value is not None})

    def qr(self, payer: Person, text: str, amount: int | None = None) -> api.PrepareQrPaymentRequest:
        """Return the request to prepare the payment of a code."""
        request = api.PrepareQrPaymentRequest(
            request_id=new_id(), customer_id=payer.customer_id, card_id=payer.card_id, qr_text=text
        )
        if amount is not None:
            request.amount_tyiyn = amount
        return request

    def prepare(self, request: api.PrepareServicePaymentRequest | api.PrepareQrPaymentRequest) -> payment_pb2.Payment:
        """Prepare a payment."""
        payments = self.ledger.payments
        if isinstance(request, api.PrepareQrPaymentRequest):
            return payments.PrepareQrPayment(request, timeout=SECONDS).payment
        return payments.PrepareServicePayment(request, timeout=SECONDS).payment

    def confirm(self, payment: payment_pb2.Payment, request_id: str = "") -> api.ConfirmPaymentResponse:
        """Confirm a payment."""
        request = api.ConfirmPaymentRequest(
            request_id=request_id or new_id(), payment_id=payment.payment_id, customer_id=payment.customer_id
        )
        return self.ledger.payments.ConfirmPayment(request, timeout=SECONDS)

    def answer(
        self, payment_id: str, answer: api.PaymentAnswer.ValueType, request_id: str = "", **fields: Any
    ) -> api.AnswerPaymentResponse:
        """Answer in a provider's name."""
        request = api.AnswerPaymentRequest(
            request_id=request_id or new_id(), payment_id=payment_id, answer=answer, **fields
        )
        return self.ledger.payments.AnswerPayment(request, timeout=SECONDS)

    def decide(
        self, payment_id: str, answer: api.PaymentAnswer.ValueType, request_id: str = "", why: str = "by phone"
    ) -> api.DecidePaymentResponse:
        """Decide as an operator."""
        request = api.DecidePaymentRequest(
            request_id=request_id or new_id(), payment_id=payment_id, answer=answer, explanation=why
        )
        return self.ledger.payments.DecidePayment(request, timeout=SECONDS)

    def refund(self, payment_id: str, amount: int, fee: int = 0, request_id: str = "") -> api.RefundPaymentResponse:
        """Give back."""
        request = api.RefundPaymentRequest(
            request_id=request_id or new_id(), payment_id=payment_id, amount_tyiyn=amount, fee_tyiyn=fee
        )
        return self.ledger.payments.RefundPayment(request, timeout=SECONDS)

    def get(self, payment_id: str) -> payment_pb2.Payment:
        """Read a payment."""
        return self.ledger.payments.GetPayment(api.GetPaymentRequest(payment_id=payment_id), timeout=SECONDS).payment

    def figures(self, account_id: int) -> tuple[int, int]:
        """Return what is posted and what is held of an account, after all that was written so far."""
        request = GetBalanceRequest(account_id=account_id, min_position=self._position())
        balance = self.ledger.statements.GetBalance(request, timeout=SECONDS).balance
        return balance.posted_tyiyn, balance.held_tyiyn

    def _position(self) -> LogPosition:
        """Return the position of the newest write: one more is made, which moves nothing that matters."""
        done = self.ledger.accounts.OpenAccount(
            OpenAccountRequest(request_id=new_id(), participant_id="bank-a", kind=account_pb2.ACCOUNT_KIND_CASH),
            timeout=SECONDS,
        )
        return LogPosition(partition=done.receipt.partition, position=done.receipt.position)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ledger.channel.close()


def elqr(merchant: str = "kent-cafe", **fields: Any) -> str:
    """Return a merchant's national code."""
    given: dict[str, Any] = {
        "format": QrFormat.ELQR,
        "dynamic": False,
        "merchant_id": merchant,
        "merchant_name": "КАФЕ КЕНТ",
        "mcc": "5812",
        "amount_editable": not fields.get("amount_tyiyn"),
    }
    return write_elqr(QrCode(**{**given, **fields}))


def emvco(merchant: str = "osh-bazar", **fields: Any) -> str:
    """Return a merchant's EMV code: the network's name, and the merchant's id within it."""
    details = EmvDetails(
        country="KG", city="Osh", accounts=(Account("26", items=(Item("00", "qr.kg"), Item("01", merchant))),)
    )
    given: dict[str, Any] = {
        "format": QrFormat.EMVCO,
        "provider_id": "qr.kg",
        "dynamic": False,
        "merchant_name": "OSH BAZAR",
        "mcc": "5411",
        "amount_editable": not fields.get("amount_tyiyn"),
        "emv": details,
    }
    return write_emvco(QrCode(**{**given, **fields}))
