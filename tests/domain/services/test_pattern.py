"""The language of patterns: what it takes, and what it refuses to say."""

from time import process_time

import pytest

from domain.services.pattern import MAX_VALUE, PatternError, read_pattern


@pytest.mark.parametrize(
    ("pattern", "taken", "not_taken"),
    [
        (r"\d{3}", ["012"], ["12", "0123", "01a", "٠١٢", "012\n", ""]),
        (r"\+996\d{9}", ["+996700000000"], ["996700000000", "+99670000000", "+9967000000000"]),
        (r"[A-Z]{2}-?\d{1,3}", ["AB1", "AB-123"], ["AB-", "ab1", "A1"]),
        ("[А-ЯӨҮҢ]{1,3}", ["ӨҮҢ"], ["ӨҮҢА", "ABC"]),
        ("[a.-]{1,4}", ["a.-a"], ["b"]),
        (r"a\.b", ["a.b"], ["axb"]),
    ],
)
def test_a_pattern_takes_whole_values_only(pattern: str, taken: list[str], not_taken: list[str]) -> None:
    read = read_pattern(pattern)
    assert all(read.takes(value) for value in taken)
    assert not any(read.takes(value) for value in not_taken)


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "a" * 129,
        "(a+)+b",
        "(a|a)*b",
        "a*",
        "a+",
        ".",
        "^a$",
        "[^a]",
        "[]",
        "[a",
        "[z-a]",
        r"\w",
        "\\",
        "a{",
        "a{2,1}",
        "a{0}",
        "{2}",
        "?",
        "a{65}",
        "[٠-٩]{3}",
        "\x00",
        "a\n",
        # Two ways to read one value: what backtracking lives on.
        r"\d{1,9}\d{1,9}",
        r"\d?\d{3}",
        r"[a-z]{1,8}-?[a-z]{1,8}",
        r"\d{1,3}[A-Z]?[0-9]{2}",
    ],
)
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        read_pattern(pattern)


def test_the_longest_value_takes_no_time() -> None:
    """The worst patterns that can be written read the worst values at once: backtracking would take minutes."""
    pattern = read_pattern("".join(f"[{chr(97 + part)}]?" for part in range(26)) + "[A-Z]{1,30}")
    value = "abcdefghijklmnopqrstuvwxyz" + "A" * (MAX_VALUE - 27) + "!"
    started = process_time()
    assert not pattern.takes(value)
    assert process_time() - started < 2.0
