"""The catalogue that comes with Esep."""

import re
from collections import Counter

from domain.services.catalogue import Language
from domain.services.fields import field_violations
from ledger.services import load_catalogue
from scripts.generate_catalogue import FILE, build

CATALOGUE = load_catalogue(None)
CYRILLIC = re.compile("[А-Яа-яЁёӨөҮүҢң]")


def test_it_holds_more_than_the_leaflet_promises() -> None:
    """The leaflet says 400 and more, utilities and bank services among them."""
    assert len(CATALOGUE.services) > 400
    assert all(CATALOGUE.of_category.values())
    assert {"electricity", "water", "heating", "gas", "waste", "loans", "bank-accounts"} <= set(CATALOGUE.category)


def test_it_follows_from_its_tables() -> None:
    assert build().text() == FILE.read_text("utf-8")


def test_every_example_is_a_value_that_its_field_takes() -> None:
    for service in CATALOGUE.services:
        assert field_violations(service, {field.id: field.example for field in service.fields}) == [], service.id


def test_english_names_are_in_latin_letters_and_kyrgyz_ones_are_not_russian() -> None:
    """A name that was put into the wrong column would show itself here."""
    named = [category.names for category in CATALOGUE.categories]
    for service in CATALOGUE.services:
        named += [service.names, *(field.names for field in service.fields)]
    assert [names.en for names in named if CYRILLIC.search(names.en)] == []
    assert [names.ky for names in named if re.search(r"\b(город|район|номер)\b", names.ky)] == []
    assert [names.ru for names in named if re.search("[ӨөҮүҢң]", names.ru)] == []


def test_no_two_services_of_a_category_share_a_name() -> None:
    for language in Language:
        names = Counter((service.category_id, service.names.of(language)) for service in CATALOGUE.services)
        assert [name for name, times in names.items() if times > 1] == []


def test_every_provider_is_paid_for_something() -> None:
    assert {service.provider_id for service in CATALOGUE.services} == set(CATALOGUE.provider)
