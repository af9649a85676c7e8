"""Refusals of bulks, as a caller meets them."""

from collections.abc import Callable

from domain.refusals import Reason
from protos.esep.v1 import bulk_service_pb2 as pb
from tests.rpc.world import Bank, Refusal, new_id


def one_leg(debit: int, credit: int) -> pb.PostBulkRequest:
    return pb.PostBulkRequest(
        request_id=new_id(), debit_account_ids=[debit], credit_account_ids=[credit], amounts_tyiyn=[1]
    )


def back(bulk_id: str, leg: int) -> pb.ReverseBulkLegRequest:
    return pb.ReverseBulkLegRequest(request_id=new_id(), bulk_id=bulk_id, leg=leg)


def accounts_unknown(bank: Bank) -> Refusal:
    return bank.refused(bank.ledger.bulks.PostBulk, one_leg(bank.rich, 999))


def bulk_not_found(bank: Bank) -> Refusal:
    return bank.refused(bank.ledger.bulks.ReverseBulkLeg, back(new_id(), 0))


def bulk_leg_not_found(bank: Bank) -> Refusal:
    posted = bank.call(bank.ledger.bulks.PostBulk, one_leg(bank.rich, bank.poor)).bulk
    return bank.refused(bank.ledger.bulks.ReverseBulkLeg, back(posted.bulk_id, 1))


BULK_CASES: dict[Reason, Callable[[Bank], Refusal]] = {
    Reason.ACCOUNTS_UNKNOWN: accounts_unknown,
    Reason.BULK_NOT_FOUND: bulk_not_found,
    Reason.BULK_LEG_NOT_FOUND: bulk_leg_not_found,
}
