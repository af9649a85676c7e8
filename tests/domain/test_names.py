"""Names as strangers may see them."""

import pytest

from domain.names import LONGEST, masked_name


@pytest.mark.parametrize(
    ("full_name", "masked"),
    [
        ("Айбек Касымов", "Айбек К."),
        ("Айзада Үсөн кызы", "Айзада Ү."),
        ("  aibek   kasymov ", "aibek K."),
        ("Анна-Мария О'Нил", "Анна-Мария О."),
        ("Мадонна", "Мадонна"),
        ("", ""),
        ("…", ""),
    ],
)
def test_a_name_is_its_first_word_and_one_letter(full_name: str, masked: str) -> None:
    """Enough to know somebody again; a name of one word has nothing to leave out, and no name stays none."""
    assert masked_name(full_name) == masked


def test_a_masked_name_fits_into_a_code() -> None:
    """Whatever somebody is called."""
    assert len(masked_name("Ж" * 140 + " Ү")) == LONGEST
    assert masked_name("Ж" * 140 + " Ү").endswith(" Ү.")
