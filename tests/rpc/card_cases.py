"""How each refusal about cards and bindings comes about, one function a reason."""

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from domain.refusals import Reason
from ledger.issuer import LocalIssuer
from ledger.vault.codes import FileCodes
from protos.esep.v1 import account_pb2, authorization_pb2
from protos.esep.v1 import authorization_service_pb2 as authorizations
from protos.esep.v1 import card_binding_service_pb2 as bindings
from protos.esep.v1 import card_service_pb2 as cards
from protos.esep.v1 import statement_service_pb2 as statements
from protos.esep.v1.common_pb2 import LogPosition
from tests import people
from tests.holder import Holder
from tests.people import EXPIRY, Person
from tests.rpc.world import Bank, Refusal, new_id, refused

DAY = 86_400_000_000

Case = Callable[[Bank], Refusal]
Act = Callable[["Cardholder"], object]


class Cardholder(Holder):
    """A holder who was issued a card with money behind it, and was identified; the card is not bound yet."""

    def __init__(self, bank: Bank) -> None:
        codes = bank.world.vault.codes
        assert isinstance(codes, FileCodes)
        super().__init__(bank.ledger, codes._path)
        self.fund()
        self.issue()
        self.register()
        self.identify()
        self.first_card = self.card_id
        """The card that was bound or asked about first, whichever is issued afterwards."""

    def ask(self, **fields: Any) -> bindings.RequestCardBindingResponse:
        """Ask for the card to be bound."""
        given = {
            "request_id": new_id(),
            "customer_id": self.customer_id,
            "card_name": "Card",
            "card_number": self.card_number,
            "expiry": EXPIRY,
            "cvv": self.cvv,
            **fields,
        }
        request = bindings.RequestCardBindingRequest(**given)
        answer: bindings.RequestCardBindingResponse = self.call(self.ledger.card_bindings.RequestCardBinding, request)
        self.binding_id = answer.binding.binding_id
        return answer

    def disclose(self) -> int:
        """Return the amount that is held for the binding."""
        return people.disclosed(self.call, self.ledger, self)

    def tell(self, amount: int = 0) -> object:
        """Name an amount, the held one unless another is given."""
        return people.name_amount(self.call, self.ledger, self, amount or self.disclose())

    def name_wrongly(self) -> object:
        """Name an amount that is not the held one."""
        return self.tell(100 + (self.disclose() - 99) % 900)

    def register_anew(self) -> None:
        """Be another customer from now on, who is not identified."""
        other = Person(self.participant)
        self.login, self.phone_number = other.login, other.phone_number
        self.register()

    def cancel(self) -> object:
        """Give the binding up."""
        request = bindings.CancelCardBindingRequest(
            request_id=new_id(), binding_id=self.binding_id or new_id(), customer_id=self.customer_id
        )
        return self.call(self.ledger.card_bindings.CancelCardBinding, request)

    def block(self) -> object:
        return self.call(
            self.ledger.cards.BlockCard, cards.BlockCardRequest(request_id=new_id(), card_id=self.first_card)
        )

    def unblock(self) -> object:
        request = cards.UnblockCardRequest(request_id=new_id(), card_id=self.first_card)
        return self.call(self.ledger.cards.UnblockCard, request)

    def lose(self) -> object:
        request = cards.ReportCardLostRequest(request_id=new_id(), card_id=self.first_card, loss=cards.CARD_LOSS_STOLEN)
        return self.call(self.ledger.cards.ReportCardLost, request)

    def close(self) -> object:
        request = cards.CloseCardRequest(request_id=new_id(), card_id=self.first_card)
        return self.call(self.ledger.cards.CloseCard, request)

    def unbind(self) -> object:
        request = cards.UnbindCardRequest(request_id=new_id(), card_id=self.first_card)
        return self.call(self.ledger.cards.UnbindCard, request)

    def renew(self) -> object:
        """Have the card renewed, up to when it is valid already."""
        request = cards.RenewCardRequest(request_id=new_id(), card_id=self.first_card, expiry=EXPIRY)
        return self.call(self.ledger.cards.RenewCard, request)

    def replace(self) -> object:
        """Have the newest card take the place of the first."""
        request = cards.ReplaceCardRequest(
            request_id=new_id(), card_id=self.first_card, replacement_card_id=self.card_id
        )
        return self.call(self.ledger.cards.ReplaceCard, request)

    def move(self) -> None:
        """Have an account elsewhere: cards issued from now on are of that one."""
        self.account_id = self.open(account_pb2.ACCOUNT_KIND_CUSTOMER)

    def capture(self) -> object:
        """Try to take the amount that is held for the binding."""
        request = statements.ListAuthorizationsRequest(
            card_id=self.card_id, min_position=LogPosition(position=self.ask().receipt.position + 1)
        )
        (hold,) = self.call(self.ledger.statements.ListAuthorizations, request).authorizations
        assert hold.kind == authorization_pb2.AUTHORIZATION_KIND_CARD_VERIFICATION
        capture = authorizations.CaptureAuthorizationRequest(
            request_id=new_id(), authorization_id=hold.authorization_id, amount_tyiyn=100, clearing_reference="c-1"
        )
        return self.call(self.ledger.authorizations.CaptureAuthorization, capture)


def after(act: Act, *before: Act) -> Case:
    """Return the case of something that a cardholder does after other things."""

    def case(bank: Bank) -> Refusal:
        holder = Cardholder(bank)
        for each in before:
            each(holder)
        return refused(lambda: act(holder))

    return case


def asked_with(**fields: Any) -> Case:
    """Return the case of a binding that is asked for with something mistyped."""
    return after(lambda holder: holder.ask(**fields))


def late(days: int, act: Act, *before: Act) -> Case:
    """Return the case of something that a cardholder does days after other things."""

    def case(bank: Bank) -> Refusal:
        holder = Cardholder(bank)
        for each in before:
            each(holder)
        bank.world.clock.ahead += days * DAY
        return refused(lambda: act(holder))

    return case


def issued_with(**fields: Any) -> Case:
    """Return the case of a card that is issued with something unfit."""
    return lambda bank: bank.refused(bank.ledger.cards.IssueCard, issuing(bank, **fields))


def issuing(bank: Bank, **fields: Any) -> cards.IssueCardRequest:
    given = {
        "request_id": new_id(),
        "participant_id": "bank-a",
        "account_id": bank.rich,
        "card_number": "9417001234567895",
        "expiry": EXPIRY,
        **fields,
    }
    return cards.IssueCardRequest(**given)


def already_issued(bank: Bank) -> Refusal:
    bank.call(bank.ledger.cards.IssueCard, issuing(bank))
    return bank.refused(bank.ledger.cards.IssueCard, issuing(bank))


def not_for_cards(bank: Bank) -> Refusal:
    return bank.refused(bank.ledger.cards.IssueCard, issuing(bank, account_id=bank.merchant))


def not_found(bank: Bank) -> Refusal:
    return bank.refused(bank.ledger.cards.GetCard, cards.GetCardRequest(card_id=new_id()))


def not_identified(bank: Bank) -> Refusal:
    holder = Cardholder(bank)
    holder.register_anew()
    return refused(holder.ask)


def bound_elsewhere(bank: Bank) -> Refusal:
    holder = Cardholder(bank)
    holder.ask()
    holder.tell()
    holder.register_anew()
    holder.identify()
    return refused(holder.ask)


def ask_wrongly(holder: Cardholder) -> Refusal:
    return refused(lambda: holder.ask(cvv=f"{(int(holder.cvv) + 1) % 1000:03}"))


def issuer_unavailable(bank: Bank) -> Refusal:
    with patch.object(LocalIssuer, "matches", side_effect=OSError("no route to host")):
        return refused(Cardholder(bank).ask)


def miss(holder: Cardholder) -> Refusal:
    return refused(holder.name_wrongly)


def begin(holder: Cardholder) -> object:
    """Ask for the card to be bound, and give that up."""
    return holder.ask(), holder.cancel()


def locked(bank: Bank) -> Refusal:
    holder = Cardholder(bank)
    holder.ask()
    amount = holder.disclose()
    for _ in range(3):
        refused(lambda: holder.tell(100 + (amount - 99) % 900))
    return refused(lambda: holder.tell(amount))


CARD_CASES: dict[Reason, Case] = {
    Reason.CARD_NUMBER_MALFORMED: asked_with(card_number="94170000000000"),
    Reason.CARD_NUMBER_CHECK_DIGIT: asked_with(card_number="9417000000000011"),
    Reason.CARD_NUMBER_PREFIX: asked_with(card_number="4276000000000009"),
    Reason.CARD_EXPIRY_MALFORMED: asked_with(expiry="1230"),
    Reason.CARD_EXPIRY_PAST: asked_with(expiry="01/20"),
    Reason.CVV_MALFORMED: asked_with(cvv="12"),
    Reason.ACCOUNT_OF_ANOTHER_BANK: issued_with(participant_id="bank-b"),
    Reason.ACCOUNT_NOT_FOR_CARDS: not_for_cards,
    Reason.CARD_ALREADY_ISSUED: already_issued,
    Reason.CARD_NOT_FOUND: not_found,
    Reason.CARD_BLOCKED: after(Cardholder.ask, Cardholder.block),
    Reason.CARD_NOT_BLOCKED: after(Cardholder.unblock),
    Reason.CARD_LOST: after(Cardholder.ask, Cardholder.lose),
    Reason.CARD_NOT_LOST: after(Cardholder.replace, Cardholder.issue),
    Reason.CARD_ALREADY_REPLACED: after(
        Cardholder.replace, Cardholder.lose, Cardholder.issue, Cardholder.replace, Cardholder.issue
    ),
    Reason.CARD_REPLACEMENT_UNFIT: after(Cardholder.replace, Cardholder.lose, Cardholder.move, Cardholder.issue),
    Reason.CARD_CLOSED: after(Cardholder.ask, Cardholder.close),
    Reason.CARD_EXPIRED: late(14 * 366, Cardholder.tokenise, Cardholder.ask, Cardholder.tell),
    Reason.CARD_EXPIRY_NOT_LATER: after(Cardholder.renew),
    Reason.CARD_NOT_BOUND: after(Cardholder.unbind),
    Reason.CARD_ALREADY_BOUND: after(Cardholder.ask, Cardholder.ask, Cardholder.tell),
    Reason.CARD_BOUND_ELSEWHERE: bound_elsewhere,
    Reason.CARD_DETAILS_WRONG: asked_with(expiry="11/30"),
    Reason.CARD_DETAILS_LOCKED: after(Cardholder.ask, *[ask_wrongly] * 5),
    Reason.CUSTOMER_NOT_IDENTIFIED: not_identified,
    Reason.BINDING_NOT_FOUND: after(Cardholder.cancel),
    Reason.BINDING_LIMIT: after(Cardholder.ask, *[begin] * 3),
    Reason.BINDING_AMOUNT_WRONG: after(Cardholder.name_wrongly, Cardholder.ask),
    Reason.BINDING_LOCKED: locked,
    Reason.BINDING_CANCELLED: after(Cardholder.cancel, begin),
    Reason.BINDING_EXPIRED: late(3, Cardholder.cancel, Cardholder.ask),
    Reason.BINDING_NOT_OPEN: after(Cardholder.disclose),
    Reason.VERIFICATION_HOLD: after(Cardholder.capture),
    Reason.ISSUER_UNAVAILABLE: issuer_unavailable,
}
