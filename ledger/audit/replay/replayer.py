"""Deciding again what was decided, and saying whether the same came of it.

The state is made of the log up to the position before the decision; the time is the one that was recorded; the request
is rebuilt from its events and checked against its fingerprint; the server's settings are those that the engine wrote
into the log when it started. Where an old log does not hold them, those of today are taken, and the answer says so.
"""

import threading
from enum import Enum, auto
from typing import Any, Final

import msgspec

from domain import ids
from domain.authorization import AuthorizationDeclined
from domain.binding import CardBindingMissed, UnknownBindingTried
from domain.books import NotAtHandError
from domain.command import Command
from domain.credit import CreditLineRefused, CreditLinesDecided
from domain.engine import ENGINE_ID, CommandDeclined
from domain.event import Change, Context, Event, Policy
from domain.ports import LogReader, Row
from domain.refusals import Reason, Refusal
from domain.transfer import BatchDeclined, BatchPosted, TransferDeclined
from ledger.audit.replay.kept import Commanded, Credited, Decidable, Kept, NotKept, Transferred, fingerprint_of
from ledger.audit.replay.past import NoSnapshots, Past, Snapshots
from ledger.audit.replay.rebuild import rebuild
from ledger.log.codec import decode, encode

_FOLLOWING: Final = 64
"""Events behind the first one that belong to a decision at most."""
_LOOK_UPS: Final = 100


class Verdict(Enum):
    """What came of deciding again."""

    SAME = auto()
    DIFFERENT = auto()
    NOT_REBUILT = auto()


class NoDecisionError(LookupError):
    """What stands there is not the first event of a request."""


class Replayed(msgspec.Struct, kw_only=True):
    """A recorded decision and the same made again."""

    verdict: Verdict
    command: str
    recorded: list[Row]
    recorded_reason: str
    replayed_reason: str = ""
    differences: list[str] = []
    missing: tuple[str, ...] = ()
    explanation: str = ""
    decision_time: int
    rules_version: str
    policy_version: str
    policy_recorded: bool
    """Whether the log says that it was decided by this policy."""
    fingerprint_checked: bool = False
    leaves_checked: bool = False


class Replayer:
    """Decides again. Blocking; one question at a time, whoever asks."""

    def __init__(self, log: LogReader, partition: int, policy: Policy, snapshots: Snapshots | None = None) -> None:
        """Take today's policy, which holds where the log names none, and what states of the past were kept."""
        self._log = log
        self._partition = partition
        self._past = Past(log, partition, policy, snapshots or NoSnapshots())
        self._one = threading.Lock()

    def position_of(self, request_id: bytes) -> int:
        """Return where a request's first event stands; raises NoDecisionError."""
        found = self._log.find(self._partition, [request_id]).get(request_id)
        if found is None:
            raise NoDecisionError(request_id.hex())
        return found

    def replay(self, position: int) -> Replayed:
        """Decide the request again whose first event stands at a position.

        Raises NoDecisionError, and TooFarError when that is too much to ask for.
        """
        rows = self._log.read(self._partition, position - 1, _FOLLOWING) if position > 0 else []
        if not rows or not _is_first(rows[0], decode(rows[0].topic, rows[0].state)):
            raise NoDecisionError(str(position))
        with self._one:
            self._past.go_to(position - 1)
            return self._replay(rows)

    def _replay(self, rows: list[Row]) -> Replayed:
        row = rows[0]
        events = [decode(each.topic, each.state) for each in rows]
        if isinstance(events[0], BatchPosted):
            return self._batch(row, events[0])
        kept = Kept(row, events[0], list(zip(rows[1:], events[1:], strict=True)), self._past.aggregate)
        asked = rebuild(kept)
        if asked is None:
            raise NoDecisionError(str(row.position))
        answer = self._begun(row, events[0], asked.command if isinstance(asked, NotKept) else asked.NAME)
        if isinstance(asked, NotKept):
            answer.verdict, answer.missing, answer.explanation = Verdict.NOT_REBUILT, asked.missing, asked.explanation
            return answer
        known = getattr(events[0], "fingerprint", "")
        changes, answer.replayed_reason = self._decide(asked, self._context(row))
        answer.fingerprint_checked = bool(known) and asked.fingerprint() == known
        answer.recorded = rows[: max(1, len(changes))]
        answer.differences = [*_differences(changes, rows), *_left_over(changes, rows)]
        answer.verdict = Verdict.DIFFERENT if answer.differences else Verdict.SAME
        return answer

    def _batch(self, row: Row, event: BatchPosted) -> Replayed:
        """Decide every transfer of a batch again, one after another."""
        answer = self._begun(row, event, "create_transfers")
        members = self._log.read(self._partition, row.position, event.count)
        answer.recorded = [row, *members]
        made = []
        for member in members:
            self._past.go_to(member.position - 1)
            kept = Kept(member, decode(member.topic, member.state), (), self._past.aggregate)
            asked = rebuild(kept)
            if not isinstance(asked, Transferred):
                answer.differences.append(f"position {member.position}: is no transfer of the batch")
                continue
            made.append(asked)
            changes, _ = self._decide(asked, self._context(member))
            answer.differences += _differences(changes, [member])
        if len(members) != event.count:
            answer.differences.append(f"the batch has {event.count} transfers, the log holds {len(members)}")
        answer.fingerprint_checked = fingerprint_of([each.command for each in made]) == event.fingerprint
        if not answer.fingerprint_checked:
            answer.differences.append(f"position {row.position}: fingerprint is not that of the transfers")
        answer.verdict = Verdict.DIFFERENT if answer.differences else Verdict.SAME
        return answer

    def _begun(self, row: Row, event: Event, command: str) -> Replayed:
        policy, recorded = self._past.policy_of(row.position)
        return Replayed(
            verdict=Verdict.SAME,
            command=command,
            recorded=[row],
            recorded_reason=_reason(event),
            decision_time=row.recorded_at,
            rules_version=self._past.books.rules.at(row.recorded_at).version,
            policy_version=policy.version,
            policy_recorded=recorded,
        )

    def _context(self, row: Row) -> Context:
        policy, _ = self._past.policy_of(row.position)
        return Context(row.request_id or row.originator_id, row.recorded_at, policy)

    def _decide(self, asked: Decidable, context: Context) -> tuple[list[Change], str]:
        """Return the changes that a request leads to now, and why it is refused, if it is."""
        if isinstance(asked, Commanded):
            command: Command = asked.command
            self._past.bring_to_hand((*command.needs(), *command.claims()))
        for _ in range(_LOOK_UPS):
            try:
                decided = asked.decide(self._past.books, context)
                if isinstance(decided, Refusal):
                    # Of a credit file every line is recorded, whatever became of it.
                    recorded = decided.reason.value.recorded or isinstance(asked, Credited)
                    changes = asked.refused(self._past.books, decided, context) if recorded else []
                    return changes, decided.reason.name
            except NotAtHandError as missing:
                self._past.bring_to_hand(missing.aggregate_ids)
            else:
                return decided, _reason(decided[0].event) if decided else ""
        raise ValueError(f"{asked.NAME} asks for more and more aggregates")


def _is_first(row: Row, event: Event) -> bool:
    """Tell whether an event is the first of a request: under the request's id, or of a thing that bears it.

    The lines of a credit file bear ids of the ledger's own, and are decided each by itself.
    """
    of_a_file = isinstance(event, CreditLineRefused) or getattr(event, "credit_file", None) is not None
    made = row.originator_version == 1 and (of_a_file or not ids.is_reserved(row.originator_id))
    return row.request_id is not None or made


def _reason(event: Event) -> str:
    declined = CommandDeclined | TransferDeclined | AuthorizationDeclined | BatchDeclined | CreditLineRefused
    if isinstance(event, CardBindingMissed | UnknownBindingTried):
        return Reason.BINDING_AMOUNT_WRONG.name  # Recorded as a try, and told as a refusal.
    return event.reason if isinstance(event, declined) else ""


def _differences(changes: list[Change], rows: list[Row]) -> list[str]:
    """Return what is not the same between changes and the rows that were recorded."""
    found = []
    if not changes:
        found.append(f"position {rows[0].position}: nothing would be recorded now")
    for number, change in enumerate(changes):
        if number >= len(rows):
            found.append(f"{change.event.TOPIC} would follow, and nothing does")
            continue
        row = rows[number]
        at = f"position {row.position}"
        if row.topic != change.event.TOPIC:
            found.append(f"{at}: {row.topic} is recorded, {change.event.TOPIC} would be now")
            continue
        if change.originator_id != row.originator_id:
            found.append(f"{at}: {row.topic} is of another aggregate")
        if change.version != row.originator_version:
            found.append(f"{at}: version {row.originator_version} is recorded, {change.version} would be now")
        if encode(change.event) != row.state:
            found += [f"{at}: {said}" for said in _changed(change.event, row)] or [f"{at}: the form differs"]
    return found


def _changed(event: Event, row: Row) -> list[str]:
    recorded = decode(row.topic, row.state)
    return [
        f"{name} is not the same{_values(getattr(recorded, name), getattr(event, name))}"
        for name in event.__struct_fields__
        if getattr(event, name) != getattr(recorded, name)
    ]


def _values(recorded: Any, now: Any) -> str:
    """Return two values in words, where they are short enough to be read."""
    if not all(isinstance(each, str | int | None) for each in (recorded, now)):
        return ""
    first, second = (msgspec.json.encode(each).decode() for each in (recorded, now))
    return f": {first} is recorded, {second} would be now"


def _left_over(changes: list[Change], rows: list[Row]) -> list[str]:
    """Return what the log holds more of the decision than would be recorded now."""
    if not changes or len(changes) >= len(rows):
        return []
    row = rows[len(changes)]
    by_itself = row.originator_id == ENGINE_ID or row.topic == CreditLinesDecided.TOPIC
    if by_itself or _is_first(row, decode(row.topic, row.state)):
        return []
    return [f"position {row.position}: {row.topic} is recorded, and would not be now"]
