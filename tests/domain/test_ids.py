"""Ids are what they say, and nothing else is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ids import (
    INDEX_BITS,
    MAX_PARTITIONS,
    account_id,
    account_index,
    account_originator,
    account_partition,
    claim_id,
    derived_id,
    format_uuid,
    key_of,
    parse_uuid,
    uuid7_time,
)

TEXT = "0190a5f0-1234-7abc-8def-0123456789ab"


@given(st.binary(min_size=16, max_size=16))
def test_an_id_is_read_as_it_is_written(value: bytes) -> None:
    """Writing and reading an id gives the same id."""
    assert parse_uuid(format_uuid(value)) == value
    assert parse_uuid(format_uuid(value).upper()) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT[:-1],
        TEXT + "0",
        TEXT + "\n",
        TEXT.replace("-", ""),
        "{" + TEXT[:-2] + "}",
        "urn:uuid:" + TEXT,
        TEXT.replace("a", "g"),
        TEXT.replace("9", "٩"),
        TEXT.replace("9", "９"),
        TEXT.replace("-", "_"),
        "0190a5f01-234-7abc-8def-0123456789ab",
        "0190a5f0-1234-7abc-8def-0123456789 b",
        "0190a5f0-1234-7abc-8def--123456789ab",
        " " + TEXT[1:],
    ],
)
def test_anything_else_is_no_id(text: str) -> None:
    """Only the canonical 36 characters are an id."""
    with pytest.raises(ValueError, match=r"UUID|hexadecimal"):
        parse_uuid(text)


@given(st.text(max_size=40))
def test_no_text_breaks_the_reading_of_ids(text: str) -> None:
    """Whatever is not an id raises ValueError and nothing else."""
    try:
        value = parse_uuid(text)
    except ValueError:
        return
    assert format_uuid(value) == text.lower()


def test_a_uuid7_tells_when_it_was_made() -> None:
    """The first 48 bits are milliseconds; other versions tell nothing."""
    assert uuid7_time(parse_uuid(TEXT)) == 0x0190A5F01234 * 1000
    for version in "0123456 89abcdef".replace(" ", ""):
        assert uuid7_time(parse_uuid(f"0190a5f0-1234-{version}abc-8def-0123456789ab")) is None


@given(st.integers(0, MAX_PARTITIONS - 1), st.integers(1, (1 << INDEX_BITS) - 1))
def test_an_account_id_holds_partition_and_index(partition: int, index: int) -> None:
    """Both come back out, and the id stays below 2^53."""
    account = account_id(partition, index)
    assert (account_partition(account), account_index(account)) == (partition, index)
    assert 0 < account < 2**53
    assert int.from_bytes(account_originator(account), "big") == account


@given(st.lists(st.text(alphabet="12:/a", max_size=4), max_size=3), st.lists(st.text(alphabet="12:/a"), max_size=3))
def test_no_two_lists_of_parts_have_one_key(parts: list[str], others: list[str]) -> None:
    """Wherever the parts are cut, and whatever stands in them: even what looks like a length."""
    assert (key_of(*parts) == key_of(*others)) is (parts == others)


def test_where_parts_are_cut_is_told() -> None:
    """The same characters are another key when they stand in other parts."""
    assert len({key_of("a/b", "c"), key_of("a", "b/c"), key_of("a/b/c"), key_of("a", "b", "c")}) == 4


def test_claims_follow_from_kind_and_key() -> None:
    """The same key is the same claim for ever, of its kind only."""
    assert claim_id("clearing_reference", "c-1").hex() == claim_id("clearing_reference", "c-1").hex()
    assert claim_id("clearing_reference", "c-1") != claim_id("acquirer_reference", "c-1")
    assert derived_id(b"x" * 16, "expire:5") != derived_id(b"x" * 16, "expire:6")
    assert claim_id("engine", "life").hex() == "fcd6f8aa1c4f581ca8e73bea9d66e651"
