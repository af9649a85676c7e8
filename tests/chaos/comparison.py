"""Holds what clients were told against a ledger's history, and finds what is lost, doubled or otherwise now.

Every request carries its own id as a mark in its content as well (reference, clearing reference, explanation), so that
a movement that was made twice is found even if the ledger had given each time another id to it. Nothing here asks the
ledger: the history is an export of it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from tests.chaos.journal import ATOMIC, CAPTURE, HOLD, RELEASE, TRANSFER, Acknowledged, Intent

OPENING: Final = "opening"
"""The kind of the movements that fund the accounts before the load begins."""
_DONE: Final = {
    TRANSFER: "transfer.posted.v1",
    ATOMIC: "transfer_batch.posted.v1",
    HOLD: "authorization.approved.v1",
    CAPTURE: "authorization.captured.v1",
    RELEASE: "authorization.reversed.v1",
}
_MARKS: Final = {
    "transfer.posted.v1": "reference",
    "authorization.approved.v1": "reference",
    "authorization.captured.v1": "clearing_reference",
    "authorization.reversed.v1": "explanation",
}
"""The events that the load makes, and the field of each that says which request it is of."""


class Recorded(NamedTuple):
    """An event of the history."""

    position: int
    topic: str
    originator: str
    request: str
    """The request id in its column, where it is not the originator's."""
    state: Mapping[str, Any]


class Findings(NamedTuple):
    """What was found, in words."""

    lost: list[str]
    """Acknowledged, and nowhere in the history."""
    duplicated: list[str]
    """Made more than once, or without anybody having asked."""
    changed: list[str]
    """Acknowledged, and otherwise in the history, or acknowledged twice and differently."""
    wrong_figures: list[str]
    """Accounts that do not have what the clients' own arithmetic says."""

    @property
    def any(self) -> bool:
        """Whether anything was found."""
        return any(self)


def compare(
    intents: Mapping[str, Intent],
    acknowledged: Iterable[Acknowledged],
    history: Sequence[Recorded],
    opening: Mapping[int, int],
    posted: Mapping[int, int],
) -> Findings:
    """Compare journals with a history, and with what accounts have that began with ``opening``."""
    told: dict[str, Acknowledged] = {}
    changed: list[str] = []
    for each in acknowledged:
        first = told.setdefault(each.id, each)
        if (first.position, first.reason) != (each.position, each.reason):
            changed.append(f"{each.id}: told {_words(first)}, then {_words(each)}")
    changed += _shared(told.values())
    lost, otherwise = _held_against(told, intents, history)
    return Findings(
        lost,
        list(_doubled(intents, told, history)),
        changed + otherwise,
        list(_wrong_figures(intents, told, opening, posted)),
    )


def _shared(told: Iterable[Acknowledged]) -> Iterator[str]:
    """Find outcomes that claim the same place in the log."""
    places = Counter(each.position for each in told)
    for position, count in places.items():
        if count > 1:
            yield f"position {position} was told to {count} requests"


def _held_against(
    told: Mapping[str, Acknowledged], intents: Mapping[str, Intent], history: Sequence[Recorded]
) -> tuple[list[str], list[str]]:
    """Return what is nowhere in the history, and what is there otherwise than it was told."""
    at = {event.position: event for event in history}
    of: dict[str, list[Recorded]] = defaultdict(list)
    for event in history:
        for whose in {event.originator, event.request} - {""}:
            of[whose].append(event)
    lost, otherwise = [], []
    for whose, answer in told.items():
        wanted = intents[whose]
        ours = [event for event in of[whose] if wanted.kind != HOLD or event.request in {"", whose}]
        if wanted.kind == ATOMIC:
            ours += [event for item in wanted.items for event in of[item.id]]
        if not ours:
            lost.append(f"{wanted.kind} {whose}: told {_words(answer)}, and there is nothing of it")
            continue
        there = at.get(answer.position)
        if there is None or there not in ours:
            places = sorted(each.position for each in ours)
            otherwise.append(f"{wanted.kind} {whose}: told {_words(answer)}, and stands at {places}")
        elif said := _differs(wanted, answer, there, at):
            otherwise.append(f"{wanted.kind} {whose}: told {_words(answer)}, and {said}")
    return lost, otherwise


def _differs(wanted: Intent, answer: Acknowledged, event: Recorded, at: Mapping[int, Recorded]) -> str:
    """Say in what an outcome is not what was told; nothing when it is."""
    if answer.reason:
        reason = event.state.get("reason", "")
        return "" if reason == answer.reason else f"what stands there is {event.topic} {reason}"
    if event.topic != _DONE[wanted.kind]:
        return f"what stands there is {event.topic}"
    if wanted.kind == ATOMIC:
        made = [at.get(answer.position + offset) for offset in range(1, 1 + len(wanted.items))]
        right = all(
            found is not None
            and found.originator == item.id
            and _movement(found) == (item.debit, item.credit, item.amount)
            for found, item in zip(made, wanted.items, strict=True)
        )
        return "" if right else "its transfers do not stand behind it, each as it was asked"
    match wanted.kind:
        case "transfer":
            right = _movement(event) == (wanted.debit, wanted.credit, wanted.amount)
        case "hold":
            state = event.state
            right = (state["account"], state["amount"]) == (wanted.debit, wanted.amount)
        case "capture":
            right = (event.originator, event.state["amount"]) == (wanted.hold, wanted.amount)
        case _:
            right = event.originator == wanted.hold
    return "" if right else f"its content is another one: {dict(event.state)}"


def _movement(event: Recorded) -> tuple[Any, ...]:
    return tuple(event.state.get(name) for name in ("debit_account", "credit_account", "amount"))


def _doubled(
    intents: Mapping[str, Intent], told: Mapping[str, Acknowledged], history: Sequence[Recorded]
) -> Iterator[str]:
    """Find effects that stand more than once, that contradict a decline, or that nobody asked for."""
    asked = {item.id for intent in intents.values() for item in intent.items} | intents.keys()
    batches = {item.id: intent.id for intent in intents.values() for item in intent.items}
    made = [event for event in history if event.topic in _MARKS and event.state.get("kind") != OPENING]
    marks = Counter(str(event.state.get(_MARKS[event.topic], "")) for event in made)
    for mark, count in marks.items():
        if count > 1:
            yield f"{mark} was made {count} times"
        if mark not in asked:
            yield f"{mark or 'something without a mark'} was made, and nobody asked for it"
        answer = told.get(batches.get(mark, mark))
        if answer is not None and answer.reason:
            yield f"{mark} was made, and was told to be {_words(answer)}"


def _wrong_figures(
    intents: Mapping[str, Intent],
    told: Mapping[str, Acknowledged],
    opening: Mapping[int, int],
    posted: Mapping[int, int],
) -> Iterator[str]:
    """Compare accounts with the clients' arithmetic; only when everything that was wanted is answered."""
    expected = Counter(opening)
    for answer in told.values():
        for debit, credit, amount in _moved(intents[answer.id]) if not answer.reason else ():
            expected[debit] -= amount
            expected[credit] += amount
    for account, amount in expected.items():
        if posted.get(account) != amount:
            yield f"account {account} has {posted.get(account)}, must have {amount}"


def _moved(wanted: Intent) -> Iterator[tuple[int, int, int]]:
    match wanted.kind:
        case "transfer":
            yield wanted.debit, wanted.credit, wanted.amount
        case "atomic":
            yield from ((item.debit, item.credit, item.amount) for item in wanted.items)
        case "capture":
            yield wanted.debit, wanted.credit, wanted.amount
        case _:
            pass  # A hold moves nothing, nor does its release.


def _words(answer: Acknowledged) -> str:
    return f"{answer.reason or 'done'} at {answer.position}"
