"""What a cardholder sees at an ATM: mini-statement, authorisations and transactions (leaflet rows S08, S15 to S17)."""

import pytest

from ledger.rpc.client import Ledger
from protos.esep.v1 import account_pb2, authorization_pb2
from protos.esep.v1 import authorization_service_pb2 as holds
from protos.esep.v1 import statement_service_pb2 as api
from protos.esep.v1.authorization_pb2 import Authorization
from protos.esep.v1.common_pb2 import LogPosition
from scripts.demo_client import new_id, position_of
from scripts.demo_server import ServerProcess
from tests.serving import CALL_SECONDS, ledger, open_account, server, transfer

__all__ = ["ledger", "server"]

SALARY = 100_000


class Cardholder:
    """A customer with a salary, a merchant, and the position of the last write."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.employer = open_account(ledger, account_pb2.ACCOUNT_KIND_SETTLEMENT)
        self.merchant = open_account(ledger, account_pb2.ACCOUNT_KIND_MERCHANT)
        self.account = open_account(ledger, account_pb2.ACCOUNT_KIND_CUSTOMER)
        self.position = LogPosition()
        self.receive(SALARY)

    def receive(self, amount: int) -> None:
        self.position = LogPosition(position=transfer(self._ledger, self.employer, self.account, amount, "salary"))

    def hold(
        self,
        amount: int,
        kind: authorization_pb2.AuthorizationKind.ValueType = authorization_pb2.AUTHORIZATION_KIND_PURCHASE,
        merchant_name: str = "Dordoi Market",
    ) -> Authorization:
        request = holds.CreateAuthorizationRequest(
            request_id=new_id(),
            account_id=self.account,
            credit_account_id=self.merchant,
            amount_tyiyn=amount,
            kind=kind,
            merchant_name=merchant_name,
        )
        answer = self._ledger.authorizations.CreateAuthorization(request, timeout=CALL_SECONDS)
        self.position = position_of(answer.receipt)
        return answer.authorization

    def capture(self, hold: Authorization, amount: int) -> None:
        request = holds.CaptureAuthorizationRequest(
            request_id=new_id(),
            authorization_id=hold.authorization_id,
            amount_tyiyn=amount,
            final=True,
            clearing_reference=new_id(),
        )
        answer = self._ledger.authorizations.CaptureAuthorization(request, timeout=CALL_SECONDS)
        self.position = position_of(answer.receipt)

    def reverse(self, hold: Authorization) -> None:
        request = holds.ReverseAuthorizationRequest(
            request_id=new_id(),
            authorization_id=hold.authorization_id,
            reversed_by=authorization_pb2.REVERSAL_INITIATOR_ACQUIRER,
        )
        answer = self._ledger.authorizations.ReverseAuthorization(request, timeout=CALL_SECONDS)
        self.position = position_of(answer.receipt)

    def mini_statement(self, limit: int = 0) -> api.GetMiniStatementResponse:
        request = api.GetMiniStatementRequest(account_id=self.account, limit=limit, min_position=self.position)
        return self._ledger.statements.GetMiniStatement(request, timeout=CALL_SECONDS)

    def statement(self) -> api.GetStatementResponse:
        request = api.GetStatementRequest(account_id=self.account, min_position=self.position)
        request.period_start.FromSeconds(0)
        request.period_end.FromSeconds(4_102_444_800)
        return self._ledger.statements.GetStatement(request, timeout=CALL_SECONDS)

    def authorizations(
        self, *states: authorization_pb2.AuthorizationState.ValueType
    ) -> list[authorization_pb2.Authorization]:
        request = api.ListAuthorizationsRequest(account_id=self.account, states=states, min_position=self.position)
        return list(self._ledger.statements.ListAuthorizations(request, timeout=CALL_SECONDS).authorizations)


@pytest.fixture
def cardholder(ledger: Ledger) -> Cardholder:
    return Cardholder(ledger)


def test_S08_the_verification_hold_shows_in_the_authorizations_list(cardholder: Cardholder) -> None:
    """A cardholder learns the amount held to verify the card from the list of authorisations."""
    cardholder.hold(417, authorization_pb2.AUTHORIZATION_KIND_ACCOUNT_VERIFICATION, "Elcart Mobile")
    (shown,) = cardholder.authorizations()
    assert shown.amount_tyiyn == shown.remaining_tyiyn == 417
    assert shown.kind == authorization_pb2.AUTHORIZATION_KIND_ACCOUNT_VERIFICATION
    assert shown.state == authorization_pb2.AUTHORIZATION_STATE_OPEN
    assert cardholder.mini_statement().open_authorizations == [shown]


def test_S15_the_mini_statement_holds_the_last_lines_and_the_open_holds(cardholder: Cardholder) -> None:
    """An ATM prints the last ten movements, newest first, what is held, and one balance that agrees with both."""
    for amount in range(1, 12):
        cardholder.receive(amount)
    first = cardholder.hold(2_000)
    second = cardholder.hold(3_000)
    cardholder.reverse(first)
    printed = cardholder.mini_statement()
    assert [line.amount_tyiyn for line in printed.lines] == list(range(11, 1, -1))
    assert [line.balance_after_tyiyn - line.amount_tyiyn for line in printed.lines[:-1]] == [
        line.balance_after_tyiyn for line in printed.lines[1:]
    ]
    assert [hold.authorization_id for hold in printed.open_authorizations] == [second.authorization_id]
    assert printed.balance.posted_tyiyn == printed.lines[0].balance_after_tyiyn == SALARY + 66
    assert printed.balance.held_tyiyn == 3_000
    assert printed.balance.available_tyiyn == SALARY + 66 - 3_000
    assert printed.position.position >= cardholder.position.position


def test_S15_the_mini_statement_is_as_long_as_it_is_asked_to_be(cardholder: Cardholder) -> None:
    """The number of lines may be chosen, and a short history is shown whole."""
    cardholder.receive(5)
    assert [line.amount_tyiyn for line in cardholder.mini_statement(limit=1).lines] == [5]
    assert [line.amount_tyiyn for line in cardholder.mini_statement(limit=100).lines] == [5, SALARY]


def test_S15_a_hold_that_has_lapsed_is_printed_no_more(
    cardholder: Cardholder,
    server: ServerProcess,
) -> None:
    """From its expiry on a hold neither is listed nor lessens what is available."""
    cardholder.hold(2_000)
    server.clock.advance(7 * 86_400 + 1)
    printed = cardholder.mini_statement()
    assert list(printed.open_authorizations) == []
    assert (printed.balance.held_tyiyn, printed.balance.available_tyiyn) == (0, SALARY)


def test_S16_authorizations_transactions_and_mini_statement_are_three_questions(cardholder: Cardholder) -> None:
    """The three entries of the ATM's menu tell one story, each its part."""
    cardholder.capture(cardholder.hold(4_500, merchant_name="Navat"), 5_500)
    open_hold = cardholder.hold(1_000, merchant_name="Dordoi Market")
    authorizations, transactions, mini = (
        cardholder.authorizations(),
        cardholder.statement(),
        cardholder.mini_statement(),
    )
    assert [each.merchant_name for each in authorizations] == ["Dordoi Market", "Navat"]
    assert [line.amount_tyiyn for line in transactions.lines] == [SALARY, -5_500]
    assert list(mini.lines) == list(reversed(transactions.lines))
    assert [hold.authorization_id for hold in mini.open_authorizations] == [open_hold.authorization_id]
    assert transactions.opening_tyiyn == 0
    assert transactions.total_credits_tyiyn - transactions.total_debits_tyiyn == transactions.closing_tyiyn
    assert transactions.closing_tyiyn == mini.balance.posted_tyiyn == SALARY - 5_500


def test_S17_a_hold_is_an_authorization_and_no_transaction(cardholder: Cardholder) -> None:
    """What is held stands in the one list, what was posted in the other."""
    hold = cardholder.hold(4_500)
    assert [line.kind for line in cardholder.statement().lines] == ["salary"]
    assert [each.authorization_id for each in cardholder.authorizations()] == [hold.authorization_id]


def test_S17_a_capture_is_a_transaction_and_ends_the_authorization(cardholder: Cardholder) -> None:
    """A capture adds a transaction that names its authorisation, which is open no more."""
    hold = cardholder.hold(4_500)
    cardholder.capture(hold, 4_500)
    line = cardholder.statement().lines[-1]
    assert (line.amount_tyiyn, line.authorization_id) == (-4_500, hold.authorization_id)
    assert cardholder.authorizations(authorization_pb2.AUTHORIZATION_STATE_OPEN) == []
    (captured,) = cardholder.authorizations(authorization_pb2.AUTHORIZATION_STATE_CAPTURED)
    assert (captured.captured_tyiyn, captured.remaining_tyiyn) == (4_500, 0)


def test_S17_a_transaction_is_no_authorization(cardholder: Cardholder) -> None:
    """Money that moved at once was never held."""
    cardholder.receive(700)
    assert cardholder.authorizations() == []
    assert [line.amount_tyiyn for line in cardholder.statement().lines] == [SALARY, 700]
