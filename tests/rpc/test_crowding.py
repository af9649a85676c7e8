"""More calls at once than a server serves."""

from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo

from ledger.rpc.interceptor import LARGE_BYTES
from tests.rpc.world import PATIENCE, Bank, HeldEngine, refused, transfer
from tests.waiting import eventually

GARBAGE = b"\xff"
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


@pytest.mark.parametrize("settings", [{"max_queued": 10}])
@pytest.mark.parametrize(
    ("waiting", "size", "reason"),
    [
        (10, LARGE_BYTES + 1, "QUEUE_FULL"),
        (9, LARGE_BYTES + 1, "INVALID_ARGUMENT"),
        (10, LARGE_BYTES, "INVALID_ARGUMENT"),
    ],
)
def test_a_large_request_is_not_decoded_when_the_queue_is_nearly_full(
    limited_bank: Bank, monkeypatch: pytest.MonkeyPatch, waiting: int, size: int, reason: str
) -> None:
    """Refusing what there is no room for costs next to nothing; a small request has the rest of the room."""
    send: Any = limited_bank.ledger.channel.unary_unary("/esep.v1.TransferService/CreateTransfers")
    monkeypatch.setattr(HeldEngine, "queued", waiting)
    refusal = refused(lambda: send(GARBAGE * size, timeout=PATIENCE))
    assert refusal.reason == reason
    assert refusal.has(RetryInfo) == (reason == "QUEUE_FULL")
