"""A bank that pays credit files: what tests of them begin with."""

from collections.abc import Iterable
from typing import Any

from protos.esep.v1 import account_pb2, credit_pb2
from protos.esep.v1 import credit_service_pb2 as api
from protos.esep.v1 import transfer_service_pb2 as transfers
from tests.rpc.world import Bank, Refusal, item, new_id

SALARY = credit_pb2.CREDIT_CATEGORY_SALARY
Line = credit_pb2.NewCreditLine


def to_account(number: int, account_id: int, amount: int, **fields: Any) -> Line:
    """Return a line that names an account by its id."""
    return Line(
        line_number=number, target=credit_pb2.CreditTarget(account_id=account_id), amount_tyiyn=amount, **fields
    )


def to_number(number: int, account_number: str, amount: int, participant_id: str = "bank-a") -> Line:
    """Return a line that names an account by its bank's own number."""
    named = credit_pb2.CreditAccountNumber(participant_id=participant_id, account_number=account_number)
    return Line(
        line_number=number, target=credit_pb2.CreditTarget(account_number=named), amount_tyiyn=amount, reference=""
    )


def to_card(number: int, card_id: str, amount: int) -> Line:
    """Return a line that names a card."""
    return Line(line_number=number, target=credit_pb2.CreditTarget(card_id=card_id), amount_tyiyn=amount)


class Payer:
    """A bank with an employer's account, and files that are paid from it."""

    def __init__(self, bank: Bank, funds: int = 1_000_000) -> None:
        self.bank = bank
        self.credits = bank.ledger.credits
        self.account = bank.open(account_pb2.ACCOUNT_KIND_CUSTOMER)
        bank.move(bank.cash, self.account, funds)

    def opening(self, lines: int, total: int, **fields: Any) -> api.OpenCreditFileRequest:
        """Return a request to open a file."""
        content = {
            "request_id": new_id(),
            "category": SALARY,
            "participant_id": "bank-a",
            "account_id": self.account,
            "line_count": lines,
            "sum_tyiyn": total,
            "payer_name": "Ала-Тоо Текстиль",
            "reference": "2026-11",
            **fields,
        }
        return api.OpenCreditFileRequest(**content)

    def open(self, lines: int = 1, total: int = 0, **fields: Any) -> str:
        """Open a file; return its id."""
        answer = self.bank.call(self.credits.OpenCreditFile, self.opening(lines, total, **fields))
        return str(answer.credit_file.credit_file_id)

    def post(self, file_id: str, lines: Iterable[Line], **fields: Any) -> api.PostCreditLinesResponse:
        """Send lines."""
        request = api.PostCreditLinesRequest(credit_file_id=file_id, lines=lines, **fields)
        answer: api.PostCreditLinesResponse = self.bank.call(self.credits.PostCreditLines, request)
        return answer

    def close(self, file_id: str, lines: int, total: int, request_id: str = "") -> api.CloseCreditFileResponse:
        """Close a file."""
        answer: api.CloseCreditFileResponse = self.bank.call(
            self.credits.CloseCreditFile, closing(file_id, lines, total, request_id)
        )
        return answer

    def not_closed(self, file_id: str, lines: int, total: int) -> Refusal:
        """Return why a file is not closed."""
        return self.bank.refused(self.credits.CloseCreditFile, closing(file_id, lines, total))

    def file(self, file_id: str) -> credit_pb2.CreditFile:
        """Read a file."""
        answer = self.bank.call(self.credits.GetCreditFile, api.GetCreditFileRequest(credit_file_id=file_id))
        return answer.credit_file  # type: ignore[no-any-return] # a call through a table

    def listed(
        self, file_id: str, *, page_size: int = 1_000, refused_only: bool = False
    ) -> list[credit_pb2.CreditLine]:
        """Return a file's lines, page by page."""
        head = self.bank.call(self.credits.GetCreditFile, api.GetCreditFileRequest(credit_file_id=file_id)).position
        found: list[credit_pb2.CreditLine] = []
        token = ""
        while True:
            request = api.ListCreditLinesRequest(
                credit_file_id=file_id,
                refused_only=refused_only,
                page_size=page_size,
                page_token=token,
                min_position=head,
            )
            answer = self.bank.call(self.credits.ListCreditLines, request)
            found += answer.lines
            token = answer.next_page_token
            if not token:
                return found


def closing(file_id: str, lines: int, total: int, request_id: str = "") -> api.CloseCreditFileRequest:
    """Return a request to close a file."""
    return api.CloseCreditFileRequest(
        request_id=request_id or new_id(), credit_file_id=file_id, line_count=lines, sum_tyiyn=total
    )


def moved(bank: Bank, debit: int, credits_: Iterable[int]) -> None:
    """Give accounts 1 tyiyn each."""
    batch = transfers.CreateTransfersRequest(transfers=[item(debit, credit, 1) for credit in credits_])
    bank.call(bank.ledger.transfers.CreateTransfers, batch)
