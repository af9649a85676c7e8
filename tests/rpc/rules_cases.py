"""How each refusal about participants, rules and limits comes about, one function a reason."""

from collections.abc import Callable
from uuid import uuid4

from domain.authorize import Spender
from domain.participant import NamesModel, RegisterParticipant, UpdateParticipant
from domain.refusals import Reason
from domain.rules import Operation
from protos.esep.v1 import account_pb2, authorization_service_pb2
from protos.esep.v1.authorization_pb2 import AUTHORIZATION_KIND_PURCHASE as PURCHASE
from protos.esep.v1.authorization_pb2 import ENTRY_MODE_CHIP as CHIP
from tests.rpc.world import Bank, Refusal, new_id, transfer


def asked(bank: Bank, command: RegisterParticipant | UpdateParticipant) -> Refusal:
    """Have a command decided in the place of another one; return with what it is refused."""
    bank.world.engine.changing = lambda _: command
    return bank.refused(bank.ledger.transfers.CreateTransfer, transfer(bank.rich, bank.poor, 1))


def already_registered(bank: Bank) -> Refusal:
    settlement = bank.open(account_pb2.ACCOUNT_KIND_SETTLEMENT)
    command = RegisterParticipant(
        participant_id="bank-a",
        names=NamesModel(ky="Банк", ru="Банк", en="Bank"),
        settlement_account_id=settlement,
        fee_account_id=bank.open(account_pb2.ACCOUNT_KIND_FEE_INCOME),
    )
    bank.world.engine.changing = lambda _: command
    bank.refused(bank.ledger.transfers.CreateTransfer, transfer(bank.rich, bank.poor, 1))
    return asked(bank, command)


def not_registered(bank: Bank) -> Refusal:
    return asked(
        bank,
        UpdateParticipant(
            participant_id="nobody",
            names=NamesModel(ky="Банк", ru="Банк", en="Bank"),
            settlement_account_id=bank.cash,
            fee_account_id=bank.cash,
        ),
    )


def limit_exceeded(bank: Bank) -> Refusal:
    spender = Spender(operation=Operation.POS_PAYMENT, customer_id=uuid4())
    bank.world.engine.changing = lambda command: command.model_copy(update={"spender": spender})
    request = authorization_service_pb2.CreateAuthorizationRequest(
        request_id=new_id(),
        account_id=bank.rich,
        credit_account_id=bank.merchant,
        amount_tyiyn=1,
        kind=PURCHASE,
        entry_mode=CHIP,
    )
    return bank.refused(bank.ledger.authorizations.CreateAuthorization, request)


RULES_CASES: dict[Reason, Callable[[Bank], Refusal]] = {
    Reason.PARTICIPANT_ALREADY_REGISTERED: already_registered,
    Reason.PARTICIPANT_NOT_FOUND: not_registered,
    Reason.LIMIT_EXCEEDED: limit_exceeded,
}
