"""The comparison of journals with a history finds what it is there for: one that never does proves nothing."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.chaos.comparison import Findings, Recorded, compare
from tests.chaos.journal import (
    ATOMIC,
    CAPTURE,
    HOLD,
    RELEASE,
    TRANSFER,
    Acknowledged,
    Intent,
    Item,
    Journals,
    Odd,
    Writer,
)
from tests.chaos.run import percentile, unavailable

OPENING = {1: -200, 2: 100, 3: 100}
INTENTS = [
    Intent("t1", TRANSFER, 2, 3, 30),
    Intent("t2", TRANSFER, 3, 2, 500),
    Intent("b1", ATOMIC, items=(Item("i1", 2, 3, 5), Item("i2", 3, 2, 2))),
    Intent("h1", HOLD, 2, 3, 20),
    Intent("c1", CAPTURE, 2, 3, 15, "h1"),
    Intent("h2", HOLD, 2, 3, 10),
    Intent("r1", RELEASE, hold="h2"),
]
TOLD = [
    Acknowledged("t1", 4),
    Acknowledged("t2", 5, "INSUFFICIENT_FUNDS"),
    Acknowledged("b1", 6),
    Acknowledged("h1", 9),
    Acknowledged("c1", 10),
    Acknowledged("h2", 11),
    Acknowledged("r1", 12),
]
POSTED = {1: -200, 2: 100 - 30 - 5 + 2 - 15, 3: 100 + 30 + 5 - 2 + 15}


def transfer(
    position: int, whose: str, debit: int, credit: int, amount: int, request: str = "", mark: str = ""
) -> Recorded:
    state = {"debit_account": debit, "credit_account": credit, "amount": amount, "reference": mark or whose}
    return Recorded(position, "transfer.posted.v1", whose, request, state)


def hold(position: int, whose: str, amount: int) -> Recorded:
    return Recorded(
        position, "authorization.approved.v1", whose, "", {"account": 2, "amount": amount, "reference": whose}
    )


HISTORY = [
    Recorded(1, "engine.started.v1", "e", "", {}),
    Recorded(
        2, "transfer.posted.v1", "o", "", {"debit_account": 1, "credit_account": 2, "amount": 100, "kind": "opening"}
    ),
    Recorded(
        3, "transfer.posted.v1", "o2", "", {"debit_account": 1, "credit_account": 3, "amount": 100, "kind": "opening"}
    ),
    transfer(4, "t1", 2, 3, 30),
    Recorded(5, "transfer.declined.v1", "t2", "", {"reason": "INSUFFICIENT_FUNDS"}),
    Recorded(6, "transfer_batch.posted.v1", "b1", "", {"count": 2}),
    transfer(7, "i1", 2, 3, 5),
    transfer(8, "i2", 3, 2, 2),
    hold(9, "h1", 20),
    Recorded(10, "authorization.captured.v1", "h1", "c1", {"amount": 15, "clearing_reference": "c1"}),
    hold(11, "h2", 10),
    Recorded(12, "authorization.reversed.v1", "h2", "r1", {"explanation": "r1"}),
]


def compared(
    *, told: Sequence[Acknowledged] = TOLD, history: Sequence[Recorded] = HISTORY, posted: dict[int, int] = POSTED
) -> Findings:
    return compare({intent.id: intent for intent in INTENTS}, told, history, OPENING, posted)


def without(position: int) -> list[Recorded]:
    return [event for event in HISTORY if event.position != position]


def test_a_history_that_is_what_was_told_has_no_findings() -> None:
    """Every kind of request, declined ones too, stands where it was acknowledged, once."""
    assert compared() == Findings([], [], [], [])


def test_the_same_acknowledgement_twice_is_no_finding() -> None:
    """A request that is sent again is answered as before."""
    assert not compared(told=[*TOLD, TOLD[0]]).any


@pytest.mark.parametrize("position", [4, 5, 9, 10, 11, 12])
def test_an_acknowledged_event_that_is_missing_is_lost(position: int) -> None:
    """Whatever kind of request it is of."""
    found = compared(history=without(position))
    assert len(found.lost) == 1
    assert f"at {position}" in found.lost[0]


@pytest.mark.parametrize("position", [6, 7, 8])
def test_a_batch_of_which_something_is_missing_is_found(position: int) -> None:
    """All or nothing."""
    assert len(compared(history=without(position)).changed) == 1


def test_a_movement_under_another_id_that_bears_a_request_s_mark_is_a_duplicate() -> None:
    """Also when the ledger itself would hold the two for different ones."""
    assert compared(history=[*HISTORY, transfer(13, "x", 2, 3, 30, mark="t1")]).duplicated == ["t1 was made 2 times"]


def test_a_capture_that_stands_twice_is_a_duplicate() -> None:
    """Under whatever request id the second one was recorded."""
    again = Recorded(13, "authorization.captured.v1", "h1", "c9", {"amount": 15, "clearing_reference": "c1"})
    assert compared(history=[*HISTORY, again]).duplicated == ["c1 was made 2 times"]


def test_a_movement_that_nobody_asked_for_is_a_duplicate() -> None:
    """Money does not move by itself."""
    assert len(compared(history=[*HISTORY, transfer(13, "x", 2, 3, 30)]).duplicated) == 1


def test_a_decline_that_moved_money_all_the_same_is_a_duplicate() -> None:
    """Told to be refused, and made: two outcomes of one request."""
    assert len(compared(history=[*HISTORY, transfer(13, "t2", 3, 2, 500)]).duplicated) == 1


@pytest.mark.parametrize(
    "event",
    [
        transfer(4, "t1", 2, 3, 31),
        Recorded(5, "transfer.declined.v1", "t2", "", {"reason": "ACCOUNT_FROZEN"}),
        hold(9, "h1", 21),
        Recorded(10, "authorization.captured.v1", "h2", "c1", {"amount": 15, "clearing_reference": "c1"}),
        Recorded(12, "authorization.reversed.v1", "h1", "r1", {"explanation": "r1"}),
        transfer(4, "t1", 2, 3, 30)._replace(topic="transfer.declined.v1"),
    ],
)
def test_an_outcome_that_is_another_one_now_is_changed(event: Recorded) -> None:
    """By its amount, its reason, its target or its kind."""
    history = [event if event.position == each.position else each for each in HISTORY]
    assert len(compared(history=history).changed) == 1


def test_an_outcome_that_stands_elsewhere_is_changed() -> None:
    """A position is a promise as well."""
    assert len(compared(history=[*without(4), transfer(13, "t1", 2, 3, 30)]).changed) == 1


def test_two_different_answers_to_one_request_are_a_change() -> None:
    """The first outcome is the outcome."""
    assert len(compared(told=[*TOLD, Acknowledged("t1", 4, "INSUFFICIENT_FUNDS")]).changed) == 1


def test_a_position_that_two_requests_were_told_is_found() -> None:
    """Positions are not used twice."""
    told = [each if each.id != "t2" else Acknowledged("t2", 4, "INSUFFICIENT_FUNDS") for each in TOLD]
    assert "position 4 was told to 2 requests" in compared(told=told).changed


def test_an_account_that_has_another_balance_is_found() -> None:
    """The clients' own arithmetic must come out."""
    assert compared(posted={**POSTED, 2: 51}).wrong_figures == ["account 2 has 51, must have 52"]


def test_a_journal_is_read_while_it_grows(tmp_path: Path) -> None:
    """A line that is half written is taken in when it is whole."""
    journals = Journals(tmp_path)
    path = tmp_path / "client-0.jsonl"
    with Writer(path) as writer:
        writer.write(INTENTS[0], Odd("t1", "UNKNOWN"))
        with path.open("ab") as file:
            file.write(b'{"type":"acknowledged",')
        journals.read()
        assert (list(journals.intents), journals.acknowledged, len(journals.odd)) == (["t1"], [], 1)
        with path.open("ab") as file:
            file.write(b'"id":"t1","position":4}\n')
        journals.read()
    journals.close()
    assert journals.acknowledged == [Acknowledged("t1", 4)]


def test_unavailability_is_the_longest_silence_after_a_fault() -> None:
    """From the fault itself, and between any two answers before the next fault."""
    assert unavailable([10.0, 20.0], [9.0, 10.5, 13.5, 14.0, 21.0, 21.5]) == [3_000, 1_000]
    assert percentile([5, 1, 3, 2, 4], 99) == 5
    assert percentile([5, 1, 3, 2, 4], 50) == 3
