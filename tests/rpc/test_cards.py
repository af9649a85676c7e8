"""CardService over a whole ledger in this process: issuing, listing, and what happens to a card."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stdnum import luhn

from protos.esep.v1 import card_pb2
from protos.esep.v1 import card_service_pb2 as api
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.transfer_service_pb2 import GetOutcomeRequest
from tests.rpc.world import Bank, World, new_id

EXPIRY = "12/28"


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with World(tmp_path) as world:
        yield Bank(world)


def number(serial: int) -> str:
    """Return the card number with a serial number."""
    first = f"94170000{serial:07}"
    return first + luhn.calc_check_digit(first)


def issue(bank: Bank, serial: int = 1, **fields: Any) -> api.IssueCardResponse:
    """Issue a card."""
    answer: api.IssueCardResponse = bank.call(bank.ledger.cards.IssueCard, issuing(bank, serial, **fields))
    return answer


def issuing(bank: Bank, serial: int = 1, **fields: Any) -> api.IssueCardRequest:
    """Return the request that issues a card."""
    given = {
        "request_id": new_id(),
        "participant_id": "bank-a",
        "account_id": bank.rich,
        "card_number": number(serial),
        "expiry": EXPIRY,
        **fields,
    }
    return api.IssueCardRequest(**given)


def listed(bank: Bank, position: int, **fields: Any) -> list[str]:
    """Return the ids of the cards that a question lists, page by page."""
    found: list[str] = []
    request = api.ListCardsRequest(page_size=2, min_position=LogPosition(position=position), **fields)
    while True:
        answer = bank.call(bank.ledger.cards.ListCards, request)
        found += [card.card_id for card in answer.cards]
        if not answer.next_page_token:
            return found
        request.page_token = answer.next_page_token


def test_a_card_is_issued_and_read(bank: Bank) -> None:
    """The card is found by its id, its number, its request, and repeats are answered with it."""
    request = issuing(bank, reference="app 7")
    answer = bank.call(bank.ledger.cards.IssueCard, request)
    card = answer.card
    assert (card.card_id, card.masked_number, card.expiry) == (
        request.request_id,
        "941700******" + number(1)[-4:],
        EXPIRY,
    )
    assert (card.state, card.customer_id, card.version, card.reference) == (card_pb2.CARD_STATE_ACTIVE, "", 1, "app 7")
    assert len(card.payment_account_reference) == 29
    assert answer.cvv == ""
    for named in ({"card_id": card.card_id}, {"card_number": number(1)}):
        assert bank.call(bank.ledger.cards.GetCard, api.GetCardRequest(**named)).card == card
    again = bank.call(bank.ledger.cards.IssueCard, request)
    assert (again.receipt.replayed, again.card) == (True, card)
    outcome = bank.call(bank.ledger.transfers.GetOutcome, GetOutcomeRequest(request_id=request.request_id))
    assert outcome.card == card


def test_a_request_id_stands_for_one_number(bank: Bank) -> None:
    """Another number under the same id is refused even where what is shown of both is the same."""
    request = issuing(bank)
    bank.call(bank.ledger.cards.IssueCard, request)
    first = number(1)
    same_ends = next(
        other
        for other in (f"{first[:6]}{middle:06}{first[-4:]}" for middle in range(10, 200))
        if luhn.is_valid(other) and other != first
    )
    request.card_number = same_ends
    assert bank.refused(bank.ledger.cards.IssueCard, request).reason == "REQUEST_ID_REUSED"
    request.card_number, request.expiry = first, "12/29"
    assert bank.refused(bank.ledger.cards.IssueCard, request).reason == "REQUEST_ID_REUSED"


def test_a_number_is_issued_once(bank: Bank) -> None:
    """A second card with the number is declined for good; nothing in the refusal is the number."""
    issue(bank)
    request = issuing(bank)
    first, again = (bank.refused(bank.ledger.cards.IssueCard, request) for _ in range(2))
    assert (first.reason, first.metadata["recorded"], first.metadata["replayed"]) == (
        "CARD_ALREADY_ISSUED",
        "true",
        "false",
    )
    assert (again.reason, again.metadata["replayed"]) == ("CARD_ALREADY_ISSUED", "true")
    assert number(1) not in str(first.details)


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"card_number": "9417000000000011"}, "card_number", "CARD_NUMBER_CHECK_DIGIT"),
        ({"card_number": "4276000000000009"}, "card_number", "CARD_NUMBER_PREFIX"),
        ({"card_number": "941700000000001"}, "card_number", "CARD_NUMBER_MALFORMED"),
        ({"card_number": ""}, "card_number", "CARD_NUMBER_MALFORMED"),
        ({"expiry": "13/28"}, "expiry", "CARD_EXPIRY_MALFORMED"),
        ({"expiry": "2028-12"}, "expiry", "CARD_EXPIRY_MALFORMED"),
        ({"expiry": "01/20"}, "expiry", "CARD_EXPIRY_PAST"),
        ({"account_id": 0}, "account_id", "INVALID_ARGUMENT"),
        ({"participant_id": ""}, "participant_id", "INVALID_ARGUMENT"),
    ],
)
def test_a_malformed_issue_names_its_field(bank: Bank, fields: dict[str, Any], field: str, reason: str) -> None:
    """Each fault has its own reason and path, and leaves the number free."""
    refusal = bank.refused(bank.ledger.cards.IssueCard, issuing(bank, **fields))
    assert (refusal.reason, list(refusal.fields)) == (reason, [field])
    assert refusal.metadata["recorded"] == "false"
    assert not fields.get("card_number") or fields["card_number"] not in str(refusal.details)
    assert issue(bank).receipt.position > 0


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"account_id": 99}, "ACCOUNT_NOT_FOUND"),
        ({"participant_id": "bank-b"}, "ACCOUNT_OF_ANOTHER_BANK"),
        ({"account_id": 1}, "ACCOUNT_NOT_FOR_CARDS"),
    ],
)
def test_a_refused_issue_leaves_the_number_free(bank: Bank, fields: dict[str, Any], reason: str) -> None:
    """The next request may issue the card, and a trial run never keeps a number."""
    assert bank.refused(bank.ledger.cards.IssueCard, issuing(bank, **fields)).reason == reason
    trial = issue(bank, validate_only=True)
    assert (trial.HasField("receipt"), trial.card.payment_account_reference) == (False, "")
    assert bank.world.vault.vault.find_card(number(1)) is None
    issue(bank)
    taken = bank.refused(bank.ledger.cards.IssueCard, issuing(bank, validate_only=True))
    assert (taken.reason, taken.metadata["recorded"]) == ("CARD_ALREADY_ISSUED", "false")


def test_a_bank_learns_the_cvv_when_it_asks(bank: Bank) -> None:
    """A development server computes the CVV, the same each time, and keeps it nowhere."""
    request = issuing(bank, return_cvv=True)
    first, again = (bank.call(bank.ledger.cards.IssueCard, request) for _ in range(2))
    assert first.cvv == again.cvv
    assert len(first.cvv) == 3
    assert first.cvv.isdecimal()


def test_cards_are_listed_by_bank_and_account(bank: Bank) -> None:
    """Newest first, a page at a time, kept apart by state."""
    first, second, third = (issue(bank, serial).card.card_id for serial in (1, 2, 3))
    poor = issue(bank, 4, account_id=bank.poor)
    position = poor.receipt.position
    assert listed(bank, position, participant_id="bank-a") == [poor.card.card_id, third, second, first]
    assert listed(bank, position, account_id=bank.rich) == [third, second, first]
    assert listed(bank, position, participant_id="bank-b") == []
    assert listed(bank, position, customer_id=new_id()) == []
    blocked = bank.call(bank.ledger.cards.BlockCard, api.BlockCardRequest(request_id=new_id(), card_id=second))
    position = blocked.receipt.position
    states = [card_pb2.CARD_STATE_BLOCKED]
    assert listed(bank, position, account_id=bank.rich, states=states) == [second]
    assert listed(bank, position, account_id=bank.rich, states=[card_pb2.CARD_STATE_ACTIVE]) == [third, first]
    assert bank.refused(bank.ledger.cards.ListCards, api.ListCardsRequest()).fields == {"owner": "MISSING"}


def test_a_cards_life(bank: Bank) -> None:
    """Blocked, unblocked, renewed, subscribed, lost, replaced and closed, each with a version and a trial run."""
    cards, card_id, other = bank.ledger.cards, issue(bank, 1).card.card_id, issue(bank, 2).card.card_id
    steps: list[tuple[Any, Any, dict[str, Any], dict[str, Any]]] = [
        (cards.BlockCard, api.BlockCardRequest, {"explanation": "?"}, {"state": card_pb2.CARD_STATE_BLOCKED}),
        (cards.UnblockCard, api.UnblockCardRequest, {}, {"state": card_pb2.CARD_STATE_ACTIVE}),
        (cards.RenewCard, api.RenewCardRequest, {"expiry": "01/31"}, {"expiry": "01/31"}),
        (cards.SetCardNotifications, api.SetCardNotificationsRequest, {"sms": True}, {"sms_notifications": True}),
        (
            cards.ReportCardLost,
            api.ReportCardLostRequest,
            {"loss": api.CARD_LOSS_STOLEN},
            {"state": card_pb2.CARD_STATE_STOLEN},
        ),
        (cards.ReplaceCard, api.ReplaceCardRequest, {"replacement_card_id": other}, {"replaced_by_card_id": other}),
        (cards.CloseCard, api.CloseCardRequest, {}, {"state": card_pb2.CARD_STATE_CLOSED}),
    ]
    for version, (method, kind, fields, expected) in enumerate(steps, start=2):
        request = kind(request_id=new_id(), card_id=card_id, expected_version=version - 1, **fields)
        trial = kind()
        trial.CopyFrom(request)
        trial.validate_only = True
        assert not bank.call(method, trial).HasField("receipt")
        card = bank.call(method, request).card
        assert {name: getattr(card, name) for name in expected} == expected
        assert card.version == version
        assert bank.call(method, request).receipt.replayed
        stale = kind()
        stale.CopyFrom(request)
        stale.request_id = new_id()
        if method is not cards.ReplaceCard:
            assert bank.refused(method, stale).reason == "EXPECTED_VERSION_MISMATCH"


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"card_id": ""}, {"card_id": "MISSING"}),
        ({"card_id": "x"}, {"card_id": "UUID"}),
        ({"loss": 0}, {"loss": "MISSING"}),
        ({"loss": 9}, {"loss": "UNKNOWN_VALUE"}),
        ({"request_id": "x", "explanation": "\n"}, {"request_id": "UUID", "explanation": "VALUE_ERROR"}),
    ],
)
def test_a_malformed_command_names_its_fields(bank: Bank, fields: dict[str, Any], wrong: dict[str, str]) -> None:
    """Everything that is wrong is told at once."""
    given = {"request_id": new_id(), "card_id": new_id(), "loss": api.CARD_LOSS_LOST, **fields}
    assert bank.refused(bank.ledger.cards.ReportCardLost, api.ReportCardLostRequest(**given)).fields == wrong


def test_what_does_not_exist_is_not_found(bank: Bank) -> None:
    """Unknown ids and numbers, and ids of other things, are no cards."""
    get = bank.ledger.cards.GetCard
    assert bank.refused(get, api.GetCardRequest(card_id=new_id())).reason == "CARD_NOT_FOUND"
    assert bank.refused(get, api.GetCardRequest(card_number=number(9))).reason == "CARD_NOT_FOUND"
    assert bank.refused(get, api.GetCardRequest(card_number="9417")).fields == {"card_number": "CARD_NUMBER_MALFORMED"}
    assert bank.refused(get, api.GetCardRequest()).fields == {"card": "MISSING"}
    block = api.BlockCardRequest(request_id=new_id(), card_id=new_id())
    assert bank.refused(bank.ledger.cards.BlockCard, block).reason == "CARD_NOT_FOUND"
    card_id = issue(bank).card.card_id
    same = api.ReplaceCardRequest(request_id=new_id(), card_id=card_id, replacement_card_id=card_id)
    assert bank.refused(bank.ledger.cards.ReplaceCard, same).fields == {"replacement_card_id": "SAME_CARD"}
