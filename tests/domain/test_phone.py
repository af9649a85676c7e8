"""Phone numbers: what people write, and the one form in which numbers are compared."""

import pytest

from domain.phone import LONGEST, normalise
from domain.refusals import Reason


@pytest.mark.parametrize(
    "written", ["+996700123456", "0700123456", "996700123456", "+996 (700) 12-34-56", "00996700123456"]
)
def test_a_number_is_one_number_however_it_is_written(written: str) -> None:
    """With the country's code or without, with spaces, brackets and dashes: E.164 comes out."""
    assert normalise(written) == "+996700123456"


@pytest.mark.parametrize(
    "written",
    ["", "abc", "12", "+99612", "+9967001234567890", "+996700123456 ext. 7", "+٩٩٦٧٠٠١٢٣٤٥٦", "0" * (LONGEST + 1)],
)
def test_what_is_no_number_is_refused(written: str) -> None:
    """Too short, too long, an extension, other scripts' digits: each is malformed."""
    assert normalise(written) is Reason.PHONE_NUMBER_MALFORMED


@pytest.mark.parametrize("written", ["+77011234567", "+79161234567", "+998901234567"])
def test_a_number_of_another_country_is_refused_for_what_it_is(written: str) -> None:
    """Kazakh, Russian and Uzbek numbers are good numbers that are not served."""
    assert normalise(written) is Reason.PHONE_COUNTRY_NOT_SERVED


def test_another_country_is_served_where_a_setting_says_so() -> None:
    """Neighbours that share a country code are told apart: +7 is Kazakhstan's here, and not Russia's."""
    assert normalise("+7 701 123 4567", ("KG", "KZ")) == "+77011234567"
    assert normalise("+7 916 123 4567", ("KG", "KZ")) is Reason.PHONE_COUNTRY_NOT_SERVED
