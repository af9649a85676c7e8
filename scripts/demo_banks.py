"""Three banks: their accounts, and their entry among the participants of the scheme."""

from dataclasses import dataclass, field
from typing import Final

from ledger.rpc.client import Ledger
from protos.esep.v1 import account_pb2
from protos.esep.v1.account_service_pb2 import OpenAccountRequest
from protos.esep.v1.participant_pb2 import ParticipantNames
from protos.esep.v1.participant_service_pb2 import RegisterParticipantRequest
from protos.esep.v1.transfer_pb2 import NewTransfer
from protos.esep.v1.transfer_service_pb2 import CreateTransferRequest
from scripts.demo_client import new_id
from scripts.demo_load import CALL_SECONDS

BANKS: Final = {
    "ala-too": ParticipantNames(ky="Ала-Тоо банкы", ru="Банк Ала-Тоо", en="Ala-Too Bank"),
    "issyk-kul": ParticipantNames(ky="Ысык-Көл банкы", ru="Банк Иссык-Куль", en="Issyk-Kul Bank"),
    "manas": ParticipantNames(ky="Манас банкы", ru="Банк Манас", en="Manas Bank"),
}
CUSTOMERS: Final = 6
"""Of each bank."""
DEPOSIT: Final = 5_000_00


@dataclass
class Bank:
    """The accounts of one bank."""

    name: str
    settlement: int
    cash: int
    fee_income: int
    merchant: int
    customers: list[int] = field(default_factory=list)

    @property
    def accounts(self) -> list[int]:
        """All of them."""
        return [self.settlement, self.cash, self.fee_income, self.merchant, *self.customers]


def open_bank(ledger: Ledger, operator: Ledger, name: str, customers: int = CUSTOMERS) -> Bank:
    """Let a bank open its accounts, its customers' with a deposit in each, and an operator register the bank."""

    def opened(kind: account_pb2.AccountKind.ValueType, number: str) -> int:
        request = OpenAccountRequest(request_id=new_id(), participant_id=name, kind=kind, account_number=number)
        return ledger.accounts.OpenAccount(request, timeout=CALL_SECONDS).account.account_id

    bank = Bank(
        name,
        settlement=opened(account_pb2.ACCOUNT_KIND_SETTLEMENT, "1000"),
        cash=opened(account_pb2.ACCOUNT_KIND_CASH, "1100"),
        fee_income=opened(account_pb2.ACCOUNT_KIND_FEE_INCOME, "1200"),
        merchant=opened(account_pb2.ACCOUNT_KIND_MERCHANT, "1300"),
    )
    for number in range(customers):
        customer = opened(account_pb2.ACCOUNT_KIND_CUSTOMER, f"20{number:02}")
        move(ledger, bank.cash, customer, DEPOSIT, kind="cash_deposit")
        bank.customers.append(customer)
    registration = RegisterParticipantRequest(
        request_id=new_id(),
        participant_id=name,
        names=BANKS[name],
        settlement_account_id=bank.settlement,
        fee_account_id=bank.fee_income,
    )
    operator.participants.RegisterParticipant(registration, timeout=CALL_SECONDS)
    return bank


def move(ledger: Ledger, debit: int, credit: int, amount: int, *, kind: str) -> None:
    """Move money."""
    transfer = NewTransfer(debit_account_id=debit, credit_account_id=credit, amount_tyiyn=amount, kind=kind)
    request = CreateTransferRequest(request_id=new_id(), transfer=transfer)
    ledger.transfers.CreateTransfer(request, timeout=CALL_SECONDS)
