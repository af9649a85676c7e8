"""The world of the bindings' journeys: a bank that issues cards, and the application of those who bind them."""

from contextlib import closing
from typing import Any
from uuid import UUID

from domain.aggregate import fold
from domain.books import Books
from domain.card import usable
from domain.ports import Row
from domain.refusals import Refusal as Domain
from ledger.engine.lookup import history
from ledger.log.codec import decode
from ledger.log.factory import open_log
from ledger.rpc.client import Ledger
from protos.esep.v1 import account_pb2, authorization_pb2, card_pb2, customer_pb2
from protos.esep.v1 import card_binding_service_pb2 as api
from protos.esep.v1 import card_service_pb2 as cards
from protos.esep.v1 import statement_service_pb2 as statements
from protos.esep.v1.account_service_pb2 import GetAccountRequest
from protos.esep.v1.authorization_pb2 import Authorization
from protos.esep.v1.card_binding_pb2 import CardBinding
from scripts.demo_client import new_id
from tests import people
from tests.journeys.test_customers import App
from tests.paying import call
from tests.people import Person
from tests.rpc.world import Refusal
from tests.serving import CALL_SECONDS, open_account, transfer

NAME = "айлык картам"


class Bank:
    """The bank's side: issues cards, and sees what is held on their accounts."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.source = open_account(ledger, account_pb2.ACCOUNT_KIND_SETTLEMENT)

    def issue(self, funds: int = 100_000) -> Person:
        """Issue a card, with so much on its account; its holder is no customer yet."""
        holder = Person("bank-a", open_account(self.ledger, account_pb2.ACCOUNT_KIND_CUSTOMER))
        if funds:
            transfer(self.ledger, self.source, holder.account_id, funds)
        people.issue_card(call, self.ledger, holder)
        return holder

    def card(self, card_id: str) -> card_pb2.Card:
        return self.ledger.cards.GetCard(cards.GetCardRequest(card_id=card_id), timeout=CALL_SECONDS).card

    def holds(self, **owner: Any) -> list[Authorization]:
        """Return the authorisations of a card, an account or the bank, as they are now."""
        head = self.ledger.accounts.GetAccount(GetAccountRequest(account_id=self.source), timeout=CALL_SECONDS).position
        request = statements.ListAuthorizationsRequest(min_position=head, **owner)
        return list(self.ledger.statements.ListAuthorizations(request, timeout=CALL_SECONDS).authorizations)

    def amount(self, card: Person) -> int:
        """Return the amount that the bank sees held for the binding of a card."""
        newest = self.holds(card_id=card.card_id, states=[authorization_pb2.AUTHORIZATION_STATE_OPEN])[0]
        return newest.remaining_tyiyn

    def available(self, account_id: int) -> int:
        head = self.ledger.accounts.GetAccount(GetAccountRequest(account_id=account_id), timeout=CALL_SECONDS).position
        request = statements.GetBalanceRequest(account_id=account_id, min_position=head)
        return self.ledger.statements.GetBalance(request, timeout=CALL_SECONDS).balance.available_tyiyn

    def block(self, card_id: str) -> None:
        request = cards.BlockCardRequest(request_id=new_id(), card_id=card_id)
        self.ledger.cards.BlockCard(request, timeout=CALL_SECONDS)


class Phone(App):
    """The application of customers who bind cards."""

    def identified(self) -> str:
        """Return the id of a customer who was confirmed and identified."""
        customer_id = self.confirmed().customer_id
        self.identify(customer_id, customer_pb2.CUSTOMER_TIER_REMOTE)
        return customer_id

    def asking(self, customer_id: str, card: Person, **fields: str) -> api.RequestCardBindingRequest:
        """Return the request to bind a card, with some of its fields changed."""
        given = {
            "request_id": new_id(),
            "customer_id": customer_id,
            "card_name": NAME,
            "card_number": card.card_number,
            "expiry": card.expiry,
            "cvv": card.cvv,
            **fields,
        }
        return api.RequestCardBindingRequest(**given)

    def ask(self, request: api.RequestCardBindingRequest) -> api.RequestCardBindingResponse:
        return self.ledger.card_bindings.RequestCardBinding(request, timeout=CALL_SECONDS)

    def begin(self, customer_id: str, card: Person, **fields: str) -> CardBinding:
        return self.ask(self.asking(customer_id, card, **fields)).binding

    def name(self, binding: CardBinding | str, customer_id: str, amount: int, request_id: str = "") -> CardBinding:
        """Name an amount."""
        request = api.ConfirmCardBindingRequest(
            request_id=request_id or new_id(),
            binding_id=binding if isinstance(binding, str) else binding.binding_id,
            customer_id=customer_id,
            amount_tyiyn=amount,
        )
        return self.ledger.card_bindings.ConfirmCardBinding(request, timeout=CALL_SECONDS).binding

    def cancel(self, binding: CardBinding, customer_id: str, **fields: Any) -> CardBinding:
        request = api.CancelCardBindingRequest(
            request_id=new_id(), binding_id=binding.binding_id, customer_id=customer_id, **fields
        )
        return self.ledger.card_bindings.CancelCardBinding(request, timeout=CALL_SECONDS).binding

    def binding(self, binding: CardBinding, customer_id: str) -> CardBinding:
        request = api.GetCardBindingRequest(binding_id=binding.binding_id, customer_id=customer_id)
        return self.ledger.card_bindings.GetCardBinding(request, timeout=CALL_SECONDS).binding

    def disclose(self, card: Person, **fields: str) -> api.DiscloseHeldAmountResponse:
        given = {"request_id": new_id(), "card_id": card.card_id, "operator": "op-17", **fields}
        request = api.DiscloseHeldAmountRequest(**given)
        return self.ledger.card_bindings.DiscloseHeldAmount(request, timeout=CALL_SECONDS)


def wrong(amount: int) -> int:
    """Return another amount than that."""
    return 100 + (amount - 100 + 1) % 900


def other_cvv(cvv: str) -> str:
    """Return another CVV than that."""
    return f"{(int(cvv) + 1) % 1000:03}"


def without_position(refusal: Refusal) -> dict[str, str]:
    return {key: value for key, value in refusal.metadata.items() if key != "position"}


def events(phone: Phone, kind: type[Any]) -> list[Any]:
    """Return every event of a kind in the log."""
    return [decode(row.topic, row.state) for row in rows(phone) if row.topic == kind.TOPIC]


def rows(phone: Phone) -> list[Row]:
    """Return the whole log."""
    with closing(open_log(f"sqlite:///{phone.directory / 'log.db'}")) as log:
        return log.read(0, 0, 100_000)


def may_use(phone: Phone, card_id: str, customer_id: str) -> str:
    """Return why a customer may not spend from a card, empty when they may: the guard of every such command."""
    books, found = Books(0), rows(phone)
    for aggregate_id in (UUID(card_id).bytes, UUID(customer_id).bytes):
        books.remember(aggregate_id, fold(history(row for row in found if row.originator_id == aggregate_id)))
    answer = usable(books, UUID(card_id).bytes, UUID(customer_id).bytes, found[-1].recorded_at)
    return answer.reason.name if isinstance(answer, Domain) else ""
