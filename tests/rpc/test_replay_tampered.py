"""What was changed in the database behind the ledger's back is decided otherwise, and the difference is named."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger.rpc.callers import Role
from protos.esep.v1 import account_service_pb2 as accounts
from protos.esep.v1 import audit_pb2 as pb
from protos.esep.v1 import audit_service_pb2 as api
from protos.esep.v1 import transfer_service_pb2 as transfers
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.statement_service_pb2 import GetBalanceRequest
from tests.rpc.test_refusals import authorize, capture, held
from tests.rpc.token_cases import paying, wrong_cryptogram
from tests.rpc.world import Bank, World, item, new_id, transfer
from tests.security.scenes import Caller

Act = Callable[[Bank], str]
State = dict[str, Any]
Change = Callable[[State], State]


@pytest.fixture
def stored(tmp_path: Path, store_url: str) -> Iterator[Bank]:
    """Give a bank at a ledger on each kind of store."""
    with World(tmp_path, database_url=store_url) as world:
        yield Bank(world)


def rewrite(store_url: str, log: Any, request_id: str, change: Change) -> int:
    """Change the event of a request in the database itself; return its position."""
    position: int = next(iter(log.find(0, [_bytes(request_id)]).values()))
    [row] = log.read(0, position - 1, 1)
    state = json.dumps(change(json.loads(row.state)), ensure_ascii=False, separators=(",", ":")).encode()
    assert state != row.state
    if store_url.startswith("sqlite"):
        with closing(sqlite3.connect(store_url.removeprefix("sqlite:///"), timeout=60)) as file, file:
            file.execute("UPDATE events SET state = ? WHERE position = ?", (state, position))
    else:
        with psycopg.connect(store_url, autocommit=True) as connection:
            connection.execute("UPDATE events SET state = %s WHERE position = %s", (state, position))
    return position


def _bytes(request_id: str) -> bytes:
    return bytes.fromhex(request_id.replace("-", ""))


def put(**fields: Any) -> Change:
    """Return what writes other values into an event."""
    return lambda state: {**state, **fields}


# What is decided, and under which id.


def declined_transfer(bank: Bank) -> str:
    request = transfer(bank.poor, bank.rich, 10)
    bank.refused(bank.ledger.transfers.CreateTransfer, request)
    return request.request_id


def posted_transfer(bank: Bank) -> str:
    return bank.move(bank.rich, bank.poor, 10).transfer.transfer_id


def approved(bank: Bank) -> str:
    return held(bank, 500)


def declined_hold(bank: Bank) -> str:
    request = authorize(bank, 10**9)
    bank.refused(bank.ledger.authorizations.CreateAuthorization, request)
    return request.request_id


def declined_capture(bank: Bank) -> str:
    bank.call(bank.ledger.authorizations.CaptureAuthorization, capture(held(bank), 10, "c-1"))
    request = capture(held(bank), 10, "c-1")
    bank.refused(bank.ledger.authorizations.CaptureAuthorization, request)
    return request.request_id


def declined_closure(bank: Bank) -> str:
    request = accounts.CloseAccountRequest(request_id=new_id(), account_id=bank.rich)
    bank.refused(bank.ledger.accounts.CloseAccount, request)
    return request.request_id


def declined_batch(bank: Bank) -> str:
    both = [item(bank.rich, bank.poor, each, request_id=new_id()) for each in (1, 10**12)]
    request = transfers.CreateTransfersRequest(request_id=new_id(), atomic=True, transfers=both)
    bank.refused(bank.ledger.transfers.CreateTransfers, request)
    return request.request_id


def posted_batch(bank: Bank) -> str:
    both = [item(bank.rich, bank.poor, each, request_id=new_id()) for each in (1, 2)]
    request = transfers.CreateTransfersRequest(request_id=new_id(), atomic=True, transfers=both)
    bank.call(bank.ledger.transfers.CreateTransfers, request)
    return request.request_id


def tapped(bank: Bank) -> str:
    return str(paying(bank).pay(100).authorization.authorization_id)


def declined_tap(bank: Bank) -> str:
    wrong_cryptogram(bank)
    rows = bank.world.log.read(0, 0, 10_000)
    return next(row.originator_id.hex() for row in reversed(rows) if row.topic == "authorization.declined.v1")


def moved_inputs(state: State) -> State:
    return {**state, "inputs": {**state["inputs"], "amount_tyiyn": 11}}


def right_cryptogram(state: State) -> State:
    return {**state, "tap": {**state["tap"], "verdict": "right"}}


def smaller_part(state: State) -> State:
    return {**state, "transfers": [state["transfers"][0], {**state["transfers"][1], "amount": 2}]}


TAMPERED: list[tuple[Act, Change, str]] = [
    (declined_transfer, put(reason="ACCOUNT_FROZEN"), 'reason is not the same: "ACCOUNT_FROZEN" is recorded'),
    (declined_transfer, put(amount=0), "the tree holds the leaf of another event"),
    (posted_transfer, put(amount=1), "the tree holds the leaf of another event"),
    (posted_transfer, put(amount=10**12), "transfer.posted.v1 is recorded, transfer.declined.v1 would be now"),
    (approved, put(rule_version="rules-9"), 'rule_version is not the same: "rules-9" is recorded, "default-1" would'),
    (approved, put(amount=400), "fingerprint is not the same"),
    (approved, put(expires_at=1), "expires_at is not the same: 1 is recorded"),
    (declined_hold, put(reason="ACCOUNT_CLOSED"), 'reason is not the same: "ACCOUNT_CLOSED" is recorded'),
    (declined_hold, put(amount=1), "authorization.declined.v1 is recorded, authorization.approved.v1 would be now"),
    (declined_capture, put(reason="VERIFICATION_HOLD"), 'reason is not the same: "VERIFICATION_HOLD" is recorded'),
    (declined_capture, moved_inputs, "fingerprint is not the same"),
    (declined_capture, put(inputs={}), "the tree holds the leaf of another event"),
    (declined_closure, put(detail={"account_id": "7"}), "detail is not the same"),
    (declined_batch, put(index=0), "index is not the same: 0 is recorded, 1 would be now"),
    (declined_batch, smaller_part, "transfer_batch.declined.v1 is recorded, transfer_batch.posted.v1 would be now"),
    (posted_batch, put(count=1), "fingerprint is not that of the transfers"),
    (tapped, put(amount=99), "fingerprint is not the same"),
    (declined_tap, put(reason="KEY_SUPERSEDED"), 'reason is not the same: "KEY_SUPERSEDED" is recorded'),
    (declined_tap, right_cryptogram, "the tree holds the leaf of another event"),
]  # fmt: skip


NAMES = [f"{act.__name__}-{said[:24]}" for act, _, said in TAMPERED]


@pytest.mark.parametrize(("act", "change", "difference"), TAMPERED, ids=NAMES)
def test_what_was_changed_is_a_different_decision(
    bank: Bank, tmp_path: Path, act: Act, change: Change, difference: str
) -> None:
    """As it was recorded it is the same; changed, the difference is named, and so is the leaf that is another's."""
    assert_named(bank, f"sqlite:///{tmp_path / 'log.db'}", act, change, difference)


@pytest.mark.parametrize(("act", "change", "difference"), TAMPERED[:5], ids=NAMES[:5])
def test_it_is_so_on_each_kind_of_store(
    stored: Bank, store_url: str, act: Act, change: Change, difference: str
) -> None:
    """Whatever database it was changed in."""
    assert_named(stored, store_url, act, change, difference)


def assert_named(bank: Bank, store_url: str, act: Act, change: Change, difference: str) -> None:
    """Check that a decision is the same before a change of its event, and after it differs in what is named."""
    request_id = act(bank)
    hashed(bank)
    untouched = asked(bank, request_id)
    assert untouched.verdict == pb.REPLAY_VERDICT_SAME
    assert untouched.leaves_checked
    position = rewrite(store_url, bank.world.log, request_id, change)
    replay = asked(bank, request_id)
    assert replay.verdict == pb.REPLAY_VERDICT_DIFFERENT
    assert f"position {position}: the tree holds the leaf of another event" in list(replay.differences)
    assert [each for each in replay.differences if difference in each], list(replay.differences)


def asked(bank: Bank, request_id: str) -> pb.DecisionReplay:
    """Return a decision made again, as an auditor asks for it."""
    digits = request_id.replace("-", "")
    named = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    method = "/esep.v1.AuditService/ReplayDecision"
    answer: api.ReplayDecisionResponse = Caller(bank.world, Role.AUDITOR).call(
        method, api.ReplayDecisionRequest(request_id=named)
    )
    return answer.replay


def hashed(bank: Bank) -> None:
    """Wait until the tree has taken in all there is, and one more: whose last event is another's is made anew."""
    bank.move(bank.cash, bank.rich, 1)
    reached = LogPosition(position=bank.world.log.head(0))
    balance = GetBalanceRequest(account_id=bank.rich, min_position=reached)
    bank.call(bank.ledger.statements.GetBalance, balance)
