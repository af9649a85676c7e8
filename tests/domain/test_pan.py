"""Card numbers and expiry dates as people type them, and what of a number may be shown."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from domain.pan import (
    NumberFault,
    Typed,
    cvv_fits,
    ends_at,
    expired,
    look_at,
    masked,
    number_refusal,
    read_expiry,
    write_expiry,
)
from domain.refusals import Reason

GOOD = "9417001234567895"
SIX_HOURS = 6 * 3_600


def test_a_good_number_is_shown_masked() -> None:
    """Six first digits and four last are all that is left of it."""
    assert look_at(GOOD) == Typed("941700******7895", None)
    assert masked(GOOD) == "941700******7895"


@pytest.mark.parametrize(
    "text",
    ["", "941700123456789", "94170012345678950", "9417 0012 3456 7896", "941700123456789O", f"{GOOD}\n", "٩" * 16],
)
def test_a_number_that_is_not_sixteen_digits_shows_nothing(text: str) -> None:
    """Whatever else was typed leaves no trace of itself, not even masked."""
    assert look_at(text) == Typed("", NumberFault.MALFORMED)


@pytest.mark.parametrize("place", range(16))
def test_one_wrong_digit_is_noticed(place: int) -> None:
    """Luhn's check digit finds a change of any single digit."""
    wrong = f"{GOOD[:place]}{(int(GOOD[place]) + 1) % 10}{GOOD[place + 1 :]}"
    assert look_at(wrong).fault is NumberFault.CHECK_DIGIT


@pytest.mark.parametrize(
    ("number", "fault", "prefix", "reason"),
    [
        ("941700******7895", None, "9417", None),
        ("941700******7895", None, "941701", Reason.CARD_NUMBER_PREFIX),
        ("427600******0000", None, "9417", Reason.CARD_NUMBER_PREFIX),
        ("941799******0003", None, "9417", Reason.CARD_NUMBER_OF_TOKEN),
        ("941799******0003", NumberFault.CHECK_DIGIT, "9417", Reason.CARD_NUMBER_CHECK_DIGIT),
        ("427600******0000", NumberFault.CHECK_DIGIT, "9417", Reason.CARD_NUMBER_CHECK_DIGIT),
        ("", NumberFault.MALFORMED, "9417", Reason.CARD_NUMBER_MALFORMED),
        ("", None, "9417", Reason.CARD_NUMBER_PREFIX),
    ],
)
def test_what_is_wrong_is_named_in_order(
    number: str, fault: NumberFault | None, prefix: str, reason: Reason | None
) -> None:
    """Its length first, then its check digit, then that it is no token's, then the scheme's prefix."""
    assert number_refusal(number, fault, prefix, "941799") is reason


@pytest.mark.parametrize(("text", "expires"), [("01/27", 2027_01), ("12/99", 2099_12), ("10/00", 2000_10)])
def test_an_expiry_is_read_and_written(text: str, expires: int) -> None:
    """A month and a year of this century, there and back."""
    assert read_expiry(text) == expires
    assert write_expiry(expires) == text


@pytest.mark.parametrize(
    "text", ["", "1/27", "00/27", "13/27", "0127", "01/2027", "01-27", "01/27\n", " 01/27", "٠١/٢٧"]
)
def test_nothing_else_is_an_expiry(text: str) -> None:
    """Only two digits, a stroke and two digits are read."""
    assert read_expiry(text) is None


@pytest.mark.parametrize(
    ("expires", "end"),
    [(2027_01, datetime(2027, 2, 1)), (2027_12, datetime(2028, 1, 1)), (2028_02, datetime(2028, 3, 1))],  # noqa: DTZ001
)
def test_a_card_is_valid_through_the_last_day_of_its_month_in_bishkek(expires: int, end: datetime) -> None:
    """The last microsecond of the month still counts, the first of the next one does not."""
    instant = round(end.replace(tzinfo=ZoneInfo("Asia/Bishkek")).timestamp()) * 1_000_000
    assert ends_at(expires, SIX_HOURS) == instant
    assert not expired(expires, instant - 1, SIX_HOURS)
    assert expired(expires, instant, SIX_HOURS)


def test_a_cvv_is_three_digits() -> None:
    """Two, four, letters and other scripts' digits are not."""
    assert cvv_fits("007")
    assert not any(map(cvv_fits, ["", "12", "1234", "12a", "123\n", "١٢٣"]))
