"""More calls at once than a server serves."""

from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo

from tests.rpc.world import PATIENCE, Bank, refused, transfer

MOST = 4
MORE = 10
WAIT_SECONDS = 2.0


@pytest.mark.parametrize("settings", [{"max_concurrent_calls": MOST, "max_streams": 1}])
def test_a_call_too_many_is_told_when_to_come_back(limited_bank: Bank) -> None:
    """Beyond the limit a call is refused at once, with a reason and a time to wait; those within it are served."""
    bank = limited_bank
    bank.world.engine.holding = True
    calls: list[Any] = [
        bank.ledger.transfers.CreateTransfer.future(
            transfer(bank.rich, bank.poor, 1), timeout=WAIT_SECONDS, metadata=bank.ledger.metadata
        )
        for _ in range(MOST + MORE)
    ]
    refusals = [refused(lambda call=call: call.result(PATIENCE)) for call in calls]  # type: ignore[misc]
    crowded = [each for each in refusals if each.code is grpc.StatusCode.RESOURCE_EXHAUSTED]
    assert {(each.reason, each.metadata.get("max_concurrent_calls")) for each in crowded} == {("QUEUE_FULL", "4")}
    assert all(each.has(RetryInfo) for each in crowded)
    assert len(crowded) == MORE
    bank.world.engine.holding = False
    bank.move(bank.rich, bank.poor, 1)
