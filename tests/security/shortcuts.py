"""Ways to a bound card and a token that leave out the steps of a person: decided by the engine, asked for by nobody."""

from threading import Event
from typing import ClassVar
from uuid import UUID, uuid4

from domain.books import Books
from domain.card import Card, CardBound, CardTokensLinked, find
from domain.command import Command
from domain.event import Change, Context
from domain.refusals import Refusal
from domain.token import TokenRequested
from domain.wallet import WalletCardAdded, following
from domain.wallet import find as wallet_of
from ledger.engine.tickets import Accepted, CommandTicket
from tests.rpc.world import PATIENCE, World


class Bind(Command):
    """Binds a card to a customer as a binding that has succeeded does, without its try."""

    NAME: ClassVar[str] = "bind_for_a_test"

    card: UUID
    customer: UUID

    def decide(self, books: Books, context: Context) -> list[Change] | Refusal:
        card = find(books, self.card.bytes)
        assert isinstance(card, Card)
        bound = Change(card.card_id, card.version + 1, CardBound(customer=self.customer))
        wallet = wallet_of(books, self.customer.bytes)
        return [bound, *following(wallet, WalletCardAdded(customer=self.customer, card=self.card))]


class Tokenise(Command):
    """Makes a token of a card as a request that has succeeded does, whoever the customer is."""

    NAME: ClassVar[str] = "tokenise_for_a_test"

    card: UUID
    customer: UUID

    def decide(self, books: Books, context: Context) -> list[Change] | Refusal:
        card = find(books, self.card.bytes)
        assert isinstance(card, Card)
        requested = TokenRequested(
            participant=card.participant,
            card=self.card,
            customer=self.customer,
            device=self.card,
            device_id="d-1",
            masked="941799******0000",
            par=card.par,
        )
        linked = CardTokensLinked(tokens=(UUID(bytes=context.request_id),))
        return [Change(context.request_id, 1, requested), Change(card.card_id, card.version + 1, linked)]


def bind(world: World, card: str, customer: str) -> None:
    """Bind a card to a customer."""
    submit(world, Bind(card=UUID(card), customer=UUID(customer)))


def tokenise(world: World, token: str, card: str, customer: str) -> None:
    """Make a token of a card."""
    submit(world, Tokenise(card=UUID(card), customer=UUID(customer)), UUID(token).bytes)


def submit(world: World, command: Command, request_id: bytes | None = None) -> bytes:
    """Have a command decided that no method asks for; return the id of its request."""
    done = Event()
    ticket = CommandTicket(command, request_id or uuid4().bytes, "test")
    ticket.deliver = lambda _: done.set()
    world.engine.submit(ticket)
    assert done.wait(PATIENCE)
    assert isinstance(ticket.outcome, Accepted)
    return ticket.request_id
