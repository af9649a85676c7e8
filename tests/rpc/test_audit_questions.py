"""Questions of auditors: lives, figures and their events, cards at an instant; all of one position, and of the log."""

import json
from typing import Any
from uuid import UUID

import grpc
import pytest

from ledger.rpc.intake import timestamp
from protos.esep.v1 import account_service_pb2 as accounts
from protos.esep.v1 import audit_pb2 as pb
from protos.esep.v1 import audit_service_pb2 as api
from protos.esep.v1 import authorization_service_pb2 as authorizations
from protos.esep.v1.authorization_pb2 import (
    AUTHORIZATION_KIND_PURCHASE,
    AUTHORIZATION_STATE_OPEN,
    REVERSAL_INITIATOR_ACQUIRER,
)
from protos.esep.v1.card_pb2 import CARD_STATE_ACTIVE, CARD_STATE_BLOCKED
from protos.esep.v1.card_service_pb2 import BlockCardRequest
from protos.esep.v1.common_pb2 import AsOf, LogPosition
from protos.esep.v1.customer_service_pb2 import EraseCustomerRequest
from protos.esep.v1.statement_service_pb2 import GetBalanceRequest
from tests.rpc.test_cards import issuing
from tests.rpc.world import Bank, World, new_id
from tests.security.scenes import OWN_BANK, make_scene

FIGURES = {
    pb.BALANCE_FIGURE_POSTED: "posted_tyiyn",
    pb.BALANCE_FIGURE_HELD: "held_tyiyn",
    pb.BALANCE_FIGURE_AVAILABLE: "available_tyiyn",
}

ELSEWHERE = AsOf(position=LogPosition(partition=1))


@pytest.fixture
def database_url(store_url: str) -> str:
    """Give each kind of store."""
    return store_url


def at(position: int) -> AsOf:
    return AsOf(position=LogPosition(position=position))


def hold(bank: Bank, amount: int, **fields: Any) -> str:
    """Hold an amount of the rich customer's; return the authorisation's id."""
    named = fields if "card_id" in fields else {"account_id": bank.rich, **fields}
    request = authorizations.CreateAuthorizationRequest(
        request_id=new_id(),
        kind=AUTHORIZATION_KIND_PURCHASE,
        credit_account_id=bank.merchant,
        amount_tyiyn=amount,
        **named,
    )
    made = bank.call(bank.ledger.authorizations.CreateAuthorization, request)
    authorization_id: str = made.authorization.authorization_id
    return authorization_id


def reversal(authorization_id: str) -> authorizations.ReverseAuthorizationRequest:
    """Return a request to let all of a hold go."""
    return authorizations.ReverseAuthorizationRequest(
        request_id=new_id(), authorization_id=authorization_id, reversed_by=REVERSAL_INITIATOR_ACQUIRER
    )


def busy(bank: Bank) -> None:
    """Let everything happen to the rich customer's account that changes a figure of it."""
    calls, of = bank.ledger.authorizations, bank.ledger.accounts
    first, second, third = hold(bank, 1_000), hold(bank, 2_000), hold(bank, 3_000)
    named: dict[str, Any] = {"request_id": "", "authorization_id": first}
    for method, request in (
        (calls.IncrementAuthorization, authorizations.IncrementAuthorizationRequest(**named, amount_tyiyn=500)),
        (calls.ReplaceAuthorizationAmount, authorizations.ReplaceAuthorizationAmountRequest(**named, total_tyiyn=900)),
        (calls.ReverseAuthorizationPart, authorizations.ReverseAuthorizationPartRequest(**named, amount_tyiyn=100)),
        (
            calls.CaptureAuthorization,
            authorizations.CaptureAuthorizationRequest(**named, amount_tyiyn=700, final=True, clearing_reference="c-1"),
        ),
        (
            calls.ReverseAuthorization,
            authorizations.ReverseAuthorizationRequest(
                authorization_id=second, reversed_by=REVERSAL_INITIATOR_ACQUIRER
            ),
        ),
        (of.SetOverdraftLimit, accounts.SetOverdraftLimitRequest(account_id=bank.rich, overdraft_limit_tyiyn=5_000)),
        (of.SetMinimumBalance, accounts.SetMinimumBalanceRequest(account_id=bank.rich, minimum_balance_tyiyn=350)),
        (of.SetOverdraftLimit, accounts.SetOverdraftLimitRequest(account_id=bank.rich, overdraft_limit_tyiyn=4_000)),
    ):
        request.request_id = new_id()
        bank.call(method, request)
    assert third
    bank.move(bank.rich, bank.poor, 1_500)


def explained(bank: Bank, figure: Any, **asked: Any) -> list[api.ExplainBalanceResponse]:
    """Return all pages of an explanation of the rich customer's figure."""
    found, request = [], api.ExplainBalanceRequest(account_id=bank.rich, figure=figure, **asked)
    while True:
        found.append(bank.call(bank.ledger.audit.ExplainBalance, request))
        request.page_token = found[-1].next_page_token
        if not request.page_token:
            return found


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_is_the_sum_of_the_events_that_made_it(bank: Bank, figure: Any) -> None:
    """As of every position: what the log says the events did is what the balance says the account has."""
    busy(bank)
    head = bank.world.log.head(0)
    pages = explained(bank, figure, as_of=at(head), page_size=3)
    steps = [step for page in pages for step in page.steps]
    assert {page.figure_tyiyn for page in pages} == {pages[-1].sum_tyiyn}
    assert len(pages) > 1
    total = 0
    for step in steps:
        total += step.change_tyiyn
        assert step.change_tyiyn
        assert step.sum_tyiyn == total
        balance = bank.call(
            bank.ledger.statements.GetBalance,
            GetBalanceRequest(account_id=bank.rich, as_of=at(step.position)),
        ).balance
        assert getattr(balance, FIGURES[figure]) == total
    assert total == pages[-1].figure_tyiyn != 0


def test_a_hold_that_has_lapsed_is_told_apart(bank: Bank) -> None:
    """Its end is recorded later: until then the sum still holds it, and the answer says how much that is."""
    hold(bank, 1_000)
    bank.world.clock.ahead += 8 * 86_400 * 1_000_000
    bank.move(bank.cash, bank.poor, 1)
    as_of = at(bank.world.log.head(0))
    (held,) = explained(bank, pb.BALANCE_FIGURE_HELD, as_of=as_of)
    (available,) = explained(bank, pb.BALANCE_FIGURE_AVAILABLE, as_of=as_of)
    assert held.figure_tyiyn == 0
    assert held.sum_tyiyn == held.lapsed_tyiyn == available.lapsed_tyiyn
    assert available.figure_tyiyn == 1_000_000 == available.sum_tyiyn + available.lapsed_tyiyn


def test_an_explanation_as_of_a_time_is_that_of_its_last_position(bank: Bank) -> None:
    """On the recorded axis a time is a position."""
    moved = bank.move(bank.rich, bank.poor, 10).receipt
    bank.move(bank.rich, bank.poor, 20)
    (page,) = explained(bank, pb.BALANCE_FIGURE_POSTED, as_of=AsOf(record_time=moved.record_time))
    assert page.position.position == moved.position
    assert page.steps[-1].change_tyiyn == -10


@pytest.mark.parametrize(
    ("asked", "field", "rule"),
    [
        ({"account_id": 0, "figure": 1}, "account_id", "RANGE"),
        ({"account_id": 1}, "figure", "MISSING"),
        ({"account_id": 1, "figure": 1, "as_of": at(10**6)}, "as_of", "POSITION_IN_FUTURE"),
        ({"account_id": 1, "figure": 1, "as_of": at(-1)}, "as_of.position", "NEGATIVE"),
        (
            {"account_id": 1, "figure": 1, "as_of": AsOf(position=LogPosition(partition=1))},
            "as_of.position.partition",
            "UNKNOWN",
        ),
        ({"account_id": 1, "figure": 1, "as_of": AsOf(effective_time=timestamp(1))}, "as_of.effective_time", "AXIS"),
    ],
)
def test_a_wrong_question_about_a_figure_is_told_where(
    bank: Bank, asked: dict[str, Any], field: str, rule: str
) -> None:
    """By the path of the field."""
    refusal = bank.refused(bank.ledger.audit.ExplainBalance, api.ExplainBalanceRequest(**asked))
    assert refusal.fields == {field: rule}


def test_an_account_that_was_not_there_has_no_figures(bank: Bank) -> None:
    """Neither one that never was, nor one before its opening."""
    for account, position in ((bank.poor, 1), (4242, 5)):
        asked = api.ExplainBalanceRequest(account_id=account, figure=pb.BALANCE_FIGURE_HELD, as_of=at(position))
        assert bank.refused(bank.ledger.audit.ExplainBalance, asked).reason == "ACCOUNT_NOT_FOUND"


def lives(bank: Bank, **asked: Any) -> list[pb.AggregateStep]:
    request = api.GetAggregateHistoryRequest(page_size=2, **asked)
    found: list[pb.AggregateStep] = []
    while True:
        answer = bank.call(bank.ledger.audit.GetAggregateHistory, request)
        found += answer.steps
        request.page_token = answer.next_page_token
        if not request.page_token:
            return found


def test_a_life_is_told_event_by_event(bank: Bank) -> None:
    """Each of them with what the aggregate was after it, page by page."""
    held = hold(bank, 1_000)
    for amount in (10, 20):
        bank.call(
            bank.ledger.authorizations.IncrementAuthorization,
            authorizations.IncrementAuthorizationRequest(
                request_id=new_id(), authorization_id=held, amount_tyiyn=amount
            ),
        )
    life = lives(bank, aggregate_id=held)
    assert [step.event.version for step in life] == [1, 2, 3]
    assert [json.loads(step.state_after)["remaining"] for step in life] == [1_000, 1_010, 1_030]
    assert json.loads(life[0].state_after)["authorization_id"] == held
    (opened,) = lives(bank, account_id=bank.rich)
    assert opened.event.topic == "account.opened.v1"


def test_what_is_personal_reads_sealed_and_after_the_erasure_erased(world: World) -> None:
    """In every state of the customer's life: an auditor learns that there was a name, not which."""
    scene = make_scene(world, OWN_BANK)
    bank = Bank(world)
    before = [json.loads(step.state_after)["sealed"] for step in lives(bank, aggregate_id=scene.customer)]
    assert {value for each in before for value in each.values()} <= {"[sealed]", ""}
    assert before[0]["phone"] == "[sealed]"
    bank.call(
        bank.ledger.customers.EraseCustomer, EraseCustomerRequest(request_id=new_id(), customer_id=scene.customer)
    )
    after = [json.loads(step.state_after)["sealed"] for step in lives(bank, aggregate_id=scene.customer)]
    assert {each["phone"] for each in after} == {"[erased]"}


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"aggregate_id": str(UUID(int=7, version=4))}, grpc.StatusCode.NOT_FOUND),
        ({"account_id": 4242}, grpc.StatusCode.NOT_FOUND),
        ({"aggregate_id": "x"}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"account_id": -1}, grpc.StatusCode.INVALID_ARGUMENT),
        ({}, grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
def test_a_life_that_is_none_is_refused(bank: Bank, asked: dict[str, Any], code: grpc.StatusCode) -> None:
    """With the resource, or the field."""
    refusal = bank.refused(bank.ledger.audit.GetAggregateHistory, api.GetAggregateHistoryRequest(**asked))
    assert refusal.code is code
    if code is grpc.StatusCode.NOT_FOUND:
        assert refusal.reason == "AGGREGATE_NOT_FOUND"


def test_a_card_is_told_as_it_was_at_an_instant(bank: Bank) -> None:
    """State, balance, open holds and limits used are all of one position, whatever has happened since."""
    card = bank.call(bank.ledger.cards.IssueCard, issuing(bank, 51, account_id=bank.rich)).card
    first = hold(bank, 1_000, card_id=card.card_id)
    second = hold(bank, 2_000, card_id=card.card_id)
    then = bank.world.log.head(0)
    bank.call(
        bank.ledger.authorizations.ReverseAuthorization,
        authorizations.ReverseAuthorizationRequest(
            request_id=new_id(), authorization_id=first, reversed_by=REVERSAL_INITIATOR_ACQUIRER
        ),
    )
    bank.call(bank.ledger.cards.BlockCard, BlockCardRequest(request_id=new_id(), card_id=card.card_id))
    bank.move(bank.rich, bank.poor, 500)

    def moment(**asked: Any) -> pb.CardMoment:
        request = api.GetCardAsOfRequest(card_id=card.card_id, **asked)
        found: pb.CardMoment = bank.call(bank.ledger.audit.GetCardAsOf, request).moment
        return found

    was, now = moment(as_of=at(then)), moment()
    assert [each.authorization_id for each in was.open_authorizations] == [first, second]
    assert {each.state for each in was.open_authorizations} == {AUTHORIZATION_STATE_OPEN}
    assert [each.authorization_id for each in now.open_authorizations] == [second]
    assert (was.card.state, now.card.state) == (CARD_STATE_ACTIVE, CARD_STATE_BLOCKED)
    assert (was.balance.held_tyiyn, now.balance.held_tyiyn) == (3_000, 2_000)
    assert (was.balance.posted_tyiyn, now.balance.posted_tyiyn) == (1_000_000, 999_500)
    (use,), (left,) = was.limits, now.limits
    assert (use.operation, use.day_count, use.day_tyiyn, use.month_tyiyn) == ("pos_payment", 2, 3_000, 3_000)
    assert (left.day_count, left.day_tyiyn) == (1, 2_000)


def test_a_card_is_told_with_its_tokens_of_then(world: World) -> None:
    """Those that stood for it at the position asked about."""
    scene = make_scene(world, OWN_BANK)
    bank = Bank(world)
    life = lives(bank, aggregate_id=scene.card)
    linked = next(step.event.position for step in life if step.event.topic == "card.tokens_linked.v1")
    for position, tokens in ((linked, [scene.token]), (linked - 2, [])):
        request = api.GetCardAsOfRequest(card_id=scene.card, as_of=at(position))
        found = bank.call(bank.ledger.audit.GetCardAsOf, request).moment
        assert [token.token_id for token in found.tokens][:1] == tokens


def test_a_card_that_was_not_issued_yet_is_not_found(bank: Bank) -> None:
    """Nor is one that never was."""
    card = bank.call(bank.ledger.cards.IssueCard, issuing(bank, 51, account_id=bank.rich)).card
    for card_id, position in ((card.card_id, 2), (new_id(), 3)):
        refusal = bank.refused(
            bank.ledger.audit.GetCardAsOf, api.GetCardAsOfRequest(card_id=card_id, as_of=at(position))
        )
        assert refusal.reason == "CARD_NOT_FOUND"
