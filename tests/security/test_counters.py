"""Wrong tries of secrets are counted where the secrets are kept: no restart of the server gives new tries."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from protos.esep.v1 import card_binding_service_pb2 as bindings
from protos.esep.v1 import customer_service_pb2 as customers
from protos.esep.v1.account_pb2 import ACCOUNT_KIND_CASH, ACCOUNT_KIND_CUSTOMER
from tests import people
from tests.people import PASSWORD, Person
from tests.rpc.world import Bank, Refusal, World, new_id

TRIES = 5


class Restarted:
    """A ledger that is stopped and started again between one try and the next."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.codes = directory / "confirmation-codes"
        self.person = Person("bank-a")
        with self.bank() as bank:
            people.become_customer(bank.call, bank.ledger, self.person, self.codes)

    @contextmanager
    def bank(self) -> Iterator[Bank]:
        """Give a connection to the server, started for it and stopped afterwards."""
        with World(self.directory) as world:
            yield Bank.calling(world)

    def refused(self, service: str, method: str, request: Any) -> Refusal:
        """Return how a request is refused by a server that has just started."""
        with self.bank() as bank:
            return bank.refused(getattr(getattr(bank.ledger, service), method), request)


@pytest.fixture
def place(tmp_path: Path) -> Restarted:
    return Restarted(tmp_path)


def wrong(code: str) -> str:
    """Return another code."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"


def test_misses_of_the_pin_and_the_password_outlive_a_restart(place: Restarted) -> None:
    """The fifth wrong PIN locks it, whatever lay between; and so with the password."""
    customer_id = place.person.customer_id
    with place.bank() as bank:
        setting = customers.SetPinRequest(request_id=new_id(), customer_id=customer_id, password=PASSWORD, pin="8305")
        bank.call(bank.ledger.customers.SetPin, setting)
        tries = [_verified(bank, customer_id, "8306") for _ in range(TRIES - 2)]
    with place.bank() as bank:
        tries += [_verified(bank, customer_id, "8306") for _ in range(2)]
    assert [left for _, left in tries] == [4, 3, 2, 1, 0]
    with place.bank() as bank:
        assert _verified(bank, customer_id, "8305")[0] == customers.PIN_RESULT_LOCKED
        for _ in range(TRIES - 1):
            assert (
                bank.refused(bank.ledger.customers.SetPin, _setting(customer_id, "Other2026")).reason
                == "PASSWORD_WRONG"
            )
    assert place.refused("customers", "SetPin", _setting(customer_id, "Other2026")).metadata["tries_left"] == "0"
    assert place.refused("customers", "SetPin", _setting(customer_id, PASSWORD)).reason == "PASSWORD_LOCKED"


def _setting(customer_id: str, password: str) -> customers.SetPinRequest:
    return customers.SetPinRequest(request_id=new_id(), customer_id=customer_id, password=password, pin="8305")


def _verified(bank: Bank, customer_id: str, pin: str) -> tuple[int, int]:
    answer = bank.call(bank.ledger.customers.VerifyPin, customers.VerifyPinRequest(customer_id=customer_id, pin=pin))
    return answer.result, answer.tries_left


def test_misses_of_a_code_outlive_a_restart(place: Restarted) -> None:
    """Of the code that confirms a registration; the code that links a telephone number is kept in the same way."""
    newcomer = Person("bank-a")
    with place.bank() as bank:
        people.register(bank.call, bank.ledger, newcomer)
        code = people.sent_code(place.codes, newcomer.customer_id)

        def confirming(tried: str) -> customers.ConfirmRegistrationRequest:
            return customers.ConfirmRegistrationRequest(
                request_id=new_id(), customer_id=newcomer.customer_id, code=tried
            )

        for _ in range(TRIES - 1):
            told = bank.refused(bank.ledger.customers.ConfirmRegistration, confirming(wrong(code)))
            assert told.reason == "CONFIRMATION_CODE_WRONG"
    assert place.refused("customers", "ConfirmRegistration", confirming(wrong(code))).metadata["tries_left"] == "0"
    assert place.refused("customers", "ConfirmRegistration", confirming(code)).reason == "CONFIRMATION_LOCKED"


def test_misses_of_card_details_and_of_the_held_amount_outlive_a_restart(place: Restarted) -> None:
    """The third wrong amount locks the binding; the fifth wrong CVV of a card ends its tries for the day."""
    person = place.person
    with place.bank() as bank:
        people.identify(bank.call, bank.ledger, person)
        person.account_id = bank.open(ACCOUNT_KIND_CUSTOMER)
        bank.move(bank.open(ACCOUNT_KIND_CASH), person.account_id, 10_000)
        people.issue_card(bank.call, bank.ledger, person)
        people.ask_to_bind(bank.call, bank.ledger, person)
        amount = people.disclosed(bank.call, bank.ledger, person)
        confirm = bank.ledger.card_bindings.ConfirmCardBinding
        assert [bank.refused(confirm, _naming(person, amount + 1)).metadata["tries_left"] for _ in "ab"] == ["2", "1"]
    told = place.refused("card_bindings", "ConfirmCardBinding", _naming(person, amount + 1))
    assert (told.reason, told.metadata["tries_left"]) == ("BINDING_AMOUNT_WRONG", "0")
    assert place.refused("card_bindings", "ConfirmCardBinding", _naming(person, amount)).reason == "BINDING_LOCKED"
    with place.bank() as bank:
        ask = bank.ledger.card_bindings.RequestCardBinding
        for _ in range(TRIES):
            assert bank.refused(ask, _asking(person, wrong(person.cvv))).reason == "CARD_DETAILS_WRONG"
    assert (
        place.refused("card_bindings", "RequestCardBinding", _asking(person, person.cvv)).reason
        == "CARD_DETAILS_LOCKED"
    )


def _naming(person: Person, amount: int) -> bindings.ConfirmCardBindingRequest:
    return bindings.ConfirmCardBindingRequest(
        request_id=new_id(), binding_id=person.binding_id, customer_id=person.customer_id, amount_tyiyn=amount
    )


def _asking(person: Person, cvv: str) -> bindings.RequestCardBindingRequest:
    return bindings.RequestCardBindingRequest(
        request_id=new_id(),
        customer_id=person.customer_id,
        card_number=person.card_number,
        expiry=person.expiry,
        cvv=cvv,
    )
