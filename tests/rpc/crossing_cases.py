"""Refusals of transfers between partitions, as a caller meets them."""

import threading
from collections.abc import Callable

from domain.event import Policy
from domain.ids import account_id
from domain.refusals import Reason
from domain.transit import OpenClearing
from ledger.engine.decider import TIMER
from ledger.engine.tickets import Accepted, CommandTicket
from protos.esep.v1 import transfer_pb2
from protos.esep.v1 import transfer_service_pb2 as transfers
from tests.rpc.world import PATIENCE, Bank, Refusal, World, new_id, transfer

TWO = Policy(several=2)
"""What a server of partition 0 of two decides by."""
ELSEWHERE = account_id(1, 7)


def legs_between_partitions(bank: Bank) -> Refusal:
    crossing = transfer(bank.rich, ELSEWHERE, 1)
    fee = transfer_pb2.TransferLeg(debit_account_id=bank.rich, credit_account_id=bank.merchant, amount_tyiyn=1)
    crossing.transfer.legs.append(fee)
    refusal = bank.refused(bank.ledger.transfers.CreateTransfer, crossing)
    assert refusal.fields == {"transfer.legs": "LEGS_BETWEEN_PARTITIONS"}
    return refusal


def clearing_not_open(bank: Bank) -> Refusal:
    return bank.refused(bank.ledger.transfers.CreateTransfer, transfer(bank.rich, ELSEWHERE, 1))


def open_clearing(bank: Bank) -> int:
    """Have the clearing account of a bank's server opened; return its id."""
    return opened_clearing(bank.world)


def opened_clearing(world: World) -> int:
    """Have the partition's clearing account opened, as a server with several partitions does; return its id."""
    answered = threading.Event()
    ticket = CommandTicket(OpenClearing(currency="KGS"), b"7" * 16, TIMER, deliver=lambda _: answered.set())
    world.engine.submit(ticket)
    assert answered.wait(PATIENCE)
    assert isinstance(ticket.outcome, Accepted)
    return int.from_bytes(ticket.outcome.change.originator_id, "big")


def account_reserved(bank: Bank) -> Refusal:
    return bank.refused(bank.ledger.transfers.CreateTransfer, transfer(bank.rich, open_clearing(bank), 1))


def transfer_crossed(bank: Bank) -> Refusal:
    open_clearing(bank)
    sent = bank.call(bank.ledger.transfers.CreateTransfer, transfer(bank.rich, ELSEWHERE, 1))
    assert sent.transfer.way == transfer_pb2.TRANSFER_WAY_IN_TRANSIT
    back = transfers.ReverseTransferRequest(request_id=new_id(), transfer_id=sent.transfer.transfer_id)
    return bank.refused(bank.ledger.transfers.ReverseTransfer, back)


CROSSING_CASES: dict[Reason, Callable[[Bank], Refusal]] = {
    Reason.LEGS_BETWEEN_PARTITIONS: legs_between_partitions,
    Reason.CLEARING_NOT_OPEN: clearing_not_open,
    Reason.TRANSFER_CROSSED: transfer_crossed,
    Reason.ACCOUNT_RESERVED: account_reserved,
}
