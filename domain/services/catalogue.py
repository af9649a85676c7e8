"""What can be paid for: categories, providers, services, and what a payer has to say for each.

Plain data. It is checked once, as a whole, when it is read (``reading.py``); whoever holds a ``Catalogue`` need not ask
whether its references lead somewhere. No money moves here: a service only says what it costs and how it is named.
"""

from collections.abc import Mapping
from enum import Enum

import msgspec

from domain.money import SOM


class Language(Enum):
    """The languages in which every name is told."""

    KY = "ky"
    RU = "ru"
    EN = "en"


class Names(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One name in every language."""

    ky: str
    ru: str
    en: str

    def of(self, language: Language) -> str:
        """Return the name in a language."""
        match language:
            case Language.KY:
                return self.ky
            case Language.RU:
                return self.ru
            case Language.EN:
                return self.en


class FieldKind(Enum):
    """What a field asks for, so that an application can offer the right keyboard, or a value that it knows."""

    PHONE = "phone"
    ACCOUNT = "account"
    METER = "meter"
    CONTRACT = "contract"
    TAXPAYER = "taxpayer"
    VEHICLE = "vehicle"
    DOCUMENT = "document"
    DEVICE = "device"
    TEXT = "text"


class CheckDigit(Enum):
    """How the last digits of a value follow from the others."""

    LUHN = "luhn"
    """ISO/IEC 7812-1, annex B: one digit."""
    MOD_97_10 = "mod_97_10"
    """ISO/IEC 7064, MOD 97-10: two digits."""


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a payer enters. ``pattern`` is in the language of ``pattern.py``; lengths are in characters."""

    id: str
    kind: FieldKind
    names: Names
    pattern: str
    min_length: int
    max_length: int
    example: str
    check_digit: CheckDigit | None = None
    required: bool = True


class EnteredAmount(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="entered", tag_field="rule"):
    """The payer says how much: from ``min_tyiyn`` to ``max_tyiyn``, in whole steps."""

    min_tyiyn: int
    max_tyiyn: int
    step_tyiyn: int


class FixedAmount(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="fixed", tag_field="rule"):
    """The service costs so much, always."""

    amount_tyiyn: int


class Category(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A shelf of the catalogue."""

    id: str
    names: Names


class Provider(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is paid."""

    id: str
    names: Names


class Service(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that can be paid for. ``mcc`` is the merchant category code of ISO 18245."""

    id: str
    category_id: str
    provider_id: str
    names: Names
    fields: tuple[Field, ...]
    price: EnteredAmount | FixedAmount
    mcc: str
    currency_code: str = SOM
    keywords: tuple[str, ...] = ()


class Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file holds, in the order in which people see it."""

    categories: tuple[Category, ...]
    providers: tuple[Provider, ...]
    services: tuple[Service, ...]


class Catalogue:
    """A checked catalogue. ``version`` changes with its content."""

    def __init__(self, content: Content, version: str) -> None:
        self.version = version
        self.categories: tuple[Category, ...] = content.categories
        self.services: tuple[Service, ...] = content.services
        self.category: Mapping[str, Category] = {category.id: category for category in content.categories}
        self.provider: Mapping[str, Provider] = {provider.id: provider for provider in content.providers}
        self.place: Mapping[str, int] = {service.id: place for place, service in enumerate(content.services)}
        self.of_category: Mapping[str, tuple[int, ...]] = _of_category(content)

    def service(self, service_id: str) -> Service | None:
        """Return a service, None where there is none of this id."""
        place = self.place.get(service_id)
        return None if place is None else self.services[place]


def _of_category(content: Content) -> dict[str, tuple[int, ...]]:
    """Return the places of each category's services."""
    found: dict[str, list[int]] = {category.id: [] for category in content.categories}
    for place, service in enumerate(content.services):
        found[service.category_id].append(place)
    return {category_id: tuple(places) for category_id, places in found.items()}
