"""Which of several things under one id a bank's request is about: what may be done is done to that one alone."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from ledger.rpc.identity import CALLER_KEY, PARTICIPANT_KEY, ROLE_KEY
from ledger.rpc.permissions import Subject
from ledger.rpc.subjects import Subjects
from protos.esep.v1 import account_pb2
from protos.esep.v1 import account_service_pb2 as accounts
from protos.esep.v1 import transfer_service_pb2 as transfers
from protos.esep.v1.common_pb2 import LogPosition
from tests.rpc.stage import Stage
from tests.rpc.world import Refusal, World, new_id, transfer
from tests.security.scenes import answer_of

Ask = Callable[[str, Any], Any]
_TRANSFERS = "/esep.v1.TransferService/"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Give a ledger of two partitions, by the server that owns the first."""
    with Stage(tmp_path_factory.mktemp("ledger"), partitions=2) as here:
        yield here


@pytest.fixture(scope="module")
def there(stage: Stage) -> Iterator[World]:
    """Give the server that owns the other one."""
    with World(stage.directory, owned=1, partitions=2) as other:
        yield other


@pytest.fixture
def world(stage: Stage, there: World) -> World:
    """Give the first server, beside the other one."""
    assert there.log.head(1)
    return stage.world


def of_bank(world: World, bank: str, caller: str = "") -> Ask:
    """Return what asks as a bank does, by one of its callers."""
    channel = world.client().channel
    metadata = ((CALLER_KEY, caller or bank), (ROLE_KEY, "bank"), (PARTICIPANT_KEY, bank))

    def ask(method: str, request: Any) -> Any:
        method = _TRANSFERS + method
        call = channel.unary_unary(
            method,
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer_of(method).FromString,
        )
        return call(request, metadata=metadata, timeout=20.0)

    return ask


def opened(world: World, bank: str, kind: "account_pb2.AccountKind.ValueType", partition: int) -> int:
    """Open an account of a bank."""
    client = world.client()
    opening = accounts.OpenAccountRequest(request_id=new_id(), participant_id=bank, kind=kind, partition=partition)
    return int(client.accounts.OpenAccount(opening, metadata=client.metadata, timeout=20.0).account.account_id)


def refusal(ask: Ask, method: str, request: Any) -> Refusal:
    """Ask for what is refused."""
    with pytest.raises(grpc.RpcError) as refused:
        ask(method, request)
    return Refusal(refused.value)


def named(request_id: str, debit: int, credit: int, amount: int) -> transfers.CreateTransferRequest:
    """Return a transfer under an id."""
    moving = transfer(debit, credit, amount)
    moving.request_id = request_id
    return moving


CASH, CUSTOMER = account_pb2.ACCOUNT_KIND_CASH, account_pb2.ACCOUNT_KIND_CUSTOMER


def test_what_a_bank_may_reverse_is_what_it_reverses(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another transfer that it makes under the id, just when it was allowed, is not reversed in its place."""
    first, second = of_bank(world, "bank-b", "b1"), of_bank(world, "bank-b", "b2")
    cash, theirs = opened(world, "bank-b", CASH, 0), opened(world, "bank-c", CUSTOMER, 0)
    far = opened(world, "bank-b", CASH, 1), opened(world, "bank-b", CUSTOMER, 1)
    moved = new_id()
    second("CreateTransfer", named(moved, *far, 1))
    settle = Subjects.settle

    async def overtaken(self: Subjects, subject: Subject, request: Any) -> None:
        await settle(self, subject, request)
        if subject is Subject.TRANSFER_BACK:
            await asyncio.to_thread(first, "CreateTransfer", named(moved, cash, theirs, 7))

    with monkeypatch.context() as patched:
        patched.setattr(Subjects, "settle", overtaken)
        done = first("ReverseTransfer", transfers.ReverseTransferRequest(request_id=new_id(), transfer_id=moved))
    assert (done.receipt.partition, done.transfer.reversed_tyiyn) == (1, 1)
    again = transfers.ReverseTransferRequest(request_id=new_id(), transfer_id=moved)
    assert refusal(first, "ReverseTransfer", again).reason == "PERMISSION_DENIED"


@pytest.mark.parametrize("amount", [3, 4], ids=["done", "declined"])
def test_a_reversal_of_anothers_transfer_sent_again_is_a_repeat(world: World, amount: int) -> None:
    """Whatever the caller has made under the transfer's id since; a decline stays one."""
    alice, bob = of_bank(world, "bank-a"), of_bank(world, "bank-b")
    paid = opened(world, "bank-b", CUSTOMER, 1)
    near = opened(world, "bank-b", CASH, 0), opened(world, "bank-b", CUSTOMER, 0)
    moved = new_id()
    alice("CreateTransfer", named(moved, opened(world, "bank-a", CASH, 1), paid, 3))
    back = transfers.ReverseTransferRequest(request_id=new_id(), transfer_id=moved, amount_tyiyn=amount)

    def outcome() -> tuple[Any, ...]:
        try:
            receipt = bob("ReverseTransfer", back).receipt
        except grpc.RpcError as error:
            told = Refusal(error)
            return told.reason, told.metadata["partition"], told.metadata["position"]
        return receipt.partition, receipt.position

    first = outcome()
    bob("CreateTransfer", named(moved, *near, 9))
    assert outcome() == first
    found = bob("GetTransfer", transfers.GetTransferRequest(transfer_id=moved))
    assert (found.transfer.amount_tyiyn, found.transfer.reversed_tyiyn) == (9, 0)


def test_nobody_is_told_where_anothers_request_was_decided(world: World) -> None:
    """Neither by a position that the answer is to reflect."""
    cash, paid = opened(world, "bank-a", CASH, 1), opened(world, "bank-a", CUSTOMER, 1)
    moving = transfer(cash, paid, 3)
    of_bank(world, "bank-a")("CreateTransfer", moving)
    bob = of_bank(world, "bank-b")
    for partition in (0, 1):
        told = [
            refusal(
                bob,
                "GetOutcome",
                transfers.GetOutcomeRequest(
                    request_id=request_id, min_position=LogPosition(partition=partition, position=1)
                ),
            )
            for request_id in (moving.request_id, new_id())
        ]
        assert told[0].reason == told[1].reason
        assert told[0].fields == told[1].fields
