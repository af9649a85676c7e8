"""Reading a catalogue: JSON in, a checked catalogue out, or everything that is wrong with it and where.

The file is checked as a whole and taken as a whole: a server starts with a catalogue in which every reference leads
somewhere, every name is there in every language, and every example is a value that its own field takes.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Final

import msgspec

from domain import forms
from domain.money import MAX_AMOUNT
from domain.services.catalogue import Catalogue, Content, EnteredAmount, Field, FixedAmount, Names, Service
from domain.services.fields import field_violations
from domain.services.pattern import PatternError, read_pattern

MAX_SERVICES: Final = 100_000
MAX_FIELDS: Final = 8
MAX_NAME: Final = 120
MAX_KEYWORDS: Final = 32
MAX_SHOWN: Final = 10
"""Problems that an error's text names; the others are counted."""
ID: Final = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*", re.ASCII)
MAX_ID: Final = 64
_decode = msgspec.json.Decoder(Content).decode


class CatalogueError(ValueError):
    """A catalogue that cannot be used. ``problems`` name the place of each, then what is wrong there."""

    def __init__(self, problems: list[str]) -> None:
        more = f"; and {len(problems) - MAX_SHOWN} more" if len(problems) > MAX_SHOWN else ""
        super().__init__(f"the catalogue of services: {'; '.join(problems[:MAX_SHOWN])}{more}")
        self.problems = problems


def read_catalogue(data: bytes) -> Catalogue:
    """Return the catalogue that a file holds; raises CatalogueError."""
    try:
        content = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CatalogueError([str(error)]) from None
    problems = list(_problems(content))
    if problems:
        raise CatalogueError(problems)
    return Catalogue(content, sha256(data).hexdigest()[:16])


def _problems(content: Content) -> Iterator[str]:
    if not 0 < len(content.services) <= MAX_SERVICES:
        yield f"services: {len(content.services)} of them, not 1 to {MAX_SERVICES}"
    for kind, items in (("category", content.categories), ("provider", content.providers)):
        yield from _ids(kind, [item.id for item in items])
        for item in items:
            yield from _names(f"{kind} {item.id!r}", item.names)
    yield from _ids("service", [service.id for service in content.services])
    categories = {category.id for category in content.categories}
    providers = {provider.id for provider in content.providers}
    for service in content.services:
        place = f"service {service.id!r}"
        if service.category_id not in categories:
            yield f"{place}: unknown category {service.category_id!r}"
        if service.provider_id not in providers:
            yield f"{place}: unknown provider {service.provider_id!r}"
        yield from _service(place, service)


def _service(place: str, service: Service) -> Iterator[str]:
    yield from _names(place, service.names)
    if not forms.MERCHANT_CATEGORY.fullmatch(service.mcc):
        yield f"{place}: mcc {service.mcc!r} is not four digits"
    if not forms.CURRENCY.fullmatch(service.currency_code):
        yield f"{place}: currency_code {service.currency_code!r} is not three capitals"
    if len(service.keywords) > MAX_KEYWORDS:
        yield f"{place}: {len(service.keywords)} keywords, more than {MAX_KEYWORDS}"
    yield from (f"{place}: {problem}" for problem in _price(service.price))
    if not 0 < len(service.fields) <= MAX_FIELDS:
        yield f"{place}: {len(service.fields)} fields, not 1 to {MAX_FIELDS}"
    yield from _ids(f"{place}: field", [field.id for field in service.fields])
    sound = True
    for field in service.fields:
        for problem in _field(field):
            sound = False
            yield f"{place}: field {field.id!r}: {problem}"
        yield from _names(f"{place}: field {field.id!r}", field.names)
    if sound:
        examples = {field.id: field.example for field in service.fields}
        for wrong in field_violations(service, examples):
            yield f"{place}: {wrong.field}: its example {wrong.description}"


def _ids(kind: str, ids: Iterable[str]) -> Iterator[str]:
    for name, times in Counter(ids).items():
        if not ID.fullmatch(name) or len(name) > MAX_ID:
            yield f"{kind} {name!r}: an id is up to {MAX_ID} small letters, digits and single hyphens"
        if times > 1:
            yield f"{kind} {name!r}: stands there {times} times"


def _names(place: str, names: Names) -> Iterator[str]:
    for language, name in msgspec.structs.asdict(names).items():
        if not name.strip():
            yield f"{place}: no name in {language}"
        elif name != name.strip() or len(name) > MAX_NAME or not name.isprintable():
            yield f"{place}: its name in {language} is not up to {MAX_NAME} printable characters without outer spaces"


def _price(price: EnteredAmount | FixedAmount) -> Iterator[str]:
    match price:
        case FixedAmount(amount_tyiyn=amount):
            if not 0 < amount <= MAX_AMOUNT:
                yield f"price: {amount} is not from 1 to {MAX_AMOUNT}"
        case EnteredAmount(min_tyiyn=least, max_tyiyn=most, step_tyiyn=step):
            if not 0 < least <= most <= MAX_AMOUNT:
                yield f"price: from {least} to {most} is no range within 1 to {MAX_AMOUNT}"
            if step <= 0 or least % step or most % step:
                yield f"price: its bounds are no multiples of the step {step}"


def _field(field: Field) -> Iterator[str]:
    try:
        pattern = read_pattern(field.pattern)
    except PatternError as error:
        yield f"pattern {error}"
        return
    if not pattern.least <= field.min_length <= field.max_length <= pattern.most:
        yield (
            f"lengths {field.min_length} to {field.max_length} do not lie within the pattern's own"
            f" {pattern.least} to {pattern.most}"
        )
    if field.min_length < 1:
        yield "min_length is less than 1"
    if field.check_digit is not None and not pattern.digits:
        yield "has a check digit, and a pattern that takes more than digits"
