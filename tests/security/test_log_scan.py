"""What a server writes while callers show tokens and try secrets, and what it says to them, holds none of these."""

from pathlib import Path
from typing import Any

import pytest

from ledger.rpc.client import Ledger
from protos.esep.v1 import account_pb2, account_service_pb2
from protos.esep.v1 import card_binding_service_pb2 as bindings
from protos.esep.v1 import card_service_pb2 as cards
from protos.esep.v1 import customer_service_pb2 as customers
from tests.journeys.search import Piece, Secrets, files, lines
from tests.people import PASSWORD, card_number, mobile_number
from tests.rpc.world import PATIENCE, Refusal, World, new_id, refused
from tests.security.issuer import replaced
from tests.security.test_token_callers import Guarded

PIN, WRONG_PIN, CODE, CVV, WRONG_PASSWORD = "8305", "8306", "417417", "731", "Other2026"
NOT_SEARCHED = ("confirmation-codes", "master-keys.json", "token")
"""What is written for one reader's eyes: instead of an SMS, by the vault for itself, and by the client."""


class Visit:
    """An application that is refused with every secret it can name."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.said: list[str] = []

    def refused(self, method: Any, request: Any) -> Refusal:
        """Have a call refused, and keep all that was said."""
        refusal = refused(lambda: method(request, timeout=PATIENCE))
        self.said += [refusal.text, *(str(detail) for detail in refusal.details), *map(str, refusal.details)]
        return refusal

    def register(self, phone: str) -> str:
        """Register; return the customer's id."""
        request = customers.RegisterCustomerRequest(
            request_id=new_id(), participant_id="bank-a", login="aigul.417", password=PASSWORD, phone_number=phone
        )
        return str(self.ledger.customers.RegisterCustomer(request, timeout=PATIENCE).customer.customer_id)

    def tries_everything(self, customer_id: str, number: str, phone: str) -> None:
        """Try a code, passwords, PINs and a card's details, well formed and malformed."""
        about: dict[str, Any] = {"request_id": new_id(), "customer_id": customer_id}
        service, asking = self.ledger.customers, self.ledger.card_bindings.RequestCardBinding
        for code in (CODE, CODE + "x"):
            self.refused(service.ConfirmRegistration, customers.ConfirmRegistrationRequest(**about, code=code))
        for password, pin in ((WRONG_PASSWORD, PIN), (WRONG_PASSWORD, PIN + "x")):
            self.refused(service.SetPin, customers.SetPinRequest(**about, password=password, pin=pin))
        service.VerifyPin(customers.VerifyPinRequest(customer_id=customer_id, pin=WRONG_PIN), timeout=PATIENCE)
        again = customers.RegisterCustomerRequest(
            request_id=new_id(), participant_id="bank-a", login="aigul.418", password=PASSWORD, phone_number=phone
        )
        self.refused(service.RegisterCustomer, again)
        for written, cvv in ((number, CVV), (number + CVV, CVV), (number, CVV + "x")):
            request = bindings.RequestCardBindingRequest(
                **{**about, "request_id": new_id()}, card_number=written, expiry="12/39", cvv=cvv
            )
            self.refused(asking, request)


def test_nothing_that_is_secret_is_written_or_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither the token nor what it signs with, no PIN, password, code, CVV, number of a card or a telephone."""
    guarded = Guarded(tmp_path)
    app = guarded.issuer.token(sub="app.bank-a", role="app")
    bank = guarded.issuer.token()
    forged = replaced(bank, role="operator", participant=None)
    number, phone = card_number(), mobile_number()
    with World(tmp_path, **guarded.settings) as world:
        with guarded.client(world.address, bank) as ledger:
            opening = account_service_pb2.OpenAccountRequest(
                request_id=new_id(), participant_id="bank-a", kind=account_pb2.ACCOUNT_KIND_CUSTOMER
            )
            account = ledger.accounts.OpenAccount(opening, timeout=PATIENCE).account.account_id
            issuing = cards.IssueCardRequest(
                request_id=new_id(), participant_id="bank-a", account_id=account, card_number=number, expiry="12/39"
            )
            ledger.cards.IssueCard(issuing, timeout=PATIENCE)
        with guarded.client(world.address, app) as ledger:
            visit = Visit(ledger)
            visit.tries_everything(visit.register(phone), number, phone)
        with guarded.client(world.address, forged) as ledger:
            stranger = Visit(ledger)
            request = customers.GetCustomerRequest(phone_number=phone)
            assert stranger.refused(ledger.customers.GetCustomer, request).reason == "UNAUTHENTICATED"
        secrets = Secrets(_secrets(guarded, (app, bank, forged), number, phone))
        pieces = [*files(tmp_path, apart_from=_own_files(guarded, tmp_path))]
    captured = capfd.readouterr()
    pieces += lines("the log", captured.out + captured.err)
    pieces += [Piece("an error", text.encode(), value=True) for text in visit.said + stranger.said]
    assert "token.refused" in captured.out + captured.err
    assert len(visit.said) > 10
    assert secrets.found(pieces) == []


def _secrets(guarded: Guarded, tokens: tuple[str, ...], number: str, phone: str) -> set[str]:
    parts = {part for token in tokens for part in token.split(".") if len(part) > 20}
    keys = {str(key.as_dict(private=True)["d"]) for key in guarded.issuer.keys.values()}
    return {PASSWORD, WRONG_PASSWORD, CODE, PIN, WRONG_PIN, CVV, number, phone, *parts, *keys}


def _own_files(guarded: Guarded, directory: Path) -> tuple[str, ...]:
    """Return the files that hold keys or tokens by their purpose."""
    return (*NOT_SEARCHED, *(file.name for file in directory.glob("*.key")))
