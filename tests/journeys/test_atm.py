"""At an ATM: three questions on the screen, printed on request in the cardholder's language (rows S15 to S18, S38)."""

from pathlib import Path

import pytest

from ledger.rpc.client import Ledger
from protos.esep.v1 import account_pb2, authorization_pb2
from protos.esep.v1 import authorization_service_pb2 as holds
from protos.esep.v1 import receipt_service_pb2 as api
from protos.esep.v1 import statement_service_pb2 as screen
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.service_directory_pb2 import LANGUAGE_EN, LANGUAGE_KY, LANGUAGE_RU, Language
from scripts.demo_client import connect_plainly, new_id, position_of
from scripts.demo_server import ServerProcess
from tests.serving import CALL_SECONDS, ledger, open_account, server, transfer

__all__ = ["ledger", "server"]

COLUMNS = 40
SALARY = 2_500_000
TITLES = {
    LANGUAGE_KY: ("КЫСКАЧА КӨЧҮРМӨ", "АВТОРИЗАЦИЯ", "ТРАНЗАКЦИЯ"),
    LANGUAGE_RU: ("МИНИ-ВЫПИСКА", "АВТОРИЗАЦИИ", "ТРАНЗАКЦИИ"),
    LANGUAGE_EN: ("MINI-STATEMENT", "AUTHORISATIONS", "TRANSACTIONS"),
}
SALARIES = {LANGUAGE_KY: "Эмгек акы", LANGUAGE_RU: "Заработная плата", LANGUAGE_EN: "Salary"}
AMOUNTS = {LANGUAGE_KY: "25 000,00", LANGUAGE_RU: "25 000,00", LANGUAGE_EN: "25,000.00"}
VERIFICATIONS = {
    LANGUAGE_KY: "Картанын ээсин текшерүү",
    LANGUAGE_RU: "Проверка владельца карты",
    LANGUAGE_EN: "Verifying the card's holder",
}


class Atm:
    """A cardholder's account, and an ATM that prints of it."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.employer = open_account(ledger, account_pb2.ACCOUNT_KIND_SETTLEMENT)
        self.account = open_account(ledger, account_pb2.ACCOUNT_KIND_CUSTOMER)
        self.salary = transfer(ledger, self.employer, self.account, SALARY, "salary")
        request = holds.CreateAuthorizationRequest(
            request_id=new_id(),
            account_id=self.account,
            credit_account_id=self.employer,
            amount_tyiyn=417,
            kind=authorization_pb2.AUTHORIZATION_KIND_ACCOUNT_VERIFICATION,
            merchant_name="Elcart Mobile",
        )
        answer = ledger.authorizations.CreateAuthorization(request, timeout=CALL_SECONDS)
        self.hold = answer.authorization.authorization_id
        self.position: LogPosition = position_of(answer.receipt)

    def print(self, language: Language.ValueType) -> tuple[list[str], list[str], list[str]]:
        """Print the three questions of the account statement."""
        account, position = self.account, self.position
        stub = self.ledger.receipts
        mini = stub.GetMiniStatementReceipt(
            api.GetMiniStatementReceiptRequest(account_id=account, language=language, min_position=position),
            timeout=CALL_SECONDS,
        )
        held = stub.GetAuthorizationsReceipt(
            api.GetAuthorizationsReceiptRequest(account_id=account, language=language, min_position=position),
            timeout=CALL_SECONDS,
        )
        posted = stub.GetTransactionsReceipt(
            api.GetTransactionsReceiptRequest(account_id=account, language=language, min_position=position),
            timeout=CALL_SECONDS,
        )
        return list(mini.lines), list(held.lines), list(posted.lines)


@pytest.fixture
def atm(ledger: Ledger) -> Atm:
    return Atm(ledger)


def test_S15_the_mini_statement_is_printed_with_the_open_authorisations(atm: Atm) -> None:
    """Path 1: what was posted and what is held, with the held amount that verifies the cardholder (row S08)."""
    printed, _, _ = atm.print(LANGUAGE_RU)
    assert any(line.endswith("+25 000,00") for line in printed)
    assert any(line.endswith(" 4,17") for line in printed)
    assert VERIFICATIONS[LANGUAGE_RU] in printed


@pytest.mark.parametrize("language", TITLES)
def test_S16_the_three_questions_are_printed_under_their_names(atm: Atm, language: Language.ValueType) -> None:
    """Path 2: account statement, then authorisations, transactions or mini-statement, by the leaflet's words."""
    assert tuple(lines[0].strip() for lines in atm.print(language)) == TITLES[language]


@pytest.mark.parametrize("language", TITLES)
def test_S17_a_hold_is_on_the_one_receipt_and_a_salary_on_the_other(atm: Atm, language: Language.ValueType) -> None:
    """Authorisations and transactions are different receipts; the mini-statement holds both."""
    mini, authorizations, transactions = atm.print(language)
    assert [SALARIES[language] in lines for lines in (mini, authorizations, transactions)] == [True, False, True]
    assert [VERIFICATIONS[language] in lines for lines in (mini, authorizations, transactions)] == [True, True, False]


@pytest.mark.parametrize("language", TITLES)
def test_S18_what_is_printed_is_what_was_on_the_screen(atm: Atm, language: Language.ValueType) -> None:
    """In forty columns of the chosen language stands what the screen was told, as at the position that is printed."""
    shown = atm.ledger.statements.GetMiniStatement(
        screen.GetMiniStatementRequest(account_id=atm.account, min_position=atm.position), timeout=CALL_SECONDS
    )
    assert (shown.balance.posted_tyiyn, shown.balance.available_tyiyn) == (SALARY, SALARY - 417)
    for lines in atm.print(language):
        assert max(map(len, lines)) == COLUMNS
        assert any(AMOUNTS[language] in line for line in lines)
        assert int(lines[-1].rpartition("/")[2]) >= atm.position.position


def test_S18_the_receipt_of_one_operation_is_printed(atm: Atm) -> None:
    """A hold has a receipt of its own, by its id: the amount and until when it is held."""
    request = api.GetOperationReceiptRequest(operation_id=atm.hold, language=LANGUAGE_KY, min_position=atm.position)
    lines = list(atm.ledger.receipts.GetOperationReceipt(request, timeout=CALL_SECONDS).lines)
    assert lines[0].strip() == "ДҮМҮРЧӨК"
    assert any(line.split()[-2:] == ["4,17", "сом"] for line in lines)
    assert max(map(len, lines)) == COLUMNS


def test_S18_the_day_is_that_of_bishkek_whatever_the_servers_zone(tmp_path: Path) -> None:
    """Where the server's machine stands in another zone, receipts are printed in the zone of the business day."""
    printed = []
    for zone in ("Asia/Bishkek", "Pacific/Kiritimati"):
        directory = tmp_path / zone.replace("/", "-")
        with ServerProcess(directory, {"ESEP_BUSINESS_TIME_ZONE": zone, "TZ": "America/New_York"}) as process:
            process.start()
            with connect_plainly(process.address) as connection:
                (mini, _, _) = Atm(connection).print(LANGUAGE_KY)
                printed.append(mini[1])
            process.stop()
    hours = [int(line.split()[1].partition(":")[0]) for line in printed]
    assert (hours[1] - hours[0]) % 24 in (8, 9)  # Kiritimati is eight hours ahead; a clock may strike in between.
