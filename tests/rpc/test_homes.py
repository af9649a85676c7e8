"""A walk over every method of the contract, asked of a server that owns nothing of what it is about."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from ledger.rpc.client import method_names
from ledger.rpc.homes import HOMES
from protos.esep.v1 import account_pb2
from protos.esep.v1 import account_service_pb2 as accounts
from protos.esep.v1 import bulk_service_pb2 as bulks
from protos.esep.v1 import transfer_service_pb2 as transfers
from tests.rpc.every_write import EVERY_WRITE, written_under_an_id
from tests.rpc.neighbours import forwarded, taken_in
from tests.rpc.stage import Stage, client_method
from tests.rpc.test_bulks import bulk
from tests.rpc.world import Bank, Refusal, World, item, new_id, transfer
from tests.security.requests import REQUESTS
from tests.security.scenes import OWN_BANK, Caller, Scene, make_scene

UNANSWERED = {"NOT_THE_OWNER", "OWNER_UNREACHABLE", "INTERNAL"}
OTHER_WRITES = {
    "/esep.v1.AuditService/GetCheckpoint",
    "/esep.v1.CreditService/PostCreditLines",
    "/esep.v1.TransferService/CreateTransfers",
}
"""Methods that only the owner can answer, though their request has no id of its own."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Give a ledger of two partitions and what was made in the first of them, by the server that owns it."""
    with Stage(tmp_path_factory.mktemp("ledger"), partitions=2) as here:
        yield here


@pytest.fixture(scope="module")
def scene(stage: Stage) -> Scene:
    return make_scene(stage.world, OWN_BANK)


@pytest.fixture(scope="module")
def there(stage: Stage) -> Iterator[World]:
    """Give the server that owns the other partition."""
    with World(stage.directory, owned=1, partitions=2) as other:
        yield other


def ask(world: World, method: str, request: Any) -> Any:
    """Ask a server for a method by its full name."""
    client = world.client("bank-a")
    return client_method(client, method)(request, metadata=client.metadata, timeout=20.0)


def opened(world: World, kind: "account_pb2.AccountKind.ValueType", partition: int, request_id: str = "") -> int:
    """Open an account of the bank in a partition."""
    opening = accounts.OpenAccountRequest(
        request_id=request_id or new_id(), participant_id="bank-a", kind=kind, partition=partition
    )
    account: int = ask(world, "/esep.v1.AccountService/OpenAccount", opening).account.account_id
    return account


def refusal(world: World, method: str, request: Any) -> Refusal:
    """Ask for what is refused."""
    with pytest.raises(grpc.RpcError) as refused:
        ask(world, method, request)
    return Refusal(refused.value)


def test_every_write_has_a_home() -> None:
    """A write that is added to the contract is given one; what only reads has none."""
    assert set(HOMES) == written_under_an_id() | OTHER_WRITES


@pytest.mark.parametrize("method", sorted(EVERY_WRITE))
def test_a_write_is_done_by_its_owner_whoever_is_asked(stage: Stage, there: World, method: str) -> None:
    """It is forwarded; and when it is sent again to whichever server, it is answered again and not done twice."""
    request: Any = EVERY_WRITE[method](stage)
    before = forwarded(there).get("OK", 0.0)
    first = ask(there, method, request)
    head = stage.world.log.head(0)
    again = [ask(world, method, request) for world in (stage.world, there)]
    assert forwarded(there)["OK"] == before + 2
    assert stage.world.log.head(0) == head
    assert (first.receipt.replayed, first.receipt.partition) == (False, 0)
    for answer in again:
        assert answer.receipt.replayed
        answer.receipt.replayed = False
        assert answer == first


@pytest.mark.parametrize("method", sorted(method_names()))
def test_every_method_is_answered_by_every_server(stage: Stage, scene: Scene, there: World, method: str) -> None:
    """What writes is forwarded, what reads is not; no caller is sent elsewhere."""
    before, taken = sum(forwarded(there).values()), taken_in(stage.world)
    reason = ""
    try:
        Caller(there).call(method, REQUESTS[method](scene))
    except grpc.RpcError as error:  # Many are refused for the state of what they are about.
        reason = Refusal(error).reason
    assert reason not in UNANSWERED
    assert sum(forwarded(there).values()) - before == (method in HOMES)
    assert taken_in(stage.world) - taken == (method in HOMES)


def test_accounts_are_written_where_they_live(stage: Stage, there: World) -> None:
    """Each server is asked for the other's account, and for its own: what is another's is forwarded, once."""
    for world, far, near in ((there, 0, 1), (stage.world, 1, 0)):
        client = world.client("bank-a")
        for partition, difference in ((far, 2), (near, 0)):
            before = sum(forwarded(world).values())
            opening = accounts.OpenAccountRequest(
                request_id=new_id(),
                participant_id="bank-a",
                kind=account_pb2.ACCOUNT_KIND_CUSTOMER,
                partition=partition,
            )
            opened = client.accounts.OpenAccount(opening, metadata=client.metadata, timeout=20.0)
            freezing = accounts.FreezeAccountRequest(
                request_id=new_id(), account_id=opened.account.account_id, debits=True
            )
            frozen = client.accounts.FreezeAccount(freezing, metadata=client.metadata, timeout=20.0)
            assert (opened.receipt.partition, frozen.receipt.partition) == (partition, partition)
            assert sum(forwarded(world).values()) - before == difference


def test_a_batch_is_written_where_its_payers_live(stage: Stage, there: World) -> None:
    """By the first payer that has a home; payers of several partitions are refused by whoever owns that one."""
    bank = stage.bank
    paying = Bank(there)  # Whose accounts are in partition 0 as well.
    local = opened(there, account_pb2.ACCOUNT_KIND_CASH, 1)
    nowhere = (9 << 40) + 1
    for debits, partition in (((bank.rich, paying.rich), 0), ((nowhere, bank.rich), 0), ((nowhere, local), 1)):
        items = [item(debit, bank.poor, 1) for debit in debits]
        answer = ask(
            there, "/esep.v1.TransferService/CreateTransfers", transfers.CreateTransfersRequest(transfers=items)
        )
        assert answer.partition == partition
    mixed = transfers.CreateTransfersRequest(transfers=[item(bank.rich, bank.poor, 1), item(local, bank.poor, 1)])
    refusal = paying.refused(paying.ledger.transfers.CreateTransfers, mixed)
    assert refusal.fields == {"transfers": "PARTITIONS"}


def test_a_bulk_is_written_and_read_where_its_payers_live(stage: Stage, there: World) -> None:
    """Whoever is asked; its payers are of one partition, as a batch's are, and those whom it pays of the same."""
    bank = stage.bank
    cash = opened(there, account_pb2.ACCOUNT_KIND_CASH, 1)
    local = opened(there, account_pb2.ACCOUNT_KIND_CUSTOMER, 1)
    for world in (there, stage.world):
        posted = ask(world, "/esep.v1.BulkService/PostBulk", bulk((cash, local, 7), (local, cash, 9)))
        assert (posted.receipt.partition, posted.bulk.posted_tyiyn, list(posted.bulk.refusals.legs)) == (1, 7, [1])
        reversing = bulks.ReverseBulkLegRequest(request_id=new_id(), bulk_id=posted.bulk.bulk_id, leg=0)
        back = ask(world, "/esep.v1.BulkService/ReverseBulkLeg", reversing)
        assert (back.receipt.partition, back.leg.reversed_tyiyn) == (1, 7)
        for reader in (there, stage.world):
            found = ask(reader, "/esep.v1.BulkService/GetBulk", bulks.GetBulkRequest(bulk_id=posted.bulk.bulk_id))
            assert (found.position.partition, found.bulk.reversed_tyiyn) == (1, 7)
            listed = ask(
                reader, "/esep.v1.BulkService/ListBulkLegs", bulks.ListBulkLegsRequest(bulk_id=posted.bulk.bulk_id)
            )
            assert [leg.credit_account_id for leg in listed.legs] == [local, cash]
    nowhere = (9 << 40) + 1
    for debits, fields in (
        ((nowhere, local, bank.rich), {"debit_account_ids": "PARTITIONS"}),
        ((nowhere, local), {"debit_account_ids[0]": "ACCOUNT_NOT_FOUND", "credit_account_ids[0]": "ACCOUNT_NOT_FOUND"}),
    ):
        legs = bulk(*((debit, bank.poor, 1) for debit in debits))
        assert fields.items() <= refusal(there, "/esep.v1.BulkService/PostBulk", legs).fields.items()


def test_a_transfer_is_reversed_where_it_was_made(stage: Stage, there: World) -> None:
    """Whoever is asked finds its home in the log; one that there is not is not found, whoever is asked."""
    bank = stage.bank
    moved = ask(there, "/esep.v1.TransferService/CreateTransfer", transfer(bank.rich, bank.poor, 5)).transfer
    back = transfers.ReverseTransferRequest(request_id=new_id(), transfer_id=moved.transfer_id)
    done = ask(there, "/esep.v1.TransferService/ReverseTransfer", back)
    assert (done.receipt.partition, done.transfer.reversed_tyiyn) == (0, 5)
    for unknown, reason in ((new_id(), "TRANSFER_NOT_FOUND"), ("no id", "INVALID_ARGUMENT")):
        nothing = transfers.ReverseTransferRequest(request_id=new_id(), transfer_id=unknown)
        assert refusal(there, "/esep.v1.TransferService/ReverseTransfer", nothing).reason == reason


@pytest.mark.parametrize("asked", [0, 1])
def test_a_bulk_is_not_hidden_by_what_else_bears_its_id(stage: Stage, there: World, asked: int) -> None:
    """An account of the same caller, opened under the same id in another partition, is no bulk."""
    world = (stage.world, there)[asked]
    cash = opened(world, account_pb2.ACCOUNT_KIND_CASH, 1)
    legs = bulk((cash, opened(world, account_pb2.ACCOUNT_KIND_CUSTOMER, 1), 7))
    opened(world, account_pb2.ACCOUNT_KIND_CUSTOMER, 0, legs.request_id)
    ask(world, "/esep.v1.BulkService/PostBulk", legs)
    found = ask(world, "/esep.v1.BulkService/GetBulk", bulks.GetBulkRequest(bulk_id=legs.request_id))
    assert (found.position.partition, found.bulk.posted_tyiyn) == (1, 7)
    listing = bulks.ListBulkLegsRequest(bulk_id=legs.request_id)
    assert len(ask(world, "/esep.v1.BulkService/ListBulkLegs", listing).legs) == 1
    reversing = bulks.ReverseBulkLegRequest(request_id=new_id(), bulk_id=legs.request_id, leg=0)
    back = ask(world, "/esep.v1.BulkService/ReverseBulkLeg", reversing)
    assert (back.receipt.partition, back.leg.reversed_tyiyn) == (1, 7)


@pytest.mark.parametrize("asked", [0, 1])
def test_of_two_bulks_under_one_id_a_caller_says_which(stage: Stage, there: World, asked: int) -> None:
    """One that is not told apart is neither read nor reversed: it could be other money."""
    bank, world = stage.bank, (stage.world, there)[asked]
    cash = opened(world, account_pb2.ACCOUNT_KIND_CASH, 1)
    far = bulk((cash, opened(world, account_pb2.ACCOUNT_KIND_CUSTOMER, 1), 7))
    near = bulk((bank.rich, bank.poor, 3))
    near.request_id = far.request_id
    for legs in (near, far):
        ask(world, "/esep.v1.BulkService/PostBulk", legs)
    for method, request in (
        ("GetBulk", bulks.GetBulkRequest(bulk_id=far.request_id)),
        ("ListBulkLegs", bulks.ListBulkLegsRequest(bulk_id=far.request_id)),
        ("ReverseBulkLeg", bulks.ReverseBulkLegRequest(request_id=new_id(), bulk_id=far.request_id)),
    ):
        assert refusal(world, f"/esep.v1.BulkService/{method}", request).fields == {"partition": "AMBIGUOUS"}
        request.partition = 2
        assert refusal(world, f"/esep.v1.BulkService/{method}", request).fields == {"partition": "UNKNOWN"}
    for partition, amount in ((0, 3), (1, 7)):
        reading = bulks.GetBulkRequest(bulk_id=far.request_id, partition=partition)
        found = ask(world, "/esep.v1.BulkService/GetBulk", reading)
        assert (found.position.partition, found.bulk.posted_tyiyn) == (partition, amount)
        listing = bulks.ListBulkLegsRequest(bulk_id=far.request_id, partition=partition)
        assert [leg.amount_tyiyn for leg in ask(world, "/esep.v1.BulkService/ListBulkLegs", listing).legs] == [amount]
        reversing = bulks.ReverseBulkLegRequest(request_id=new_id(), bulk_id=far.request_id, leg=0, partition=partition)
        for _ in range(2):
            back = ask(world, "/esep.v1.BulkService/ReverseBulkLeg", reversing)
            assert (back.receipt.partition, back.leg.reversed_tyiyn) == (partition, amount)


@pytest.mark.parametrize("asked", [0, 1])
def test_a_reversal_sent_again_is_a_repeat_whatever_was_made_since(stage: Stage, there: World, asked: int) -> None:
    """Another bulk and another transfer under the ids of those that it reversed do not put its outcome in doubt."""
    bank, world = stage.bank, (stage.world, there)[asked]
    cash, local = opened(world, account_pb2.ACCOUNT_KIND_CASH, 1), opened(world, account_pb2.ACCOUNT_KIND_CUSTOMER, 1)
    legs, other_legs = bulk((cash, local, 7)), bulk((bank.rich, bank.poor, 3))
    moved, other = transfer(cash, local, 5), transfer(bank.rich, bank.poor, 2)
    other_legs.request_id, other.request_id = legs.request_id, moved.request_id
    for method, first, second, reverse, back in (
        (
            "/esep.v1.BulkService/PostBulk",
            legs,
            other_legs,
            "/esep.v1.BulkService/ReverseBulkLeg",
            bulks.ReverseBulkLegRequest(request_id=new_id(), bulk_id=legs.request_id),
        ),
        (
            "/esep.v1.TransferService/CreateTransfer",
            moved,
            other,
            "/esep.v1.TransferService/ReverseTransfer",
            transfers.ReverseTransferRequest(request_id=new_id(), transfer_id=moved.request_id),
        ),
    ):
        ask(world, method, first)
        done = ask(world, reverse, back)
        ask(world, method, second)
        again = ask(world, reverse, back)
        assert (again.receipt.replayed, again.receipt.partition) == (True, 1)
        assert again.reversal == done.reversal
        back.request_id = new_id()
        assert refusal(world, reverse, back).fields == {"partition": "AMBIGUOUS"}


@pytest.mark.parametrize("asked", [0, 1])
def test_a_declined_transfer_hides_none(stage: Stage, there: World, asked: int) -> None:
    """It is an outcome, so that GetOutcome asks which one is meant; it is no transfer, so that GetTransfer does not."""
    bank, world = stage.bank, (stage.world, there)[asked]
    cash = opened(world, account_pb2.ACCOUNT_KIND_CASH, 1)
    far = transfer(cash, opened(world, account_pb2.ACCOUNT_KIND_CUSTOMER, 1), 7)
    near = transfer(bank.rich, bank.poor, 10**15)
    near.request_id = far.request_id
    assert refusal(world, "/esep.v1.TransferService/CreateTransfer", near).reason == "INSUFFICIENT_FUNDS"
    ask(world, "/esep.v1.TransferService/CreateTransfer", far)
    reading = transfers.GetTransferRequest(transfer_id=far.request_id)
    assert ask(world, "/esep.v1.TransferService/GetTransfer", reading).transfer.amount_tyiyn == 7
    asking = transfers.GetOutcomeRequest(request_id=far.request_id)
    assert refusal(world, "/esep.v1.TransferService/GetOutcome", asking).fields == {"partition": "AMBIGUOUS"}
    asking.partition = 0
    declined = ask(world, "/esep.v1.TransferService/GetOutcome", asking)
    assert (declined.refusal.reason, declined.receipt.partition) == ("INSUFFICIENT_FUNDS", 0)
    asking.partition = 1
    assert ask(world, "/esep.v1.TransferService/GetOutcome", asking).transfer.amount_tyiyn == 7


@pytest.mark.parametrize("asked", [0, 1])
def test_of_two_transfers_under_one_id_a_caller_says_which(stage: Stage, there: World, asked: int) -> None:
    """One that is not told apart is neither read nor reversed."""
    bank, world = stage.bank, (stage.world, there)[asked]
    cash = opened(world, account_pb2.ACCOUNT_KIND_CASH, 1)
    again = transfer(cash, opened(world, account_pb2.ACCOUNT_KIND_CUSTOMER, 1), 5)
    nearby = transfer(bank.rich, bank.poor, 2)
    nearby.request_id = again.request_id
    for each in (again, nearby):
        ask(world, "/esep.v1.TransferService/CreateTransfer", each)
    reading = transfers.GetTransferRequest(transfer_id=again.request_id)
    reversing = transfers.ReverseTransferRequest(request_id=new_id(), transfer_id=again.request_id)
    for method, request in (("GetTransfer", reading), ("ReverseTransfer", reversing)):
        assert refusal(world, f"/esep.v1.TransferService/{method}", request).fields == {"partition": "AMBIGUOUS"}
    for partition, amount in ((0, 2), (1, 5)):
        reading.partition = reversing.partition = partition
        assert ask(world, "/esep.v1.TransferService/GetTransfer", reading).transfer.amount_tyiyn == amount
        back = ask(world, "/esep.v1.TransferService/ReverseTransfer", reversing)
        assert (back.receipt.partition, back.transfer.reversed_tyiyn) == (partition, amount)
