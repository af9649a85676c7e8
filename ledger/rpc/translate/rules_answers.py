"""Rules, proposals of rules and the usage of limits as they are told."""

from collections.abc import Mapping
from typing import Final, TypeVar

from domain import ids
from domain.limits import Standing
from domain.proposal import Proposal
from domain.published import PublishedRules
from domain.publishing import RulesProposed
from domain.rules import Fee, Holds, Limit, Rules
from ledger.rpc.intake import timestamp
from ledger.rpc.translate.adjustment import STATE_NUMBERS
from ledger.rpc.translate.authorization import ENTRY_MODES
from ledger.rpc.translate.customer import TIER_NUMBERS
from ledger.rpc.translate.rules import HOLD_KINDS, MEASURES, OPERATIONS, PERIODS, SCOPES, SUBJECTS
from protos.esep.v1 import rules_pb2

V = TypeVar("V")


def _numbers(table: Mapping[int, V]) -> dict[V, int]:
    return {value: number for number, value in table.items()}


_OPERATIONS: Final = _numbers(OPERATIONS)
_SUBJECTS: Final = _numbers(SUBJECTS)
_PERIODS: Final = _numbers(PERIODS)
_MEASURES: Final = _numbers(MEASURES)
_HOLD_KINDS: Final = _numbers(HOLD_KINDS)
_ENTRY_MODES: Final = _numbers(ENTRY_MODES)
_SCOPES: Final[dict[bool | None, int]] = {None: rules_pb2.FEE_SCOPE_UNSPECIFIED, **_numbers(SCOPES)}


def rules_message(rules: Rules, published: PublishedRules) -> rules_pb2.Rules:
    """Return a version as it is told among all that are published."""
    found = rules_pb2.Rules(
        version=rules.number,
        rule_version=rules.version,
        document=_document(rules.fees, rules.limits, rules.holds),
        maker=rules.maker,
        checker=rules.checker,
        explanation=rules.explanation,
    )
    if rules.number:
        found.effective_time.CopyFrom(timestamp(rules.effective_from))
        found.publish_time.CopyFrom(timestamp(rules.published_at))
        found.superseded = published.superseded(rules)
    return found


def proposal_message(proposal: Proposal, content: RulesProposed, now: int) -> rules_pb2.RulesProposal:
    """Return a proposal as it is told at a moment."""
    found = rules_pb2.RulesProposal(
        proposal_id=ids.format_uuid(proposal.proposal_id),
        state=STATE_NUMBERS[proposal.state(now)],
        document=_document(content.fees, content.limits, content.holds),
        after_version=content.after,
        maker=content.maker,
        explanation=content.explanation,
        checker=proposal.checker,
        rejection=proposal.rejection,
        expire_time=timestamp(content.expires_at),
        create_time=timestamp(proposal.created_at),
        update_time=timestamp(proposal.updated_at),
    )
    if content.effective_from is not None:
        found.effective_time.CopyFrom(timestamp(content.effective_from))
    return found


def usage_message(standing: Standing) -> rules_pb2.LimitUsage:
    """Return how a subject stands with a limit as it is told."""
    reset_time = None if standing.resets_at is None else timestamp(standing.resets_at)
    return rules_pb2.LimitUsage(
        limit=_limit(standing.limit), used=standing.used, left=standing.left, reset_time=reset_time
    )


def _document(fees: tuple[Fee, ...], limits: tuple[Limit, ...], holds: Holds | None) -> rules_pb2.RulesDocument:
    return rules_pb2.RulesDocument(
        fees=[_fee(fee) for fee in fees],
        limits=[_limit(limit) for limit in limits],
        holds=None if holds is None else _holds(holds),
    )


def _fee(fee: Fee) -> rules_pb2.Fee:
    return rules_pb2.Fee(
        operation=rules_pb2.OperationKind.ValueType(_OPERATIONS[fee.operation]),
        fixed_tyiyn=fee.fixed,
        basis_points=fee.basis_points,
        minimum_tyiyn=fee.minimum,
        maximum_tyiyn=fee.maximum,
        participant_id=fee.participant,
        scope=rules_pb2.FeeScope.ValueType(_SCOPES[fee.interbank]),
    )


def _limit(limit: Limit) -> rules_pb2.Limit:
    return rules_pb2.Limit(
        name=limit.name,
        subject=rules_pb2.LimitSubject.ValueType(_SUBJECTS[limit.subject]),
        period=rules_pb2.LimitPeriod.ValueType(_PERIODS[limit.period]),
        measure=rules_pb2.LimitMeasure.ValueType(_MEASURES[limit.measure]),
        maximum=limit.maximum,
        operations=[rules_pb2.OperationKind.ValueType(_OPERATIONS[each]) for each in limit.operations],
        tiers=[TIER_NUMBERS[tier] for tier in limit.tiers],
    )


def _holds(holds: Holds) -> rules_pb2.HoldLengths:
    return rules_pb2.HoldLengths(
        ttl_seconds=holds.ttl_seconds,
        rules=[
            rules_pb2.HoldLengthRule(
                ttl_seconds=rule.ttl_seconds,
                kind=_HOLD_KINDS[rule.kind],  # type: ignore[arg-type]
                merchant_category_code=rule.merchant_category_code,
                entry_mode=_ENTRY_MODES[rule.entry_mode],  # type: ignore[arg-type]
            )
            for rule in holds.rules
        ],
    )
