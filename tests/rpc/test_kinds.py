"""Kinds of movements: a caller's own, and those that only the ledger gives."""

import pytest

from domain.rules import Operation
from protos.esep.v1 import transfer_service_pb2 as transfers
from protos.esep.v1.transfer_pb2 import TransferLeg
from tests.rpc.world import Bank, item, transfer

LEDGERS_OWN = [
    *Operation,
    "adjustment",
    "interbank",
    "delivery",
    "capture",
    "force_post",
    "refund",
    "reversal",
    "fee_reversal",
]
FREE = ["transfer", "fee", "salary", "pension", "purchase", "cash_deposit", "reversals"]


@pytest.mark.parametrize("kind", LEDGERS_OWN)
def test_no_transfer_passes_for_one_that_the_ledger_made(bank: Bank, kind: str) -> None:
    """Not alone, in a batch, as an atomic batch or by one of its legs: the field is named, and nothing moves."""
    leg = TransferLeg(kind=kind, debit_account_id=bank.rich, credit_account_id=bank.poor, amount_tyiyn=1)
    head = bank.world.log.head(0)
    for one, field in (
        (transfer(bank.rich, bank.poor, 10, kind=kind), "transfer.kind"),
        (transfer(bank.rich, bank.poor, 10, tags={"a": "b"}, kind=kind), "transfer.kind"),
        (transfer(bank.rich, bank.poor, 10, legs=[leg]), "transfer.legs[0].kind"),
    ):
        assert bank.refused(bank.ledger.transfers.CreateTransfer, one).fields == {field: "RESERVED"}
    many = [item(bank.rich, bank.poor, 1), item(bank.rich, bank.poor, 1, kind=kind)]
    refusal = bank.refused(bank.ledger.transfers.CreateTransfers, transfers.CreateTransfersRequest(transfers=many))
    assert refusal.fields == {"transfers[1].kind": "RESERVED"}
    assert bank.world.log.head(0) == head


@pytest.mark.parametrize("kind", FREE)
def test_a_bank_names_its_own_movements(bank: Bank, kind: str) -> None:
    """A fee, a salary, a pension, whatever the ledger makes nothing of."""
    moved = bank.call(bank.ledger.transfers.CreateTransfer, transfer(bank.rich, bank.poor, 10, kind=kind))
    assert moved.transfer.kind == kind
    many = transfers.CreateTransfersRequest(transfers=[item(bank.rich, bank.poor, 1, kind=kind)])
    assert not bank.call(bank.ledger.transfers.CreateTransfers, many).refusals
