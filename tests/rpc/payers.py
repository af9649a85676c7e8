"""People of two banks with cards bound in the application, over gRPC: what tests of transfers begin with."""

from typing import Any, NamedTuple
from uuid import uuid4

from stdnum import luhn

from ledger.vault.codes import FileCodes
from protos.esep.v1 import account_pb2, alias_pb2, customer_pb2, participant_pb2, qr_pb2, quote_pb2, transfer_pb2
from protos.esep.v1 import alias_service_pb2 as aliases
from protos.esep.v1 import card_binding_service_pb2 as bindings
from protos.esep.v1 import card_service_pb2 as cards
from protos.esep.v1 import customer_service_pb2 as customers
from protos.esep.v1 import participant_service_pb2 as participants
from protos.esep.v1 import qr_service_pb2 as qrs
from protos.esep.v1 import quote_service_pb2 as quotes
from protos.esep.v1.account_service_pb2 import OpenAccountRequest
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.statement_service_pb2 import GetBalanceRequest
from tests.rpc.world import Bank, Refusal, World, new_id

PASSWORD = "Jashyl2026"
EXPIRY = "12/39"
HELD = 1_000
"""More than is ever held to bind a card."""
REMOTE = customer_pb2.CUSTOMER_TIER_REMOTE


class Issued(NamedTuple):
    """A card with what stands on it."""

    card_id: str
    number: str
    cvv: str


class Payer(NamedTuple):
    """A customer with a card."""

    customer_id: str
    card_id: str
    card_number: str
    phone: str
    account_id: int
    participant_id: str


class Payers:
    """Two banks that are registered, and people who pay one another."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.bank = Bank(world)
        self.ledger = self.bank.ledger
        self.settlement: dict[str, int] = {}
        self.fees: dict[str, int] = {}
        self._position = 0
        for participant in ("bank-a", "bank-b"):
            self.settlement[participant] = self.open(participant, account_pb2.ACCOUNT_KIND_SETTLEMENT)
            self.fees[participant] = self.open(participant, account_pb2.ACCOUNT_KIND_FEE_INCOME)
            request = participants.RegisterParticipantRequest(
                request_id=new_id(),
                participant_id=participant,
                names=participant_pb2.ParticipantNames(ky="Айыл банк", ru="Айыл Банк", en="Aiyl Bank"),
                settlement_account_id=self.settlement[participant],
                fee_account_id=self.fees[participant],
            )
            self.call(self.ledger.participants.RegisterParticipant, request)

    def call(self, method: Any, request: Any) -> Any:
        """Call a method; what it wrote is what later reads reflect."""
        answer = self.bank.call(method, request)
        receipt = getattr(answer, "receipt", None)
        self._position = max(self._position, receipt.position if receipt is not None else 0)
        return answer

    def refused(self, method: Any, request: Any) -> Refusal:
        """Call a method that is refused."""
        return self.bank.refused(method, request)

    # People.

    def open(self, participant: str, kind: account_pb2.AccountKind.ValueType, **fields: Any) -> int:
        """Open an account at a bank."""
        request = OpenAccountRequest(request_id=new_id(), participant_id=participant, kind=kind, **fields)
        return int(self.call(self.ledger.accounts.OpenAccount, request).account.account_id)

    def payer(self, participant: str, name: str, *, funds: int = 1_000_000, bound: bool = True) -> Payer:
        """Return somebody new at a bank, identified, with money and a card that is bound."""
        phone = f"+99670{uuid4().int % 10**7:07}"
        customer_id = self.customer(participant, name, phone)
        account = self.open(participant, account_pb2.ACCOUNT_KIND_CUSTOMER)
        card = self.card(participant, account)
        if bound:
            self.bank.move(self.bank.cash, account, HELD)
            self.bind(card, customer_id)
            self.bank.move(account, self.bank.cash, HELD)
        if funds:
            self.bank.move(self.bank.cash, account, funds)
        return Payer(customer_id, card.card_id, card.number, phone, account, participant)

    def customer(self, participant: str, name: str, phone: str, *, identified: bool = True) -> str:
        """Register, confirm and, by default, identify somebody; return the customer's id."""
        request = customers.RegisterCustomerRequest(
            request_id=new_id(),
            participant_id=participant,
            login=f"u{uuid4().hex[:20]}",
            password=PASSWORD,
            phone_number=phone,
            full_name=name,
        )
        customer_id = str(self.call(self.ledger.customers.RegisterCustomer, request).customer.customer_id)
        confirmation = customers.ConfirmRegistrationRequest(
            request_id=new_id(), customer_id=customer_id, code=self.sent(customer_id)
        )
        self.call(self.ledger.customers.ConfirmRegistration, confirmation)
        if identified:
            tier = customers.IdentifyCustomerRequest(request_id=new_id(), customer_id=customer_id, tier=REMOTE)
            self.call(self.ledger.customers.IdentifyCustomer, tier)
        return customer_id

    def card(self, participant: str, account: int) -> Issued:
        """Issue a card."""
        digits = f"941700{uuid4().int % 10**9:09}"
        number = digits + luhn.calc_check_digit(digits)
        request = cards.IssueCardRequest(
            request_id=new_id(),
            participant_id=participant,
            account_id=account,
            card_number=number,
            expiry=EXPIRY,
            return_cvv=True,
        )
        answer = self.call(self.ledger.cards.IssueCard, request)
        return Issued(answer.card.card_id, number, answer.cvv)

    def bind(self, card: Issued, customer_id: str) -> None:
        """Bind a card to a customer, by the amount that its bank tells."""
        asked = bindings.RequestCardBindingRequest(
            request_id=new_id(), customer_id=customer_id, card_number=card.number, expiry=EXPIRY, cvv=card.cvv
        )
        binding = self.call(self.ledger.card_bindings.RequestCardBinding, asked).binding
        told = bindings.DiscloseHeldAmountRequest(request_id=new_id(), card_id=card.card_id, operator="desk-7")
        amount = self.call(self.ledger.card_bindings.DiscloseHeldAmount, told).amount_tyiyn
        named = bindings.ConfirmCardBindingRequest(
            request_id=new_id(), binding_id=binding.binding_id, customer_id=customer_id, amount_tyiyn=amount
        )
        self.call(self.ledger.card_bindings.ConfirmCardBinding, named)

    def block(self, payer: Payer) -> None:
        """Block somebody's card."""
        self.call(self.ledger.cards.BlockCard, cards.BlockCardRequest(request_id=new_id(), card_id=payer.card_id))

    def sent(self, customer_id: str) -> str:
        """Return the last code that was sent for a customer."""
        codes = self.world.vault.codes
        assert isinstance(codes, FileCodes)
        lines = codes._path.read_text("ascii").splitlines()
        return [code for whose, code in map(str.split, lines) if whose == customer_id][-1]

    # Phone numbers.

    def link(self, payer: Payer, phone: str = "", *, code: str = "", request_id: str = "") -> alias_pb2.Alias:
        """Let a number lead to somebody's card: by default the one they registered with, without a code."""
        answer: aliases.LinkPhoneResponse = self.call(
            self.ledger.aliases.LinkPhone, linking(payer, phone, code=code, request_id=request_id)
        )
        return answer.alias

    def code(self, payer: Payer, phone: str) -> str:
        """Have a code sent to a number; return it."""
        request = aliases.SendAliasCodeRequest(customer_id=payer.customer_id, phone_number=phone)
        self.call(self.ledger.aliases.SendAliasCode, request)
        return self.sent(payer.customer_id)

    # Codes.

    def qr(self, payer: Payer, **fields: Any) -> qr_pb2.TransferQr:
        """Issue a code by which somebody is paid."""
        request = qrs.IssueTransferQrRequest(
            request_id=new_id(), customer_id=payer.customer_id, card_id=payer.card_id, **fields
        )
        answer: qrs.IssueTransferQrResponse = self.call(self.ledger.qr.IssueTransferQr, request)
        return answer.transfer_qr

    # Transfers.

    def quote(self, payer: Payer, amount: int | None = 100_000, **recipient: Any) -> quote_pb2.Quote:
        """Have a transfer quoted."""
        answer: quotes.CreateQuoteResponse = self.call(
            self.ledger.quotes.CreateQuote, quoting(payer, amount, **recipient)
        )
        return answer.quote

    def confirm(self, quote: quote_pb2.Quote, request_id: str = "") -> transfer_pb2.Transfer:
        """Confirm a quote."""
        answer: quotes.ConfirmQuoteResponse = self.call(
            self.ledger.quotes.ConfirmQuote, confirmation(quote, request_id)
        )
        return answer.transfer

    def balance(self, account: int) -> int:
        """Return what an account has, after everything written so far."""
        request = GetBalanceRequest(account_id=account, min_position=LogPosition(position=self._position))
        return int(self.bank.call(self.ledger.statements.GetBalance, request).balance.posted_tyiyn)


def linking(payer: Payer, phone: str = "", *, code: str = "", request_id: str = "") -> aliases.LinkPhoneRequest:
    """Return the request that lets a number lead to somebody's card."""
    return aliases.LinkPhoneRequest(
        request_id=request_id or new_id(),
        customer_id=payer.customer_id,
        card_id=payer.card_id,
        phone_number=phone or payer.phone,
        code=code,
    )


def quoting(payer: Payer, amount: int | None = 100_000, **recipient: Any) -> quotes.CreateQuoteRequest:
    """Return the request for a quote; the recipient is named as in the contract."""
    return quotes.CreateQuoteRequest(
        request_id=new_id(),
        customer_id=payer.customer_id,
        card_id=payer.card_id,
        amount_tyiyn=amount,
        **recipient,
    )


def confirmation(quote: quote_pb2.Quote, request_id: str = "") -> quotes.ConfirmQuoteRequest:
    """Return the request that confirms a quote."""
    return quotes.ConfirmQuoteRequest(
        request_id=request_id or new_id(), quote_id=quote.quote_id, customer_id=quote.customer_id
    )
