"""Before a card is bound, an application cannot learn what is held on its account: the amount proves who has the card.

Two ledgers are alike but for the amount that is held. Every method is called in every way an application can call it,
and everything that comes back is compared: answers, codes, texts, details, trailing metadata. Whatever differs, once
ids, times and secrets are left out, would tell the amount.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import grpc
import pytest
from google.protobuf import text_format

from domain.refusals import Reason, Refused, refuse
from ledger.rpc.callers import Role
from ledger.rpc.permissions import PERMISSIONS
from protos.esep.v1 import card_binding_service_pb2 as bindings
from protos.esep.v1 import statement_service_pb2 as statements
from protos.esep.v1.card_service_pb2 import ListCardsRequest
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.notification_service_pb2 import ListNotificationsRequest, SubscribeRequest
from protos.esep.v1.service_directory_pb2 import LANGUAGE_RU
from protos.esep.v1.transfer_service_pb2 import GetOutcomeRequest
from tests import people
from tests.paying import call
from tests.people import Person
from tests.rpc.world import Refusal, World, new_id
from tests.security.requests import REQUESTS
from tests.security.scenes import OWN_BANK, Caller, Scene, make_scene

HELD = (137, 941)
BEGUN: dict[str, str] = {}
"""The binding that each ledger's customer has begun."""
NEUTRAL = (
    (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\b(?:seconds|nanos): \d+"), "<time>"),
    (re.compile(r"\buser\d+"), "<login>"),
    (re.compile(r"\+996\d+"), "<phone>"),
    (re.compile(r'next_page_token: "[^"]+"'), "<page>"),
    (re.compile(r"\b9417\d{2}[*\d]{6}\d{4}\b"), "<card>"),
)


@pytest.fixture(scope="module")
def ledgers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[World, Scene]]]:
    """Give two ledgers with an account each of which no card is bound, and on which another amount is held."""
    with ExitStack() as stack:
        yield [_ledger(stack, tmp_path_factory.mktemp("ledger"), amount) for amount in HELD]


def _ledger(stack: ExitStack, directory: Path, amount: int) -> tuple[World, Scene]:
    world = stack.enter_context(World(directory, tries_per_minute=10**6, lookups_per_minute=10**6))
    return world, _binding(world, make_scene(world, OWN_BANK, bound=False), directory, amount)


def _binding(world: World, scene: Scene, directory: Path, amount: int) -> Scene:
    """Have the customer begin to bind a card, for which this amount is drawn; return the scene with card and hold."""
    by, ledger = Caller(world), world.client()
    person = Person(scene.participant, scene.account, customer_id=scene.customer)
    people.issue_card(call, ledger, person)
    code = people.sent_code(directory / "confirmation-codes", scene.customer)
    people.confirm_registration(call, ledger, person, code)
    people.identify(call, ledger, person)
    with patch("ledger.rpc.bindings.SystemRandom.sample", return_value=[amount, *range(300, 305)]):
        begun = people.ask_to_bind(call, ledger, person)
    (hold,) = by.call(
        "/esep.v1.StatementService/ListAuthorizations",
        statements.ListAuthorizationsRequest(
            card_id=person.card_id, min_position=LogPosition(position=begun.receipt.position + 1)
        ),
    ).authorizations
    assert hold.remaining_tyiyn == amount
    BEGUN[scene.customer] = person.binding_id
    return scene._replace(card=person.card_id, authorization=hold.authorization_id)


def applications(world: World, scene: Scene) -> dict[str, Caller]:
    """Return an application in every guise that it can take."""
    return {
        "for nobody": Caller(world, Role.APP),
        "for the customer": Caller(world, Role.APP, customer=scene.customer),
        "of the bank": Caller(world, Role.APP, OWN_BANK),
        "of the bank, for the customer": Caller(world, Role.APP, OWN_BANK, customer=scene.customer),
    }


def seen(caller: Caller, method: str, request: Any) -> str:
    """Return all that a caller sees of a call, but for what differs between any two ledgers.

    Among that is how far the tables are behind the log: they are not, when it is called.
    """
    caller.world.catch_up()
    try:
        shown = text_format.MessageToString(caller.call(method, request))
    except grpc.RpcError as error:
        refused: Any = error
        refusal = Refusal(refused)
        trailers = sorted(key for key, _ in refused.trailing_metadata())
        details = [repr(detail) for detail in (refusal.info, *refusal.details)]
        shown = f"{refusal.code} {refusal.text} {trailers} {details}"
    for pattern, name in NEUTRAL:
        shown = pattern.sub(name, shown)
    return shown


@pytest.mark.parametrize("method", sorted(PERMISSIONS))
def test_the_application_sees_the_same_whatever_is_held(ledgers: list[tuple[World, Scene]], method: str) -> None:
    """Tried about the account, its authorisation, its card and the customer who is about to bind it."""
    views = [
        {guise: seen(caller, method, REQUESTS[method](scene)) for guise, caller in applications(world, scene).items()}
        for world, scene in ledgers
    ]
    assert views[0] == views[1]
    for view, amount in zip(views, HELD, strict=True):
        assert not any(re.search(rf"\b{amount}\b", shown) for shown in view.values())


def test_cards_listed_for_the_customer_tell_no_amount(ledgers: list[tuple[World, Scene]]) -> None:
    """The customer's own cards are listed; the one that is not bound yet is not among them."""
    method = "/esep.v1.CardService/ListCards"
    for world, scene in ledgers:
        caller = Caller(world, Role.APP, customer=scene.customer)
        assert not caller.call(method, ListCardsRequest(customer_id=scene.customer)).cards


def test_the_comparison_sees_what_the_accounts_bank_sees(ledgers: list[tuple[World, Scene]]) -> None:
    """To whom the amount may be told, these very requests tell it: so the comparison above would notice."""
    for method in (
        "/esep.v1.StatementService/GetBalance",
        "/esep.v1.StatementService/GetMiniStatement",
        "/esep.v1.StatementService/ListAuthorizations",
        "/esep.v1.AuthorizationService/GetAuthorization",
        "/esep.v1.ReceiptService/GetMiniStatementReceipt",
    ):
        views = [seen(Caller(world, Role.BANK, OWN_BANK), method, REQUESTS[method](scene)) for world, scene in ledgers]
        assert views[0] != views[1], method


def test_a_refusals_amounts_do_not_reach_the_application(
    ledgers: list[tuple[World, Scene]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever amount a refusal explains itself with, of whatever account, an application is told the reason alone."""
    world, scene = ledgers[0]
    directory = "/esep.v1.DirectoryService/ListServices"
    told = {}

    async def refusing(*_: object) -> None:
        raise Refused(refuse(Reason.INSUFFICIENT_FUNDS, account_id=scene.account, available_tyiyn=863))

    monkeypatch.setattr("ledger.rpc.guard.Guard.admit", refusing)
    for role in (Role.APP, Role.OPERATOR):
        with pytest.raises(grpc.RpcError) as refused:
            Caller(world, role).call(directory, REQUESTS[directory](scene))
        told[role] = Refusal(refused.value).metadata.get("available_tyiyn")
    assert told == {Role.APP: None, Role.OPERATOR: "863"}


def about_the_binding(scene: Scene) -> list[tuple[str, Any]]:
    """Return what one can ask about the binding itself, with a wrong amount, and at last giving it up."""
    binding, service = BEGUN[scene.customer], "/esep.v1.CardBindingService"
    notices = "/esep.v1.NotificationService"
    named: dict[str, Any] = {"binding_id": binding, "customer_id": scene.customer}
    wrong = bindings.ConfirmCardBindingRequest(request_id=new_id(), amount_tyiyn=500, **named)
    return [
        (f"{service}/GetCardBinding", bindings.GetCardBindingRequest(**named)),
        (f"{service}/ConfirmCardBinding", wrong),
        ("/esep.v1.TransferService/GetOutcome", GetOutcomeRequest(request_id=binding)),
        ("/esep.v1.TransferService/GetOutcome", GetOutcomeRequest(request_id=wrong.request_id)),
        (f"{notices}/ListNotifications", ListNotificationsRequest(customer_id=scene.customer, language=LANGUAGE_RU)),
        (f"{notices}/Subscribe", SubscribeRequest(customer_id=scene.customer, language=LANGUAGE_RU)),
        (f"{service}/CancelCardBinding", bindings.CancelCardBindingRequest(request_id=new_id(), **named)),
        (f"{service}/GetCardBinding", bindings.GetCardBindingRequest(**named)),
    ]


def test_what_is_asked_about_the_binding_tells_no_amount(ledgers: list[tuple[World, Scene]]) -> None:
    """Told of, tried with a wrong amount, and given up, it looks the same on both ledgers to every guise."""
    views: list[list[str]] = []
    for world, scene in ledgers:
        callers = applications(world, scene).values()
        views.append([seen(caller, *asked) for caller in callers for asked in about_the_binding(scene)])
    assert views[0] == views[1]
    for view, amount in zip(views, HELD, strict=True):
        assert not any(re.search(rf"\b{amount}\b", shown) for shown in view)
