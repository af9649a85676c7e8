"""Rules: requests to commands. How rules are told stands in ``rules_answers``."""

from collections.abc import Iterable
from enum import Enum
from typing import Any, Final, TypeVar

from domain.publishing import ApproveRules, ProposeRules, RejectRules
from domain.rules import Measure, Operation, Period, Subject
from ledger.rpc.intake import Intake
from ledger.rpc.translate.authorization import ENTRY_MODES
from ledger.rpc.translate.authorization import KINDS as AUTHORIZATION_KINDS
from ledger.rpc.translate.customer import TIERS
from protos.esep.v1 import rules_pb2
from protos.esep.v1 import rules_service_pb2 as pb

E = TypeVar("E", bound=Enum)


def _table(enum: Any, prefix: str, kind: type[E]) -> dict[int, E]:
    return {number: kind[name.removeprefix(prefix)] for name, number in enum.items() if number}


OPERATIONS: Final = _table(rules_pb2.OperationKind, "OPERATION_KIND_", Operation)
SUBJECTS: Final = _table(rules_pb2.LimitSubject, "LIMIT_SUBJECT_", Subject)
PERIODS: Final = _table(rules_pb2.LimitPeriod, "LIMIT_PERIOD_", Period)
MEASURES: Final = _table(rules_pb2.LimitMeasure, "LIMIT_MEASURE_", Measure)
HOLD_KINDS: Final[dict[int, str]] = {0: "", **AUTHORIZATION_KINDS}
SCOPES: Final[dict[int, bool]] = {
    rules_pb2.FEE_SCOPE_WITHIN_PARTICIPANT: False,
    rules_pb2.FEE_SCOPE_BETWEEN_PARTICIPANTS: True,
}
PATHS: Final = {"rules": "document", "effective_from": "effective_time"}


def propose_rules(request: pb.ProposeRulesRequest, caller: str) -> tuple[ProposeRules, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values: dict[str, Any] = {
        "rules": _document(intake, request.document),
        "explanation": request.explanation,
        "operator": caller,
    }
    if request.HasField("effective_time"):
        values["effective_from"] = intake.time(request.effective_time, "effective_time")
    return intake.build(ProposeRules, values, PATHS), request_id


def approve_rules(request: pb.ApproveRulesRequest, caller: str) -> tuple[ApproveRules, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {"proposal_id": intake.uuid(request.proposal_id, "proposal_id"), "operator": caller}
    return intake.build(ApproveRules, values), request_id


def reject_rules(request: pb.RejectRulesRequest, caller: str) -> tuple[RejectRules, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {
        "proposal_id": intake.uuid(request.proposal_id, "proposal_id"),
        "operator": caller,
        "explanation": request.explanation,
    }
    return intake.build(RejectRules, values), request_id


def _document(intake: Intake, document: rules_pb2.RulesDocument) -> dict[str, Any]:
    holds = document.holds
    found: dict[str, Any] = {
        "fees": [_fee(intake, fee, f"document.fees[{index}]") for index, fee in enumerate(document.fees)],
        "limits": [_limit(intake, limit, f"document.limits[{index}]") for index, limit in enumerate(document.limits)],
    }
    if document.HasField("holds"):
        rules = [_hold(intake, rule, f"document.holds.rules[{index}]") for index, rule in enumerate(holds.rules)]
        found["holds"] = {"ttl_seconds": holds.ttl_seconds, "rules": rules}
    return found


def _fee(intake: Intake, fee: rules_pb2.Fee, path: str) -> dict[str, Any]:
    return {
        "operation": intake.choice(fee.operation, OPERATIONS, f"{path}.operation"),
        "fixed_tyiyn": fee.fixed_tyiyn,
        "basis_points": fee.basis_points,
        "minimum_tyiyn": fee.minimum_tyiyn,
        "maximum_tyiyn": fee.maximum_tyiyn if fee.HasField("maximum_tyiyn") else None,
        "participant_id": fee.participant_id,
        "interbank": intake.choice(fee.scope, SCOPES, f"{path}.scope") if fee.scope else None,
    }


def _limit(intake: Intake, limit: rules_pb2.Limit, path: str) -> dict[str, Any]:
    return {
        "name": limit.name,
        "subject": intake.choice(limit.subject, SUBJECTS, f"{path}.subject"),
        "period": intake.choice(limit.period, PERIODS, f"{path}.period"),
        "measure": intake.choice(limit.measure, MEASURES, f"{path}.measure"),
        "maximum": limit.maximum,
        "operations": _choices(intake, limit.operations, OPERATIONS, f"{path}.operations"),
        "tiers": _choices(intake, limit.tiers, TIERS, f"{path}.tiers"),
    }


def _choices(intake: Intake, numbers: Iterable[int], table: dict[int, E], path: str) -> list[E]:
    """Return the known values; no stand-in takes the place of another, which would look like a value named twice."""
    found = [(number, intake.choice(number, table, f"{path}[{index}]")) for index, number in enumerate(numbers)]
    return [value for number, value in found if number in table]


def _hold(intake: Intake, rule: rules_pb2.HoldLengthRule, path: str) -> dict[str, Any]:
    return {
        "ttl_seconds": rule.ttl_seconds,
        "kind": intake.choice(rule.kind, HOLD_KINDS, f"{path}.kind"),
        "merchant_category_code": rule.merchant_category_code,
        "entry_mode": intake.choice(rule.entry_mode, ENTRY_MODES, f"{path}.entry_mode"),
    }
