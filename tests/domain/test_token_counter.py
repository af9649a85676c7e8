"""The counter of taps: what is taken, once, and what is not; held against the naivest model of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.refusals import Reason
from domain.token_counter import LARGEST_JUMP, LAST, MAX_COUNTER, WINDOW, Counter, counter_reason, use_up


class NaiveCounter:
    """Remembers every value that it took."""

    def __init__(self) -> None:
        self.taken = {0}

    def reason(self, value: int) -> Reason | None:
        highest = max(self.taken)
        if value > highest + LARGEST_JUMP:
            return Reason.COUNTER_JUMPED
        if value in self.taken and value >= highest - WINDOW:
            return Reason.COUNTER_REPEATED
        if value < highest - WINDOW:
            return Reason.COUNTER_TOO_OLD
        return Reason.COUNTER_NEAR_END if value > LAST else None


def after(*values: int) -> Counter:
    """Return a counter that took these values."""
    counter = Counter()
    for value in values:
        assert counter_reason(counter, value) is None
        counter = use_up(counter, value)
    return counter


@pytest.mark.parametrize(
    ("seen", "value", "reason"),
    [
        ((), 1, None),
        ((), 0, Reason.COUNTER_REPEATED),
        ((), 100, None),
        ((), 101, Reason.COUNTER_JUMPED),
        ((7,), 7, Reason.COUNTER_REPEATED),
        ((7,), 6, None),
        ((7, 6), 6, Reason.COUNTER_REPEATED),
        ((7, 107), 7, Reason.COUNTER_TOO_OLD),
        ((20,), 12, None),
        ((20,), 11, Reason.COUNTER_TOO_OLD),
        ((12, 20), 12, Reason.COUNTER_REPEATED),
        ((12, 20, 19), 12, Reason.COUNTER_REPEATED),
        ((12, 21), 12, Reason.COUNTER_TOO_OLD),
        ((20,), 120, None),
        ((20,), 121, Reason.COUNTER_JUMPED),
        ((20,), MAX_COUNTER, Reason.COUNTER_JUMPED),
    ],
)
def test_a_value_is_taken_once_and_within_its_window(seen: tuple[int, ...], value: int, reason: Reason | None) -> None:
    """Eight values behind the highest, each once; a hundred ahead of it and no more."""
    assert counter_reason(after(*seen), value) is reason


@pytest.mark.parametrize(("value", "reason"), [(LAST, None), (LAST + 1, Reason.COUNTER_NEAR_END)])
def test_near_its_end_nothing_is_taken(value: int, reason: Reason | None) -> None:
    """The last hundred values are left, so that a jump never runs past two bytes."""
    assert counter_reason(Counter(LAST - 1, 0), value) is reason


@given(
    st.lists(
        st.one_of(st.integers(-12, 12), st.integers(LARGEST_JUMP - 2, LARGEST_JUMP + 2), st.just(MAX_COUNTER)),
        max_size=300,
    )
)
def test_the_window_takes_what_remembering_every_value_would(steps: list[int]) -> None:
    """Whatever order values come in, two numbers know as much as the whole history."""
    counter, naive = Counter(), NaiveCounter()
    for step in steps:
        value = min(max(counter.highest + step, 0), MAX_COUNTER)
        reason = counter_reason(counter, value)
        assert reason is naive.reason(value)
        if reason is None:
            counter = use_up(counter, value)
            naive.taken.add(value)
        assert 0 <= counter.seen < 1 << WINDOW
