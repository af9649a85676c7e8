"""How somebody joins: registration, identification in the application, and binding a card by the held amount."""

import re
from collections.abc import Sequence
from itertools import pairwise

from protos.esep.v1 import card_binding_pb2, customer_pb2
from protos.esep.v1.card_binding_service_pb2 import ConfirmCardBindingRequest, RequestCardBindingRequest
from protos.esep.v1.customer_service_pb2 import (
    PIN_RESULT_RIGHT,
    ConfirmRegistrationRequest,
    IdentifyCustomerRequest,
    RegisterCustomerRequest,
    SetPinRequest,
    VerifyPinRequest,
)
from protos.esep.v1.receipt_service_pb2 import GetMiniStatementReceiptRequest
from scripts.demo_banks import move
from scripts.demo_client import new_id
from scripts.story.people import Person, issue_card, open_account
from scripts.story.scene import Scene, expect
from scripts.voice import Discrepancy

_HOLDER_VERIFIED = ("Картанын ээсин текшерүү", "Проверка владельца карты", "Verifying the card's holder")
"""The leaflet's own words for the hold by which a cardholder is verified."""


def register(scene: Scene, person: Person) -> None:
    """Register with login and password, confirm with the code that came by SMS, and choose the application's PIN."""
    scene.secret(person.login, person.password, person.phone_number, person.pin, person.name)
    app = scene.app()
    registration = RegisterCustomerRequest(
        request_id=new_id(),
        participant_id=person.bank.name,
        login=person.login,
        password=person.password,
        phone_number=person.phone_number,
        full_name=person.name,
    )
    person.customer_id = scene.do(app.customers.RegisterCustomer, registration).customer.customer_id
    confirmation = ConfirmRegistrationRequest(
        request_id=new_id(), customer_id=person.customer_id, code=scene.sms_code(person.customer_id)
    )
    app = scene.app(person.customer_id)
    confirmed = scene.do(app.customers.ConfirmRegistration, confirmation).customer
    expect("the state of a confirmed customer", confirmed.state, customer_pb2.CUSTOMER_STATE_CONFIRMED)
    chosen = SetPinRequest(
        request_id=new_id(), customer_id=person.customer_id, password=person.password, pin=person.pin
    )
    scene.do(app.customers.SetPin, chosen)
    entered = VerifyPinRequest(customer_id=person.customer_id, pin=person.pin)
    expect("the PIN's check", scene.do(app.customers.VerifyPin, entered).result, PIN_RESULT_RIGHT)


def identify(scene: Scene, person: Person) -> None:
    """Be identified in the application, from afar."""
    tier = customer_pb2.CUSTOMER_TIER_REMOTE
    request = IdentifyCustomerRequest(request_id=new_id(), customer_id=person.customer_id, tier=tier)
    answer = scene.do(scene.app(person.customer_id).customers.IdentifyCustomer, request)
    expect("the tier", answer.customer.tier, tier)


def ask_to_bind(scene: Scene, person: Person, card_name: str) -> str:
    """Enter the card into the application; return the binding's id. A random amount is held from then on."""
    scene.secret(card_name)
    request = RequestCardBindingRequest(
        request_id=new_id(),
        customer_id=person.customer_id,
        card_name=card_name,
        card_number=person.card_number,
        expiry=person.expiry,
        cvv=person.cvv,
    )
    binding = scene.do(scene.app(person.customer_id).card_bindings.RequestCardBinding, request).binding
    expect("the card that is to be bound", binding.card_id, person.card_id)
    return str(binding.binding_id)


def mini_statement(scene: Scene, person: Person) -> list[str]:
    """Return what an ATM of the person's bank prints."""
    request = GetMiniStatementReceiptRequest(
        account_id=person.account_id, language=scene.language, min_position=scene.position
    )
    answer = scene.do(scene.atm(person.bank.name).receipts.GetMiniStatementReceipt, request)
    return list(answer.lines)


def held_amount(printed: Sequence[str]) -> int:
    """Return the amount that is held to verify the cardholder, in tyiyn, as a person reads it off the paper."""
    for amount_line, line in pairwise(printed):
        found = re.search(r" (\d+)[,.](\d\d)$", amount_line)
        if line.strip() in _HOLDER_VERIFIED and found is not None:
            return int(found[1]) * 100 + int(found[2])
    raise Discrepancy("the mini-statement prints no held amount:\n" + "\n".join(printed))


def confirm(scene: Scene, person: Person, binding_id: str, amount: int) -> None:
    """Name the held amount: the card is bound."""
    request = ConfirmCardBindingRequest(
        request_id=new_id(), binding_id=binding_id, customer_id=person.customer_id, amount_tyiyn=amount
    )
    answer = scene.do(scene.app(person.customer_id).card_bindings.ConfirmCardBinding, request)
    expect("the binding", answer.binding.state, card_binding_pb2.CARD_BINDING_STATE_BOUND)


def join(scene: Scene, person: Person, account_number: str, *, deposit: int) -> None:
    """Take every step at once, for somebody who is not what the story is about."""
    open_account(scene, person, account_number)
    move(scene.bank(person.bank.name), person.bank.cash, person.account_id, deposit, kind="cash_deposit")
    issue_card(scene, person)
    register(scene, person)
    identify(scene, person)
    confirm(scene, person, ask_to_bind(scene, person, "Менин картам"), held_amount(mini_statement(scene, person)))
