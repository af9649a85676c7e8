"""A cardholder on the way to paying by phone, step by step over gRPC: what tests of tokens begin with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ledger.rpc.client import Ledger
from protos.esep.v1 import account_pb2, authorization_pb2, token_pb2
from protos.esep.v1 import account_service_pb2 as accounts
from protos.esep.v1 import token_service_pb2 as tokens
from protos.esep.v1 import transfer_service_pb2 as transfers
from protos.esep.v1.token_payment_service_pb2 import AuthorizeTokenPaymentResponse
from protos.esep.v1.transfer_pb2 import NewTransfer
from scripts.demo_client import new_id
from scripts.device import Phone
from tests import people
from tests.people import Person

CALL_SECONDS = 30.0
FUNDS = 1_000_000


class Holder(Person):
    """One person with an account, a card and a phone, at a bank's application. Steps are taken one by one."""

    def __init__(self, ledger: Ledger, codes: Path) -> None:
        super().__init__("bank-a")
        self.ledger = ledger
        self._codes = codes
        self.token_id = ""
        self.phone = Phone()
        self.account_id = self.open(account_pb2.ACCOUNT_KIND_CUSTOMER)
        self.merchant = self.open(account_pb2.ACCOUNT_KIND_MERCHANT)
        self.secrets: set[str] = set()
        """What was told to this person or phone alone, as text and as hexadecimal digits."""

    # The bank's side.

    def open(self, kind: account_pb2.AccountKind.ValueType) -> int:
        """Open an account; return its id."""
        request = accounts.OpenAccountRequest(request_id=new_id(), participant_id="bank-a", kind=kind)
        return int(self.call(self.ledger.accounts.OpenAccount, request).account.account_id)

    def fund(self, amount: int = FUNDS) -> None:
        """Put money on the account."""
        cash = self.open(account_pb2.ACCOUNT_KIND_CASH)
        moved = NewTransfer(debit_account_id=cash, credit_account_id=self.account_id, amount_tyiyn=amount)
        request = transfers.CreateTransferRequest(request_id=new_id(), transfer=moved)
        self.call(self.ledger.transfers.CreateTransfer, request)

    def issue(self) -> None:
        """Have another card issued for the account; it is the holder's from now on."""
        people.issue_card(self.call, self.ledger, self)
        self.secrets |= {self.card_number}

    # The steps of a new user.

    def register(self) -> None:
        """Register and confirm."""
        people.become_customer(self.call, self.ledger, self, self._codes)

    def identify(self) -> None:
        """Have the customer identified."""
        people.identify(self.call, self.ledger, self)

    def bind(self) -> None:
        """Bind the card with the amount that the bank discloses."""
        people.bind(self.call, self.ledger, self)

    def bound(self) -> "Holder":
        """Take every step up to a bound card with money behind it."""
        self.fund()
        self.issue()
        self.register()
        self.identify()
        self.bind()
        return self

    def asking(self, **fields: Any) -> tokens.RequestTokenRequest:
        """Return the request for a token."""
        given = {
            "request_id": new_id(),
            "card_id": self.card_id or new_id(),
            "customer_id": self.customer_id or new_id(),
            "device": self.phone.device,
            **fields,
        }
        return tokens.RequestTokenRequest(**given)

    def tokenise(self) -> token_pb2.Token:
        """Ask for a token."""
        token: token_pb2.Token = self.call(self.ledger.tokens.RequestToken, self.asking()).token
        self.token_id = token.token_id
        return token

    def provision(self, request_id: str = "") -> tokens.ProvisionTokenResponse:
        """Put the token into the phone."""
        request = tokens.ProvisionTokenRequest(request_id=request_id or new_id(), token_id=self.token_id)
        answer: tokens.ProvisionTokenResponse = self.call(self.ledger.tokens.ProvisionToken, request)
        self.phone.provision(answer.token_number, answer.token.expiry, answer.key)
        self.secrets |= {answer.token_number, answer.key.key.hex()}
        return answer

    def replenish(self) -> tokens.ReplenishKeysResponse:
        """Give the phone another key."""
        request = tokens.ReplenishKeysRequest(request_id=new_id(), token_id=self.token_id)
        answer: tokens.ReplenishKeysResponse = self.call(self.ledger.tokens.ReplenishKeys, request)
        self.phone.replenish(answer.key)
        self.secrets |= {answer.key.key.hex()}
        return answer

    def activate(self) -> token_pb2.Token:
        """Switch contactless payment on."""
        request = tokens.ActivateTokenRequest(request_id=new_id(), token_id=self.token_id)
        token: token_pb2.Token = self.call(self.ledger.tokens.ActivateToken, request).token
        return token

    def ready(self) -> "Holder":
        """Take every step up to a phone that pays."""
        self.bound()
        self.tokenise()
        self.provision()
        self.activate()
        return self

    # A phone that pays.

    def pay(self, amount: int, **fields: Any) -> AuthorizeTokenPaymentResponse:
        """Tap, and have the merchant's terminal ask."""
        request = self.phone.pay(fields.pop("request_id", new_id()), amount, self.merchant, **fields)
        answer: AuthorizeTokenPaymentResponse = self.call(self.ledger.token_payments.AuthorizeTokenPayment, request)
        return answer

    def token(self) -> token_pb2.Token:
        """Return the token as it is."""
        token: token_pb2.Token = self.call(
            self.ledger.tokens.GetToken, tokens.GetTokenRequest(token_id=self.token_id)
        ).token
        return token

    def suspend(self, actor: token_pb2.TokenActor.ValueType) -> token_pb2.Token:
        """Suspend the token for a party."""
        request = tokens.SuspendTokenRequest(request_id=new_id(), token_id=self.token_id, suspended_by=actor)
        token: token_pb2.Token = self.call(self.ledger.tokens.SuspendToken, request).token
        return token

    def resume(self, actor: token_pb2.TokenActor.ValueType) -> token_pb2.Token:
        """Lift a party's suspension."""
        request = tokens.ResumeTokenRequest(request_id=new_id(), token_id=self.token_id, suspended_by=actor)
        token: token_pb2.Token = self.call(self.ledger.tokens.ResumeToken, request).token
        return token

    def deactivate(self) -> token_pb2.Token:
        """End the token for the cardholder."""
        cause = token_pb2.TOKEN_DEACTIVATION_CAUSE_CARDHOLDER
        request = tokens.DeactivateTokenRequest(request_id=new_id(), token_id=self.token_id, cause=cause)
        token: token_pb2.Token = self.call(self.ledger.tokens.DeactivateToken, request).token
        return token

    def call(self, method: Callable[..., Any], request: Any) -> Any:
        """Call a method."""
        return method(request, metadata=self.ledger.metadata, timeout=CALL_SECONDS)


KEYED = authorization_pb2.ENTRY_MODE_KEYED
