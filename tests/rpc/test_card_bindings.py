"""CardBindingService over a whole ledger in this process: an issuer that cannot be asked, and repeated requests."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.issuer import LocalIssuer
from protos.esep.v1 import card_binding_service_pb2 as api
from tests import people
from tests.people import Person
from tests.rpc.test_cards import EXPIRY, issue, issuing, number
from tests.rpc.world import Bank, World, new_id


class MoodyIssuer:
    """The shipped issuer, which at times cannot be asked."""

    def __init__(self, issuer: LocalIssuer) -> None:
        self.issuer = issuer
        self.away = False
        self.asked = 0

    def matches(self, card_number: str, expires: int, cvv: str) -> bool:
        self.asked += 1
        if self.away:
            raise OSError("no route to host")
        return self.issuer.matches(card_number, expires, cvv)


class Place:
    """A bank with an issuer of its own, an identified customer, and a card that is theirs to bind."""

    def __init__(self, world: World, directory: Path, issuer: MoodyIssuer) -> None:
        self.bank, self.issuer = Bank(world), issuer
        person = Person("bank-a")
        people.become_customer(self.bank.call, self.bank.ledger, person, directory / "confirmation-codes")
        people.identify(self.bank.call, self.bank.ledger, person)
        self.customer = person.customer_id
        self.card = issue(self.bank).card
        self.cvv = issuer.issuer.cvv(number(1), 2028_12)

    def request(self, **fields: Any) -> api.RequestCardBindingRequest:
        given = {
            "request_id": new_id(),
            "customer_id": self.customer,
            "card_number": number(1),
            "expiry": EXPIRY,
            "cvv": self.cvv,
            **fields,
        }
        return api.RequestCardBindingRequest(**given)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    world = World(tmp_path)
    local = world.vault.issuer
    assert isinstance(local, LocalIssuer)
    issuer = MoodyIssuer(local)
    world.vault = world.vault._replace(issuer=issuer)
    with world:
        yield Place(world, tmp_path, issuer)


def test_an_issuer_that_cannot_be_asked_is_no_refusal(place: Place) -> None:
    """Nothing is recorded and no try is used up, however often: the same request succeeds once it answers again."""
    request = place.request()
    ask = place.bank.ledger.card_bindings.RequestCardBinding
    place.issuer.away = True
    for _ in range(6):
        refusal = place.bank.refused(ask, request)
        assert (refusal.reason, refusal.metadata["recorded"]) == ("ISSUER_UNAVAILABLE", "false")
    place.issuer.away = False
    assert place.bank.call(ask, request).binding.tries_left == 3


def test_an_issuer_is_not_asked_again_about_a_repeated_request(place: Place) -> None:
    """The first outcome is answered whatever the CVV is that comes along, and no try is counted."""
    ask = place.bank.ledger.card_bindings.RequestCardBinding
    request = place.request()
    first = place.bank.call(ask, request).binding
    asked = place.issuer.asked
    request.cvv = f"{(int(place.cvv) + 1) % 1000:03}"
    assert place.bank.call(ask, request).binding == first
    request.request_id = new_id()
    refused = [place.bank.refused(ask, request) for _ in range(2)]
    assert [each.metadata["replayed"] for each in refused] == ["false", "true"]
    assert place.issuer.asked == asked + 1


def test_an_issuer_is_asked_about_unknown_cards_too(place: Place) -> None:
    """How long the answer takes tells nothing of whether there is such a card."""
    asked = place.issuer.asked
    refusal = place.bank.refused(
        place.bank.ledger.card_bindings.RequestCardBinding, place.request(card_number=number(9))
    )
    assert (refusal.reason, place.issuer.asked) == ("CARD_DETAILS_WRONG", asked + 1)


@pytest.mark.parametrize("fields", [{"customer_id": new_id()}, {"cvv": "12"}, {"expiry": ""}])
def test_an_issuer_is_asked_only_about_what_can_be_bound(place: Place, fields: dict[str, str]) -> None:
    """Neither for a customer who may not bind anything, nor about what is malformed."""
    asked = place.issuer.asked
    place.bank.refused(place.bank.ledger.card_bindings.RequestCardBinding, place.request(**fields))
    assert place.issuer.asked == asked


def test_an_issuer_of_ones_own_tells_no_cvv(place: Place) -> None:
    """Only the shipped issuer makes CVVs for whoever asks."""
    refusal = place.bank.refused(place.bank.ledger.cards.IssueCard, issuing(place.bank, 2, return_cvv=True))
    assert refusal.fields == {"return_cvv": "DEVELOPMENT_ONLY"}
