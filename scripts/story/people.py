"""Two people with accounts at two banks, and everything they know that nobody else should."""

from dataclasses import dataclass, field
from secrets import randbelow
from typing import Final

from stdnum import luhn

from protos.esep.v1 import account_pb2
from protos.esep.v1.account_service_pb2 import OpenAccountRequest
from protos.esep.v1.card_service_pb2 import IssueCardRequest, SetCardNotificationsRequest
from scripts.demo_banks import Bank
from scripts.demo_client import new_id
from scripts.story.scene import Scene

_ISSUER: Final = "941700"
_EXPIRY: Final = "12/29"
_PIN: Final = "7"
"""The first digit of every PIN: no account number or category of merchants in the story begins with it."""


@dataclass
class Person:
    """Somebody with an account and a card of a bank, and an application on a phone."""

    name: str
    shown_as: str
    """The name as others may see it."""
    login: str
    phone_number: str
    password: str
    pin: str
    bank: Bank
    account_id: int = 0
    account_number: str = ""
    card_id: str = ""
    card_number: str = field(default="", repr=False)
    expiry: str = _EXPIRY
    cvv: str = field(default="", repr=False)
    customer_id: str = ""

    @property
    def first_name(self) -> str:
        """What friends call them."""
        return self.name.split()[0]


def aizada(bank: Bank) -> Person:
    """Return the newcomer."""
    return Person(
        "Айзада Үсөнова",
        "Айзада Ү.",
        "aizada.story",
        f"+996700{digits(6)}",
        f"Jashyl{digits(6)}",
        _PIN + digits(3),
        bank,
    )


def bakyt(bank: Bank) -> Person:
    """Return her friend at another bank."""
    return Person(
        "Бакыт Асанов", "Бакыт А.", "bakyt.story", f"+996555{digits(6)}", f"Kyzyl{digits(6)}", _PIN + digits(3), bank
    )


def open_account(scene: Scene, person: Person, number: str) -> None:
    """Have the bank open an account for somebody."""
    request = OpenAccountRequest(
        request_id=new_id(),
        participant_id=person.bank.name,
        kind=account_pb2.ACCOUNT_KIND_CUSTOMER,
        account_number=number,
    )
    answer = scene.do(scene.bank(person.bank.name).accounts.OpenAccount, request)
    person.account_id, person.account_number = answer.account.account_id, number


def issue_card(scene: Scene, person: Person) -> None:
    """Have the bank issue a card for the account; number and CVV stand on the card alone."""
    number = f"{_ISSUER}{digits(9)}"
    person.card_number = number + luhn.calc_check_digit(number)
    request = IssueCardRequest(
        request_id=new_id(),
        participant_id=person.bank.name,
        account_id=person.account_id,
        card_number=person.card_number,
        expiry=person.expiry,
        return_cvv=True,
    )
    answer = scene.do(scene.bank(person.bank.name).cards.IssueCard, request)
    person.card_id, person.cvv = answer.card.card_id, answer.cvv
    scene.secret(person.card_number, person.cvv)


def subscribe_to_sms(scene: Scene, person: Person) -> None:
    """Have the bank send text messages about the card."""
    request = SetCardNotificationsRequest(request_id=new_id(), card_id=person.card_id, sms=True)
    scene.do(scene.bank(person.bank.name).cards.SetCardNotifications, request)


def digits(count: int) -> str:
    """Return so many digits at random."""
    return f"{randbelow(10**count):0{count}}"
