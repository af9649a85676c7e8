"""Rules, usage, adjustments and banks over gRPC: what two operators do together, and what is told of it."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from domain.authorize import Spender
from domain.default_rules import DEFAULT
from domain.rules import Operation
from ledger.rpc.client import Ledger
from protos.esep.v1 import adjustment_pb2, adjustment_service_pb2, customer_pb2, participant_service_pb2, rules_pb2
from protos.esep.v1 import authorization_service_pb2 as authorizations
from protos.esep.v1 import rules_service_pb2 as api
from protos.esep.v1.adjustment_service_pb2 import GetAdjustmentRequest, ListAdjustmentsRequest
from protos.esep.v1.authorization_pb2 import (
    AUTHORIZATION_KIND_PREAUTHORIZATION,
    AUTHORIZATION_KIND_PURCHASE,
    ENTRY_MODE_CHIP,
    REVERSAL_INITIATOR_ACQUIRER,
)
from protos.esep.v1.common_pb2 import LogPosition, Receipt
from protos.esep.v1.statement_service_pb2 import GetMiniStatementRequest
from protos.esep.v1.transfer_service_pb2 import GetOutcomeRequest
from tests.rpc import rules_cases as cases
from tests.rpc.customer_cases import confirmed, identification
from tests.rpc.world import Bank, new_id, refused

DAY_SECONDS = 86_400


@pytest.fixture
def checker(bank: Bank) -> Ledger:
    """Give a second operator."""
    return bank.world.client("checker")


def at(receipt: Receipt) -> LogPosition:
    return LogPosition(partition=receipt.partition, position=receipt.position)


def full_document() -> rules_pb2.RulesDocument:
    """Return a document with every field set."""
    return rules_pb2.RulesDocument(
        fees=[
            rules_pb2.Fee(
                operation=rules_pb2.OPERATION_KIND_TRANSFER_TO_CARD,
                fixed_tyiyn=1,
                basis_points=2,
                minimum_tyiyn=3,
                maximum_tyiyn=4,
                participant_id="bank-a",
                scope=rules_pb2.FEE_SCOPE_BETWEEN_PARTICIPANTS,
            ),
            rules_pb2.Fee(operation=rules_pb2.OPERATION_KIND_TOP_UP, scope=rules_pb2.FEE_SCOPE_WITHIN_PARTICIPANT),
            rules_pb2.Fee(operation=rules_pb2.OPERATION_KIND_TOP_UP, maximum_tyiyn=0),
        ],
        limits=[
            rules_pb2.Limit(
                name="pos-day",
                subject=rules_pb2.LIMIT_SUBJECT_CUSTOMER,
                period=rules_pb2.LIMIT_PERIOD_DAY,
                measure=rules_pb2.LIMIT_MEASURE_SUM,
                maximum=100,
                operations=[rules_pb2.OPERATION_KIND_POS_PAYMENT],
                tiers=[customer_pb2.CUSTOMER_TIER_REMOTE],
            ),
            rules_pb2.Limit(
                name="in-person",
                subject=rules_pb2.LIMIT_SUBJECT_CUSTOMER,
                period=rules_pb2.LIMIT_PERIOD_MONTH,
                measure=rules_pb2.LIMIT_MEASURE_COUNT,
                maximum=5,
                tiers=[customer_pb2.CUSTOMER_TIER_IN_PERSON],
            ),
            rules_pb2.Limit(
                name="card",
                subject=rules_pb2.LIMIT_SUBJECT_CARD,
                period=rules_pb2.LIMIT_PERIOD_OPERATION,
                measure=rules_pb2.LIMIT_MEASURE_AMOUNT,
                maximum=70,
            ),
        ],
        holds=rules_pb2.HoldLengths(
            ttl_seconds=DAY_SECONDS,
            rules=[
                rules_pb2.HoldLengthRule(
                    ttl_seconds=60,
                    kind=AUTHORIZATION_KIND_PREAUTHORIZATION,
                    merchant_category_code="5541",
                    entry_mode=ENTRY_MODE_CHIP,
                )
            ],
        ),
    )


def propose(bank: Bank, document: rules_pb2.RulesDocument, **fields: Any) -> api.ProposeRulesResponse:
    request = api.ProposeRulesRequest(request_id=new_id(), document=document, **fields)
    answer: api.ProposeRulesResponse = bank.call(bank.ledger.rules.ProposeRules, request)
    return answer


def approve(checker: Ledger, proposal_id: str) -> api.ApproveRulesResponse:
    return checker.rules.ApproveRules(cases.rules_approval(proposal_id), metadata=checker.metadata)


def publish(bank: Bank, checker: Ledger, document: rules_pb2.RulesDocument, **fields: Any) -> rules_pb2.Rules:
    return approve(checker, propose(bank, document, **fields).proposal.proposal_id).rules


def get_rules(bank: Bank, **fields: Any) -> rules_pb2.Rules:
    return bank.call(bank.ledger.rules.GetRules, api.GetRulesRequest(**fields)).rules  # type: ignore[no-any-return]


def test_a_document_is_published_as_it_was_proposed(bank: Bank, checker: Ledger) -> None:
    """Every field comes back as it was given, in the proposal, the version and the outcomes of both requests."""
    document = full_document()
    proposed = propose(bank, document, explanation="tariff")
    assert proposed.proposal.document == document
    assert (proposed.proposal.maker, proposed.proposal.state) == ("bank-a", adjustment_pb2.PROPOSAL_STATE_OPEN)
    request = cases.rules_approval(proposed.proposal.proposal_id)
    published = checker.rules.ApproveRules(request, metadata=checker.metadata)
    rules = published.rules
    assert (rules.version, rules.rule_version, rules.document) == (1, "rules-1", document)
    assert (rules.maker, rules.checker, rules.explanation) == ("bank-a", "checker", "tariff")
    assert get_rules(bank, version=1) == get_rules(bank) == rules
    again = checker.rules.ApproveRules(request, metadata=checker.metadata)
    assert (again.receipt.replayed, again.rules) == (True, rules)
    outcome = checker.transfers.GetOutcome(GetOutcomeRequest(request_id=request.request_id), metadata=checker.metadata)
    assert outcome.rules == rules
    mine = GetOutcomeRequest(request_id=proposed.proposal.proposal_id)
    assert bank.call(bank.ledger.transfers.GetOutcome, mine).rules_proposal == proposed.proposal
    asked = api.GetRulesProposalRequest(proposal_id=proposed.proposal.proposal_id)
    told = bank.call(bank.ledger.rules.GetRulesProposal, asked).proposal
    assert (told.state, told.checker) == (adjustment_pb2.PROPOSAL_STATE_APPROVED, "checker")


def test_before_anything_is_published_the_shipped_document_is_in_force(bank: Bank) -> None:
    """Version 0 tells its fees and limits, leaves the length of holds to the settings, and may be proposed as it is."""
    rules = get_rules(bank)
    assert (rules.version, rules.rule_version) == (0, "default-1")
    assert (len(rules.document.fees), len(rules.document.limits)) == (len(DEFAULT.fees), len(DEFAULT.limits))
    assert not rules.document.HasField("holds")
    free = rules_pb2.OPERATION_KIND_TRANSFER_TO_ACCOUNT
    assert [fee for fee in rules.document.fees if fee.operation == free] == [rules_pb2.Fee(operation=free)]
    assert get_rules(bank, version=0) == rules
    rules.document.holds.ttl_seconds = 60
    assert propose(bank, rules.document).proposal.document == rules.document


def test_versions_are_read_by_number_by_time_and_in_pages(bank: Bank, checker: Ledger) -> None:
    """One that is still to come is told, and superseded by one that is published later and begins no later."""
    now = bank.world.clock.now() // 1_000_000
    first = publish(bank, checker, cases.document())
    later = publish(bank, checker, cases.document(), effective_time=Timestamp(seconds=now + 500))
    assert get_rules(bank).version == first.version == 1
    assert get_rules(bank, effective_at=Timestamp(seconds=now + 500)).version == later.version == 2
    assert get_rules(bank, effective_at=Timestamp(seconds=now - 500)).version == 0
    publish(bank, checker, cases.document(), effective_time=Timestamp(seconds=now + 400))
    pages, token = [], ""
    for _ in range(2):
        page = bank.call(bank.ledger.rules.ListRules, api.ListRulesRequest(page_size=2, page_token=token))
        pages.append([(rules.version, rules.superseded) for rules in page.rules])
        token = page.next_page_token
    assert (pages, token) == ([[(3, False), (2, True)], [(1, False)]], "")
    bank.world.clock.ahead += 600 * 1_000_000
    assert get_rules(bank).version == 3


@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        (lambda request: request.document.ClearField("holds"), "document.holds", "MISSING"),
        (lambda request: request.ClearField("document"), "document.holds", "MISSING"),
        (lambda request: setattr(request.document.holds, "ttl_seconds", 0), "document.holds.ttl_seconds", ""),
        (lambda request: setattr(request.document.fees[1], "operation", 0), "document.fees[1].operation", "MISSING"),
        (lambda request: setattr(request.document.fees[1], "operation", 99), "document.fees[1].operation", ""),
        (lambda request: setattr(request.document.fees[0], "maximum_tyiyn", 2), "document.fees[0]", ""),
        (lambda request: setattr(request.document.fees[0], "basis_points", -1), "document.fees[0].basis_points", ""),
        (lambda request: setattr(request.document.limits[2], "measure", 2), "document.limits[2]", ""),
        (lambda request: setattr(request.document.limits[1], "name", "pos-day"), "document.limits", ""),
        (lambda request: request.document.limits[0].tiers.append(0), "document.limits[0].tiers[1]", "MISSING"),
        (lambda request: request.effective_time.FromSeconds(1_000), "effective_time", "PAST"),
        (lambda request: setattr(request, "explanation", "x" * 141), "explanation", ""),
    ],
)
def test_what_is_wrong_with_a_document_is_named(
    bank: Bank, change: Callable[[api.ProposeRulesRequest], object], field: str, rule: str
) -> None:
    """Each fault is named by its path in the request, and nothing is recorded."""
    request = api.ProposeRulesRequest(request_id=new_id(), document=full_document())
    change(request)
    refusal = bank.refused(bank.ledger.rules.ProposeRules, request)
    assert refusal.reason == "INVALID_ARGUMENT"
    assert list(refusal.fields) == [field]
    assert refusal.fields[field] == rule or not rule
    assert not bank.call(bank.ledger.rules.ListRulesProposals, api.ListRulesProposalsRequest()).proposals


def test_published_rules_say_how_long_a_hold_lasts(bank: Bank, checker: Ledger) -> None:
    """A purchase holds for the document's day, not for the week of the settings."""
    publish(bank, checker, full_document())
    request = authorizations.CreateAuthorizationRequest(
        request_id=new_id(),
        account_id=bank.rich,
        credit_account_id=bank.merchant,
        amount_tyiyn=1,
        kind=AUTHORIZATION_KIND_PURCHASE,
        entry_mode=ENTRY_MODE_CHIP,
    )
    held = bank.call(bank.ledger.authorizations.CreateAuthorization, request).authorization
    assert held.expire_time.seconds - held.create_time.seconds == DAY_SECONDS


def test_usage_is_told_by_limit(bank: Bank, checker: Ledger) -> None:
    """What was used, what is left and until when; a reversal gives back; only the customer's own tier is told."""
    publish(bank, checker, full_document())
    customer_id = confirmed(bank)
    bank.call(bank.ledger.customers.IdentifyCustomer, identification(customer_id))
    card_id = new_id()
    spender = Spender(operation=Operation.POS_PAYMENT, customer_id=UUID(customer_id), card_id=UUID(card_id))
    bank.world.engine.changing = lambda command: command.model_copy(update={"spender": spender})

    def pay(amount: int) -> authorizations.CreateAuthorizationRequest:
        return authorizations.CreateAuthorizationRequest(
            request_id=new_id(),
            account_id=bank.rich,
            credit_account_id=bank.merchant,
            amount_tyiyn=amount,
            kind=AUTHORIZATION_KIND_PURCHASE,
            entry_mode=ENTRY_MODE_CHIP,
        )

    def usage(receipt: Receipt, **subject: str) -> list[tuple[str, int, int, bool]]:
        request = api.GetUsageRequest(min_position=at(receipt), **subject)
        answer = bank.call(bank.ledger.rules.GetUsage, request)
        assert answer.rule_version == "rules-1"
        return [(each.limit.name, each.used, each.left, each.HasField("reset_time")) for each in answer.usage]

    held = bank.call(bank.ledger.authorizations.CreateAuthorization, pay(60))
    assert usage(held.receipt, customer_id=customer_id) == [("pos-day", 60, 40, True)]
    assert usage(held.receipt, card_id=card_id) == [("card", 0, 70, False)]
    assert usage(held.receipt, token_id=new_id()) == []
    refusal = bank.refused(bank.ledger.authorizations.CreateAuthorization, pay(41))
    told = {"limit": "pos-day", "period": "day", "kind": "sum"}
    assert told.items() <= refusal.metadata.items()
    assert set(refusal.metadata) == {*told, "recorded", "partition", "position", "replayed"}
    bank.world.engine.changing = None
    reverse = authorizations.ReverseAuthorizationRequest(
        request_id=new_id(),
        authorization_id=held.authorization.authorization_id,
        reversed_by=REVERSAL_INITIATOR_ACQUIRER,
    )
    reversed_ = bank.call(bank.ledger.authorizations.ReverseAuthorization, reverse)
    assert usage(reversed_.receipt, customer_id=customer_id) == [("pos-day", 0, 100, True)]


def test_usage_is_asked_for_somebody_who_exists(bank: Bank) -> None:
    """Without a subject nothing can be told, nor of a customer nobody knows; a malformed id is named."""
    method = bank.ledger.rules.GetUsage
    assert bank.refused(method, api.GetUsageRequest()).fields == {"subject": "MISSING"}
    assert bank.refused(method, api.GetUsageRequest(card_id="x")).fields == {"card_id": "UUID"}
    assert bank.refused(method, api.GetUsageRequest(customer_id=new_id())).reason == "CUSTOMER_NOT_FOUND"


def test_an_adjustment_takes_two_operators_and_shows_in_the_statement(bank: Bank, checker: Ledger) -> None:
    """Proposed it moves nothing; approved it is a line of the kind adjustment; each step is answered again."""
    request = cases.adjustment(bank, reference="case 7")
    proposed = bank.call(bank.ledger.adjustments.ProposeAdjustment, request)
    assert (proposed.adjustment.maker, proposed.adjustment.transfer_id) == ("bank-a", "")
    assert bank.call(bank.ledger.adjustments.ProposeAdjustment, request).receipt.replayed
    approval = cases.approval(proposed.adjustment.adjustment_id)
    assert bank.refused(bank.ledger.adjustments.ApproveAdjustment, approval).reason == "SAME_OPERATOR"
    approval.request_id = new_id()
    approved = checker.adjustments.ApproveAdjustment(approval, metadata=checker.metadata)
    assert (approved.adjustment.checker, approved.adjustment.state) == (
        "checker",
        adjustment_pb2.PROPOSAL_STATE_APPROVED,
    )
    again = checker.adjustments.ApproveAdjustment(approval, metadata=checker.metadata)
    assert (again.receipt.replayed, again.adjustment) == (True, approved.adjustment)
    outcome = GetOutcomeRequest(request_id=approval.request_id)
    assert checker.transfers.GetOutcome(outcome, metadata=checker.metadata).adjustment == approved.adjustment
    mini = GetMiniStatementRequest(account_id=bank.poor, limit=1, min_position=at(approved.receipt))
    line = bank.call(bank.ledger.statements.GetMiniStatement, mini).lines[0]
    assert (line.kind, line.amount_tyiyn, line.reference) == ("adjustment", 40, "case 7")
    get = GetAdjustmentRequest(adjustment_id=proposed.adjustment.adjustment_id, min_position=at(approved.receipt))
    assert bank.call(bank.ledger.adjustments.GetAdjustment, get).adjustment == approved.adjustment


def test_adjustments_are_listed_by_how_they_stand(bank: Bank) -> None:
    """Newest first, in pages, and only those in the states asked for."""
    ids = [cases.propose_adjustment(bank) for _ in range(3)]
    reject = adjustment_service_pb2.RejectAdjustmentRequest(request_id=new_id(), adjustment_id=ids[1], explanation="no")
    rejected = bank.call(bank.ledger.adjustments.RejectAdjustment, reject)
    assert (rejected.adjustment.rejection, rejected.adjustment.checker) == ("no", "bank-a")

    def listed(*states: adjustment_pb2.ProposalState.ValueType, size: int = 2, token: str = "") -> Any:
        request = ListAdjustmentsRequest(
            states=states, page_size=size, page_token=token, min_position=at(rejected.receipt)
        )
        return bank.call(bank.ledger.adjustments.ListAdjustments, request)

    first = listed()
    second = listed(token=first.next_page_token)
    found = [each.adjustment_id for page in (first, second) for each in page.adjustments]
    assert (found, second.next_page_token) == (ids[::-1], "")
    opened = listed(adjustment_pb2.PROPOSAL_STATE_OPEN, size=9).adjustments
    assert [each.adjustment_id for each in opened] == [ids[2], ids[0]]
    bank.world.clock.ahead += 3 * cases.DAY
    states = adjustment_pb2.PROPOSAL_STATE_EXPIRED, adjustment_pb2.PROPOSAL_STATE_REJECTED
    assert len(listed(*states, size=9).adjustments) == 3
    assert not listed(adjustment_pb2.PROPOSAL_STATE_OPEN, size=9).adjustments
    wrong = bank.refused(
        bank.ledger.adjustments.ListAdjustments,
        ListAdjustmentsRequest(states=[adjustment_pb2.PROPOSAL_STATE_UNSPECIFIED]),
    )
    assert wrong.fields == {"states[0]": "MISSING"}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"explanation": ""}, "explanation"),
        ({"amount_tyiyn": 0}, "amount_tyiyn"),
        ({"debit_account_id": 0}, "debit_account_id"),
        ({"debit_account_id": 7, "credit_account_id": 7}, "request"),
        ({"reference": "x" * 65}, "reference"),
    ],
)
def test_what_is_wrong_with_an_adjustment_is_named(bank: Bank, fields: dict[str, Any], field: str) -> None:
    """Each field has its rule."""
    refusal = bank.refused(bank.ledger.adjustments.ProposeAdjustment, cases.adjustment(bank, **fields))
    assert list(refusal.fields) == [field]


def test_a_trial_run_proposes_and_approves_nothing(bank: Bank, checker: Ledger) -> None:
    """With validate_only the answer is the same, without a receipt, and nothing stands in the log."""
    request = cases.adjustment(bank)
    request.validate_only = True
    answer = bank.call(bank.ledger.adjustments.ProposeAdjustment, request)
    assert answer.adjustment.amount_tyiyn == 40
    assert not answer.HasField("receipt")
    proposal_id = cases.propose_rules(bank)
    trial = cases.rules_approval(proposal_id)
    trial.validate_only = True
    assert checker.rules.ApproveRules(trial, metadata=checker.metadata).rules.version == 1
    assert get_rules(bank).version == 0


def test_a_bank_is_registered_changed_read_and_listed(bank: Bank) -> None:
    """What was given is told, by every method."""
    request = cases.registration(bank)
    first = bank.call(bank.ledger.participants.RegisterParticipant, request).participant
    assert (first.names, first.version) == (cases.NAMES, 1)
    change = participant_service_pb2.UpdateParticipantRequest(
        request_id=new_id(),
        participant_id="bank-a",
        names=cases.NAMES,
        settlement_account_id=request.settlement_account_id,
        fee_account_id=request.fee_account_id,
        expected_version=1,
    )
    change.names.en = "Village Bank"
    changed = bank.call(bank.ledger.participants.UpdateParticipant, change)
    assert (changed.participant.names.en, changed.participant.version) == ("Village Bank", 2)
    get = participant_service_pb2.GetParticipantRequest(participant_id="bank-a")
    assert bank.call(bank.ledger.participants.GetParticipant, get).participant == changed.participant
    listing = participant_service_pb2.ListParticipantsRequest(min_position=at(changed.receipt))
    page = bank.call(bank.ledger.participants.ListParticipants, listing)
    assert (list(page.participants), page.next_page_token) == ([changed.participant], "")
    outcome = bank.call(bank.ledger.transfers.GetOutcome, GetOutcomeRequest(request_id=change.request_id))
    assert outcome.participant == changed.participant
    change.request_id = new_id()
    assert bank.refused(bank.ledger.participants.UpdateParticipant, change).reason == "EXPECTED_VERSION_MISMATCH"


@pytest.mark.parametrize(
    ("fields", "field", "rule"),
    [
        ({"participant_id": "Bank A"}, "participant_id", "STRING_PATTERN_MISMATCH"),
        ({"names": None}, "names.ky", "STRING_TOO_SHORT"),
        ({"fee_account_id": 0}, "fee_account_id", "GREATER_THAN"),
        ({"fee_account_id": 1}, "fee_account_id", "KIND"),
        ({"participant_id": "bank-b"}, "settlement_account_id", "PARTICIPANT"),
    ],
)
def test_what_is_wrong_with_a_registration_is_named(bank: Bank, fields: dict[str, Any], field: str, rule: str) -> None:
    """A name that is missing, an account that is none, or not of the right kind or bank."""
    refusal = bank.refused(bank.ledger.participants.RegisterParticipant, cases.registration(bank, **fields))
    assert refusal.fields[field] == rule


def test_nobody_approves_in_anothers_name(bank: Bank) -> None:
    """Who approves is who is authenticated: there is no field to say otherwise."""
    for message in (adjustment_service_pb2.ApproveAdjustmentRequest, api.ApproveRulesRequest):
        assert not {"operator", "checker", "maker"} & set(message.DESCRIPTOR.fields_by_name)
    proposal_id = cases.propose_rules(bank)
    refusal = refused(lambda: bank.call(bank.ledger.rules.ApproveRules, cases.rules_approval(proposal_id)))
    assert refusal.reason == "SAME_OPERATOR"
