"""Payday: a bank pays a file of salaries, to its own customers and to those of another bank."""

from collections.abc import Mapping

from protos.esep.v1 import account_pb2, credit_pb2
from protos.esep.v1.account_service_pb2 import OpenAccountRequest
from protos.esep.v1.credit_service_pb2 import CloseCreditFileRequest, OpenCreditFileRequest, PostCreditLinesRequest
from scripts.demo_banks import Bank, move
from scripts.demo_client import new_id
from scripts.story.people import Person
from scripts.story.scene import Scene, expect

_NUMBER = "1240020002109001"


def pay_salaries(scene: Scene, bank: Bank, people: Mapping[int, tuple[Person, int]]) -> credit_pb2.CreditFile:
    """Announce a file, pay its lines, and close it. ``people`` are whom each line pays, and how much."""
    core, total = scene.bank(bank.name), sum(amount for _, amount in people.values())
    account = OpenAccountRequest(
        request_id=new_id(),
        participant_id=bank.name,
        kind=account_pb2.ACCOUNT_KIND_CUSTOMER,
        account_number=_NUMBER,
    )
    employer = scene.do(core.accounts.OpenAccount, account).account.account_id
    move(core, bank.cash, employer, total, kind="cash_deposit")
    announced = OpenCreditFileRequest(
        request_id=new_id(),
        category=credit_pb2.CREDIT_CATEGORY_SALARY,
        participant_id=bank.name,
        account_id=employer,
        line_count=len(people),
        sum_tyiyn=total,
        payer_name="Кыргыз почтасы",
        reference="Ноябрь",
    )
    file_id = scene.do(core.credits.OpenCreditFile, announced).credit_file.credit_file_id
    lines = [
        credit_pb2.NewCreditLine(
            line_number=number,
            target=credit_pb2.CreditTarget(
                account_number=credit_pb2.CreditAccountNumber(
                    participant_id=person.bank.name, account_number=person.account_number
                )
            ),
            amount_tyiyn=amount,
        )
        for number, (person, amount) in people.items()
    ]
    paid = scene.do(core.credits.PostCreditLines, PostCreditLinesRequest(credit_file_id=file_id, lines=lines))
    expect("what was refused of the salaries", list(paid.refusals), [])
    closing = CloseCreditFileRequest(
        request_id=new_id(), credit_file_id=file_id, line_count=len(people), sum_tyiyn=total
    )
    closed: credit_pb2.CreditFile = scene.do(core.credits.CloseCreditFile, closing).credit_file
    expect("the state of the file", closed.state, credit_pb2.CREDIT_FILE_STATE_CLOSED)
    expect("what the file paid", closed.posted_sum_tyiyn, total)
    return closed
