"""Times, and the days and months that they lie in.

A time is in microseconds since the Unix epoch. The scheme's clocks are ahead of UTC by a fixed number of seconds; a day
is counted from 1 January 1970 on those clocks, a month from the year 0.
"""

from datetime import date
from typing import Final

SECOND: Final = 1_000_000
DAY_SECONDS: Final = 86_400
DAY: Final = DAY_SECONDS * SECOND
MONTHS: Final = 12
"""Months of a year."""
_EPOCH: Final = date(1970, 1, 1).toordinal()


def day_of(time: int, utc_offset_seconds: int) -> int:
    """Return the day that a time lies in."""
    return (time + utc_offset_seconds * SECOND) // DAY


def beginning_of(day: int, utc_offset_seconds: int) -> int:
    """Return the time at which a day begins."""
    return day * DAY - utc_offset_seconds * SECOND


def date_of(day: int) -> date:
    """Return the date of a day."""
    return date.fromordinal(day + _EPOCH)


def month_of(day: int) -> int:
    """Return the month that a day lies in."""
    found = date_of(day)
    return found.year * MONTHS + found.month - 1


def first_day(month: int) -> int:
    """Return the first day of a month."""
    year, index = divmod(month, MONTHS)
    return date(year, index + 1, 1).toordinal() - _EPOCH
