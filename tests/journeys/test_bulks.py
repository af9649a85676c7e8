"""A payroll as a bulk: posted, told, reversed, explained and verified, through the server being killed.

In a ledger of one partition, and in the last one of three.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.rpc.client import Ledger
from protos.esep.v1 import account_pb2, statement_pb2
from protos.esep.v1 import audit_pb2 as audits
from protos.esep.v1 import audit_service_pb2 as audit
from protos.esep.v1 import bulk_service_pb2 as pb
from protos.esep.v1 import statement_service_pb2 as statements
from protos.esep.v1.common_pb2 import AsOf, LogPosition
from scripts.demo_client import connect_plainly, new_id
from scripts.demo_server import ServerProcess
from tests.journeys.test_command_line import CommandLine
from tests.serving import CALL_SECONDS, open_account, server_on, transfer

STAFF = 400
SALARY = 45_000_00


class Payroll:
    """An employer who pays a staff in one bulk, the last one of whom there is no money for."""

    def __init__(self, ledger: Ledger, partition: int) -> None:
        self.ledger = ledger
        self.partition = partition
        cash = open_account(ledger, account_pb2.ACCOUNT_KIND_CASH, partition=partition)
        self.employer, *self.staff = (
            open_account(ledger, account_pb2.ACCOUNT_KIND_CUSTOMER, partition=partition) for _ in range(21)
        )
        transfer(ledger, cash, self.employer, STAFF * SALARY - 1)
        self.request = pb.PostBulkRequest(
            request_id=new_id(),
            debit_account_ids=[self.employer] * STAFF,
            credit_account_ids=[self.staff[leg % len(self.staff)] for leg in range(STAFF)],
            amounts_tyiyn=[SALARY] * STAFF,
            references=[f"November {leg}" for leg in range(STAFF)],
            kind="salary",
        )
        self.posted: pb.PostBulkResponse = ledger.bulks.PostBulk(self.request, timeout=CALL_SECONDS)

    def posted_tyiyn(self, account: int, as_of: AsOf | None = None) -> int:
        """Return what is posted to an account, now or then."""
        request = statements.GetBalanceRequest(account_id=account, as_of=as_of, min_position=self.head())
        return self.ledger.statements.GetBalance(request, timeout=CALL_SECONDS).balance.posted_tyiyn

    def head(self) -> LogPosition:
        """Return the last position."""
        answer = self.ledger.bulks.GetBulk(self._bulk(), timeout=CALL_SECONDS)
        return answer.position

    def lines(self, account: int) -> list[statement_pb2.StatementLine]:
        """Return the last lines of an account, newest first."""
        request = statements.GetMiniStatementRequest(account_id=account, min_position=self.head())
        return list(self.ledger.statements.GetMiniStatement(request, timeout=CALL_SECONDS).lines)

    def reverse(self, leg: int, **fields: Any) -> pb.ReverseBulkLegResponse:
        """Move one salary back."""
        request = pb.ReverseBulkLegRequest(
            request_id=new_id(), bulk_id=self.request.request_id, leg=leg, explanation="left in October", **fields
        )
        return self.ledger.bulks.ReverseBulkLeg(request, timeout=CALL_SECONDS)

    def _bulk(self) -> pb.GetBulkRequest:
        return pb.GetBulkRequest(bulk_id=self.request.request_id)


@pytest.fixture(scope="module", params=[1, 3])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Give a server of a ledger with so many partitions."""
    directory = tmp_path_factory.mktemp("server")
    count = str(request.param)
    with server_on(f"sqlite:///{directory / 'log.db'}", directory, partition_count=count) as process:
        process.start()
        yield process
        process.stop()


@pytest.fixture(scope="module")
def payroll(server: ServerProcess) -> Iterator[Payroll]:
    last = int(server.environment["ESEP_PARTITION_COUNT"]) - 1
    with connect_plainly(server.address) as ledger:
        yield Payroll(ledger, last)


def test_a_payroll_is_posted_told_reversed_and_verified(
    payroll: Payroll, server: ServerProcess, tmp_path: Path
) -> None:
    """Every question about money knows the legs of a bulk, before and after a restart, and offline as well."""
    posted = payroll.posted
    assert (posted.bulk.posted_count, list(posted.bulk.refusals.legs)) == (STAFF - 1, [STAFF - 1])
    position = posted.receipt.position
    assert posted.receipt.partition == payroll.partition
    first, last = payroll.staff[0], payroll.staff[-1]
    assert payroll.posted_tyiyn(first) == 20 * SALARY
    assert payroll.posted_tyiyn(last) == 19 * SALARY
    newest = payroll.lines(first)[0]
    assert (newest.position.position, newest.leg, newest.kind) == (position, STAFF - 20, "salary")
    assert (newest.reference, newest.bulk_id) == (f"November {STAFF - 20}", payroll.request.request_id)
    assert newest.balance_after_tyiyn == 20 * SALARY

    back = payroll.reverse(20)
    assert (back.reversal.amount_tyiyn, back.leg.reversed_tyiyn) == (SALARY, SALARY)
    newest = payroll.lines(first)[0]
    assert (newest.leg, newest.kind, newest.amount_tyiyn) == (20, "reversal", -SALARY)
    then = AsOf(position=LogPosition(partition=payroll.partition, position=position))
    assert payroll.posted_tyiyn(first, then) == 20 * SALARY
    assert payroll.posted_tyiyn(first) == 19 * SALARY

    server.kill()
    server.start()
    with connect_plainly(server.address) as ledger:
        payroll.ledger = ledger
        again = ledger.bulks.PostBulk(payroll.request, timeout=CALL_SECONDS)
        assert (again.bulk, again.receipt.replayed) == (posted.bulk, True)
        assert payroll.posted_tyiyn(first) == 19 * SALARY
        explaining = audit.ExplainBalanceRequest(account_id=first, figure=audits.BALANCE_FIGURE_POSTED)
        steps = ledger.audit.ExplainBalance(explaining, timeout=CALL_SECONDS).steps
        assert [(step.topic, step.change_tyiyn) for step in steps] == [
            ("bulk.posted.v1", 20 * SALARY),
            ("bulk.leg_reversed.v1", -SALARY),
        ]
        for request_id in (payroll.request.request_id, back.reversal.reversal_id):
            asked = audit.ReplayDecisionRequest(request_id=request_id, partition=payroll.partition)
            replay = ledger.audit.ReplayDecision(asked, timeout=CALL_SECONDS).replay
            assert replay.verdict == audits.REPLAY_VERDICT_SAME, replay.differences
    esep = CommandLine(server.environment)
    assert esep.json("audit", "verify")["report"]["ok"]
    esep.run("check")
    directory = tmp_path / "export"
    esep.run("audit", "export", str(directory))
    assert esep.json("audit", "verify", "--export", str(directory))["report"]["ok"]
    explained = esep.run("audit", "explain", str(first), "--export", str(directory))
    assert "bulk.posted.v1" in explained
    assert "bulk.leg_reversed.v1" in explained
