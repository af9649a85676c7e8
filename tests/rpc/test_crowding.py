"""More calls at once than a server serves."""

from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo

from tests.rpc.test_guard import eventually
from tests.rpc.world import PATIENCE, Bank, refused, transfer

MOST = 4
MORE = 10


@pytest.mark.parametrize("settings", [{"max_concurrent_calls": MOST, "max_streams": 1}])
def test_a_call_too_many_is_told_when_to_come_back(limited_bank: Bank) -> None:
    """Beyond the limit a call is refused at once, with a reason and a time to wait; those within it are served."""
    bank = limited_bank
    bank.world.engine.holding = True
    calls: list[Any] = [
        bank.ledger.transfers.CreateTransfer.future(
            transfer(bank.rich, bank.poor, 1), timeout=PATIENCE, metadata=bank.ledger.metadata
        )
        for _ in range(MOST + MORE)
    ]
    eventually(lambda: sum(call.done() for call in calls) == MORE)
    crowded = [refused(call.result) for call in calls if call.done()]
    for call in calls:
        call.cancel()
    assert {each.code for each in crowded} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert {(each.reason, each.metadata.get("max_concurrent_calls")) for each in crowded} == {("QUEUE_FULL", "4")}
    assert all(each.has(RetryInfo) for each in crowded)
    bank.world.engine.holding = False
    eventually(lambda: served(bank))


def served(bank: Bank) -> bool:
    """Tell whether there is room again: the server may not know yet who has given up."""
    try:
        bank.move(bank.rich, bank.poor, 1)
    except grpc.RpcError:
        return False
    return True
