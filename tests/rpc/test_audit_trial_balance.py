"""The trial balance for auditors: as of any position or time, on both axes, and noted like every look of theirs."""

import threading
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from ledger.rpc.callers import Role
from protos.esep.v1.account_pb2 import ACCOUNT_KIND_CASH, ACCOUNT_KIND_CUSTOMER
from protos.esep.v1.audit_service_pb2 import ListAccessRequest
from protos.esep.v1.common_pb2 import AsOf, LogPosition
from protos.esep.v1.statement_service_pb2 import GetTrialBalanceRequest
from tests.rpc.world import Bank, refused, transfer
from tests.security.scenes import Caller

TRIAL = "/esep.v1.StatementService/GetTrialBalance"
FUNDS = 1_000_000
DAY = 86_400


@pytest.fixture
def database_url(store_url: str) -> str:
    """Give each kind of store."""
    return store_url


def posted(caller: Caller, as_of: AsOf | None, reached: int) -> dict[int, int]:
    """Return what stands on the accounts of each kind, which adds up to nothing."""
    request = GetTrialBalanceRequest(as_of=as_of, min_position=LogPosition(position=reached))
    lines = caller.call(TRIAL, request).lines
    assert sum(line.posted_tyiyn for line in lines) == 0
    return {line.kind: line.posted_tyiyn for line in lines}


def at(receipt: Any) -> AsOf:
    return AsOf(position=LogPosition(position=receipt.position))


def test_the_books_are_told_as_of_both_axes(bank: Bank) -> None:
    """What was recorded today and happened yesterday is in yesterday's books of the one axis, not of the other."""
    auditor = Caller(bank.world, Role.AUDITOR)
    bank.world.clock.ahead += 3 * DAY * 1_000_000
    before = bank.move(bank.rich, bank.cash, 1).receipt
    yesterday = Timestamp(seconds=before.record_time.seconds - DAY)
    dated = transfer(bank.cash, bank.rich, 700, effective_time=yesterday)
    after = bank.call(bank.ledger.transfers.CreateTransfer, dated).receipt
    head = after.position

    def customers(as_of: AsOf | None) -> int:
        found = posted(auditor, as_of, head)
        assert found[ACCOUNT_KIND_CUSTOMER] == -found[ACCOUNT_KIND_CASH]
        return found[ACCOUNT_KIND_CUSTOMER]

    assert customers(None) == customers(at(after)) == FUNDS - 1 + 700
    assert customers(at(before)) == customers(AsOf(record_time=before.record_time)) == FUNDS - 1
    assert customers(AsOf(record_time=after.record_time)) == FUNDS - 1 + 700
    assert customers(AsOf(effective_time=yesterday)) == FUNDS + 700
    assert customers(AsOf(record_time=yesterday)) == FUNDS
    a_second_earlier = Timestamp(seconds=yesterday.seconds - 1)
    assert customers(AsOf(effective_time=a_second_earlier)) == FUNDS


def test_the_books_of_a_moment_hold_all_that_was_recorded_till_then(bank: Bank) -> None:
    """Tables that are behind would tell of one and the same moment first this, then that."""
    auditor = Caller(bank.world, Role.AUDITOR)
    bank.world.hold_projections()
    receipt = bank.move(bank.rich, bank.cash, 1).receipt
    later = threading.Timer(0.3, bank.world.resume_projections)
    later.start()
    told = posted(auditor, AsOf(record_time=receipt.record_time), 0)
    assert told[ACCOUNT_KIND_CUSTOMER] == FUNDS - 1
    later.join()


def test_the_books_of_a_position_wait_for_nothing_later(bank: Bank) -> None:
    """They are as they were, however far behind the newest event the tables are."""
    auditor = Caller(bank.world, Role.AUDITOR)
    reached = bank.move(bank.rich, bank.cash, 1).receipt
    assert posted(auditor, at(reached), 0)[ACCOUNT_KIND_CUSTOMER] == FUNDS - 1
    bank.world.hold_projections()
    try:
        bank.move(bank.rich, bank.cash, 1)
        assert posted(auditor, at(reached), 0)[ACCOUNT_KIND_CUSTOMER] == FUNDS - 1
    finally:
        bank.world.resume_projections()


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.OPERATOR])
def test_whoever_looks_at_the_books_is_listed_with_the_moment_that_was_asked(bank: Bank, role: Role) -> None:
    """As every privileged read is."""
    caller = Caller(bank.world, role)
    posted(caller, AsOf(position=LogPosition(position=3)), 3)
    listed = caller.call("/esep.v1.AuditService/ListAccess", ListAccessRequest()).accesses
    assert listed[0].method == "StatementService/GetTrialBalance"
    assert '"position":"3"' in listed[0].request.replace(" ", "")


@pytest.mark.parametrize("role", [Role.APP, Role.BANK, Role.ATM, Role.POS])
def test_nobody_else_is_told_the_books(bank: Bank, role: Role) -> None:
    """They are the sums of all banks."""
    caller = Caller(bank.world, role, "bank-a")
    assert refused(lambda: caller.call(TRIAL, GetTrialBalanceRequest())).reason == "PERMISSION_DENIED"
