"""People of two banks with cards bound in the application, over gRPC: what tests of transfers begin with."""

from pathlib import Path
from typing import Any

from ledger.vault.codes import FileCodes
from protos.esep.v1 import account_pb2, alias_pb2, participant_pb2, qr_pb2, quote_pb2, transfer_pb2
from protos.esep.v1 import alias_service_pb2 as aliases
from protos.esep.v1 import card_service_pb2 as cards
from protos.esep.v1 import participant_service_pb2 as participants
from protos.esep.v1 import qr_service_pb2 as qrs
from protos.esep.v1 import quote_service_pb2 as quotes
from protos.esep.v1.account_service_pb2 import OpenAccountRequest
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.statement_service_pb2 import GetBalanceRequest
from tests import people
from tests.people import Person
from tests.rpc.world import Bank, Refusal, World, new_id

HELD = 1_000
"""More than is ever held to bind a card."""


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

    def payer(self, participant: str, name: str, *, funds: int = 1_000_000, bound: bool = True) -> Person:
        """Return somebody new at a bank, identified, with money and a card that is bound."""
        payer = self.customer(participant, name)
        payer.account_id = self.open(participant, account_pb2.ACCOUNT_KIND_CUSTOMER)
        people.issue_card(self.call, self.ledger, payer)
        if bound:
            self.bank.move(self.bank.cash, payer.account_id, HELD)
            people.bind(self.call, self.ledger, payer)
            self.bank.move(payer.account_id, self.bank.cash, HELD)
        if funds:
            self.bank.move(self.bank.cash, payer.account_id, funds)
        return payer

    def customer(self, participant: str, name: str, *, identified: bool = True) -> Person:
        """Register, confirm and, by default, identify somebody."""
        customer = Person(participant, name=name)
        people.become_customer(self.call, self.ledger, customer, self.codes)
        if identified:
            people.identify(self.call, self.ledger, customer)
        return customer

    def block(self, payer: Person) -> None:
        """Block somebody's card."""
        self.call(self.ledger.cards.BlockCard, cards.BlockCardRequest(request_id=new_id(), card_id=payer.card_id))

    @property
    def codes(self) -> Path:
        """The file of the codes that were sent."""
        codes = self.world.vault.codes
        assert isinstance(codes, FileCodes)
        return codes._path

    # Phone numbers.

    def link(self, payer: Person, phone: str = "", *, code: str = "", request_id: str = "") -> alias_pb2.Alias:
        """Let a number lead to somebody's card: by default the one they registered with, without a code."""
        answer: aliases.LinkPhoneResponse = self.call(
            self.ledger.aliases.LinkPhone, linking(payer, phone, code=code, request_id=request_id)
        )
        return answer.alias

    def code(self, payer: Person, phone: str) -> str:
        """Have a code sent to a number; return it."""
        request = aliases.SendAliasCodeRequest(customer_id=payer.customer_id, phone_number=phone)
        self.call(self.ledger.aliases.SendAliasCode, request)
        return people.sent_code(self.codes, payer.customer_id)

    # Codes.

    def qr(self, payer: Person, **fields: Any) -> qr_pb2.TransferQr:
        """Issue a code by which somebody is paid."""
        request = qrs.IssueTransferQrRequest(
            request_id=new_id(), customer_id=payer.customer_id, card_id=payer.card_id, **fields
        )
        answer: qrs.IssueTransferQrResponse = self.call(self.ledger.qr.IssueTransferQr, request)
        return answer.transfer_qr

    # Transfers.

    def quote(self, payer: Person, amount: int | None = 100_000, **recipient: Any) -> quote_pb2.Quote:
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


def linking(payer: Person, phone: str = "", *, code: str = "", request_id: str = "") -> aliases.LinkPhoneRequest:
    """Return the request that lets a number lead to somebody's card."""
    return aliases.LinkPhoneRequest(
        request_id=request_id or new_id(),
        customer_id=payer.customer_id,
        card_id=payer.card_id,
        phone_number=phone or payer.phone_number,
        code=code,
    )


def quoting(payer: Person, amount: int | None = 100_000, **recipient: Any) -> quotes.CreateQuoteRequest:
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
