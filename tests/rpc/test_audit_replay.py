"""Deciding again: the same state, time and rules give the same outcome, and what cannot be had is not claimed."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from domain import refused_batch
from domain.topics import EVENTS
from ledger.audit.replay import past
from ledger.audit.replay.past import TooFarError
from ledger.audit.replay.rebuild_table import BUILDERS
from ledger.audit.replay.replayer import NoDecisionError, Replayed, Replayer, Verdict
from ledger.rpc.callers import Role
from protos.esep.v1 import audit_pb2 as pb
from protos.esep.v1 import audit_service_pb2 as api
from protos.esep.v1.bulk_service_pb2 import PostBulkRequest, ReverseBulkLegRequest
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.transfer_service_pb2 import CreateTransfersRequest, ReverseTransferRequest
from tests.rpc.test_audit_questions import busy, hold
from tests.rpc.world import Bank, World, item, new_id, transfer
from tests.security.scenes import OWN_BANK, Caller, make_scene

FOLLOWING = {
    "AuthorizationExpired", "BatchPosted", "BatchDeclined", "CardBindingOpened", "CardBound", "CardTokensLinked",
    "CardTokensUnlinked", "ClaimMade", "CommandDeclined", "CreditLineRefused", "CreditLinesDecided", "DeviceRegistered",
    "EngineStarted", "QuoteConfirmed", "SnapshotTaken", "TokenUsed", "TransferDeclined", "TransferSent",
    "WalletCardAdded", "WalletCardRemoved", "WalletCardTried",
}  # fmt: skip
"""Events that no builder is asked about: they follow from others, are the ledger's own, or are looked at before."""


@pytest.fixture
def database_url(store_url: str) -> str:
    """Give each kind of store."""
    return store_url


def all_replayed(world: World) -> list[Replayed]:
    """Decide everything again that a log holds."""
    replayer = Replayer(world.log, 0, world.policy)
    found = []
    for row in world.log.read(0, 0, 100_000):
        try:
            found.append(replayer.replay(row.position))
        except NoDecisionError:
            continue
    return found


@pytest.fixture(scope="module")
def eventful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Give a ledger in which most things have happened that may happen."""
    directory: Path = tmp_path_factory.mktemp("eventful")
    with World(directory) as world:
        make_scene(world, OWN_BANK)
        bank = Bank(world)
        busy(bank)
        moved = bank.move(bank.rich, bank.poor, 70)
        reverse = ReverseTransferRequest(
            request_id=new_id(), transfer_id=moved.transfer.transfer_id, amount_tyiyn=30, explanation="too much"
        )
        bank.call(bank.ledger.transfers.ReverseTransfer, reverse)
        bank.refused(bank.ledger.transfers.CreateTransfer, _transfer(bank, 10**12))
        bulk = PostBulkRequest(
            request_id=new_id(),
            debit_account_ids=[bank.rich, bank.poor],
            credit_account_ids=[bank.poor, bank.rich],
            amounts_tyiyn=[5, 10**12],
            references=["", "x"],
        )
        bank.call(bank.ledger.bulks.PostBulk, bulk)
        for amount, send in ((2, bank.call), (None, bank.call), (None, bank.refused)):
            back = ReverseBulkLegRequest(request_id=new_id(), bulk_id=bulk.request_id, leg=0, amount_tyiyn=amount)
            send(bank.ledger.bulks.ReverseBulkLeg, back)
        for atomic, amount in ((False, 1), (True, 1), (True, 10**12)):
            transfers = [item(bank.rich, bank.poor, each) for each in (1, amount)]
            if atomic:
                for each in transfers:
                    each.request_id = new_id()
            request = CreateTransfersRequest(atomic=atomic, transfers=transfers)
            if atomic:
                request.request_id = new_id()
            (bank.refused if amount > 1 else bank.call)(bank.ledger.transfers.CreateTransfers, request)
        world.clock.ahead += 8 * 86_400 * 1_000_000
        hold(bank, 5)
        yield world


def _transfer(bank: Bank, amount: int) -> Any:
    return transfer(bank.rich, bank.poor, amount)


def test_every_event_is_known_to_begin_a_request_or_not() -> None:
    """A new kind of event must be put into one list or the other: a decision nobody can replay would go unseen."""
    built = {kind.__name__ for kind in BUILDERS}
    assert built | FOLLOWING == {event.__name__ for event in EVENTS}
    assert not built & FOLLOWING


def test_whatever_was_decided_is_decided_the_same_again(eventful: World) -> None:
    """Byte for byte, declines too; what cannot be rebuilt is said to be so, and is never told to be the same."""
    found = all_replayed(eventful)
    assert [each.differences for each in found if each.verdict is Verdict.DIFFERENT] == []
    commands = Counter(each.command for each in found if each.verdict is Verdict.SAME)
    assert {
        "authorize", "capture", "create_transfer", "create_transfers", "expire",
        "increment", "issue_card", "open_account", "register_customer", "replace", "reverse",
        "reverse_part", "post_bulk", "reverse_bulk_leg",
        "reverse_transfer", "set_minimum_balance", "set_overdraft_limit",
    } <= set(commands)  # fmt: skip
    declined = [each for each in found if each.verdict is Verdict.SAME and each.recorded_reason]
    assert "INSUFFICIENT_FUNDS" in [each.replayed_reason for each in declined]
    assert all(each.recorded_reason == each.replayed_reason for each in declined)
    for each in found:
        if each.verdict is Verdict.NOT_REBUILT:
            assert each.explanation
            assert each.missing or each.command


def test_a_decision_is_made_on_the_state_of_its_moment(bank: Bank) -> None:
    """A transfer that was covered then is so still, although the account is empty now."""
    moved = bank.move(bank.rich, bank.poor, 900_000)
    bank.move(bank.rich, bank.poor, 100_000)
    asked = api.ReplayDecisionRequest(request_id=moved.transfer.transfer_id)
    replay = bank.call(bank.ledger.audit.ReplayDecision, asked).replay
    assert replay.verdict == pb.REPLAY_VERDICT_SAME
    assert replay.state_position == moved.receipt.position - 1
    assert replay.decision_time == moved.receipt.record_time
    assert [event.position for event in replay.recorded] == [moved.receipt.position]


def test_an_event_that_was_changed_since_is_not_decided_so_again(bank: Bank) -> None:
    """A hold whose expiry somebody moved behind the ledger's back: the field is named."""
    hold(bank, 1_000)
    log = bank.world.log
    held = log.read(0, log.head(0) - 1, 1)[0]
    state = json.loads(held.state)
    changed = held._replace(state=msgspec.json.encode({**state, "expires_at": state["expires_at"] + 1}))

    class Tampered:
        head, find, aggregate = log.head, log.find, log.aggregate

        @staticmethod
        def read(partition: int, after: int, limit: int) -> Any:
            return [changed if row.position == held.position else row for row in log.read(partition, after, limit)]

    answer = Replayer(Tampered(), 0, bank.world.policy).replay(held.position)
    assert answer.verdict is Verdict.DIFFERENT
    [difference] = answer.differences
    assert difference.startswith(f"position {held.position}: expires_at is not the same: ")


def test_a_balance_that_was_changed_since_shows_in_what_followed_from_it(bank: Bank) -> None:
    """A deposit that somebody made smaller does not cover what was paid from it."""
    log = bank.world.log
    deposit = log.read(0, log.head(0) - 1, 1)[0]
    spent = bank.move(bank.rich, bank.poor, 900_000).receipt.position
    smaller = deposit._replace(state=deposit.state.replace(b"1000000", b"1000"))
    assert smaller != deposit

    class Tampered:
        head, find, aggregate = log.head, log.find, log.aggregate

        @staticmethod
        def read(partition: int, after: int, limit: int) -> Any:
            return [smaller if row.position == deposit.position else row for row in log.read(partition, after, limit)]

    answer = Replayer(Tampered(), 0, bank.world.policy).replay(spent)
    assert (answer.verdict, answer.replayed_reason) == (Verdict.DIFFERENT, "INSUFFICIENT_FUNDS")


def test_decisions_are_replayed_in_any_order(bank: Bank) -> None:
    """Backwards the state is made anew: nothing of a later position is left in it."""
    positions = [bank.move(bank.rich, bank.poor, 400_000).receipt.position for _ in range(2)]
    replayer = Replayer(bank.world.log, 0, bank.world.policy)
    for position in (positions[1], positions[0], positions[1]):
        assert replayer.replay(position).verdict is Verdict.SAME


def test_a_refused_batch_is_refused_again(bank: Bank) -> None:
    """By the transfer that refused it, after those before it: one of them may have brought in what it spends."""
    transfers = [item(bank.rich, bank.poor, 5), item(bank.poor, bank.merchant, 5), item(bank.poor, bank.merchant, 1)]
    for each in transfers:
        each.request_id = new_id()
    request = CreateTransfersRequest(request_id=new_id(), atomic=True, transfers=transfers)
    bank.refused(bank.ledger.transfers.CreateTransfers, request)
    replay = bank.call(
        bank.ledger.audit.ReplayDecision, api.ReplayDecisionRequest(request_id=request.request_id)
    ).replay
    assert (replay.verdict, replay.fingerprint_checked) == (pb.REPLAY_VERDICT_SAME, True)
    assert replay.replayed_reason == replay.recorded_reason == "INSUFFICIENT_FUNDS"
    [recorded] = replay.recorded
    assert json.loads(recorded.state)["index"] == 2


def test_a_batch_too_long_to_be_kept_is_not_claimed(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing of it is named; its refusal is recorded all the same."""
    monkeypatch.setattr(refused_batch, "MOST_KEPT", 100)
    transfers = [item(bank.rich, bank.poor, 10**12, request_id=new_id())]
    request = CreateTransfersRequest(request_id=new_id(), atomic=True, transfers=transfers)
    bank.refused(bank.ledger.transfers.CreateTransfers, request)
    replay = bank.call(
        bank.ledger.audit.ReplayDecision, api.ReplayDecisionRequest(request_id=request.request_id)
    ).replay
    assert replay.verdict == pb.REPLAY_VERDICT_NOT_REBUILT
    assert (replay.recorded_reason, list(replay.missing)) == ("INSUFFICIENT_FUNDS", ["transfers"])
    assert not replay.replayed_reason


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.OPERATOR])
def test_a_decision_is_found_by_its_position_or_its_request(bank: Bank, role: Role) -> None:
    """Whoever sent it."""
    moved = bank.move(bank.rich, bank.poor, 5)
    caller = Caller(bank.world, role)
    method = "/esep.v1.AuditService/ReplayDecision"
    by_position = caller.call(method, api.ReplayDecisionRequest(position=LogPosition(position=moved.receipt.position)))
    by_request = caller.call(method, api.ReplayDecisionRequest(request_id=moved.transfer.transfer_id))
    for answer in (by_position, by_request):
        answer.replay.leaves_checked = False  # The tiles may arrive between the two.
    assert by_position == by_request
    assert by_position.position.position == moved.receipt.position


def test_what_is_no_decision_is_not_found(bank: Bank) -> None:
    """An unknown id, an event that is the ledger's own, and one that only followed."""
    for asked in (
        api.ReplayDecisionRequest(request_id=str(UUID(int=9, version=4))),
        api.ReplayDecisionRequest(position=LogPosition(position=1)),
        api.ReplayDecisionRequest(position=LogPosition(position=0)),
    ):
        assert bank.refused(bank.ledger.audit.ReplayDecision, asked).reason == "OUTCOME_NOT_FOUND"
    future = api.ReplayDecisionRequest(position=LogPosition(position=10**6))
    fields = bank.refused(bank.ledger.audit.ReplayDecision, future).fields
    assert fields == {"position.position": "POSITION_IN_FUTURE"}
    assert bank.refused(bank.ledger.audit.ReplayDecision, api.ReplayDecisionRequest()).fields == {
        "request_id": "MISSING"
    }


def test_a_question_that_would_replay_too_much_is_refused(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """And an auditor who goes on in the order of the log is answered."""
    moved = bank.move(bank.rich, bank.poor, 5)
    monkeypatch.setattr(past, "MOST_REPLAYED", 3)
    asked = api.ReplayDecisionRequest(request_id=moved.transfer.transfer_id)
    assert bank.refused(bank.ledger.audit.ReplayDecision, asked).reason == "REPLAY_TOO_FAR"
    for position in (3, 5, moved.receipt.position):
        request = api.ReplayDecisionRequest(position=LogPosition(position=position))
        replay = bank.call(bank.ledger.audit.ReplayDecision, request).replay
        assert replay.verdict == pb.REPLAY_VERDICT_SAME
    with pytest.raises(TooFarError):
        Replayer(bank.world.log, 0, bank.world.policy).replay(moved.receipt.position)
