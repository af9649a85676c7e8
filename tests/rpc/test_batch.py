"""CreateTransfers: answers in columns, repeats inside, all or none, and the fast way of reading it."""

import asyncio
from uuid import UUID

import grpc
import msgspec
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from domain.ids import parse_uuid
from domain.refusals import Refused, Violation
from domain.transfer import CreateTransfer
from ledger.rpc.intake import Intake
from ledger.rpc.translate import batch
from ledger.rpc.translate.transfer import checked_transfer, plain_transfer
from protos.esep.v1 import transfer_service_pb2 as transfers
from protos.esep.v1.transfer_pb2 import NewTransfer, TransferLeg
from protos.esep.v1.transfer_service_pb2 import CreateTransfersRequest
from tests.rpc.world import Bank, item, new_id


def test_each_transfer_is_decided_by_itself(bank: Bank) -> None:
    """A refused transfer stops none of the others; positions, repeats and refusals are told by index."""
    before = item(bank.rich, bank.poor, 5)
    bank.call(bank.ledger.transfers.CreateTransfers, CreateTransfersRequest(transfers=[before]))
    made, unknown = item(bank.rich, bank.poor, 10), item(bank.rich, 999, 1)
    short, reused = item(bank.merchant, bank.rich, 1), item(bank.rich, bank.poor, 6, request_id=before.request_id)
    request = CreateTransfersRequest(transfers=[made, unknown, short, before, reused, made])
    answer = bank.call(bank.ledger.transfers.CreateTransfers, request)
    head = bank.world.log.head(0)
    assert list(answer.positions) == [head - 1, 0, head, head - 2, 0, head - 1]
    assert list(answer.replayed) == [3, 5]
    assert [(refusal.index, refusal.reason, refusal.recorded) for refusal in answer.refusals] == [
        (1, "ACCOUNT_NOT_FOUND", False),
        (2, "INSUFFICIENT_FUNDS", True),
        (4, "REQUEST_ID_REUSED", False),
    ]
    assert not answer.HasField("receipt")


def test_a_whole_batch_sent_again_is_repeated(bank: Bank) -> None:
    """After a timeout the very same batch answers the very same positions, and moves nothing."""
    request = CreateTransfersRequest(transfers=[item(bank.rich, bank.poor, 1) for _ in range(3_000)])
    request.transfers.append(item(bank.merchant, bank.rich, 1))
    first = bank.call(bank.ledger.transfers.CreateTransfers, request)
    again = bank.call(bank.ledger.transfers.CreateTransfers, request)
    assert list(again.positions) == list(first.positions)
    assert list(again.replayed) == list(range(3_001))
    assert [refusal.reason for refusal in again.refusals] == ["INSUFFICIENT_FUNDS"]


def test_the_largest_batch_is_taken(bank: Bank) -> None:
    """8,190 transfers fit into one call."""
    request = CreateTransfersRequest(transfers=[item(bank.rich, bank.poor, 1) for _ in range(8_190)])
    answer = bank.call(bank.ledger.transfers.CreateTransfers, request)
    assert list(answer.positions) == list(range(answer.positions[0], answer.positions[0] + 8_190))
    assert not answer.refusals


def test_an_atomic_batch_is_one_outcome(bank: Bank) -> None:
    """All transfers are made under the batch's id, which a repeat and GetOutcome tell again."""
    members = [item(bank.rich, bank.poor, amount) for amount in (1, 2, 3)]
    request = CreateTransfersRequest(request_id=new_id(), atomic=True, transfers=members)
    first = bank.call(bank.ledger.transfers.CreateTransfers, request)
    assert list(first.positions) == [first.receipt.position + n for n in (1, 2, 3)]
    again = bank.call(bank.ledger.transfers.CreateTransfers, request)
    assert again.receipt.replayed
    assert (list(again.positions), list(again.replayed)) == (list(first.positions), [0, 1, 2])
    told = bank.call(bank.ledger.transfers.GetOutcome, transfers.GetOutcomeRequest(request_id=request.request_id))
    assert list(told.transfer_batch.transfer_ids) == [member.request_id for member in members]
    assert list(told.transfer_batch.positions) == list(first.positions)
    request.transfers[1].amount_tyiyn = 4
    assert bank.refused(bank.ledger.transfers.CreateTransfers, request).reason == "REQUEST_ID_REUSED"


def test_an_atomic_batch_fails_as_a_whole(bank: Bank) -> None:
    """The first refusal fails the call with its index, for good."""
    members = [item(bank.rich, bank.poor, 1), item(bank.merchant, bank.rich, 1)]
    request = CreateTransfersRequest(request_id=new_id(), atomic=True, transfers=members)
    first = bank.refused(bank.ledger.transfers.CreateTransfers, request)
    assert (first.code, first.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "INSUFFICIENT_FUNDS")
    assert (first.metadata["index"], first.metadata["recorded"]) == ("1", "true")
    again = bank.refused(bank.ledger.transfers.CreateTransfers, request)
    assert again.metadata == {**first.metadata, "replayed": "true"}
    unmade = transfers.GetTransferRequest(transfer_id=members[0].request_id)
    assert bank.refused(bank.ledger.transfers.GetTransfer, unmade).reason == "TRANSFER_NOT_FOUND"


@pytest.mark.parametrize("atomic", [False, True])
def test_a_trial_of_a_batch_records_nothing(bank: Bank, atomic: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """validate_only answers positions of 0 and no receipt."""
    head = bank.world.log.head(0)
    request = CreateTransfersRequest(
        request_id=new_id() if atomic else "",
        atomic=atomic,
        validate_only=True,
        transfers=[item(bank.rich, bank.poor, 1), item(bank.rich, bank.poor, 2)],
    )
    answer = bank.call(bank.ledger.transfers.CreateTransfers, request)
    assert (list(answer.positions), answer.HasField("receipt")) == ([0, 0], False)
    assert bank.world.log.head(0) == head


UUIDS = st.one_of(
    st.uuids().map(str),
    st.uuids().map(lambda value: str(value).upper()),
    st.sampled_from(
        ["", "x", "0" * 36, f"{UUID(int=1)} ", f"{{{UUID(int=1)}}}", "00000000-0000-0000-0000-00000000000٣"]
    ),
)
ACCOUNTS = st.sampled_from([1, 2, 3, 2**53 - 1, 2**53, 0, -1])
AMOUNTS = st.sampled_from([1, 100, 10**15, 10**15 + 1, 0, -5])
TEXTS = st.one_of(
    st.sampled_from(["", "x" * 64, "x" * 65, "a\tb", "\u00e9", "a\u0301", "\U0001f600"]), st.text(max_size=6)
)
KINDS = st.sampled_from(["", "fee", "transfer", "top_up", "fee_reversal", "Fee", "fee\n", "a" * 32, "a" * 33, "\u0444"])
CURRENCIES = st.sampled_from(["", "KGS", "kgs", "KGS\n", "KG", "\u041a\u0413\u0421"])
ITEMS = st.builds(
    NewTransfer,
    request_id=UUIDS,
    debit_account_id=ACCOUNTS,
    credit_account_id=ACCOUNTS,
    amount_tyiyn=AMOUNTS,
    currency_code=CURRENCIES,
    kind=KINDS,
    reference=TEXTS,
    tags=st.dictionaries(st.sampled_from(["a", "b", ""]), st.just("v"), max_size=1),
    legs=st.lists(
        st.builds(TransferLeg, debit_account_id=ACCOUNTS, credit_account_id=ACCOUNTS, amount_tyiyn=AMOUNTS), max_size=1
    ),
)
GOOD = st.builds(
    item, st.just(1), st.just(2), st.integers(1, 10**15),
    request_id=st.uuids(version=4).map(str), kind=st.sampled_from(["", "fee"]),
    reference=st.sampled_from(["", "ok", "x" * 64, "\u00e9" * 64, "\U0001f600" * 32]),
)  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "00000000-0000-0000-0000-0000000000  ",
        "00000000-0000-0000-0000-00000000000-",
        "00000000x0000-0000-0000-000000000000",
        "0000000000000000000000000000000000-0",
        "00000000-0000-0000-0000-00000000000g",
        "00000000-0000-0000-0000-0000000000",
    ],
)
def test_what_is_no_uuid_is_none_among_many_either(text: str) -> None:
    """One odd text sends the whole chunk the slow way, which names it."""
    assert batch.uuids([str(UUID(int=1, version=4)), text, str(UUID(int=2, version=4))]) is None


def by_the_model(items: list[NewTransfer]) -> list[CreateTransfer] | None:
    """Return the commands of items by the model's rules, None when any item is refused."""
    commands = []
    for one in items:
        intake = Intake()
        request_id = intake.request_id(one.request_id)
        try:
            commands.append(checked_transfer(one, intake, request_id))
        except Refused:
            return None
    return commands


def by_the_columns(items: list[NewTransfer]) -> list[CreateTransfer] | None:
    """Return the commands of items by columns, None where those do not tell everything."""
    found = batch.plain(items)
    if found is None or found[1] != CreateTransfersRequest(transfers=items).ByteSize():
        return None
    return list(found[0])


@given(st.lists(st.one_of(ITEMS, GOOD), min_size=1, max_size=4))
def test_the_fast_ways_read_what_the_model_reads(items: list[NewTransfer]) -> None:
    """What columns or hand accept, the model accepts with the same meaning; what it refuses, all refuse."""
    expected = by_the_model(items)
    wrong: list[Violation] = []
    one_by_one = batch.one_by_one(items, 0, wrong)
    assert (None if wrong else one_by_one) == expected
    assert by_the_columns(items) in (None, expected)


@pytest.mark.parametrize(
    "more",
    [
        NewTransfer(currency_code="KGS"),
        NewTransfer(tags={"": ""}),
        NewTransfer(legs=[TransferLeg()]),
        NewTransfer(effective_time=Timestamp()),
        NewTransfer.FromString(b"\xa0\x06\x00"),
    ],
    ids=["currency", "tag", "leg", "time", "unknown"],
)
def test_nothing_hides_beside_the_columns(more: NewTransfer) -> None:
    """Whatever a transfer has beside the columns shows in its length, be it as small as can be."""
    items = [item(1, 2, 1 << bits) for bits in range(0, 49, 6)]
    assert by_the_columns(items) is not None
    items[3].MergeFrom(more)
    assert by_the_columns(items) is None


@pytest.mark.parametrize("changed", [0, 1_500, 2_999])
def test_one_that_is_not_plain_spoils_no_other(changed: int) -> None:
    """A batch with a tag on one transfer comes to the same commands as without, but for that one."""
    request = CreateTransfersRequest(transfers=[item(1, 2, 5) for _ in range(3_000)])
    expected = list(asyncio.run(batch.new_transfers(request)))
    request.transfers[changed].tags["a"] = "b"
    expected[changed] = msgspec.structs.replace(expected[changed], tags={"a": "b"})
    assert list(asyncio.run(batch.new_transfers(request))) == expected


@given(st.lists(GOOD, min_size=1, max_size=20))
def test_plain_items_take_the_fast_ways(items: list[NewTransfer]) -> None:
    """What is plain and valid is read without the model, or the speed would be an accident."""
    expected = by_the_model(items)
    assert by_the_columns(items) == expected
    assert [plain_transfer(one, parse_uuid(one.request_id)) for one in items] == expected
