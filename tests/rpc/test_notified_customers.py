"""Customers who are told: in the application, by SMS at a number that only the vault knows, and no more once erased."""

import pytest

from ledger.rpc.callers import Role
from protos.esep.v1 import common_pb2
from protos.esep.v1 import notification_pb2 as pb
from protos.esep.v1.card_service_pb2 import SetCardNotificationsRequest, UnbindCardRequest
from protos.esep.v1.customer_service_pb2 import EraseCustomerRequest, GetCustomerRequest
from protos.esep.v1.notification_service_pb2 import ListNotificationsRequest, SubscribeRequest
from protos.esep.v1.service_directory_pb2 import LANGUAGE_EN
from tests.rpc.world import World, new_id, refused, transfer
from tests.security.scenes import OWN_BANK, Caller, Scene, make_scene

SERVICE = "/esep.v1.NotificationService"
PUSH, SMS = pb.NOTIFICATION_CHANNEL_PUSH, pb.NOTIFICATION_CHANNEL_SMS


@pytest.fixture
def scene(world: World) -> Scene:
    """Give a customer with a bound card whose messages go out by SMS as well."""
    made = make_scene(world, OWN_BANK)
    request = SetCardNotificationsRequest(request_id=new_id(), card_id=made.card, sms=True)
    Caller(world).call("/esep.v1.CardService/SetCardNotifications", request)
    return made


def pay_in(world: World, scene: Scene, amount: int) -> None:
    """Pay the customer a salary from the merchant."""
    Caller(world).call(
        "/esep.v1.TransferService/CreateTransfer", transfer(scene.merchant, scene.account, amount, kind="salary")
    )


def told(world: World, by: Caller, **fields: object) -> list[pb.Notification]:
    """Return what a caller is told of salaries."""
    head = common_pb2.LogPosition(position=world.log.head(0))
    request = ListNotificationsRequest(language=LANGUAGE_EN, min_position=head, **fields)  # type: ignore[arg-type]
    found = by.call(f"{SERVICE}/ListNotifications", request).notifications
    return [each for each in reversed(found) if each.kind == pb.NOTIFICATION_KIND_SALARY_CREDITED]


def test_a_number_is_read_from_the_vault_and_not_kept(world: World, scene: Scene) -> None:
    """A text message names the customer's number; the tables and the push do not."""
    pay_in(world, scene, 7)
    asked = GetCustomerRequest(customer_id=scene.customer)
    number = Caller(world).call("/esep.v1.CustomerService/GetCustomer", asked).customer.phone_number
    found = told(world, Caller(world, Role.BANK, OWN_BANK), participant_id=OWN_BANK)
    assert [(each.channel, each.customer_id, each.phone_number) for each in found] == [
        (PUSH, scene.customer, ""),
        (SMS, scene.customer, number),
    ]
    assert number.startswith("+996")
    copy = world._store.live()
    assert copy is not None
    with copy.read() as session:
        assert number not in repr(session.all("SELECT * FROM notices"))
    copy.close()


def test_an_erased_number_is_not_told(world: World, scene: Scene) -> None:
    """After the erasure the notification stands as it was, its number does not; and nothing more is told."""
    pay_in(world, scene, 7)
    Caller(world).call(
        "/esep.v1.CustomerService/EraseCustomer",
        EraseCustomerRequest(request_id=new_id(), customer_id=scene.customer),
    )
    pay_in(world, scene, 8)
    found = told(world, Caller(world), customer_id=scene.customer)
    assert [(each.channel, each.amount_tyiyn, each.phone_number) for each in found] == [
        (PUSH, 7, ""),
        (SMS, 7, "[erased]"),
    ]


def test_an_application_follows_its_own_customer(world: World, scene: Scene) -> None:
    """A stream for one customer tells what concerns that one, on the channel asked for."""
    foreign = make_scene(world, OWN_BANK)
    pay_in(world, foreign, 5)
    pay_in(world, scene, 6)
    app = Caller(world, Role.APP, OWN_BANK, scene.customer)
    assert [each.amount_tyiyn for each in told(world, app, customer_id=scene.customer, channel=PUSH)] == [6]
    request = SubscribeRequest(customer_id=scene.customer, channel=PUSH, language=LANGUAGE_EN)
    first = app.call(f"{SERVICE}/Subscribe", request)
    assert {each.customer_id for each in first.notifications.notifications} == {scene.customer}


def test_a_notification_names_the_card_as_people_know_it(world: World, scene: Scene) -> None:
    """A bound card is told by its masked number, never by the whole of it."""
    head = common_pb2.LogPosition(position=world.log.head(0))
    request = ListNotificationsRequest(customer_id=scene.customer, language=LANGUAGE_EN, min_position=head)
    found = Caller(world).call(f"{SERVICE}/ListNotifications", request).notifications
    (bound,) = [each for each in found if each.kind == pb.NOTIFICATION_KIND_CARD_BOUND]
    assert (bound.card_id, bound.amount_tyiyn) == (scene.card, 0)
    assert bound.masked_card_number.startswith("9417")
    assert bound.text.startswith(f"Card bound to the application. Card {bound.masked_card_number}. ")
    assert bound.source_id == scene.card


BACK_END = {"participant_id": OWN_BANK, "channel": PUSH, "language": LANGUAGE_EN}


def followed(world: World, **fields: object) -> list[pb.Notification]:
    """Return what an application's back end is told, by the list and by the stream, which tell the same."""
    by = Caller(world, Role.APP, OWN_BANK)
    head = common_pb2.LogPosition(position=world.log.head(0))
    asked: dict[str, object] = {**BACK_END, **fields}
    request = ListNotificationsRequest(min_position=head, **asked)  # type: ignore[arg-type]
    found = list(by.call(f"{SERVICE}/ListNotifications", request).notifications)[::-1]
    streamed = by.call(f"{SERVICE}/Subscribe", SubscribeRequest(**asked))  # type: ignore[arg-type]
    assert list(streamed.notifications.notifications) == found
    return found


def test_a_back_end_follows_all_customers_that_it_serves(world: World, scene: Scene) -> None:
    """One stream tells what each of them is told by push, and nothing else of their bank's accounts."""
    second, foreign = make_scene(world, OWN_BANK), make_scene(world, "bank-b")
    for amount, whose in enumerate((scene, second, foreign), 5):
        pay_in(world, whose, amount)
    found = followed(world)
    assert {each.customer_id for each in found} == {scene.customer, second.customer}
    assert {each.channel for each in found} == {PUSH}
    assert not {each.phone_number for each in found} - {""}
    assert pb.NOTIFICATION_KIND_VERIFICATION_HOLD not in {each.kind for each in found}
    assert [each.amount_tyiyn for each in found if each.kind == pb.NOTIFICATION_KIND_SALARY_CREDITED] == [5, 6]


def test_what_nobody_has_bound_is_not_told_to_a_back_end(world: World, scene: Scene) -> None:
    """Once the card is the customer's no more, what happens at its account is the bank's own business."""
    card = UnbindCardRequest(request_id=new_id(), card_id=scene.card)
    Caller(world).call("/esep.v1.CardService/UnbindCard", card)
    before = len(followed(world))
    pay_in(world, scene, 9)
    assert len(followed(world)) == before
    assert [each.amount_tyiyn for each in told(world, Caller(world, Role.BANK, OWN_BANK), participant_id=OWN_BANK)][
        -1:
    ] == [9]


@pytest.mark.parametrize(
    "changed",
    [
        {"channel": SMS},
        {"channel": pb.NOTIFICATION_CHANNEL_UNSPECIFIED},
        {"participant_id": ""},
        {"participant_id": "bank-b"},
        {"customer_id": new_id()},
    ],
)
def test_a_back_end_is_told_nothing_else(world: World, scene: Scene, changed: dict[str, object]) -> None:
    """Text messages, other banks' customers and one customer in whose name it does not act are denied."""
    refusal = refused(lambda: followed(world, **changed))
    assert refusal.reason == "PERMISSION_DENIED"
