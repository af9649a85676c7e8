"""Somebody who becomes a customer and binds a card, one step after another: what tests begin with.

A step is taken over a connection, and called by ``do``: in whose name, how long to wait and what to remember of the
answer is the caller's affair.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from secrets import randbelow
from typing import Any, Final

from stdnum import luhn

from ledger.rpc.client import Ledger
from protos.esep.v1 import customer_pb2
from protos.esep.v1.card_binding_pb2 import CardBinding
from protos.esep.v1.card_binding_service_pb2 import (
    ConfirmCardBindingRequest,
    DiscloseHeldAmountRequest,
    RequestCardBindingRequest,
    RequestCardBindingResponse,
)
from protos.esep.v1.card_service_pb2 import IssueCardRequest
from protos.esep.v1.customer_service_pb2 import (
    ConfirmRegistrationRequest,
    IdentifyCustomerRequest,
    RegisterCustomerRequest,
)
from scripts.demo_client import new_id

Do = Callable[[Callable[..., Any], Any], Any]
"""Calls a method with a request; returns its answer."""

PASSWORD: Final = "Jashyl2026"
EXPIRY: Final = "12/39"
_ISSUER: Final = "941700"
_phones = count(randbelow(9 * 10**6))


def digits(length: int) -> str:
    """Return so many digits at random."""
    return f"{randbelow(10**length):0{length}}"


def mobile_number() -> str:
    """Return the number of a mobile phone that nobody else has: who registers with a known one is refused."""
    return f"+99670{next(_phones):07}"


def card_number() -> str:
    """Return a card number that nobody else has."""
    first = f"{_ISSUER}{digits(9)}"
    return first + str(luhn.calc_check_digit(first))


@dataclass
class Person:
    """Somebody with an account at a bank, what they know, and what they got on the way."""

    participant: str
    account_id: int = 0
    name: str = ""
    login: str = field(default_factory=lambda: f"user.{digits(12)}")
    phone_number: str = field(default_factory=mobile_number)
    card_number: str = field(default="", repr=False)
    expiry: str = EXPIRY
    cvv: str = field(default="", repr=False)
    customer_id: str = ""
    card_id: str = ""
    binding_id: str = ""


def issue_card(do: Do, bank: Ledger, person: Person) -> None:
    """Have the bank issue a card for the account; number and CVV stand on the card alone."""
    person.card_number = card_number()
    request = IssueCardRequest(
        request_id=new_id(),
        participant_id=person.participant,
        account_id=person.account_id,
        card_number=person.card_number,
        expiry=person.expiry,
        return_cvv=True,
    )
    answer = do(bank.cards.IssueCard, request)
    person.card_id, person.cvv = answer.card.card_id, answer.cvv


def register(do: Do, app: Ledger, person: Person) -> None:
    """Register with login and password: a code is sent to the phone."""
    request = RegisterCustomerRequest(
        request_id=new_id(),
        participant_id=person.participant,
        login=person.login,
        password=PASSWORD,
        phone_number=person.phone_number,
        full_name=person.name,
    )
    person.customer_id = do(app.customers.RegisterCustomer, request).customer.customer_id


def sent_code(codes: Path, customer_id: str) -> str:
    """Return the last code that was sent to a customer, from the file that takes the place of a sender of SMS."""
    sent = [line.split() for line in codes.read_text("ascii").splitlines()]
    return [code for whose, code in sent if whose == customer_id][-1]


def confirm_registration(do: Do, app: Ledger, person: Person, code: str) -> customer_pb2.Customer:
    """Confirm with the code that came."""
    request = ConfirmRegistrationRequest(request_id=new_id(), customer_id=person.customer_id, code=code)
    confirmed: customer_pb2.Customer = do(app.customers.ConfirmRegistration, request).customer
    return confirmed


def identify(do: Do, app: Ledger, person: Person) -> customer_pb2.Customer:
    """Be identified in the application, from afar."""
    request = IdentifyCustomerRequest(
        request_id=new_id(), customer_id=person.customer_id, tier=customer_pb2.CUSTOMER_TIER_REMOTE
    )
    identified: customer_pb2.Customer = do(app.customers.IdentifyCustomer, request).customer
    return identified


def ask_to_bind(do: Do, app: Ledger, person: Person, card_name: str = "") -> RequestCardBindingResponse:
    """Enter the card into the application: a random amount is held from then on."""
    request = RequestCardBindingRequest(
        request_id=new_id(),
        customer_id=person.customer_id,
        card_name=card_name,
        card_number=person.card_number,
        expiry=person.expiry,
        cvv=person.cvv,
    )
    answer: RequestCardBindingResponse = do(app.card_bindings.RequestCardBinding, request)
    person.binding_id = answer.binding.binding_id
    return answer


def disclosed(do: Do, bank: Ledger, person: Person) -> int:
    """Return the held amount, as the bank's desk tells it to the holder."""
    request = DiscloseHeldAmountRequest(
        request_id=new_id(), card_id=person.card_id, operator="desk-7", explanation="asked by the holder"
    )
    amount: int = do(bank.card_bindings.DiscloseHeldAmount, request).amount_tyiyn
    return amount


def name_amount(do: Do, app: Ledger, person: Person, amount: int) -> CardBinding:
    """Name the held amount, which binds the card; return the binding."""
    request = ConfirmCardBindingRequest(
        request_id=new_id(), binding_id=person.binding_id, customer_id=person.customer_id, amount_tyiyn=amount
    )
    binding: CardBinding = do(app.card_bindings.ConfirmCardBinding, request).binding
    return binding


def bind(do: Do, ledger: Ledger, person: Person) -> None:
    """Take every step of a binding over one connection, which both bank and application may call."""
    ask_to_bind(do, ledger, person)
    name_amount(do, ledger, person, disclosed(do, ledger, person))


def become_customer(do: Do, ledger: Ledger, person: Person, codes: Path) -> None:
    """Take every step of a registration over one connection; the customer is confirmed, not identified."""
    register(do, ledger, person)
    confirm_registration(do, ledger, person, sent_code(codes, person.customer_id))
