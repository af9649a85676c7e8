"""Whether what a payer entered is what a service asks for: every violation at once, before anything is held.

A violation names the field (``fields.account``) and the rule, never the value: it may be somebody's number.
"""

from collections.abc import Iterator, Mapping

from domain.refusals import Violation
from domain.services.catalogue import CheckDigit, EnteredAmount, Field, FixedAmount, Service
from domain.services.pattern import read_pattern

_VALID_MOD_97 = 1


def field_violations(service: Service, values: Mapping[str, str]) -> list[Violation]:
    """Return what is wrong with the values of a service's fields, in the order of the catalogue."""
    known = {field.id for field in service.fields}
    found = [violation for field in service.fields for violation in _violations(field, values.get(field.id, ""))]
    unknown = sorted(values.keys() - known)
    return found + [Violation(f"fields.{name}", "UNKNOWN_FIELD", "is no field of this service") for name in unknown]


def amount_violations(service: Service, amount_tyiyn: int) -> list[Violation]:
    """Return what is wrong with an amount under the service's price rule."""
    match service.price:
        case FixedAmount(amount_tyiyn=price):
            if amount_tyiyn != price:
                return [Violation("amount_tyiyn", "PRICE", f"is not the price of {price}")]
        case EnteredAmount(min_tyiyn=least, max_tyiyn=most, step_tyiyn=step):
            if not least <= amount_tyiyn <= most:
                return [Violation("amount_tyiyn", "RANGE", f"is not from {least} to {most}")]
            if amount_tyiyn % step:
                return [Violation("amount_tyiyn", "STEP", f"is not a multiple of {step}")]
    return []


def _violations(field: Field, value: str) -> Iterator[Violation]:
    path = f"fields.{field.id}"
    if not value:
        if field.required:
            yield Violation(path, "MISSING", "is required")
    elif not field.min_length <= len(value) <= field.max_length:
        yield Violation(path, "LENGTH", f"has {len(value)} characters, not {_bounds(field)}")
    elif not read_pattern(field.pattern).takes(value):
        yield Violation(path, "PATTERN", f"does not look like {field.example}")
    elif field.check_digit is not None and not has_check_digit(value, field.check_digit):
        yield Violation(path, "CHECK_DIGIT", "has a digit wrong: its check digit does not fit")


def _bounds(field: Field) -> str:
    if field.min_length == field.max_length:
        return str(field.min_length)
    return f"{field.min_length} to {field.max_length}"


def has_check_digit(digits: str, rule: CheckDigit) -> bool:
    """Tell whether the check digit of ASCII digits fits the others."""
    match rule:
        case CheckDigit.LUHN:
            # Every second digit from the right counts double, and 10 and more count their digits' sum.
            doubled = (divmod(2 * int(digit), 10) for digit in digits[-2::-2])
            return (sum(map(int, digits[::-2])) + sum(map(sum, doubled))) % 10 == 0
        case CheckDigit.MOD_97_10:
            return int(digits) % 97 == _VALID_MOD_97
