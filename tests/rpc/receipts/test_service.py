"""Receipts over gRPC: of what a bank has written, at its position, and of nothing that is not there."""

from typing import Any

import pytest

from protos.esep.v1 import authorization_pb2, common_pb2
from protos.esep.v1 import authorization_service_pb2 as authorizations
from protos.esep.v1 import receipt_service_pb2 as pb
from protos.esep.v1 import transfer_service_pb2 as transfers
from protos.esep.v1.credit_service_pb2 import ListCreditLinesRequest
from protos.esep.v1.service_directory_pb2 import LANGUAGE_EN, LANGUAGE_KY, LANGUAGE_RU
from tests.rpc.credit_bank import Payer, to_account
from tests.rpc.payers import Payers
from tests.rpc.world import Bank, new_id, transfer

LANGUAGES = (LANGUAGE_KY, LANGUAGE_RU, LANGUAGE_EN)
UNKNOWN = (1 << 40) - 1


@pytest.fixture
def receipts(bank: Bank) -> dict[str, Any]:
    """Give the methods that print of an account, with the type of their request."""
    stub = bank.ledger.receipts
    return {
        "mini_statement": (stub.GetMiniStatementReceipt, pb.GetMiniStatementReceiptRequest),
        "authorizations": (stub.GetAuthorizationsReceipt, pb.GetAuthorizationsReceiptRequest),
        "transactions": (stub.GetTransactionsReceipt, pb.GetTransactionsReceiptRequest),
    }


def at(bank: Bank) -> common_pb2.LogPosition:
    """Return the newest position."""
    return common_pb2.LogPosition(position=bank.world.log.head(0))


def hold(bank: Bank, amount: int, **fields: Any) -> str:
    """Hold an amount of the rich customer; return the authorization's id."""
    request = authorizations.CreateAuthorizationRequest(
        request_id=new_id(),
        account_id=bank.rich,
        credit_account_id=bank.merchant,
        amount_tyiyn=amount,
        kind=authorization_pb2.AUTHORIZATION_KIND_PURCHASE,
        **fields,
    )
    return str(bank.call(bank.ledger.authorizations.CreateAuthorization, request).authorization.authorization_id)


def operation(bank: Bank, operation_id: str, language: Any = LANGUAGE_EN) -> list[str]:
    """Return the receipt of an operation."""
    request = pb.GetOperationReceiptRequest(operation_id=operation_id, language=language, min_position=at(bank))
    return list(bank.call(bank.ledger.receipts.GetOperationReceipt, request).lines)


def facts(lines: list[str]) -> dict[str, str]:
    """Return what stands at the right of a receipt by what stands at the left."""
    parts = [line.partition("  ") for line in lines]
    return {left: right.strip() for left, _, right in parts if left and right.strip()}


def test_the_three_queries_differ(bank: Bank, receipts: dict[str, Any]) -> None:
    """Authorisations and transactions are different lists, and the mini-statement holds both."""
    hold(bank, 12_345, merchant_name="Dordoi Market")
    printed = {}
    for name, (method, kind) in receipts.items():
        request = kind(account_id=bank.rich, language=LANGUAGE_EN, min_position=at(bank))
        answer = bank.call(method, request)
        assert answer.position.position == bank.world.log.head(0)
        assert answer.lines[-1].split() == ["Log", "position", f"0/{bank.world.log.head(0)}"]
        printed[name] = "\n".join(answer.lines)
    assert ["+10,000.00" in printed[name] for name in printed] == [True, False, True]
    assert ["Dordoi Market" in printed[name] for name in printed] == [True, True, False]
    assert ["Available                       9,876.55" in printed[name] for name in printed] == [True, True, False]


def test_the_newest_come_first_up_to_the_limit(bank: Bank, receipts: dict[str, Any]) -> None:
    """``limit`` bounds the movements and the authorisations."""
    for amount in (100, 200, 300):
        bank.move(bank.rich, bank.poor, amount)
        hold(bank, amount)
    for name, expected in (("transactions", ["-3.00", "-2.00"]), ("authorizations", ["3.00", "2.00"])):
        method, kind = receipts[name]
        request = kind(account_id=bank.rich, language=LANGUAGE_EN, limit=2, min_position=at(bank))
        lines = bank.call(method, request).lines
        assert [line.split()[-1] for line in lines if line[2:3] == "/" and ":" in line][1:] == expected


@pytest.mark.parametrize("name", ["mini_statement", "authorizations", "transactions"])
def test_bad_requests_are_refused_by_field(bank: Bank, receipts: dict[str, Any], name: str) -> None:
    """A language must be chosen, an account named, a limit kept; an account nobody opened is not found."""
    method, kind = receipts[name]
    refusal = bank.refused(method, kind(account_id=0, limit=101))
    assert refusal.fields == {"account_id": "RANGE", "language": "MISSING", "limit": "RANGE"}
    assert bank.refused(method, kind(account_id=bank.rich, language=9)).fields == {"language": "UNKNOWN_VALUE"}
    assert bank.refused(method, kind(account_id=UNKNOWN, language=LANGUAGE_KY)).reason == "ACCOUNT_NOT_FOUND"


def test_a_transfer_between_banks_names_payer_and_payee(bank: Bank) -> None:
    """The banks' own accounts that the money goes through are not shown; the fee and the total are."""
    payers = Payers(bank.world)
    payer, payee = payers.payer("bank-a", "Адил Усенов"), payers.payer("bank-b", "Бакыт Асанов")
    made = payers.confirm(payers.quote(payer, 100_000, card_number=payee.card_number))
    assert [leg.kind for leg in made.legs] == ["interbank", "delivery", "fee"]
    lines = operation(bank, made.transfer_id)
    told = facts(lines)
    assert "Card-to-card transfer" in [line.strip() for line in lines]
    assert (told["From"], told["To"]) == (f"**** {payer.account_id}", f"**** {payee.account_id}")
    assert (told["Amount"], told["Fee"], told["Total"]) == ("1,000.00 som", "10.00 som", "1,010.00 som")


def test_a_reversed_transfer_says_so(bank: Bank) -> None:
    """The receipt of an operation tells what has become of it since."""
    moved = bank.move(bank.rich, bank.poor, 5_000).transfer.transfer_id
    assert facts(operation(bank, moved))["State"] == "completed"
    for amount, state in ((1_000, "partly reversed"), (4_000, "reversed")):
        request = transfers.ReverseTransferRequest(request_id=new_id(), transfer_id=moved, amount_tyiyn=amount)
        bank.call(bank.ledger.transfers.ReverseTransfer, request)
        assert facts(operation(bank, moved))["State"] == state


def test_a_declined_transfer_moved_nothing_and_gives_the_reason(bank: Bank) -> None:
    """A decline has a receipt as well: its state and the code that a bank's help desk understands."""
    request = transfer(bank.poor, bank.rich, 5_000)
    bank.refused(bank.ledger.transfers.CreateTransfer, request)
    told = facts(operation(bank, request.request_id))
    assert (told["State"], told["Reason code"]) == ("declined", "INSUFFICIENT_FUNDS")


def test_an_authorization_is_told_through_its_life(bank: Bank) -> None:
    """Held until a time, then posted; one whose time has come is expired before anybody recorded it."""
    held, lapsing = hold(bank, 700), hold(bank, 900)
    assert facts(operation(bank, held))["Held amount"] == "7.00 som"
    assert "Held until" in facts(operation(bank, held))
    request = authorizations.CaptureAuthorizationRequest(
        request_id=new_id(), authorization_id=held, amount_tyiyn=700, final=True, clearing_reference=new_id()
    )
    bank.call(bank.ledger.authorizations.CaptureAuthorization, request)
    told = facts(operation(bank, held))
    assert (told["State"], told["Posted"], told.get("Held amount")) == ("posted", "7.00 som", None)
    bank.world.clock.ahead += 8 * 86_400 * 1_000_000
    told = facts(operation(bank, lapsing))
    assert (told["State"], told.get("Held amount"), told.get("Held until")) == ("expired", None, None)


def test_clearing_has_receipts_of_its_own(bank: Bank) -> None:
    """A force post and a merchant's credit are operations too, and show their accounts in their own direction."""
    posted = authorizations.ForcePostRequest(
        request_id=new_id(),
        account_id=bank.rich,
        credit_account_id=bank.merchant,
        amount_tyiyn=300,
        clearing_reference=new_id(),
        merchant_name="Bakai Fuel",
    )
    bank.call(bank.ledger.authorizations.ForcePost, posted)
    told = facts(operation(bank, posted.request_id))
    assert (told["To"], told["Amount"]) == ("Bakai Fuel", "3.00 som")


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_no_operation_has_no_receipt(bank: Bank, language: Any) -> None:
    """An unknown id and the id of something else, such as a request that opened an account, look alike."""
    request = pb.GetOperationReceiptRequest(operation_id=new_id(), language=language)
    assert bank.refused(bank.ledger.receipts.GetOperationReceipt, request).reason == "OPERATION_NOT_FOUND"
    request.operation_id = "6"
    assert bank.refused(bank.ledger.receipts.GetOperationReceipt, request).fields == {"operation_id": "UUID"}


def test_a_salary_names_its_payer_as_the_notification_does(bank: Bank) -> None:
    """A line of a credit file is from whom the file names; a transfer of the same kind from an account."""
    payer = Payer(bank)
    line = to_account(1, bank.poor, 500)
    file_id = payer.open(1, 500)
    payer.post(file_id, [line])
    request = ListCreditLinesRequest(credit_file_id=file_id, min_position=at(bank))
    (paid,) = bank.call(bank.ledger.credits.ListCreditLines, request).lines
    assert facts(operation(bank, paid.transfer_id))["From"] == "Ала-Тоо Текстиль"
    single = bank.call(bank.ledger.transfers.CreateTransfer, transfer(bank.cash, bank.poor, 7, kind="salary"))
    assert facts(operation(bank, single.transfer.transfer_id))["From"] == f"**** {str(bank.cash)[-4:]}"
