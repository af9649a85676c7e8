"""The history as it is asked for and told."""

from collections.abc import Mapping, Sequence
from typing import Final

from domain import ids
from domain.ports import Row
from domain.rules import Operation
from domain.topics import BY_TOPIC
from ledger.audit.access import Access
from ledger.audit.figures.explain import Figure, Step
from ledger.audit.history import Step as LifeStep
from ledger.audit.replay.replayer import Replayed, Verdict
from ledger.audit.selection import Selection
from ledger.log.codec import UPCASTERS
from ledger.log.tables import ID_BYTES, Table
from ledger.rpc.intake import Intake, timestamp
from ledger.rpc.translate.account import KIND_NUMBERS
from projections.answers import Figures
from protos.esep.v1 import audit_pb2 as pb
from protos.esep.v1.common_pb2 import LogPosition

MOST_TOPICS: Final = 100
FIGURES: Final[dict[int, Figure]] = {
    pb.BALANCE_FIGURE_POSTED: Figure.POSTED,
    pb.BALANCE_FIGURE_HELD: Figure.HELD,
    pb.BALANCE_FIGURE_AVAILABLE: Figure.AVAILABLE,
}
VERDICTS: Final = {
    Verdict.SAME: pb.REPLAY_VERDICT_SAME,
    Verdict.DIFFERENT: pb.REPLAY_VERDICT_DIFFERENT,
    Verdict.NOT_REBUILT: pb.REPLAY_VERDICT_NOT_REBUILT,
}


def selection(intake: Intake, asked: pb.EventFilter, partition: int) -> Selection:
    """Return which events are wanted, noting what is wrong with the question."""
    if len(asked.topics) > MOST_TOPICS:
        intake.wrong("filter.topics", "LENGTH", f"holds {len(asked.topics)} topics, not up to {MOST_TOPICS}")
    for index, topic in enumerate(asked.topics):
        if topic not in BY_TOPIC and topic not in UPCASTERS:
            intake.wrong(f"filter.topics[{index}]", "UNKNOWN_VALUE", "is no topic that this server knows")
    if asked.account_id and (asked.account_id < 0 or ids.account_partition(asked.account_id) != partition):
        intake.wrong("filter.account_id", "RANGE", f"is no account of partition {partition}")
    return Selection(
        topics=frozenset(asked.topics),
        aggregate=intake.known_id(asked.aggregate_id, "filter.aggregate_id") if asked.aggregate_id else None,
        account=asked.account_id or None,
        card=intake.known_id(asked.card_id, "filter.card_id") if asked.card_id else None,
    )


def position(intake: Intake, asked: LogPosition, field: str, partition: int, head: int) -> int:
    """Return a position that a question names, noting one that is not there."""
    own_partition(intake, asked.partition, f"{field}.partition", partition)
    return known_position(intake, asked.position, f"{field}.position", head)


def own_partition(intake: Intake, asked: int, field: str, partition: int) -> None:
    """Note a position of another partition than the one that is asked about."""
    if asked != partition:
        intake.wrong(field, "UNKNOWN", f"is not the partition that is asked about ({partition})")


def known_position(intake: Intake, asked: int, field: str, head: int) -> int:
    """Return a position, noting one that is negative or not there yet."""
    if asked < 0:
        intake.wrong(field, "NEGATIVE", "is negative")
    elif asked > head:
        intake.wrong(field, "POSITION_IN_FUTURE", f"is later than the newest, {head}")
    return asked


def event_message(row: Row) -> pb.Event:
    """Return an event as it is told by itself."""
    return pb.Event(
        position=row.position,
        aggregate_id=ids.format_uuid(row.originator_id),
        version=row.originator_version,
        topic=row.topic,
        state=row.state,
        record_time=timestamp(row.recorded_at),
        request_id="" if row.request_id is None else ids.format_uuid(row.request_id),
        caller=row.caller,
    )


def fill_columns(message: pb.EventColumns, events: Table, part: slice) -> None:
    """Fill in a part of many events as a stream tells them: in place, for messages handed to others are copied."""
    message.positions.extend(events.positions[part])
    message.aggregate_ids = events.originator_ids[ID_BYTES * part.start : ID_BYTES * part.stop]
    message.versions.extend(events.originator_versions[part])
    message.topics.extend(events.topics[part])
    message.states.extend(events.states[part])
    message.record_time_micros.extend(events.recorded_at[part])
    message.request_ids.extend(events.request_ids[part])
    message.callers.extend(events.callers[part])


def step_message(step: LifeStep) -> pb.AggregateStep:
    """Return one event of an aggregate as it is told."""
    return pb.AggregateStep(event=event_message(step.row), state_after=step.state_after)


def balance_step_message(step: Step) -> pb.BalanceStep:
    """Return what an event did to a figure as it is told."""
    return pb.BalanceStep(
        position=step.row.position,
        topic=step.row.topic,
        aggregate_id=ids.format_uuid(step.row.originator_id),
        record_time=timestamp(step.row.recorded_at),
        effective_time=timestamp(step.effective_time),
        change_tyiyn=step.change,
        sum_tyiyn=step.sum,
    )


def replay_message(at: int, replayed: Replayed) -> pb.DecisionReplay:
    """Return a decision made again as it is told."""
    return pb.DecisionReplay(
        verdict=VERDICTS[replayed.verdict],
        command=replayed.command,
        recorded=[event_message(row) for row in replayed.recorded],
        recorded_reason=replayed.recorded_reason,
        replayed_reason=replayed.replayed_reason,
        differences=replayed.differences,
        missing=replayed.missing,
        explanation=replayed.explanation,
        state_position=at - 1,
        decision_time=timestamp(replayed.decision_time),
        rules_version=replayed.rules_version,
        policy_version=replayed.policy_version,
        policy_recorded=replayed.policy_recorded,
        leaves_checked=replayed.leaves_checked,
        fingerprint_checked=replayed.fingerprint_checked,
    )


def limit_messages(limits: Mapping[Operation, Sequence[tuple[int, int]]]) -> list[pb.LimitUse]:
    """Return what was used of limits as it is told."""
    return [
        pb.LimitUse(
            operation=operation.value,
            day_count=day[0],
            day_tyiyn=day[1],
            month_count=month[0],
            month_tyiyn=month[1],
        )
        for operation, (day, month) in limits.items()
    ]


def figures_message(figures: Figures) -> pb.AccountFigures:
    """Return what an account had as it is told."""
    return pb.AccountFigures(
        account_id=figures.account_id,
        participant_id=figures.participant,
        kind=KIND_NUMBERS[figures.kind],
        currency_code=figures.currency,
        posted_tyiyn=figures.posted,
        held_tyiyn=figures.held,
        overdraft_limit_tyiyn=figures.overdraft_limit,
        minimum_balance_tyiyn=figures.minimum_balance,
    )


def access_message(access: Access) -> pb.Access:
    """Return a privileged read as it is told."""
    note = access.note
    return pb.Access(
        number=access.number,
        access_time=timestamp(note.at),
        caller=note.caller,
        role=note.role,
        method=note.method,
        request=note.request,
        digest=access.digest.hex(),
    )
