"""Each reason for which an auditor's question is refused, made to happen once."""

from unittest.mock import patch

from domain.refusals import Reason
from ledger.audit.replay import past
from protos.esep.v1.audit_service_pb2 import GetAggregateHistoryRequest, ReadEventsRequest, ReplayDecisionRequest
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.statement_service_pb2 import GetBalanceRequest
from tests.rpc.old import archive_all
from tests.rpc.world import Bank, Refusal, new_id


def aggregate_not_found(bank: Bank) -> Refusal:
    return bank.refused(bank.ledger.audit.GetAggregateHistory, GetAggregateHistoryRequest(aggregate_id=new_id()))


def replay_too_far(bank: Bank) -> Refusal:
    with patch.object(past, "MOST_REPLAYED", 1):
        request = ReplayDecisionRequest(position=LogPosition(position=4))
        return bank.refused(bank.ledger.audit.ReplayDecision, request)


def archive_unreadable(bank: Bank) -> Refusal:
    bank.move(bank.rich, bank.poor, 1)
    head = LogPosition(position=bank.world.log.head(0))
    bank.call(bank.ledger.statements.GetBalance, GetBalanceRequest(account_id=bank.rich, min_position=head))
    for segment in archive_all(bank.world):
        (bank.world.archive / segment.file).unlink()
    return bank.refused(bank.ledger.audit.ReadEvents, ReadEventsRequest(page_size=500))


AUDIT_CASES = {
    Reason.AGGREGATE_NOT_FOUND: aggregate_not_found,
    Reason.REPLAY_TOO_FAR: replay_too_far,
    Reason.ARCHIVE_UNREADABLE: archive_unreadable,
}
