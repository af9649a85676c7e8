"""What a payer entered, against what a service asks for."""

from typing import Any

import pytest

from domain.services.catalogue import CheckDigit
from domain.services.fields import amount_violations, field_violations, has_check_digit
from tests.domain.services.catalogues import content, field, read, service

CHECKED = field(
    id="device", check_digit="luhn", pattern=r"\d{15}", min_length=15, max_length=15, example="490154203237518"
)
SERVICE = read(content(service(fields=[field(), CHECKED, field(id="reading", required=False)]))).services[0]
DEVICE = "490154203237518"


@pytest.mark.parametrize(
    ("values", "violated"),
    [
        ({"account": "123456", "device": DEVICE}, []),
        ({"account": "123456", "device": DEVICE, "reading": "1234567"}, []),
        ({}, [("fields.account", "MISSING"), ("fields.device", "MISSING")]),
        ({"account": "12345", "device": DEVICE}, [("fields.account", "LENGTH")]),
        ({"account": "123456789", "device": DEVICE}, [("fields.account", "LENGTH")]),
        ({"account": "12345a", "device": DEVICE}, [("fields.account", "PATTERN")]),
        ({"account": "12345\n", "device": DEVICE}, [("fields.account", "PATTERN")]),
        ({"account": "١٢٣٤٥٦", "device": DEVICE}, [("fields.account", "PATTERN")]),
        ({"account": "123456", "device": "490154203237519"}, [("fields.device", "CHECK_DIGIT")]),
        ({"account": "123456", "device": DEVICE, "reading": "1"}, [("fields.reading", "LENGTH")]),
        ({"account": "123456", "device": DEVICE, "other": ""}, [("fields.other", "UNKNOWN_FIELD")]),
    ],
)
def test_fields_are_checked(values: dict[str, str], violated: list[tuple[str, str]]) -> None:
    found = field_violations(SERVICE, values)
    assert [(violation.field, violation.rule) for violation in found] == violated


def test_a_violation_does_not_repeat_the_value() -> None:
    told = str(field_violations(SERVICE, {"account": "98765432101", "device": "490154203237510"}))
    assert "98765432101" not in told
    assert "490154203237510" not in told


@pytest.mark.parametrize(
    ("amount", "rule"),
    [(1_000, None), (50_000, None), (1_100, None), (999, "RANGE"), (50_100, "RANGE"), (0, "RANGE"), (1_150, "STEP")],
)
def test_an_entered_amount_lies_in_its_bounds(amount: int, rule: str | None) -> None:
    assert [violation.rule for violation in amount_violations(SERVICE, amount)] == ([] if rule is None else [rule])


@pytest.mark.parametrize(("amount", "rules"), [(55_000, []), (55_001, ["PRICE"]), (0, ["PRICE"])])
def test_a_fixed_amount_is_the_price(amount: int, rules: list[str]) -> None:
    price: dict[str, Any] = {"rule": "fixed", "amount_tyiyn": 55_000}
    paid = read(content(service(price=price))).services[0]
    assert [violation.rule for violation in amount_violations(paid, amount)] == rules


@pytest.mark.parametrize(
    ("rule", "digits", "fits"),
    [
        (CheckDigit.LUHN, "79927398713", True),  # the standard's usual example
        (CheckDigit.LUHN, "79927398710", False),
        (CheckDigit.LUHN, "97927398713", False),
        (CheckDigit.LUHN, "0", True),
        (CheckDigit.MOD_97_10, "79444", True),
        (CheckDigit.MOD_97_10, "79476", False),
    ],
)
def test_check_digits(rule: CheckDigit, digits: str, *, fits: bool) -> None:
    assert has_check_digit(digits, rule) is fits
