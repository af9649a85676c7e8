"""Bulks over gRPC: columns in, what was refused out, and every other question about them."""

from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from domain.legs import MAX_LEGS
from ledger.audit import reading
from ledger.rpc.callers import Role
from protos.esep.v1 import account_pb2
from protos.esep.v1 import audit_pb2 as audits
from protos.esep.v1 import audit_service_pb2 as audit
from protos.esep.v1 import bulk_service_pb2 as pb
from protos.esep.v1 import statement_service_pb2 as statements
from protos.esep.v1.account_service_pb2 import FreezeAccountRequest
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.transfer_service_pb2 import GetOutcomeRequest
from tests.rpc.world import Bank, new_id, refused
from tests.security.scenes import OTHER_BANK, OWN_BANK, Caller, make_scene

COLUMNS = ("debit_account_ids", "credit_account_ids", "amounts_tyiyn")


def bulk(*legs: tuple[int, int, int], **fields: Any) -> pb.PostBulkRequest:
    """Return a request for these legs."""
    debits, credits_, amounts = zip(*legs, strict=True)
    known = {"request_id": new_id()} | fields
    return pb.PostBulkRequest(debit_account_ids=debits, credit_account_ids=credits_, amounts_tyiyn=amounts, **known)


def post(bank: Bank, *legs: tuple[int, int, int], **fields: Any) -> pb.PostBulkResponse:
    """Post a bulk."""
    answer: pb.PostBulkResponse = bank.call(bank.ledger.bulks.PostBulk, bulk(*legs, **fields))
    return answer


def test_what_was_refused_is_told_in_columns(bank: Bank) -> None:
    """The answer names the refused legs alone, each with its reason and the account in the way."""
    bank.call(
        bank.ledger.accounts.FreezeAccount,
        FreezeAccountRequest(request_id=new_id(), account_id=bank.merchant, credits=True),
    )
    answer = post(
        bank, (bank.rich, bank.poor, 5), (bank.poor, bank.rich, 9), (bank.rich, bank.merchant, 1), kind="salary"
    )
    told = answer.bulk
    assert (told.leg_count, told.posted_count, told.posted_tyiyn, told.kind) == (3, 1, 5, "salary")
    assert (told.currency_code, told.reversed_tyiyn) == ("KGS", 0)
    assert list(told.refusals.legs) == [1, 2]
    assert list(told.refusals.reasons) == ["INSUFFICIENT_FUNDS", "ACCOUNT_FROZEN"]
    assert list(told.refusals.account_ids) == [bank.poor, bank.merchant]
    assert answer.receipt.position == bank.world.log.head(0)


def test_the_same_request_is_answered_with_the_first_outcome(bank: Bank) -> None:
    """Also when by now every leg would be posted; with other content it is another request."""
    request = bulk((bank.poor, bank.rich, 5), references=["r"])
    first = bank.call(bank.ledger.bulks.PostBulk, request)
    bank.move(bank.cash, bank.poor, 5)
    again = bank.call(bank.ledger.bulks.PostBulk, request)
    assert (again.bulk, again.receipt.replayed) == (first.bulk, True)
    assert again.receipt.position == first.receipt.position
    others: dict[str, Any] = {"references": ["s"], "amounts_tyiyn": [6], "kind": "fee", "currency_code": "KGS"}
    for field, value in others.items():
        other = pb.PostBulkRequest()
        other.CopyFrom(request)
        other.ClearField(field)  # type: ignore[arg-type]
        change: dict[str, Any] = {field: value}
        other.MergeFrom(pb.PostBulkRequest(**change))
        assert bank.refused(bank.ledger.bulks.PostBulk, other).reason == "REQUEST_ID_REUSED"


def test_each_leg_counts_as_a_request(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the queue, which is bounded so, and in the histogram of batches."""
    weights, submit = [], bank.world.engine.submit

    def weigh(ticket: Any) -> None:
        weights.append(ticket.weight)
        submit(ticket)

    monkeypatch.setattr(bank.world.engine, "submit", weigh)
    before = bank.world.registry.get_sample_value("esep_rpc_batch_transfers_sum") or 0
    post(bank, *[(bank.rich, bank.poor, 1)] * 7)
    assert weights == [7]
    assert bank.world.registry.get_sample_value("esep_rpc_batch_transfers_sum") == before + 7


def test_a_trial_run_decides_and_records_nothing(bank: Bank) -> None:
    before = bank.world.log.head(0)
    answer = post(bank, (bank.poor, bank.rich, 5), (bank.rich, bank.poor, 5), validate_only=True)
    assert (list(answer.bulk.refusals.legs), answer.bulk.posted_tyiyn) == ([0], 5)
    assert not answer.HasField("receipt")
    assert bank.world.log.head(0) == before


def test_a_trial_reversal_decides_and_records_nothing(bank: Bank) -> None:
    posted = post(bank, (bank.rich, bank.poor, 5))
    back = pb.ReverseBulkLegRequest(request_id=new_id(), bulk_id=posted.bulk.bulk_id, validate_only=True)
    tried = bank.call(bank.ledger.bulks.ReverseBulkLeg, back)
    assert (tried.reversal.amount_tyiyn, tried.reversal.HasField("record_time")) == (5, False)
    assert not tried.HasField("receipt")
    assert bank.world.log.head(0) == posted.receipt.position


def test_an_outcome_is_told_by_its_id(bank: Bank) -> None:
    """Of the bulk as it was posted, and of each reversal, whatever came after."""
    posted = post(bank, (bank.rich, bank.poor, 5), (bank.poor, bank.rich, 9))
    back = pb.ReverseBulkLegRequest(request_id=new_id(), bulk_id=posted.bulk.bulk_id, explanation="twice")
    reversed_ = bank.call(bank.ledger.bulks.ReverseBulkLeg, back)
    outcome = GetOutcomeRequest(request_id=posted.bulk.bulk_id)
    assert bank.call(bank.ledger.transfers.GetOutcome, outcome).bulk == posted.bulk
    outcome = GetOutcomeRequest(request_id=back.request_id)
    told = bank.call(bank.ledger.transfers.GetOutcome, outcome).bulk_leg_reversal
    assert told == reversed_.reversal
    assert (told.leg, told.amount_tyiyn, told.explanation) == (0, 5, "twice")
    now = bank.call(bank.ledger.bulks.GetBulk, pb.GetBulkRequest(bulk_id=posted.bulk.bulk_id)).bulk
    assert now.reversed_tyiyn == 5


def test_legs_are_listed_in_pages(bank: Bank) -> None:
    """All of them, those of one account, or the refused ones, each with what became of it."""
    legs = [(bank.rich, bank.poor, 1), (bank.poor, bank.merchant, 10**6), (bank.rich, bank.merchant, 3)] * 3
    posted = post(bank, *legs, references=[f"r{leg}" for leg in range(9)])
    bank.call(
        bank.ledger.bulks.ReverseBulkLeg,
        pb.ReverseBulkLegRequest(request_id=new_id(), bulk_id=posted.bulk.bulk_id, leg=2, amount_tyiyn=2),
    )

    pages: list[int] = []

    def listed(**fields: Any) -> list[Any]:
        found: list[Any] = []
        pages.clear()
        request = pb.ListBulkLegsRequest(bulk_id=posted.bulk.bulk_id, page_size=2, **fields)
        while True:
            page = bank.call(bank.ledger.bulks.ListBulkLegs, request)
            assert len(page.legs) <= 2
            found += page.legs
            pages.append(len(page.legs))
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return found

    assert [(each.debit_account_id, each.credit_account_id, each.amount_tyiyn) for each in listed()] == legs
    assert pages == [2, 2, 2, 2, 1]
    assert [(each.leg, each.reference) for each in listed()] == [(leg, f"r{leg}") for leg in range(9)]
    assert [each.leg for each in listed(account_id=bank.poor)] == [0, 1, 3, 4, 6, 7]
    refused_ = listed(refused_only=True)
    assert [(each.leg, each.refusal, each.refusal_account_id) for each in refused_] == [
        (leg, "INSUFFICIENT_FUNDS", bank.poor) for leg in (1, 4, 7)
    ]
    assert [each.reversed_tyiyn for each in listed()] == [0, 0, 2, *[0] * 6]


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        (
            {"debit_account_ids": []},
            {"debit_account_ids": "LENGTH", "credit_account_ids": "LENGTH", "amounts_tyiyn": "LENGTH"},
        ),
        ({"credit_account_ids": [1]}, {"credit_account_ids": "LENGTH"}),
        ({"amounts_tyiyn": [1, 2, 3]}, {"amounts_tyiyn": "LENGTH"}),
        ({"references": ["a"]}, {"references": "LENGTH"}),
        ({"references": ["a", "x" * 65]}, {"references[1]": "STRING_TOO_LONG"}),
        ({"references": ["a\n", ""]}, {"references[0]": "VALUE_ERROR"}),
        ({"amounts_tyiyn": [0, -5]}, {"amounts_tyiyn[0]": "RANGE", "amounts_tyiyn[1]": "RANGE"}),
        ({"amounts_tyiyn": [1, 10**15 + 1]}, {"amounts_tyiyn[1]": "RANGE"}),
        ({"debit_account_ids": [1, 2**53]}, {"debit_account_ids[1]": "RANGE"}),
        ({"credit_account_ids": [-(2**63), 3]}, {"credit_account_ids[0]": "RANGE"}),
        ({"debit_account_ids": [3, 2], "credit_account_ids": [3, 1]}, {"credit_account_ids[0]": "SAME_ACCOUNT"}),
        ({"kind": "reversal"}, {"kind": "RESERVED"}),
        ({"kind": "Salary"}, {"kind": "STRING_PATTERN_MISMATCH"}),
        ({"currency_code": "som"}, {"currency_code": "STRING_PATTERN_MISMATCH"}),
        ({"effective_time": Timestamp(seconds=-1)}, {"effective_time": "TIMESTAMP"}),
        ({"request_id": "x", "amounts_tyiyn": [1]}, {"request_id": "UUID", "amounts_tyiyn": "LENGTH"}),
    ],
)
def test_every_entry_at_fault_is_named(bank: Bank, changed: dict[str, Any], fields: dict[str, str]) -> None:
    """By its own path; nothing is recorded, and nothing moves."""
    before = bank.world.log.head(0)
    known = {
        "request_id": new_id(),
        "debit_account_ids": [bank.rich, bank.rich],
        "credit_account_ids": [bank.poor, bank.poor],
        "amounts_tyiyn": [1, 2],
    }
    refusal = bank.refused(bank.ledger.bulks.PostBulk, pb.PostBulkRequest(**(known | changed)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT")
    assert refusal.fields == fields
    assert bank.world.log.head(0) == before


def test_a_bulk_has_a_largest_size(bank: Bank) -> None:
    """8,190 legs are taken, one more is not."""
    legs = [(bank.rich, bank.poor, 1)] * MAX_LEGS
    assert post(bank, *legs).bulk.posted_count == MAX_LEGS
    refusal = bank.refused(bank.ledger.bulks.PostBulk, bulk(*legs, legs[0]))
    assert refusal.fields == {"debit_account_ids": "LENGTH"}


def test_accounts_that_are_not_there_are_named(bank: Bank) -> None:
    refusal = bank.refused(bank.ledger.bulks.PostBulk, bulk((bank.rich, 77, 1), (78, bank.poor, 1)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "ACCOUNTS_UNKNOWN")
    assert refusal.fields == {"credit_account_ids[0]": "ACCOUNT_NOT_FOUND", "debit_account_ids[1]": "ACCOUNT_NOT_FOUND"}


@pytest.mark.parametrize("method", ["GetBulk", "ListBulkLegs", "ReverseBulkLeg"])
def test_what_is_no_bulk_is_not_found(bank: Bank, method: str) -> None:
    """Neither an id that nobody has used, nor a transfer's."""
    kind = getattr(pb, f"{method}Request")
    for bulk_id in (new_id(), bank.move(bank.rich, bank.poor, 1).transfer.transfer_id):
        request = kind(bulk_id=bulk_id)
        if method == "ReverseBulkLeg":
            request.request_id = new_id()
        refusal = bank.refused(getattr(bank.ledger.bulks, method), request)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "BULK_NOT_FOUND")


def test_a_ledger_of_one_partition_knows_no_other(bank: Bank) -> None:
    """Its only one may be named."""
    posted = bank.call(bank.ledger.bulks.PostBulk, bulk((bank.rich, bank.poor, 1))).bulk
    asking = pb.GetBulkRequest(bulk_id=posted.bulk_id, partition=0)
    assert bank.call(bank.ledger.bulks.GetBulk, asking).bulk == posted
    for other in (1, -1, 2**31 - 1):
        asking.partition = other
        assert bank.refused(bank.ledger.bulks.GetBulk, asking).fields == {"partition": "UNKNOWN"}


def test_a_bank_debits_its_own_accounts_alone(bank: Bank) -> None:
    """One leg of another bank's account, and the whole bulk is denied; whom it pays is not asked."""
    own, foreign = (make_scene(bank.world, name, bound=False) for name in (OWN_BANK, OTHER_BANK))
    caller = Caller(bank.world, Role.BANK, OWN_BANK)
    mixed = bulk((own.account, foreign.account, 1), (foreign.account, own.account, 1))
    denied = refused(lambda: caller.call("/esep.v1.BulkService/PostBulk", mixed))
    assert denied.code is grpc.StatusCode.PERMISSION_DENIED
    answer = caller.call("/esep.v1.BulkService/PostBulk", bulk((own.account, foreign.account, 1)))
    back = pb.ReverseBulkLegRequest(request_id=new_id(), bulk_id=answer.bulk.bulk_id)
    denied = refused(lambda: caller.call("/esep.v1.BulkService/ReverseBulkLeg", back))
    assert denied.code is grpc.StatusCode.PERMISSION_DENIED  # The other bank's account would pay.
    Caller(bank.world, Role.BANK, OTHER_BANK).call("/esep.v1.BulkService/ReverseBulkLeg", back)


def test_a_figure_is_explained_through_bulks(bank: Bank) -> None:
    """One step for each bulk that moved something; the steps add up to the balance, and the decision is made again."""
    bank.move(bank.rich, bank.poor, 10)
    posted = post(bank, (bank.rich, bank.poor, 5), (bank.poor, bank.merchant, 9), (bank.poor, bank.merchant, 100))
    post(bank, (bank.rich, bank.merchant, 5))
    request = audit.ExplainBalanceRequest(account_id=bank.poor, figure=audits.BALANCE_FIGURE_POSTED)
    told = bank.call(bank.ledger.audit.ExplainBalance, request)
    assert [(step.change_tyiyn, step.sum_tyiyn) for step in told.steps] == [(10, 10), (-4, 6)]
    assert told.steps[1].position == posted.receipt.position
    balance = statements.GetBalanceRequest(
        account_id=bank.poor, min_position=LogPosition(position=posted.receipt.position)
    )
    assert bank.call(bank.ledger.statements.GetBalance, balance).balance.posted_tyiyn == 6
    asked = audit.ReplayDecisionRequest(request_id=posted.bulk.bulk_id)
    replay = bank.call(bank.ledger.audit.ReplayDecision, asked).replay
    assert (replay.verdict, replay.fingerprint_checked) == (audits.REPLAY_VERDICT_SAME, True)
    reading = audit.ReadEventsRequest(filter=audits.EventFilter(account_id=bank.poor), page_size=1_000)
    found = bank.call(bank.ledger.audit.ReadEvents, reading)
    named = [event.topic for event in found.events if event.topic.startswith("bulk")]
    assert named == ["bulk.posted.v1"]


def test_accounts_of_one_bulk_may_be_of_any_kind(bank: Bank) -> None:
    """Cash and settlement accounts may be overdrawn by a bulk as by a transfer."""
    settlement = bank.open(account_pb2.ACCOUNT_KIND_SETTLEMENT)
    answer = post(bank, (settlement, bank.poor, 10**15), (bank.cash, settlement, 10**15))
    assert answer.bulk.posted_count == 2


def test_a_figure_is_explained_in_pieces_where_bulks_are_large(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many bulks an account stands in, few are in memory together, and every one is a step."""
    monkeypatch.setattr(reading, "MOST_BYTES", 1_000)
    for _ in range(12):
        post(bank, *[(bank.cash, bank.poor, 1)] * 9)
    request = audit.ExplainBalanceRequest(account_id=bank.poor, figure=audits.BALANCE_FIGURE_POSTED, page_size=1_000)
    found: list[int] = []
    pages = 0
    while True:
        page = bank.call(bank.ledger.audit.ExplainBalance, request)
        pages += 1
        found += [step.sum_tyiyn for step in page.steps]
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    assert found == [9 * (step + 1) for step in range(12)]
    assert pages > 3


def test_a_bulk_of_which_no_leg_was_posted_stands_in_no_balance_and_holds_nothing_up(bank: Bank) -> None:
    """It is an outcome like any: known, decided again, read; what came after it is in the balances."""
    posted = post(bank, (bank.poor, bank.rich, 5), (bank.poor, bank.merchant, 7))
    assert (posted.bulk.posted_count, list(posted.bulk.refusals.legs)) == (0, [0, 1])
    after = bank.move(bank.rich, bank.poor, 10).receipt.position
    asked = statements.GetBalanceRequest(account_id=bank.poor, min_position=LogPosition(position=after))
    assert bank.call(bank.ledger.statements.GetBalance, asked).balance.posted_tyiyn == 10
    explained = audit.ExplainBalanceRequest(account_id=bank.poor, figure=audits.BALANCE_FIGURE_POSTED)
    steps = bank.call(bank.ledger.audit.ExplainBalance, explained).steps
    assert [(step.change_tyiyn, step.position) for step in steps] == [(10, after)]
    again = audit.ReplayDecisionRequest(request_id=posted.bulk.bulk_id)
    replay = bank.call(bank.ledger.audit.ReplayDecision, again).replay
    assert (replay.verdict, replay.fingerprint_checked) == (audits.REPLAY_VERDICT_SAME, True)
