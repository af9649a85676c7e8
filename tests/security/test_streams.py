"""A stream that outlives its caller's permission."""

from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from ledger.rpc.callers import Role
from ledger.rpc.identity import CUSTOMER_KEY, PARTICIPANT_KEY, ROLE_KEY
from protos.esep.v1.card_service_pb2 import UnbindCardRequest
from protos.esep.v1.customer_service_pb2 import EraseCustomerRequest
from protos.esep.v1.notification_service_pb2 import SubscribeRequest
from protos.esep.v1.service_directory_pb2 import LANGUAGE_EN
from tests.people import Person
from tests.rpc.payers import Payers
from tests.rpc.world import PATIENCE, World, new_id, refused

PERMISSION_SECONDS = 0.3


@pytest.fixture
def payers(tmp_path: Path) -> Iterator[Payers]:
    with World(tmp_path, stream_permission_seconds=PERMISSION_SECONDS, heartbeat_seconds=0.1) as world:
        yield Payers(world)


def following(payers: Payers, *metadata: tuple[str, str], **owner: Any) -> Any:
    """Return a stream that has told all there was."""
    payers.world.catch_up()
    request = SubscribeRequest(language=LANGUAGE_EN, **owner)
    stream: Any = payers.ledger.notifications.Subscribe(request, metadata=metadata, timeout=PATIENCE)
    while not next(stream).HasField("caught_up"):
        pass
    return stream


def as_app(payer: Person) -> tuple[tuple[str, str], ...]:
    return (ROLE_KEY, Role.APP), (CUSTOMER_KEY, payer.customer_id)


def told(stream: Any) -> int:
    """Return the amount of the next notification, however many heartbeats come before it."""
    while True:
        message = next(stream)
        if message.notifications.notifications:
            return int(message.notifications.notifications[0].amount_tyiyn)


def test_an_application_whose_customer_is_gone_is_sent_nothing_more(payers: Payers) -> None:
    """The stream of a customer who was erased ends, denied, by the next time that it is looked at."""
    adil = payers.payer("bank-a", "Адил Усенов")
    stream = following(payers, *as_app(adil), customer_id=adil.customer_id)
    payers.bank.move(payers.bank.cash, adil.account_id, 77)
    assert told(stream) == 77
    erasing = EraseCustomerRequest(request_id=new_id(), customer_id=adil.customer_id)
    payers.call(payers.ledger.customers.EraseCustomer, erasing)
    erased = monotonic()
    assert refused(lambda: list(stream)).reason == "PERMISSION_DENIED"
    assert monotonic() - erased < PATIENCE / 2


def test_an_application_hears_no_more_of_a_card_that_was_unbound(payers: Payers) -> None:
    """Its customer's stream goes on, and ends with the card as far as the card's account goes."""
    adil = payers.payer("bank-a", "Адил Усенов")
    stream = following(payers, *as_app(adil), customer_id=adil.customer_id)
    payers.call(payers.ledger.cards.UnbindCard, UnbindCardRequest(request_id=new_id(), card_id=adil.card_id))
    assert told(stream) == 0
    moved = payers.bank.move(payers.bank.cash, adil.account_id, 77).receipt
    position = 0
    while position < moved.position:
        message = next(stream)
        assert not message.HasField("notifications")
        position = getattr(message, message.WhichOneof("message")).cursor.position


def test_who_may_still_read_is_not_disturbed(payers: Payers) -> None:
    """A bank's stream and an application's are looked at time and again, and miss nothing."""
    adil = payers.payer("bank-a", "Адил Усенов")
    streams = [
        following(payers, *as_app(adil), customer_id=adil.customer_id),
        following(payers, (ROLE_KEY, Role.BANK), (PARTICIPANT_KEY, "bank-a"), participant_id="bank-a"),
    ]
    for amount in (11, 22, 33):
        until = monotonic() + 2 * PERMISSION_SECONDS
        while monotonic() < until:
            assert all(next(stream).HasField("heartbeat") for stream in streams)
        payers.bank.move(payers.bank.cash, adil.account_id, amount)
        assert [told(stream) for stream in streams] == [amount, amount]
