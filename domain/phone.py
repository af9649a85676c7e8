"""Phone numbers as people write them, and the one form in which the ledger compares them: E.164.

A number without a country is a number of Kyrgyzstan (+996). What the numbering plans of the world allow is the
business of the ``phonenumbers`` library.
"""

from collections.abc import Collection
from typing import Annotated, Final

import phonenumbers
from pydantic import AfterValidator

from domain.refusals import Reason


def _known(country: str) -> str:
    if country not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError("is no country with telephones, in the two letters of ISO 3166")
    return country


HOME: Final = "KG"
"""The country of a number that names none (ISO 3166)."""
Country = Annotated[str, AfterValidator(_known)]
LONGEST: Final = 40
"""Characters of a number as it is written, with spaces, brackets and dashes."""


def normalise(text: str, countries: Collection[str] = (HOME,)) -> str | Reason:
    """Return a number in E.164, or why it is none that is served; ``countries`` are those whose numbers are."""
    if len(text) > LONGEST or not text.isascii():
        return Reason.PHONE_NUMBER_MALFORMED
    try:
        number = phonenumbers.parse(text, HOME)
    except phonenumbers.NumberParseException:
        return Reason.PHONE_NUMBER_MALFORMED
    if number.extension or not phonenumbers.is_valid_number(number):
        return Reason.PHONE_NUMBER_MALFORMED
    if phonenumbers.region_code_for_number(number) not in countries:
        return Reason.PHONE_COUNTRY_NOT_SERVED
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
