"""Every question of auditors about a partition other than 0, asked of its owner and of another server."""

import time
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest

from domain.leaf import leaf_hash, leaf_layout
from ledger.audit.self_audit import Audited
from ledger.audit.signing.note import Note, VerifierKey, verified
from ledger.audit.verify.findings import Check, Finding
from ledger.log.merkle import Frontier
from ledger.process.courier import Courier
from projections.queries import Reader
from projections.store import Copy, open_store
from protos.esep.v1 import audit_pb2, transfer_pb2
from protos.esep.v1 import statement_service_pb2 as statements
from protos.esep.v1 import transfer_service_pb2 as transfers
from protos.esep.v1.account_pb2 import ACCOUNT_KIND_CASH, ACCOUNT_KIND_CUSTOMER
from protos.esep.v1.account_service_pb2 import OpenAccountRequest
from protos.esep.v1.checkpoint_pb2 import SELF_AUDIT_VERDICT_AGREES, SELF_AUDIT_VERDICT_DIFFERS, SELF_AUDIT_VERDICT_NONE
from protos.esep.v1.common_pb2 import AsOf
from tests.ledger.audit.checker import check_consistency, check_inclusion
from tests.ledger.audit.test_note import witness
from tests.rpc.crossing_cases import opened_clearing
from tests.rpc.neighbours import Neighbours, forwarded, neighbours
from tests.rpc.test_audit_proofs import WITNESS, WITNESS_SEED, Auditor, at, checkpoint_of
from tests.rpc.world import PATIENCE, Refusal, World, new_id, refused, transfer

POSTED = audit_pb2.BALANCE_FIGURE_POSTED


class Ground(NamedTuple):
    """Two servers of one ledger, between whose partitions money has crossed both ways, and come back once."""

    servers: Neighbours
    payer: int
    """Lives in partition 1, and has 1,000 less what it paid."""
    first: str
    """The transfer that was sent from partition 1 and arrived."""

    @property
    def asked(self) -> list[Auditor]:
        """Who owns partition 1, and who does not."""
        return [Auditor(self.servers.there), Auditor(self.servers.here)]


def opened(world: World, partition: int, kind: Any = ACCOUNT_KIND_CUSTOMER) -> int:
    client = world.client()
    request = OpenAccountRequest(request_id=new_id(), participant_id="bank-a", kind=kind, partition=partition)
    answer = client.accounts.OpenAccount(request, metadata=client.metadata, timeout=PATIENCE)
    account_id: int = answer.account.account_id
    return account_id


def pay(world: World, debit: int, credit: int, amount: int) -> str:
    """Move money; return the transfer's id once it is not in transit any more."""
    client = world.client()
    made = client.transfers.CreateTransfer(transfer(debit, credit, amount), metadata=client.metadata, timeout=PATIENCE)
    found, deadline = made.transfer, time.monotonic() + PATIENCE
    while found.way == transfer_pb2.TRANSFER_WAY_IN_TRANSIT:
        assert time.monotonic() < deadline
        time.sleep(0.01)
        request = transfers.GetTransferRequest(transfer_id=found.transfer_id)
        found = client.transfers.GetTransfer(request, metadata=client.metadata, timeout=PATIENCE).transfer
    transfer_id: str = found.transfer_id
    return transfer_id


@pytest.fixture
def ground(tmp_path: Path, store_url: str) -> Iterator[Ground]:
    """Give both servers, and something to audit in both partitions."""
    known = {"witnesses": (WITNESS,)}
    with neighbours(tmp_path, store_url, here=known, there=known) as servers:
        engines = {each.engine.partition: each.engine.real for each in servers}
        couriers = [Courier(engine, engine.log, engines) for engine in engines.values()]
        for each in servers:
            opened_clearing(each)
        for courier in couriers:
            courier.start()
        try:
            (here, there) = servers
            cash, payer, payee = opened(there, 1, ACCOUNT_KIND_CASH), opened(there, 1), opened(here, 0)
            pay(there, cash, payer, 1_000)
            first = pay(there, payer, payee, 300)
            pay(there, payer, payee + 1_000, 70)  # An account that there is not: it comes back.
            pay(here, payee, payer, 40)
            yield Ground(servers, payer, first)
        finally:
            for courier in couriers:
                courier.stop()


def head_of(ground: Ground, partition: int = 1) -> int:
    return ground.servers.there.log.head(partition)


def test_books_of_one_partition_may_wait_for_another(ground: Ground) -> None:
    """A position of partition 1 is asked about, after one of partition 0: the answer tells of the first alone."""
    client, head = ground.servers.here.client(), ground.servers.here.log.head(1)
    books = statements.GetTrialBalanceRequest(as_of=AsOf(position=at(head, 1)), min_position=at(1))
    answer = client.statements.GetTrialBalance(books, metadata=client.metadata, timeout=PATIENCE)
    assert sum(line.posted_tyiyn for line in answer.lines) == 0
    assert [each.partition for each in answer.positions] == [1]


def test_books_as_of_a_time_lack_nothing_while_the_tables_are_made_anew(
    ground: Ground, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another server puts empty tables in the place of those that had everything, just before the books are summed."""
    server = ground.servers.here
    client = server.client()
    request = transfers.GetTransferRequest(transfer_id=ground.first)
    sent = client.transfers.GetTransfer(request, metadata=client.metadata, timeout=PATIENCE).transfer.record_time
    books = statements.GetTrialBalanceRequest(as_of=AsOf(record_time=sent))

    def summed() -> list[Any]:
        answer = client.statements.GetTrialBalance(books, metadata=client.metadata, timeout=PATIENCE)
        return list(answer.lines)

    known, real = summed(), Reader.trial_balance
    made: list[Copy] = []

    def meanwhile(reader: Reader, **question: Any) -> Any:
        if not made:
            with closing(open_store(store_url)) as other:
                made.append(other.create())
                other.publish(made[0])
                made[0].close()
        return real(reader, **question)

    monkeypatch.setattr(Reader, "trial_balance", meanwhile)
    assert summed() == known
    assert made


def test_the_events_of_a_partition_are_read_whoever_is_asked(ground: Ground) -> None:
    """Pages and streams hold what its log holds, byte for byte; nobody is asked for another server's memory."""
    rows = ground.servers.there.log.read(1, 0, 1_000)
    before = sum(forwarded(ground.servers.here).values())
    for auditor in ground.asked:
        page = auditor.ask("ReadEvents", partition=1, page_size=1_000)
        assert [(each.position, each.state, each.caller) for each in page.events] == [
            (row.position, row.state, row.caller) for row in rows
        ]
        assert page.position == at(len(rows), 1)
        named = auditor.ask("ReadEvents", partition=1, filter={"account_id": ground.payer}).events
        assert {"account.opened.v1", "transfer.sent.v1", "transfer.returned.v1", "transfer.received.v1"} <= {
            each.topic for each in named
        }
        stream = auditor.ask("SubscribeEvents", after=at(2, 1))
        sent: list[int] = []
        for message in stream:
            sent += message.events.positions
            if message.WhichOneof("message") == "caught_up":
                assert message.caught_up.position == at(len(rows), 1)
                break
        stream.cancel()
        assert sent == list(range(3, len(rows) + 1))
    assert sum(forwarded(ground.servers.here).values()) == before


def test_lives_are_told_of_the_partition_that_they_are_in(ground: Ground) -> None:
    """An account's id tells where it lives; for any other id the question says it."""
    for auditor in ground.asked:
        life = auditor.ask("GetAggregateHistory", account_id=ground.payer)
        assert [step.event.topic for step in life.steps] == ["account.opened.v1"]
        assert life.position.partition == 1
        assert auditor.ask("GetAggregateHistory", account_id=ground.payer, partition=1) == life
        sent = auditor.ask("GetAggregateHistory", aggregate_id=ground.first, partition=1)
        assert [step.event.topic for step in sent.steps] == ["transfer.sent.v1", "transfer.completed.v1"]
        assert auditor.refused("GetAggregateHistory", aggregate_id=ground.first).reason == "AGGREGATE_NOT_FOUND"


def test_a_balance_is_explained_where_its_account_lives(ground: Ground) -> None:
    """Its steps are what was paid, sent, returned and received there; every account's figures are listed."""
    for auditor in ground.asked:
        told = auditor.ask("ExplainBalance", account_id=ground.payer, figure=POSTED)
        assert [step.change_tyiyn for step in told.steps] == [1_000, -300, -70, 70, 40]
        assert told.figure_tyiyn == told.sum_tyiyn == 740
        early = AsOf(position=at(told.steps[1].position, 1))
        assert auditor.ask("ExplainBalance", account_id=ground.payer, figure=POSTED, as_of=early).figure_tyiyn == 700
        listed = auditor.ask("ListAccountFigures", partition=1, as_of=early)
        assert {each.account_id >> 40 for each in listed.accounts} == {1}
        assert sum(each.posted_tyiyn for each in listed.accounts) == 0
        assert next(each for each in listed.accounts if each.account_id == ground.payer).posted_tyiyn == 700


def test_every_decision_of_a_partition_is_made_again(ground: Ground) -> None:
    """By the position of its first event and by its request; what is another partition's is not found."""
    decided = 0
    for position in range(1, head_of(ground) + 1):
        for auditor in ground.asked:
            try:
                answer = auditor.ask("ReplayDecision", position=at(position, 1))
            except grpc.RpcError as error:
                assert Refusal(error).reason == "OUTCOME_NOT_FOUND"  # noqa: PT017 - what else comes is a failure
                continue
            assert answer.replay.verdict == audit_pb2.REPLAY_VERDICT_SAME, answer
            assert answer.position == at(position, 1)
            decided += 1
    assert decided >= 2 * 8  # Accounts, transfers, and every step of a crossing.
    for auditor in ground.asked:
        found = auditor.ask("ReplayDecision", request_id=ground.first, partition=1)
        assert (found.replay.command, found.position.partition) == ("create_transfer", 1)
        assert found.replay.leaves_checked
        assert auditor.refused("ReplayDecision", request_id=ground.first).reason == "OUTCOME_NOT_FOUND"


def test_a_partition_has_checkpoints_and_proofs_of_its_own(ground: Ground) -> None:
    """Signed by its owner whoever is asked, with the ledger's keys under its own name; each event is proved by them."""
    log, (owner, other) = ground.servers.there.log, ground.asked
    signed = checkpoint_of(owner.ask("GetCheckpoint", partition=1, min_position=at(head_of(ground), 1)))
    before = forwarded(ground.servers.here).get("OK", 0.0)
    answer = other.ask("GetCheckpoint", partition=1)
    assert forwarded(ground.servers.here)["OK"] == before + 1
    assert checkpoint_of(answer) == signed
    assert (signed.origin, signed.size, signed.root) == ("esep.kg/test/1", head_of(ground), log.tree(1).root)
    keys = {VerifierKey.parse(each.verifier_key) for each in answer.keys}
    of_first = {VerifierKey.parse(each.verifier_key) for each in owner.ask("GetCheckpoint").keys}
    assert {key.public for key in keys} == {key.public for key in of_first}
    assert not keys & of_first

    early = Frontier().grown([leaf_hash(row) for row in log.read(1, 0, 4)]).root
    for auditor in ground.asked:
        for row in log.read(1, 0, signed.size):
            proof = auditor.ask("ProveInclusion", event=at(row.position, 1), tree_size=signed.size)
            assert proof.leaf == leaf_layout(row)
            leaf = sha256(b"\0" + proof.leaf).digest()
            check_inclusion(leaf, proof.leaf_index, signed.size, proof.hashes, signed.root)
        hashes = list(auditor.ask("ProveConsistency", partition=1, old_tree_size=4, new_tree_size=signed.size).hashes)
        check_consistency(4, early, signed.size, signed.root, hashes)
        (tile,) = auditor.ask("ReadTiles", partition=1, tree_size=signed.size).tiles
        assert tile == b"".join(leaf_hash(row) for row in log.read(1, 0, signed.size))
        listed = auditor.ask("ListCheckpoints", partition=1).checkpoints
        assert {each.tree.partition for each in listed} == {1}
        assert listed[0].tree.position == signed.size
    _, line = witness(WITNESS_SEED, 7, text=Note.parse(answer.checkpoint.note).text)
    other.ask("CosignCheckpoint", partition=1, tree_size=signed.size, cosignature=line)
    kept = owner.ask("GetCheckpoint", partition=1, cosigned=True).checkpoint
    assert verified(Note.parse(kept.note), [WITNESS]) == [WITNESS]


def test_a_difference_in_one_partition_stops_the_signing_of_that_one_alone(ground: Ground) -> None:
    """Who owns it tells what its audit has found, whoever is asked."""
    head, there = head_of(ground), ground.servers.there
    there.audited[1] = Audited(3, 1, 0, Finding(Check.LEAVES, "is another event", 4))
    for auditor in ground.asked:
        refusal = auditor.refused("GetCheckpoint", partition=1, min_position=at(head, 1))
        assert refusal.reason == "LEDGER_UNAVAILABLE"
        assert auditor.ask("GetCheckpoint").self_audit.verdict == SELF_AUDIT_VERDICT_NONE
    there.audited[1] = Audited(head, 1)
    told = ground.asked[1].ask("GetCheckpoint", partition=1).self_audit
    assert (told.verdict, told.reached) == (SELF_AUDIT_VERDICT_AGREES, at(head, 1))
    there.audited[1] = Audited(3, 1, 0, Finding(Check.LEAVES, "is another event", 4))
    told = ground.asked[1].ask("GetCheckpoint", partition=1).self_audit
    assert (told.verdict, told.difference) == (SELF_AUDIT_VERDICT_DIFFERS, at(4, 1))


AS_OF_ELSEWHERE = "as_of.position.partition", "UNKNOWN"
NOWHERE: list[tuple[str, dict[str, Any], str, str]] = [
    ("ReadEvents", {"partition": 2}, "partition", "UNKNOWN"),
    ("ReadEvents", {"partition": -1}, "partition", "UNKNOWN"),
    ("ReadEvents", {"partition": 1, "filter": {"account_id": 1}}, "filter.account_id", "RANGE"),
    ("ReadEvents", {"partition": 1, "min_position": at(1)}, "min_position.partition", "UNKNOWN"),
    ("GetAggregateHistory", {"aggregate_id": new_id(), "partition": 2}, "partition", "UNKNOWN"),
    ("GetAggregateHistory", {"account_id": 1, "partition": 1}, "partition", "MISMATCH"),
    (
        "ExplainBalance",
        {"account_id": 1, "figure": 1, "as_of": {"position": at(1, 1)}},
        "as_of.position.partition",
        "UNKNOWN",
    ),
    ("ListAccountFigures", {"partition": 2}, "partition", "UNKNOWN"),
    ("ListAccountFigures", {"partition": 1, "as_of": {"position": at(1)}}, *AS_OF_ELSEWHERE),
    ("ReplayDecision", {"request_id": new_id(), "partition": 2}, "partition", "UNKNOWN"),
    ("ReplayDecision", {"position": at(1, 2)}, "position.partition", "UNKNOWN"),
    ("ReplayDecision", {"position": at(1), "partition": 1}, "partition", "MISMATCH"),
    ("GetCardAsOf", {"card_id": new_id(), "as_of": {"position": at(1, 1)}}, *AS_OF_ELSEWHERE),
    ("GetCheckpoint", {"partition": 2}, "partition", "UNKNOWN"),
    ("ListCheckpoints", {"partition": 2}, "partition", "UNKNOWN"),
    ("CosignCheckpoint", {"partition": 2, "tree_size": 1}, "partition", "UNKNOWN"),
    ("ProveInclusion", {"event": at(1, 2), "tree_size": 1}, "event.partition", "UNKNOWN"),
    ("ProveConsistency", {"partition": 2, "old_tree_size": 1, "new_tree_size": 1}, "partition", "UNKNOWN"),
    ("ReadTiles", {"partition": 2, "tree_size": 1}, "partition", "UNKNOWN"),
]


def test_a_partition_that_is_not_there_is_refused_with_its_field(tmp_path: Path) -> None:
    """Whatever is asked about it; an account of such a partition does not exist."""
    with neighbours(tmp_path, f"sqlite:///{tmp_path / 'log.db'}") as servers:
        opened(servers.here, 0)
        for server in servers:
            auditor = Auditor(server)
            for method, asked, field, rule in NOWHERE:
                refusal = auditor.refused(method, **asked)
                assert (refusal.reason, refusal.fields) == ("INVALID_ARGUMENT", {field: rule}), (method, asked)
            refusal = refused(lambda: next(auditor.ask("SubscribeEvents", after=at(0, 2))))  # noqa: B023 - at once
            assert refusal.fields == {"after.partition": "UNKNOWN"}
            account = (2 << 40) + 1
            assert auditor.refused("ExplainBalance", account_id=account, figure=POSTED).reason == "ACCOUNT_NOT_FOUND"
            assert auditor.refused("GetAggregateHistory", account_id=account).reason == "AGGREGATE_NOT_FOUND"
            client = server.client()
            books = statements.GetTrialBalanceRequest(as_of=AsOf(position=at(1, 2)))
            refusal = refused(
                lambda: client.statements.GetTrialBalance(books, metadata=client.metadata, timeout=PATIENCE)  # noqa: B023
            )
            assert refusal.fields == {"as_of.position.partition": "UNKNOWN"}
