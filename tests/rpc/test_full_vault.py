"""A vault whose file has no room left: a reason of its own, nothing half done, and on it goes when there is room."""

from typing import Any
from unittest.mock import patch

import grpc
from sqlalchemy import Connection, event

from ledger.vault.errors import VaultFull
from protos.esep.v1.transfer_service_pb2 import CreateTransferResponse
from tests.people import card_number
from tests.rpc.card_cases import issuing
from tests.rpc.customer_cases import registration
from tests.rpc.world import Bank, Refusal, refused

MANY = 300
"""More registrations than fit the pages that the file has."""


class Disk:
    """The room that the vault's file may take."""

    def __init__(self, bank: Bank) -> None:
        self._engine = bank.world.vault.vault._engine
        event.listen(self._engine, "begin", self._bound)
        self.full = False

    def _bound(self, connection: Connection) -> None:
        pages = 1 if self.full else 1 << 30  # Never below what the file has: SQLite sees to that.
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")


def test_a_full_vault_says_so_and_goes_on_when_there_is_room(bank: Bank) -> None:
    """What needs it is refused with STORAGE_FULL and unrecorded, the rest goes on; repeats succeed with room."""
    disk, register = Disk(bank), bank.ledger.customers.RegisterCustomer
    disk.full = True
    request, refusal = _registered_until_full(bank, register)
    assert refusal.reason == "STORAGE_FULL"
    assert refusal.metadata["recorded"] == "false"
    head = bank.world.log.head(0)
    assert refused(lambda: bank.call(register, request)).reason == "STORAGE_FULL"
    assert bank.world.log.head(0) == head
    moved: CreateTransferResponse = bank.move(bank.rich, bank.poor, 1)
    assert moved.receipt.position == head + 1
    disk.full = False
    assert not bank.call(register, request).receipt.replayed


def test_what_the_log_holds_is_never_said_not_to_be_recorded(bank: Bank) -> None:
    """A vault that fills up just after the log heard of it leaves the outcome open, and the repeat tells it."""
    cards, number = bank.world.vault.vault.cards, card_number()
    request = issuing(bank, card_number=number)
    with patch.object(cards, "settle", side_effect=VaultFull("no room")):
        assert bank.refused(bank.ledger.cards.IssueCard, request).reason == "LEDGER_UNAVAILABLE"
    assert bank.call(bank.ledger.cards.IssueCard, request).receipt.replayed
    assert cards.find(number) is not None


def _registered_until_full(bank: Bank, register: Any) -> tuple[Any, Refusal]:
    for _ in range(MANY):
        request = registration()
        try:
            bank.call(register, request)
        except grpc.RpcError as error:
            return request, Refusal(error)
    raise AssertionError("the vault never ran full")
