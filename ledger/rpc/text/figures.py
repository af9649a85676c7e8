"""Amounts and times as people in Kyrgyzstan write them, in each language.

The numbers follow the Unicode locale data that babel brings. It has Kyrgyz, but falls short in three places, which
the tables here fill: it knows no symbol of the som in Russian and English, writes Kyrgyz dates 22/11/26 where
people and papers in the country write 22.11.2026, and takes English to be that of the United States.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_datetime
from babel.numbers import format_decimal, get_currency_symbol

from domain.money import SOM
from domain.services.catalogue import Language

LOCALES: Final[Mapping[Language, Locale]] = {
    Language.KY: Locale("ky"),
    Language.RU: Locale("ru"),
    Language.EN: Locale("en", "GB"),
}
MOMENTS: Final[Mapping[Language, str]] = {
    Language.KY: "dd.MM.y HH:mm",
    Language.RU: "dd.MM.y HH:mm",
    Language.EN: "dd/MM/y HH:mm",
}
SOMS: Final[Mapping[Language, str]] = {Language.KY: "сом", Language.RU: "сом", Language.EN: "som"}

_PATTERN: Final = "#,##0.00"
_SIGNED_PATTERN: Final = "+#,##0.00;-#,##0.00"
_MINOR_DIGITS: Final = 2
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PLAIN: Final = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2212": "-"})
"""A printer has neither hard spaces nor a minus sign of its own."""


def amount(tyiyn: int, language: Language, *, signed: bool = False) -> str:
    """Return an amount of a currency with two decimals: ``-1 234,50``; with ``signed`` a credit has its plus."""
    exact = Decimal(tyiyn).scaleb(-_MINOR_DIGITS)
    pattern = _SIGNED_PATTERN if signed and tyiyn else _PATTERN
    return str(format_decimal(exact, format=pattern, locale=LOCALES[language])).translate(_PLAIN)


def currency(code: str, language: Language) -> str:
    """Return how a currency is called beside an amount."""
    return SOMS[language] if code == SOM else str(get_currency_symbol(code, LOCALES[language]))


def money(tyiyn: int, code: str, language: Language) -> str:
    """Return an amount with its currency: ``1 234,50 сом``."""
    return f"{amount(tyiyn, language)} {currency(code, language)}"


def moment(microseconds: int, language: Language, zone: ZoneInfo) -> str:
    """Return a time, to the minute, in the zone of the business day."""
    time = (_EPOCH + timedelta(microseconds=microseconds)).astimezone(zone)
    return str(format_datetime(time, MOMENTS[language], tzinfo=zone, locale=LOCALES[language]))
