"""Sums that no balance ever comes to: an account's turnover, many accounts together, and what was recorded late."""

from datetime import timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from protos.esep.v1 import account_pb2
from protos.esep.v1 import bulk_service_pb2 as bulks
from protos.esep.v1 import common_pb2 as common
from protos.esep.v1 import statement_service_pb2 as pb
from tests.rpc.world import Bank, World, new_id

MOST = 10**15
LEGS = 4_611
"""Of the largest amount; of one more, no balance has room."""
SUM = MOST * LEGS


@pytest.fixture
def cash(bank: Bank) -> list[int]:
    return [bank.open(account_pb2.ACCOUNT_KIND_CASH) for _ in range(6)]


def post(bank: Bank, debit: int, credit: int, happened: Timestamp | None = None) -> int:
    """Move the largest sum; return its position."""
    request = bulks.PostBulkRequest(
        request_id=new_id(),
        debit_account_ids=[debit] * LEGS,
        credit_account_ids=[credit] * LEGS,
        amounts_tyiyn=[MOST] * LEGS,
        effective_time=happened,
    )
    answer = bank.call(bank.ledger.bulks.PostBulk, request)
    assert answer.bulk.posted_count == LEGS
    position: int = answer.receipt.position
    return position


def ago(world: World, **times: float) -> Timestamp:
    """Return a time by the ledger's clock."""
    at = Timestamp()
    at.FromMicroseconds(world.clock.now() - timedelta(**times) // timedelta(microseconds=1))
    return at


def test_a_trial_balance_of_any_size_is_told(bank: Bank, cash: list[int]) -> None:
    """A sum that has no room in one line has several; the accounts are counted once, and all comes to zero."""
    merchants = [bank.open(account_pb2.ACCOUNT_KIND_MERCHANT) for _ in range(6)]
    position = max(post(bank, debit, credit) for debit, credit in zip(cash, merchants, strict=True))
    for as_of in (None, common.AsOf(position=common.LogPosition(position=position))):
        request = pb.GetTrialBalanceRequest(as_of=as_of, min_position=common.LogPosition(position=position))
        lines = bank.call(bank.ledger.statements.GetTrialBalance, request).lines
        assert sum(line.posted_tyiyn for line in lines) == 0
        of_cash = [line for line in lines if line.kind == account_pb2.ACCOUNT_KIND_CASH]
        assert sum(line.posted_tyiyn for line in of_cash) == -6 * SUM - 1_000_000
        assert [line.account_count for line in of_cash] == [7, 0, 0]


def test_what_has_no_room_in_a_statement_is_asked_for_in_parts(bank: Bank, cash: list[int]) -> None:
    """A period with more turnover says so; shorter ones are told."""
    one, other, *_ = cash
    begun = ago(bank.world)
    for _ in range(2):
        post(bank, one, other)
        post(bank, other, one)
    between = ago(bank.world)
    post(bank, one, other)
    last = common.LogPosition(position=post(bank, other, one))

    def asked(start: Timestamp, axis: pb.StatementAxis.ValueType) -> pb.GetStatementRequest:
        end = ago(bank.world, seconds=-1)
        return pb.GetStatementRequest(
            account_id=one, period_start=start, period_end=end, axis=axis, page_size=1, min_position=last
        )

    for axis in (pb.STATEMENT_AXIS_RECORDED, pb.STATEMENT_AXIS_EFFECTIVE):
        refusal = bank.refused(bank.ledger.statements.GetStatement, asked(begun, axis))
        assert refusal.fields == {"period_end": "TOO_MUCH"}
        told = bank.call(bank.ledger.statements.GetStatement, asked(between, axis))
        assert (told.total_debits_tyiyn, told.total_credits_tyiyn, told.closing_tyiyn) == (SUM, SUM, 0)


def test_late_movements_of_any_sum_are_counted(bank: Bank, cash: list[int]) -> None:
    """By their effective time they come to what no balance ever was: told where it has room, and else refused."""
    one, other, *_ = cash
    opened = ago(bank.world)
    late, later = ago(bank.world, seconds=20), ago(bank.world, seconds=10)
    for happened in (late, late, later, late):
        post(bank, one, other, happened)
        post(bank, other, one, later if happened == late else None)
    last = common.LogPosition(position=bank.move(one, other, 1).receipt.position)

    def asked(at: Timestamp) -> pb.GetBalanceRequest:
        return pb.GetBalanceRequest(account_id=one, as_of=common.AsOf(effective_time=at), min_position=last)

    told = bank.call(bank.ledger.statements.GetBalance, asked(opened)).balance
    assert told.posted_tyiyn == -SUM
    refusal = bank.refused(bank.ledger.statements.GetBalance, asked(late))
    assert refusal.fields == {"as_of": "TOO_MUCH"}
    several = pb.BatchGetBalancesRequest(account_ids=[other, one], as_of=asked(late).as_of, min_position=last)
    refusal = bank.refused(bank.ledger.statements.BatchGetBalances, several)
    assert refusal.fields == {"as_of": "TOO_MUCH"}
    request = pb.GetTrialBalanceRequest(as_of=asked(late).as_of)
    lines = bank.call(bank.ledger.statements.GetTrialBalance, request).lines
    assert sum(line.posted_tyiyn for line in lines) == 0
