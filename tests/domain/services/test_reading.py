"""A catalogue is taken as a whole, or refused with every problem and its place."""

from typing import Any

import pytest

from domain.services.reading import MAX_SHOWN, CatalogueError, read_catalogue
from tests.domain.services.catalogues import content, field, names, read, service


def test_a_sound_catalogue_is_read() -> None:
    catalogue = read(content())
    assert [each.id for each in catalogue.services] == ["light"]
    assert catalogue.of_category == {"power": (0,)}
    assert catalogue.service("dark") is None


def test_the_version_changes_with_the_content() -> None:
    assert read(content()).version == read(content()).version
    assert read(content()).version != read(content(service(mcc="4814"))).version


@pytest.mark.parametrize(
    ("services", "told"),
    [
        ([service(category_id="gone")], "service 'light': unknown category 'gone'"),
        ([service(provider_id="gone")], "service 'light': unknown provider 'gone'"),
        ([service(), service()], "service 'light': stands there 2 times"),
        ([service(id="Light!")], "service 'Light!': an id is"),
        ([service(names=names("light") | {"ky": " "})], "service 'light': no name in ky"),
        ([service(names={"ru": "свет", "en": "light"})], "missing required field `ky` - at `$.services[0].names`"),
        ([service(mcc="49")], "service 'light': mcc '49' is not four digits"),
        ([service(mcc="٤٩٠٠")], "is not four digits"),
        ([service(currency_code="som")], "currency_code 'som'"),
        ([service(price={"rule": "fixed", "amount_tyiyn": 0})], "service 'light': price: 0 is not"),
        ([service(price={"rule": "fixed", "amount_tyiyn": 1.5})], "at `$.services[0].price.amount_tyiyn`"),
        ([service(price={"rule": "free"})], "at `$.services[0].price.rule`"),
        (
            [service(price={"rule": "entered", "min_tyiyn": 2, "max_tyiyn": 1, "step_tyiyn": 1})],
            "price: from 2 to 1 is no range",
        ),
        (
            [service(price={"rule": "entered", "min_tyiyn": 10, "max_tyiyn": 25, "step_tyiyn": 10})],
            "price: its bounds are no multiples of the step 10",
        ),
        ([service(fields=[])], "service 'light': 0 fields"),
        ([service(fields=[field(), field()])], "service 'light': field 'account': stands there 2 times"),
        ([service(fields=[field(pattern="(a+)+")])], "field 'account': pattern has '('"),
        ([service(fields=[field(pattern=r"\d{1,4}\d{1,4}")])], "field 'account': pattern can be read in two ways"),
        ([service(fields=[field(min_length=1)])], "field 'account': lengths 1 to 8 do not lie within"),
        ([service(fields=[field(example="12345")])], "fields.account: its example has 5 characters"),
        ([service(fields=[field(example="12345a")])], "fields.account: its example does not look"),
        ([service(fields=[field(check_digit="luhn")])], "its example has a digit wrong"),
        ([service(fields=[field(check_digit="luhn", pattern=r"[A-Z\d]{6,8}")])], "malformed class"),
        (
            [service(fields=[field(check_digit="luhn", pattern="[A-Z0-9]{6,8}")])],
            "a pattern that takes more than digits",
        ),
        ([service(fields=[field(names=names("a") | {"en": ""})])], "field 'account': no name in en"),
        ([service(surprise=1)], "unknown field `surprise` - at `$.services[0]`"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(services: list[dict[str, Any]], told: str) -> None:
    with pytest.raises(CatalogueError) as refused:
        read(content(*services))
    assert told in str(refused.value)


def test_every_problem_is_found_at_once() -> None:
    """All of them are there; the text names the first and counts the others."""
    with pytest.raises(CatalogueError) as refused:
        read(content(*(service(id=f"s{number}", mcc="") for number in range(MAX_SHOWN + 2))))
    assert len(refused.value.problems) == MAX_SHOWN + 2
    assert str(refused.value).endswith("; and 2 more")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b'{"categories": [], "providers": [], "services": []}'])
def test_what_is_no_catalogue_is_refused(data: bytes) -> None:
    with pytest.raises(CatalogueError):
        read_catalogue(data)
