"""Receipts of forty columns in three languages (rows S15 to S18, S38): what they say and what they never show."""

import re
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.services.catalogue import Language, Names
from ledger.rpc.text import columns, figures, receipts, words
from ledger.rpc.text.masking import masked_account, without_cards
from tests.rpc.receipts.papers import BISHKEK, EVENING, GOLDEN, RECEIPTS, TRANSFER, line, overview, paper

EACH = [(name, language) for name in RECEIPTS for language in Language]
ENGLISH = paper(Language.EN)


@pytest.mark.parametrize(("name", "language"), EACH, ids=lambda value: getattr(value, "value", value))
def test_a_receipt_reads_as_it_always_did(name: str, language: Language) -> None:
    """Every receipt in every language is, to the letter, the one that somebody has read and found good."""
    expected = (GOLDEN / f"{name}.{language.value}.txt").read_text("utf-8").splitlines()
    assert RECEIPTS[name](paper(language)) == expected


def test_every_golden_receipt_is_compared() -> None:
    """No file is left of a receipt that is not written any more."""
    assert {path.name for path in GOLDEN.iterdir()} == {f"{name}.{language.value}.txt" for name, language in EACH}


@given(name=st.text(max_size=200), amount=st.integers(-(10**15), 10**15), language=st.sampled_from(Language))
def test_no_line_is_wider_than_the_paper(name: str, amount: int, language: Language) -> None:
    """Whatever a merchant calls itself, no line passes forty columns and none can control the printer."""
    written = receipts.mini_statement(paper(language), overview((line(amount, amount, name, 1, merchant_name=name),)))
    written += receipts.operation(paper(language), TRANSFER._replace(merchant=name, reference=name, reason=name))
    assert all(columns.width(text) <= columns.WIDTH for text in written)
    assert all(text.isprintable() for text in written)


def test_a_wide_letter_takes_two_columns_and_a_mark_none() -> None:
    """Columns are counted as they print."""
    assert columns.width("Үй") == 2
    assert columns.width("銀行") == 4
    assert columns.width("e\u0301") == 1
    assert [columns.width(text) for text in columns.wrapped("銀" * 21)] == [40, 2]


def test_a_long_word_goes_on_in_the_next_line() -> None:
    """Nothing of a name is lost, however long its words are."""
    assert "".join(columns.wrapped("a" * 95)) == "a" * 95
    assert columns.wrapped("one two", 3) == ["one", "two"]


def test_a_name_cannot_speak_to_the_printer() -> None:
    """Escape sequences, line ends and letters without a width do not reach the paper."""
    assert columns.printable("Café\x1b[2J\r\nBar\u200b") == "Café?[2J Bar?"


def test_what_does_not_fit_beside_stands_below() -> None:
    """Left and right share a line only where a space is left between them."""
    assert columns.pair("a" * 20, "b" * 19) == ["a" * 20 + " " + "b" * 19]
    assert columns.pair("a" * 20, "b" * 20) == ["a" * 20, " " * 20 + "b" * 20]


@pytest.mark.parametrize(
    ("tyiyn", "ky", "ru", "en"),
    [
        (123_456_789, "1 234 567,89 сом", "1 234 567,89 сом", "1,234,567.89 som"),
        (-5, "-0,05 сом", "-0,05 сом", "-0.05 som"),
        (10**15 + 1, "10 000 000 000 000,01 сом", "10 000 000 000 000,01 сом", "10,000,000,000,000.01 som"),
    ],
)
def test_amounts_are_exact_in_every_language(tyiyn: int, ky: str, ru: str, en: str) -> None:
    """No float rounds a tyiyn away, and no hard space or foreign minus reaches the printer."""
    written = {language: figures.money(tyiyn, "KGS", language) for language in Language}
    assert written == {Language.KY: ky, Language.RU: ru, Language.EN: en}


def test_a_signed_amount_says_which_way_it_went() -> None:
    """A credit has a plus, a debit its minus, nothing neither."""
    signed = [figures.amount(tyiyn, Language.RU, signed=True) for tyiyn in (150, -150, 0)]
    assert signed == ["+1,50", "-1,50", "0,00"]


def test_times_are_those_of_the_business_day() -> None:
    """The zone is a setting; the same instant is another day elsewhere."""
    assert figures.moment(EVENING, Language.KY, BISHKEK) == "22.11.2026 01:05"
    assert figures.moment(EVENING, Language.EN, ZoneInfo("UTC")) == "21/11/2026 19:05"


def test_every_currency_has_a_name_beside_its_amounts() -> None:
    """What the locale data call a currency is used for all but the som."""
    assert [figures.currency("USD", language) for language in Language] == ["USD", "$", "US$"]


def test_accounts_show_their_end_only() -> None:
    """The other side is known by four characters, of the bank's number if there is one that is longer."""
    assert masked_account("1240020000002099", 1) == "**** 2099"
    assert masked_account("2099", 1_099_511_628_001) == "**** 8001"


@pytest.mark.parametrize("number", ["4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111"])
def test_a_card_number_in_a_text_is_masked(number: str) -> None:
    """A card's number that somebody wrote into a name or reference is not printed; other numbers are."""
    assert without_cards(f"to {number}!") == "to 411111******1111!"
    assert without_cards("order 4111111111111112") == "order 4111111111111112"


def test_no_receipt_holds_a_whole_number() -> None:
    """No receipt shows an account's or card's number, whatever stood in the data."""
    for name, language in EACH:
        text = "\n".join(RECEIPTS[name](paper(language)))
        assert not re.search(r"\d{12}", re.sub(r"[0-9a-f-]{36}", "", text)), name


def test_a_kind_that_a_bank_made_up_is_money_in_or_out() -> None:
    """A person is never shown an identifier."""
    lines = (line(5, 5, "zz_bonus_7", 1), line(-5, 0, "zz_bonus_7", 2))
    text = receipts.transactions(ENGLISH, overview(lines))
    assert "Money in" in text
    assert "Money out" in text
    assert not any("zz_bonus" in each for each in text)


def test_every_word_is_there_in_every_language() -> None:
    """No text that reaches a person is empty, and none passes the paper's width."""
    names = [value for value in vars(words).values() if isinstance(value, Names)]
    names += [*words.KINDS.values(), *words.STATES.values()]
    for each in names:
        assert all(0 < columns.width(each.of(language)) <= columns.WIDTH for language in Language)
