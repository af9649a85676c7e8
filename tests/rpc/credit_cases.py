"""How each refusal about credit files comes about, one function a reason."""

from collections.abc import Callable
from typing import ClassVar

from domain.books import Books
from domain.command import Command
from domain.event import Change, Context
from domain.refusals import Reason, refuse
from domain.refusals import Refusal as Refused
from tests.rpc.credit_bank import Payer, to_account
from tests.rpc.world import Bank, Refusal, new_id, transfer


class RefuseLine(Command):
    """Refuses as a line is refused: in a request of their own, lines are refused one by one, without a status."""

    NAME: ClassVar[str] = "refuse_line_for_a_test"

    reason: str

    def decide(self, books: Books, context: Context) -> list[Change] | Refused:
        return refuse(Reason[self.reason])


def of_a_line(reason: Reason) -> Callable[[Bank], Refusal]:
    """Return the case of a line's refusal, told as that of a whole request."""

    def case(bank: Bank) -> Refusal:
        bank.world.engine.changing = lambda _: RefuseLine(reason=reason.name)
        return bank.refused(bank.ledger.transfers.CreateTransfer, transfer(bank.rich, bank.poor, 1))

    return case


def file_not_found(bank: Bank) -> Refusal:
    return Payer(bank).not_closed(new_id(), 1, 1)


def file_closed(bank: Bank) -> Refusal:
    payer = Payer(bank)
    file_id = payer.open(1, 5)
    payer.post(file_id, [to_account(1, bank.poor, 5)])
    payer.close(file_id, 1, 5)
    return payer.not_closed(file_id, 1, 5)


def file_incomplete(bank: Bank) -> Refusal:
    payer = Payer(bank)
    return payer.not_closed(payer.open(1, 5), 1, 5)


CREDIT_CASES: dict[Reason, Callable[[Bank], Refusal]] = {
    Reason.CREDIT_FILE_NOT_FOUND: file_not_found,
    Reason.CREDIT_FILE_CLOSED: file_closed,
    Reason.CREDIT_FILE_INCOMPLETE: file_incomplete,
    Reason.CREDIT_AMOUNT_ZERO: of_a_line(Reason.CREDIT_AMOUNT_ZERO),
    Reason.CREDIT_LINE_REUSED: of_a_line(Reason.CREDIT_LINE_REUSED),
}
