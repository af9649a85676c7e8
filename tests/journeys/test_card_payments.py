"""A card at a terminal, by its id: whose account pays, which card is refused, and what bank and ATM see."""

from collections.abc import Iterator
from typing import Any

import pytest

from protos.esep.v1 import account_pb2, authorization_pb2
from protos.esep.v1 import authorization_service_pb2 as api
from protos.esep.v1 import card_service_pb2 as cards
from protos.esep.v1 import receipt_service_pb2 as receipts
from protos.esep.v1.authorization_pb2 import Authorization, FiscalReceipt
from protos.esep.v1.service_directory_pb2 import LANGUAGE_RU
from protos.esep.v1.transfer_service_pb2 import GetOutcomeRequest
from scripts.demo_client import connect_plainly, new_id
from scripts.demo_server import ServerProcess
from tests.journeys.binding import Bank, Phone
from tests.people import Person
from tests.rpc.world import refused
from tests.serving import CALL_SECONDS, open_account


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phone]:
    directory = tmp_path_factory.mktemp("card-payments")
    with ServerProcess(directory) as server:
        server.start()
        with connect_plainly(server.address) as ledger:
            yield Phone(directory, server, ledger)
        server.stop()


class Terminal(Bank):
    """A bank with a shop's account, at whose terminal cards are presented."""

    def __init__(self, ledger: Any) -> None:
        super().__init__(ledger)
        self.shop = open_account(ledger, account_pb2.ACCOUNT_KIND_MERCHANT)

    def request(self, card: Person, amount: int = 4_500, **fields: Any) -> api.CreateAuthorizationRequest:
        given = {
            "request_id": new_id(),
            "card_id": card.card_id,
            "credit_account_id": self.shop,
            "amount_tyiyn": amount,
            "kind": authorization_pb2.AUTHORIZATION_KIND_PURCHASE,
            "entry_mode": authorization_pb2.ENTRY_MODE_CHIP,
            "merchant_name": "Нават",
            **fields,
        }
        return api.CreateAuthorizationRequest(**given)

    def ask(self, request: api.CreateAuthorizationRequest) -> Authorization:
        return self.ledger.authorizations.CreateAuthorization(request, timeout=CALL_SECONDS).authorization

    def pay(self, card: Person, amount: int = 4_500, **fields: Any) -> Authorization:
        return self.ask(self.request(card, amount, **fields))

    def capture(self, authorization_id: str, amount: int) -> api.CaptureAuthorizationResponse:
        request = api.CaptureAuthorizationRequest(
            request_id=new_id(),
            authorization_id=authorization_id,
            amount_tyiyn=amount,
            final=True,
            clearing_reference=new_id(),
        )
        return self.ledger.authorizations.CaptureAuthorization(request, timeout=CALL_SECONDS)


@pytest.fixture(scope="module")
def terminal(phone: Phone) -> Terminal:
    return Terminal(phone.ledger)


def masked(card: Person) -> str:
    return f"{card.card_number[:6]}******{card.card_number[-4:]}"


def test_a_card_holds_an_amount_of_its_account(terminal: Terminal) -> None:
    """Whoever asks names the card alone; the answer, the card's holds and the ATM's paper show it masked."""
    card = terminal.issue()
    held = terminal.pay(card)
    assert (held.account_id, held.card_id, held.masked_number) == (card.account_id, card.card_id, masked(card))
    assert terminal.available(card.account_id) == 100_000 - 4_500
    assert [each.masked_number for each in terminal.holds(card_id=card.card_id)] == [masked(card)]
    paper = terminal.ledger.receipts.GetMiniStatementReceipt(
        receipts.GetMiniStatementReceiptRequest(account_id=card.account_id, language=LANGUAGE_RU), timeout=CALL_SECONDS
    )
    assert any(masked(card) in line for line in paper.lines)
    slip = terminal.ledger.receipts.GetOperationReceipt(
        receipts.GetOperationReceiptRequest(operation_id=held.authorization_id, language=LANGUAGE_RU),
        timeout=CALL_SECONDS,
    )
    assert any(line.startswith("Карта") and line.endswith(masked(card)) for line in slip.lines)
    assert card.card_number not in f"{held}{paper}{slip}"


def test_a_blocked_card_is_declined_for_good_and_its_hold_is_captured(terminal: Terminal) -> None:
    """The decline keeps the card and is answered again; what was approved before the block posts all the same."""
    card = terminal.issue()
    held = terminal.pay(card)
    terminal.block(card.card_id)
    request = terminal.request(card)
    first, again = refused(lambda: terminal.ask(request)), refused(lambda: terminal.ask(request))
    assert (first.reason, again.reason) == ("CARD_BLOCKED", "CARD_BLOCKED")
    assert (first.metadata["recorded"], again.metadata["replayed"]) == ("true", "true")
    (declined,) = terminal.holds(card_id=card.card_id, states=[authorization_pb2.AUTHORIZATION_STATE_DECLINED])
    assert (declined.decline_reason, declined.account_id) == ("CARD_BLOCKED", card.account_id)
    assert (declined.card_id, declined.masked_number) == (card.card_id, masked(card))
    outcome = terminal.ledger.transfers.GetOutcome(
        GetOutcomeRequest(request_id=request.request_id), timeout=CALL_SECONDS
    )
    assert outcome.refusal.reason == "CARD_BLOCKED"
    unblock = cards.UnblockCardRequest(request_id=new_id(), card_id=card.card_id)
    terminal.ledger.cards.UnblockCard(unblock, timeout=CALL_SECONDS)
    assert terminal.pay(card).remaining_tyiyn == 4_500
    terminal.block(card.card_id)
    assert not terminal.capture(held.authorization_id, 4_500).over


def test_an_advice_names_a_card_that_was_blocked_meanwhile(terminal: Terminal) -> None:
    """It was answered elsewhere, so that how the card stands does not matter any more."""
    card = terminal.issue(funds=0)
    terminal.block(card.card_id)
    request = api.AdviseAuthorizationRequest(
        request_id=new_id(),
        card_id=card.card_id,
        credit_account_id=terminal.shop,
        amount_tyiyn=300,
        kind=authorization_pb2.AUTHORIZATION_KIND_PURCHASE,
    )
    advised = terminal.ledger.authorizations.AdviseAuthorization(request, timeout=CALL_SECONDS).authorization
    assert (advised.advised, advised.account_id, advised.masked_number) == (True, card.account_id, masked(card))
    assert terminal.available(card.account_id) == -300


def test_a_card_that_is_not_known_is_nobodys(terminal: Terminal) -> None:
    """Nothing is recorded of it: the same request succeeds once there is such a card."""
    card = terminal.issue()
    refusal = refused(lambda: terminal.pay(card, card_id=new_id()))
    assert (refusal.reason, refusal.metadata["recorded"]) == ("CARD_NOT_FOUND", "false")
    nobodys = terminal.request(card)
    nobodys.ClearField("payer")
    assert refused(lambda: terminal.ask(nobodys)).fields == {"account_id": "GREATER_THAN"}
    own = refused(lambda: terminal.pay(card, credit_account_id=card.account_id))
    assert own.fields == {"credit_account_id": "SAME_ACCOUNT"}


def test_S13_a_bound_card_pays_at_a_terminal_too(phone: Phone, terminal: Terminal) -> None:
    """Bound or not, the plastic pays; unbound again it does so still."""
    customer, card = phone.identified(), terminal.issue()
    binding = phone.begin(customer, card)
    phone.name(binding, customer, terminal.amount(card))
    assert terminal.pay(card).remaining_tyiyn == 4_500
    unbind = cards.UnbindCardRequest(request_id=new_id(), card_id=card.card_id)
    terminal.ledger.cards.UnbindCard(unbind, timeout=CALL_SECONDS)
    assert terminal.pay(card).remaining_tyiyn == 4_500


def test_S37_a_tills_receipt_is_paid_once_whatever_card_pays(terminal: Terminal) -> None:
    """The authorisation tells till and receipt; a second payment of the same receipt is refused for good."""
    first, second = terminal.issue(), terminal.issue()
    receipt = FiscalReceipt(till_id="KKM-0042", receipt_number="1001")
    held = terminal.pay(first, fiscal_receipt=receipt)
    assert (held.till_id, held.fiscal_receipt_number) == ("KKM-0042", "1001")
    refusal = refused(lambda: terminal.pay(second, fiscal_receipt=receipt))
    assert (refusal.reason, refusal.metadata["recorded"]) == ("FISCAL_RECEIPT_SEEN", "true")
    assert terminal.available(second.account_id) == 100_000
    terminal.pay(second, fiscal_receipt=FiscalReceipt(till_id="KKM-0042", receipt_number="1002"))
    half = refused(lambda: terminal.pay(second, fiscal_receipt=FiscalReceipt(till_id="x y")))
    assert set(half.fields) == {"fiscal_receipt.till_id"}
