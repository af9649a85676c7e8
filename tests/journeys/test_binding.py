"""Binding a card from the application: the held amount, where it is learned, and who may pay (rows S05 to S13)."""

import json
import re
from collections import deque
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg import sql
from stdnum import luhn

from domain.binding import CardBindingRequested
from protos.esep.v1 import authorization_pb2, card_binding_pb2
from protos.esep.v1 import authorization_service_pb2 as holds
from protos.esep.v1 import card_service_pb2 as cards
from protos.esep.v1 import receipt_service_pb2 as receipts
from protos.esep.v1 import statement_service_pb2 as statements
from protos.esep.v1.account_service_pb2 import GetAccountRequest
from protos.esep.v1.card_binding_pb2 import CardBinding
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.service_directory_pb2 import LANGUAGE_KY
from protos.esep.v1.transfer_service_pb2 import GetOutcomeRequest
from scripts.demo_client import connect_plainly, new_id
from scripts.demo_server import ServerProcess
from tests.journeys.binding import NAME, Bank, Phone, events, may_use, other_cvv, rows, without_position, wrong
from tests.rpc.world import refused
from tests.serving import CALL_SECONDS, server_on, transfer

DAY, HOUR = 86_400, 3_600
OPEN, BOUND = card_binding_pb2.CARD_BINDING_STATE_OPEN, card_binding_pb2.CARD_BINDING_STATE_BOUND


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phone]:
    directory = tmp_path_factory.mktemp("binding")
    with ServerProcess(directory) as server:
        server._said = deque()  # All of it is searched for what must not be told.
        server.start()
        with connect_plainly(server.address) as ledger:
            yield Phone(directory, server, ledger)
        server.stop()


@pytest.fixture(scope="module")
def bank(phone: Phone) -> Bank:
    return Bank(phone.ledger)


def test_S05_a_card_is_asked_to_be_bound(phone: Phone, bank: Bank) -> None:
    """Name, number, expiry and CVV begin a binding; repeated, it is answered again and nothing more is held."""
    customer, card = phone.identified(), bank.issue()
    request = phone.asking(customer, card)
    first, again = phone.ask(request), phone.ask(request)
    binding = first.binding
    assert (binding.state, binding.tries_left, binding.card_name) == (OPEN, 3, NAME)
    assert (binding.card_id, binding.masked_number) == (card.card_id, f"941700******{card.card_number[-4:]}")
    assert binding.expire_time.ToMicroseconds() - binding.create_time.ToMicroseconds() == 72 * HOUR * 1_000_000
    assert (again.receipt.replayed, again.binding) == (True, binding)
    assert len(bank.holds(card_id=card.card_id)) == 1
    assert phone.binding(binding, customer) == binding
    outcome = phone.ledger.transfers.GetOutcome(GetOutcomeRequest(request_id=request.request_id), timeout=CALL_SECONDS)
    assert outcome.card_binding == binding
    request.card_name = "башка"
    assert refused(lambda: phone.ask(request)).reason == "REQUEST_ID_REUSED"


@pytest.mark.parametrize(
    ("fields", "path", "reason"),
    [
        ({"card_number": "9417000000000011"}, "card_number", "CARD_NUMBER_CHECK_DIGIT"),
        ({"card_number": "4276000000000009"}, "card_number", "CARD_NUMBER_PREFIX"),
        ({"card_number": "94170000000000"}, "card_number", "CARD_NUMBER_MALFORMED"),
        ({"expiry": "1229"}, "expiry", "CARD_EXPIRY_MALFORMED"),
        ({"expiry": "01/20"}, "expiry", "CARD_EXPIRY_PAST"),
        ({"cvv": "12"}, "cvv", "CVV_MALFORMED"),
        ({"cvv": "1234"}, "cvv", "CVV_MALFORMED"),
        ({"card_name": "x" * 41}, "card_name", "INVALID_ARGUMENT"),
    ],
)
def test_S05_what_is_mistyped_is_named(
    phone: Phone, bank: Bank, fields: dict[str, str], path: str, reason: str
) -> None:
    """Each field has its own reason; none repeats what was typed, and nothing is recorded or held."""
    customer, card = phone.identified(), bank.issue()
    refusal = refused(lambda: phone.begin(customer, card, **fields))
    assert (refusal.reason, list(refusal.fields), refusal.metadata["recorded"]) == (reason, [path], "false")
    assert not any(value in str(refusal.details) for value in fields.values())
    assert bank.holds(card_id=card.card_id) == []


def test_S05_an_unknown_card_a_wrong_expiry_and_a_wrong_cvv_look_alike(phone: Phone, bank: Bank) -> None:
    """Nobody learns from the answer whether a number is a card's; five wrong tries a day are all there are."""
    customer, card = phone.identified(), bank.issue()
    unknown = "941700999999999" + luhn.calc_check_digit("941700999999999")
    tries = [{"card_number": unknown}, {"expiry": "11/29"}, {"cvv": other_cvv(card.cvv)}, {"card_number": unknown}]
    told = [refused(partial(phone.begin, customer, card, **fields)) for fields in tries]
    shown = [{key: value for key, value in each.metadata.items() if key != "position"} for each in told]
    assert [each.reason for each in told] == ["CARD_DETAILS_WRONG"] * 4
    assert all(each == shown[0] for each in shown)
    refused(lambda: phone.begin(customer, card, cvv=other_cvv(card.cvv)))
    assert refused(lambda: phone.begin(customer, card)).reason == "CARD_DETAILS_LOCKED"
    assert bank.holds(card_id=card.card_id) == []
    assert phone.begin(phone.identified(), card).state == OPEN


def test_S05_a_cards_cvv_is_not_guessed_by_many_customers(phone: Phone, bank: Bank) -> None:
    """After five wrong CVVs, whoever typed them, none of the card's is compared for a day, the right one neither."""
    card = bank.issue()
    for _ in range(5):
        guesser = phone.identified()
        assert refused(partial(phone.begin, guesser, card, cvv=other_cvv(card.cvv))).reason == "CARD_DETAILS_WRONG"
    assert refused(lambda: phone.begin(phone.identified(), card)).reason == "CARD_DETAILS_WRONG"
    phone.server.clock.advance(DAY)
    assert phone.begin(phone.identified(), card).state == OPEN


def test_S06_the_hold_is_random_and_ends_with_the_binding(phone: Phone, bank: Bank) -> None:
    """1.00 to 9.99 som are held on the card's account for the binding's time, other ones each time."""
    customer, card = phone.identified(), bank.issue()
    amounts = []
    for _ in range(3):
        binding = phone.begin(customer, card)
        (hold,) = bank.holds(card_id=card.card_id, states=[authorization_pb2.AUTHORIZATION_STATE_OPEN])
        assert hold.kind == authorization_pb2.AUTHORIZATION_KIND_CARD_VERIFICATION
        assert 100 <= hold.remaining_tyiyn <= 999
        assert (hold.account_id, hold.card_id) == (card.account_id, card.card_id)
        assert hold.expire_time == binding.expire_time
        assert bank.available(card.account_id) == 100_000 - hold.remaining_tyiyn
        amounts.append(hold.remaining_tyiyn)
        phone.cancel(binding, customer)
    assert len(set(amounts)) == 3
    assert bank.available(card.account_id) == 100_000


@pytest.mark.parametrize("step", ["capture", "increment", "replace", "reverse part", "reverse"])
def test_S06_nobody_captures_or_changes_the_hold(phone: Phone, bank: Bank, step: str) -> None:
    """The hold belongs to its binding, and no request makes one of its kind."""
    customer, card = phone.identified(), bank.issue()
    phone.begin(customer, card)
    (hold,) = bank.holds(card_id=card.card_id)
    named: dict[str, Any] = {"request_id": new_id(), "authorization_id": hold.authorization_id}
    service = phone.ledger.authorizations
    call: Any = {
        "capture": lambda: service.CaptureAuthorization(
            holds.CaptureAuthorizationRequest(**named, amount_tyiyn=100, clearing_reference=new_id())
        ),
        "increment": lambda: service.IncrementAuthorization(
            holds.IncrementAuthorizationRequest(**named, amount_tyiyn=1)
        ),
        "replace": lambda: service.ReplaceAuthorizationAmount(
            holds.ReplaceAuthorizationAmountRequest(**named, total_tyiyn=1)
        ),
        "reverse part": lambda: service.ReverseAuthorizationPart(
            holds.ReverseAuthorizationPartRequest(**named, amount_tyiyn=1)
        ),
        "reverse": lambda: service.ReverseAuthorization(
            holds.ReverseAuthorizationRequest(**named, reversed_by=authorization_pb2.REVERSAL_INITIATOR_ISSUER)
        ),
    }[step]
    assert refused(call).reason == "VERIFICATION_HOLD"
    assert bank.holds(card_id=card.card_id) == [hold]


def test_S06_no_request_makes_a_verification_hold(phone: Phone, bank: Bank) -> None:
    """Its kind is no value that a request may have."""
    card = bank.issue()
    request = holds.CreateAuthorizationRequest(
        request_id=new_id(),
        account_id=card.account_id,
        credit_account_id=bank.source,
        amount_tyiyn=100,
        kind=authorization_pb2.AUTHORIZATION_KIND_CARD_VERIFICATION,
    )
    refusal = refused(lambda: phone.ledger.authorizations.CreateAuthorization(request, timeout=CALL_SECONDS))
    assert refusal.fields == {"kind": "UNKNOWN_VALUE"}


def test_S07_without_funds_nothing_is_held(phone: Phone, bank: Bank) -> None:
    """The refusal is final and tells no figure; with the largest amount on the account another request succeeds."""
    customer, card = phone.identified(), bank.issue(funds=998)
    request = phone.asking(customer, card)
    first, again = refused(lambda: phone.ask(request)), refused(lambda: phone.ask(request))
    for refusal, replayed in ((first, "false"), (again, "true")):
        assert refusal.reason == "INSUFFICIENT_FUNDS"
        assert set(refusal.metadata) == {"recorded", "partition", "position", "replayed"}
        assert refusal.metadata["replayed"] == replayed
    assert bank.holds(card_id=card.card_id) == []
    transfer(bank.ledger, bank.source, card.account_id, 1)
    assert phone.begin(customer, card).state == OPEN


def test_S08_the_amount_shows_in_the_mini_statement(phone: Phone, bank: Bank) -> None:
    """At the ATM the hold stands among the open authorisations, and its amount binds the card."""
    customer, card = phone.identified(), bank.issue()
    answer = phone.ask(phone.asking(customer, card))
    position = LogPosition(position=answer.receipt.position + 1)
    request = statements.GetMiniStatementRequest(account_id=card.account_id, min_position=position)
    (hold,) = bank.ledger.statements.GetMiniStatement(request, timeout=CALL_SECONDS).open_authorizations
    assert phone.name(answer.binding, customer, hold.remaining_tyiyn).state == BOUND


def test_S08_the_printed_authorisations_say_what_the_hold_is_for(phone: Phone, bank: Bank) -> None:
    """In the cardholder's language, with the amount to be named."""
    customer, card = phone.identified(), bank.issue()
    answer = phone.ask(phone.asking(customer, card))
    request = receipts.GetAuthorizationsReceiptRequest(
        account_id=card.account_id,
        language=LANGUAGE_KY,
        min_position=LogPosition(position=answer.receipt.position + 1),
    )
    lines = list(bank.ledger.receipts.GetAuthorizationsReceipt(request, timeout=CALL_SECONDS).lines)
    assert any("Картанын ээсин текшерүү" in line for line in lines)
    som, tyiyn = divmod(bank.amount(card), 100)
    assert any(f"{som},{tyiyn:02}" in line for line in lines)


@pytest.mark.parametrize("owner", ["card_id", "account_id", "participant_id"])
def test_S09_the_issuing_bank_sees_the_hold(phone: Phone, bank: Bank, owner: str) -> None:
    """By card, by account and among all of its own, so that internet banking can show the amount."""
    customer, card, other = phone.identified(), bank.issue(), bank.issue()
    binding = phone.begin(customer, card)
    asked: dict[str, Any] = {"card_id": card.card_id, "account_id": card.account_id, "participant_id": "bank-a"}
    found = [hold for hold in bank.holds(**{owner: asked[owner]}) if hold.card_id == card.card_id]
    assert len(found) == 1
    assert bank.holds(card_id=other.card_id) == []
    assert phone.name(binding, customer, found[0].remaining_tyiyn).state == BOUND


def test_S10_whoever_subscribed_is_known_when_the_amount_is_held(phone: Phone, bank: Bank) -> None:
    """The binding's event says whether messages go out, and names the hold in which the amount stands."""
    customer, card = phone.identified(), bank.issue()
    quiet = phone.begin(customer, card)
    sms = cards.SetCardNotificationsRequest(request_id=new_id(), card_id=card.card_id, sms=True)
    assert bank.ledger.cards.SetCardNotifications(sms, timeout=CALL_SECONDS).card.sms_notifications
    told = phone.begin(customer, card)
    requested = {event.hold: event for event in events(phone, CardBindingRequested) if str(event.card) == card.card_id}
    assert [event.sms for event in requested.values()] == [False, True]
    shown = {hold.authorization_id for hold in bank.holds(card_id=card.card_id)}
    assert shown == {str(hold) for hold in requested}
    assert quiet.binding_id != told.binding_id


def test_S11_the_bank_tells_the_amount_and_who_asked_is_recorded(phone: Phone, bank: Bank) -> None:
    """The answer binds the card; the history names the operator, and not the amount."""
    customer, card = phone.identified(), bank.issue()
    binding = phone.begin(customer, card)
    request_id = new_id()
    first, again = (phone.disclose(card, explanation="паспорт", request_id=request_id) for _ in range(2))
    assert (first.binding.binding_id, first.expire_time) == (binding.binding_id, binding.expire_time)
    assert (again.receipt.replayed, again.amount_tyiyn) == (True, first.amount_tyiyn)
    row = rows(phone)[first.receipt.position - 1]
    assert (row.topic, row.caller) == ("card_binding.amount_disclosed.v1", "dev")
    told = msgspec.json.decode(row.state)
    assert (set(told), told["operator"]) == ({"operator", "explanation", "fingerprint"}, "op-17")
    assert phone.name(binding, customer, first.amount_tyiyn).state == BOUND
    assert refused(lambda: phone.disclose(card)).reason == "BINDING_NOT_OPEN"
    assert refused(lambda: phone.disclose(card, operator="")).fields == {"operator": "TOO_SHORT"}


def test_S12_the_held_amount_binds_the_card(phone: Phone, bank: Bank) -> None:
    """The card is the customer's, and the hold is gone at the same position; a repeat is answered again."""
    customer, card = phone.identified(), bank.issue()
    binding, amount = phone.begin(customer, card), bank.amount(card)
    request_id = new_id()
    bound = phone.name(binding, customer, amount, request_id)
    assert (bound.state, bound.card_name) == (BOUND, NAME)
    assert phone.name(binding, customer, wrong(amount), request_id) == bound
    kept = bank.card(card.card_id)
    assert (kept.customer_id, kept.binding_id) == (customer, binding.binding_id)
    (hold,) = bank.holds(card_id=card.card_id)
    assert (hold.state, hold.remaining_tyiyn) == (authorization_pb2.AUTHORIZATION_STATE_REVERSED, 0)
    assert bank.available(card.account_id) == 100_000
    head = bank.ledger.accounts.GetAccount(GetAccountRequest(account_id=bank.source), timeout=CALL_SECONDS).position
    listed = bank.ledger.cards.ListCards(
        cards.ListCardsRequest(customer_id=customer, min_position=head), timeout=CALL_SECONDS
    )
    assert list(listed.cards) == [kept]
    assert refused(lambda: phone.name(binding, customer, amount)).reason == "CARD_ALREADY_BOUND"
    assert refused(lambda: phone.begin(customer, card)).reason == "CARD_ALREADY_BOUND"
    assert refused(lambda: phone.begin(phone.identified(), card)).reason == "CARD_BOUND_ELSEWHERE"


def test_S12_the_third_wrong_amount_locks_the_binding(phone: Phone, bank: Bank) -> None:
    """Each counts down, a repeat counts once, nothing is held afterwards, and the fourth is not compared."""
    customer, card = phone.identified(), bank.issue()
    binding, amount = phone.begin(customer, card), bank.amount(card)
    for left in ("2", "1", "0"):
        request_id = new_id()
        for tried, replayed in ((wrong(amount), "false"), (amount, "true")):
            refusal = refused(partial(phone.name, binding, customer, tried, request_id))
            assert (refusal.reason, refusal.metadata["tries_left"]) == ("BINDING_AMOUNT_WRONG", left)
            assert refusal.metadata["replayed"] == replayed
    assert refused(lambda: phone.name(binding, customer, amount)).reason == "BINDING_LOCKED"
    assert phone.binding(binding, customer).state == card_binding_pb2.CARD_BINDING_STATE_LOCKED
    assert bank.available(card.account_id) == 100_000
    assert bank.card(card.card_id).customer_id == ""


def test_S12_somebody_elses_and_an_unknown_binding_look_like_a_wrong_amount(phone: Phone, bank: Bank) -> None:
    """Reason, metadata and the lock are the same, and the owner loses no try."""
    customer, stranger, card = phone.identified(), phone.identified(), bank.issue()
    binding, amount = phone.begin(customer, card), bank.amount(card)
    another = bank.issue()
    own_binding, not_held = phone.begin(customer, another), wrong(bank.amount(another))

    def tries(whose: str, binding_id: str, tried: int) -> list[tuple[str, str, dict[str, str]]]:
        told = [refused(lambda: phone.name(binding_id, whose, tried)) for _ in range(4)]
        return [(each.reason, each.text, without_position(each)) for each in told]

    theirs = tries(stranger, binding.binding_id, amount)
    unknown = tries(stranger, new_id(), amount)
    own = tries(customer, own_binding.binding_id, not_held)
    assert theirs == unknown == own
    assert phone.name(binding, customer, amount).state == BOUND


def test_S12_after_72_hours_the_binding_is_over(phone: Phone, bank: Bank) -> None:
    """The right amount comes too late, nothing is held, and the binding reads as expired."""
    customer, card = phone.identified(), bank.issue()
    binding, amount = phone.begin(customer, card), bank.amount(card)
    phone.server.clock.advance(72 * HOUR)
    assert refused(lambda: phone.name(binding, customer, amount)).reason == "BINDING_EXPIRED"
    assert refused(lambda: phone.cancel(binding, customer)).reason == "BINDING_EXPIRED"
    late = phone.binding(binding, customer)
    assert (late.state, late.update_time) == (card_binding_pb2.CARD_BINDING_STATE_EXPIRED, binding.update_time)
    assert bank.available(card.account_id) == 100_000
    (hold,) = bank.holds(card_id=card.card_id)
    assert hold.state == authorization_pb2.AUTHORIZATION_STATE_EXPIRED


def test_S12_a_customer_may_give_up(phone: Phone, bank: Bank) -> None:
    """Nothing is held then; a trial run changes nothing, and nobody else may."""
    customer, card = phone.identified(), bank.issue()
    binding = phone.begin(customer, card)
    assert refused(lambda: phone.cancel(binding, phone.identified())).reason == "BINDING_NOT_FOUND"
    phone.cancel(binding, customer, validate_only=True)
    assert phone.binding(binding, customer).state == OPEN
    assert phone.cancel(binding, customer).state == card_binding_pb2.CARD_BINDING_STATE_CANCELLED
    assert refused(lambda: phone.cancel(binding, customer)).reason == "BINDING_CANCELLED"
    assert bank.available(card.account_id) == 100_000


@pytest.mark.parametrize("amount", [0, 99, 1000, -421])
def test_S12_an_amount_out_of_bounds_costs_no_try(phone: Phone, bank: Bank, amount: int) -> None:
    """It is malformed, and not repeated in the answer."""
    customer, card = phone.identified(), bank.issue()
    binding = phone.begin(customer, card)
    refusal = refused(lambda: phone.name(binding, customer, amount))
    assert list(refusal.fields) == ["amount_tyiyn"]
    assert phone.binding(binding, customer).tries_left == 3


def test_S12_a_card_that_was_blocked_meanwhile_is_not_bound(phone: Phone, bank: Bank) -> None:
    """Its bank's word counts, whatever amount is named, and no try is used up."""
    customer, card = phone.identified(), bank.issue()
    binding, amount = phone.begin(customer, card), bank.amount(card)
    bank.block(card.card_id)
    for tried in (amount, wrong(amount)):
        assert refused(partial(phone.name, binding, customer, tried)).reason == "CARD_BLOCKED"
    assert phone.binding(binding, customer).tries_left == 3
    assert refused(lambda: phone.begin(customer, card)).reason == "CARD_BLOCKED"


def test_S12_a_fourth_binding_within_a_day_is_refused(phone: Phone, bank: Bank) -> None:
    """Three of one card, whoever began them; a day later there are more."""
    card = bank.issue()
    for _ in range(3):
        customer = phone.identified()
        phone.cancel(phone.begin(customer, card), customer)
    refusal = refused(lambda: phone.begin(phone.identified(), card))
    assert (refusal.reason, refusal.metadata["limit"]) == ("BINDING_LIMIT", "card_per_day")
    phone.server.clock.advance(DAY)
    assert phone.begin(phone.identified(), card).state == OPEN


def test_S33_each_step_is_refused_before_the_one_before_it(phone: Phone, bank: Bank) -> None:
    """Nobody binds a card who has not registered, confirmed and been identified, in this order."""
    card = bank.issue()
    assert refused(lambda: phone.begin(new_id(), card)).reason == "CUSTOMER_NOT_FOUND"
    registered = phone.register(phone.request()).customer.customer_id
    assert refused(lambda: phone.begin(registered, card, card_number="1")).reason == "CUSTOMER_NOT_CONFIRMED"
    confirmed = phone.confirmed().customer_id
    assert refused(lambda: phone.begin(confirmed, card, card_number="1")).reason == "CUSTOMER_NOT_IDENTIFIED"
    assert bank.holds(card_id=card.card_id) == []


def test_S13_a_card_is_used_only_by_whom_it_is_bound_to(phone: Phone, bank: Bank) -> None:
    """Before it is bound, after it was unbound, while it is blocked and by anybody else it is refused."""
    customer, card = phone.identified(), bank.issue()
    assert may_use(phone, card.card_id, customer) == "CARD_NOT_BOUND"
    binding = phone.begin(customer, card)
    assert may_use(phone, card.card_id, customer) == "CARD_NOT_BOUND"
    phone.name(binding, customer, bank.amount(card))
    assert may_use(phone, card.card_id, customer) == ""
    assert may_use(phone, card.card_id, phone.identified()) == "CARD_NOT_BOUND"
    bank.block(card.card_id)
    assert may_use(phone, card.card_id, customer) == "CARD_BLOCKED"
    unbind = cards.UnbindCardRequest(request_id=new_id(), card_id=card.card_id, customer_id=customer)
    assert bank.ledger.cards.UnbindCard(unbind, timeout=CALL_SECONDS).card.customer_id == ""
    assert may_use(phone, card.card_id, customer) == "CARD_NOT_BOUND"


def test_an_erased_customers_card_name_is_read_by_nobody(phone: Phone, bank: Bank) -> None:
    """The binding stays, the invented name does not, and the card can be bound by somebody else."""
    customer, card = phone.identified(), bank.issue()
    binding = phone.begin(customer, card)
    phone.name(binding, customer, bank.amount(card))
    phone.erase(customer)
    assert phone.binding(binding, customer).card_name == "[erased]"
    assert phone.begin(phone.identified(), card).state == OPEN


def test_neither_number_nor_cvv_nor_amount_stands_anywhere(phone: Phone, bank: Bank) -> None:
    """Not in any file of the server or its output, right or wrong, named or refused."""
    customer, card = phone.identified(), bank.issue()
    refused(lambda: phone.begin(customer, card, cvv=other_cvv(card.cvv)))
    binding = phone.begin(customer, card)
    refused(lambda: phone.name(binding, customer, wrong(bank.amount(card))))
    phone.name(binding, customer, bank.amount(card))
    files = [path for path in phone.directory.iterdir() if path.is_file() and path.name != "confirmation-codes"]
    assert {"log.db", "vault.db"} <= {path.name for path in files}
    written = b"\n".join(path.read_bytes() for path in files) + phone.server.said.encode()
    assert card.card_number.encode() not in written
    assert card.card_number[6:].encode() not in written
    assert NAME.encode() not in written
    assert not re.search(rb'"(cvv|card_number)"', written)
    asked = [json.loads(row.state) for row in rows(phone) if b'"amount_tyiyn"' in row.state]
    assert {state.get("command") for state in asked} <= {"capture", "increment", "reverse_part"}, "banks' own, declined"


def test_nothing_told_of_a_binding_tells_the_amount(phone: Phone, bank: Bank) -> None:
    """No field of a binding holds an amount, and its events hold none."""
    fields = {field.name for field in CardBinding.DESCRIPTOR.fields}
    assert not any(re.search("amount|available|balance|account|hold|authorization", name) for name in fields)
    customer, card = phone.identified(), bank.issue()
    binding, amount = phone.begin(customer, card), bank.amount(card)
    refused(lambda: phone.name(binding, customer, wrong(amount)))
    told = [row for row in rows(phone) if row.topic.startswith(("card_binding.", "wallet.", "card."))]
    assert told
    assert {row.topic for row in told if b"amount" in row.state} == set()


def test_S05_right_details_use_up_no_tries(phone: Phone, bank: Bank) -> None:
    """However often the details were right, a wrong one afterwards is the customer's first."""
    customer = phone.identified()
    for card in (bank.issue(), bank.issue()):
        for _ in range(3):
            phone.cancel(phone.begin(customer, card), customer)
    assert refused(lambda: phone.begin(customer, card, cvv=other_cvv(card.cvv))).reason == "CARD_DETAILS_WRONG"


def test_S12_only_its_customer_reads_a_binding(phone: Phone, bank: Bank) -> None:
    """Somebody else's is as unknown as one that does not exist."""
    customer, stranger = phone.identified(), phone.identified()
    binding = phone.begin(customer, bank.issue())
    assert refused(lambda: phone.binding(binding, stranger)).reason == "BINDING_NOT_FOUND"
    assert refused(lambda: phone.binding(CardBinding(binding_id=new_id()), customer)).reason == "BINDING_NOT_FOUND"
    assert phone.binding(binding, customer) == binding


@pytest.mark.postgres
def test_cards_are_bound_on_postgresql_too(postgres_url: str, tmp_path: Path) -> None:
    """Over PostgreSQL the same journey leads from the card's issue to its binding, and its number is in no table."""
    with server_on(postgres_url, tmp_path) as server:
        server.start()
        with connect_plainly(server.address) as ledger:
            phone, bank = Phone(tmp_path, server, ledger), Bank(ledger)
            customer, card = phone.identified(), bank.issue()
            refused(lambda: phone.begin(customer, card, cvv=other_cvv(card.cvv)))
            binding = phone.begin(customer, card)
            assert (
                refused(lambda: phone.name(binding, customer, wrong(bank.amount(card)))).metadata["tries_left"] == "2"
            )
            assert phone.name(binding, customer, bank.amount(card)).card_name == NAME
            with psycopg.connect(postgres_url) as connection:
                written = b"".join(
                    bytes(value) if isinstance(value, bytes) else str(value).encode()
                    for table in ("events", "vault_cards", "vault_misses")
                    for row in connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
                    for value in row
                )
            assert written
            assert card.card_number[6:].encode() not in written
        server.stop()
