"""A ledger whose old events are archived, over the wire: every answer is what it was before."""

from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import grpc
import pytest

from domain.leaf import leaf_hash
from ledger.audit.signing.proofs import verify_inclusion
from ledger.engine import snapshot
from ledger.log.archive import Segment
from protos.esep.v1 import audit_service_pb2 as audits
from protos.esep.v1.audit_pb2 import BALANCE_FIGURE_HELD, BALANCE_FIGURE_POSTED
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.statement_service_pb2 import GetBalanceRequest
from protos.esep.v1.transfer_service_pb2 import (
    CreateTransferRequest,
    GetOutcomeRequest,
    GetTransferRequest,
    ReverseTransferRequest,
)
from tests.rpc.old import archive_all
from tests.rpc.test_audit_questions import busy, explained, hold, reversal
from tests.rpc.world import Bank, Refusal, World, new_id, transfer


@pytest.fixture
def database_url(store_url: str) -> str:
    """Give each kind of store."""
    return store_url


def wait(bank: Bank) -> None:
    """Wait until everything that is recorded is projected."""
    head = LogPosition(position=bank.world.log.head(0))
    request = GetBalanceRequest(account_id=bank.rich, min_position=head)
    bank.call(bank.ledger.statements.GetBalance, request)


def told(bank: Bank, upto: int) -> dict[str, Any]:
    """Return what auditors are told of the events up to a position."""
    audit = bank.ledger.audit
    rows = bank.world.log.read(0, 0, upto)
    asked = audits.ReadEventsRequest(last_position=upto, page_size=500)
    answers: dict[str, Any] = {"rows": rows, "events": bank.call(audit.ReadEvents, asked).events}
    for one in {row.originator_id for row in rows if not row.topic.startswith("engine")}:
        request = audits.GetAggregateHistoryRequest(aggregate_id=str(UUID(bytes=one)))
        answers[f"life {one.hex()}"] = bank.call(audit.GetAggregateHistory, request).steps
    for figure in (BALANCE_FIGURE_POSTED, BALANCE_FIGURE_HELD):
        answers[f"figure {figure}"] = [page.steps for page in explained(bank, figure)]
    for row in rows:
        place = LogPosition(position=row.position)
        if not row.topic.startswith("engine"):
            answers[f"replay {row.position}"] = replayed(bank, place)
        proof = bank.call(audit.ProveInclusion, audits.ProveInclusionRequest(event=place, tree_size=upto))
        answers[f"proof {row.position}"] = proof
        assert proof.leaf_hash == leaf_hash(row)
    return answers


def replayed(bank: Bank, place: LogPosition) -> Any:
    """Return what comes of deciding again, or why nothing does."""
    try:
        return bank.call(bank.ledger.audit.ReplayDecision, audits.ReplayDecisionRequest(position=place)).replay
    except grpc.RpcError as error:
        return Refusal(error).reason


def streamed(bank: Bank, upto: int) -> list[bytes]:
    """Return the states that a stream from the beginning brings."""
    states: list[bytes] = []
    stream = bank.call(bank.ledger.audit.SubscribeEvents, audits.SubscribeEventsRequest(after=LogPosition()))
    for message in stream:
        states += message.events.states
        if len(states) >= upto:
            stream.cancel()
            return states[:upto]
    raise AssertionError("the stream ended")


def test_everything_is_answered_as_before(world: World, bank: Bank) -> None:
    """Events, lives, figures, proofs, decisions made again and a stream are the same once all but one is archived."""
    busy(bank)
    wait(bank)
    upto = world.log.head(0) - 1
    root = world.log.tree(0).root
    before, stream = told(bank, upto), streamed(bank, upto)
    segments = archive_all(world)
    assert segments[-1].last == upto
    after = told(bank, upto)
    assert after == before
    assert streamed(bank, upto) == stream == [row.state for row in before["rows"]]
    assert world.log.tree(0).root == root
    proof = after["proof 3"]
    tree = bank.world.checkpoints.find(size=upto + 1, cosigned=False).checkpoint
    again = bank.call(
        bank.ledger.audit.ProveInclusion,
        audits.ProveInclusionRequest(event=LogPosition(position=3), tree_size=tree.size),
    )
    verify_inclusion(proof.leaf_hash, 2, tree.size, list(again.hashes), tree.root)


def later(tmp_path: Path, database_url: str) -> World:
    """Return a server that knows nothing but what the log and the archive hold."""
    return World(tmp_path, database_url=database_url)


def archived_requests(tmp_path: Path, database_url: str) -> tuple[list[CreateTransferRequest], Any, list[Segment]]:
    """Let a server move money and decline to; archive that; return the requests, their answers, and the segments."""
    with World(tmp_path, database_url=database_url) as world:
        bank = Bank(world)
        requests = [transfer(bank.rich, bank.poor, amount) for amount in (5, 10**12, 7)]
        outcomes = [outcome(bank, request) for request in requests]
        held = hold(bank, 900)
        bank.call(bank.ledger.authorizations.ReverseAuthorization, reversal(held))
        bank.move(bank.rich, bank.poor, 1)
        wait(bank)
        return requests, outcomes, archive_all(world)


def outcome(bank: Bank, request: CreateTransferRequest) -> Any:
    """Return what a request comes to, as far as it stays the same when it is sent again."""
    try:
        answer = bank.call(bank.ledger.transfers.CreateTransfer, request)
    except grpc.RpcError as error:
        return Refusal(error).reason
    return answer.transfer, answer.receipt.position


def test_archived_requests_are_answered_with_their_first_outcome(tmp_path: Path, database_url: str) -> None:
    """After a restart too: transfers and declines are told again, nothing moves twice, and ids stay taken."""
    requests, outcomes, _ = archived_requests(tmp_path, database_url)
    with later(tmp_path, database_url) as world:
        bank = Bank.calling(world)
        client = bank.ledger
        head = world.log.head(0)
        assert [outcome(bank, request) for request in requests] == outcomes
        for request in requests:
            asked = GetOutcomeRequest(request_id=request.request_id)
            assert bank.call(client.transfers.GetOutcome, asked).receipt.position
        reused = transfer(requests[0].transfer.debit_account_id, requests[0].transfer.credit_account_id, 6)
        reused.request_id = requests[0].request_id
        assert bank.refused(client.transfers.CreateTransfer, reused).reason == "REQUEST_ID_REUSED"
        assert world.log.head(0) == head
        found = bank.call(client.transfers.GetTransfer, GetTransferRequest(transfer_id=requests[0].request_id))
        assert found.transfer.amount_tyiyn == 5
        back = ReverseTransferRequest(request_id=new_id(), transfer_id=requests[0].request_id)
        assert bank.call(client.transfers.ReverseTransfer, back).receipt.position == head + 1


def test_an_engine_replays_archived_history_without_a_snapshot(tmp_path: Path, database_url: str) -> None:
    """A server whose snapshots are lost starts from the archive, decides on the same balances, and goes on."""
    requests, _, _ = archived_requests(tmp_path, database_url)
    debit, credit = requests[0].transfer.debit_account_id, requests[0].transfer.credit_account_id
    with patch.object(snapshot, "load_trusted", return_value=None), later(tmp_path, database_url) as world:
        bank = Bank.calling(world)
        everything = 1_000_000 - 5 - 7 - 1
        assert (
            bank.refused(bank.ledger.transfers.CreateTransfer, transfer(debit, credit, everything + 1)).reason
            == "INSUFFICIENT_FUNDS"
        )
        assert bank.move(debit, credit, everything).receipt.position == world.log.head(0)


def test_a_lost_segment_is_named_to_whoever_needs_it(tmp_path: Path, database_url: str) -> None:
    """Reads, replays and decisions that need it are refused, unrecorded, and succeed once it is back."""
    requests, outcomes, segments = archived_requests(tmp_path, database_url)
    first = int(outcomes[0][1])
    (segment,) = (each for each in segments if each.first <= first <= each.last)
    path = tmp_path / "archive" / segment.file
    aside = path.rename(tmp_path / "aside")
    with later(tmp_path, database_url) as world:
        bank = Bank.calling(world)
        client = bank.ledger
        head = world.log.head(0)
        back = ReverseTransferRequest(request_id=new_id(), transfer_id=requests[0].request_id)
        for method, request in (
            (client.audit.ReadEvents, audits.ReadEventsRequest(first_position=first, page_size=1)),
            (client.audit.GetAggregateHistory, audits.GetAggregateHistoryRequest(aggregate_id=requests[0].request_id)),
            (client.transfers.CreateTransfer, requests[0]),
            (client.transfers.ReverseTransfer, back),
        ):
            refusal = bank.refused(method, request)
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "ARCHIVE_UNREADABLE")
            assert refusal.metadata["segment"] == segment.file
        assert world.log.head(0) == head
        aside.rename(path)
        assert outcome(bank, requests[0]) == outcomes[0]
        assert bank.call(client.transfers.ReverseTransfer, back).receipt.position == head + 1
