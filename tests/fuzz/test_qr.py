"""The reader of QR codes under any text at all: never an exception, always a code or a reason.

What tampering can achieve is said no better than it is. EMV's CRC-16 catches every change of one ASCII character
to another, since it catches every burst of up to 16 bits; of other changes it lets about one in 65,536 pass, and
whoever can reckon a CRC makes any change pass. ELQR's 16 bits of SHA-256 let about one change in 65,536 pass (up to
three times as many where a link has three decodings), and whoever can reckon a hash makes any change pass.
"""

import random
from binascii import crc_hqx
from collections.abc import Callable, Iterator
from string import printable
from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.qr import MAX_TEXT, QrCode, QrProblem, read, write_elqr, write_emvco
from tests.conformance.qr import ELQR, EMVCO, read_vectors
from tests.domain.qr.codes import RELAXED, elqr_codes, emv_codes
from tests.domain.qr.sealed import elqr, emv, tag

LINKS = [vector.text for vector in read_vectors(ELQR) if vector.valid]
PAYLOADS = [vector.text for vector in read_vectors(EMVCO) if vector.valid]
DIGITS = "٠١٢۳०１²①𝟏"
"""What ``str.isdigit``, ``int`` or ``\\d`` would take for digits."""
OTHERS = "Жы最🫖" + DIGITS
ASCII = "".join(character for character in printable if character.isprintable())
SIXTEEN_BITS = 65_536
ALL_ELQR = "000201010211" + tag("32", "0101a120211130212") + "5204581253034175402153510a:b:c:d:11"
ALL_EMV = (
    "000201010211" + tag("32", "0001a120211130212") + "520458125303417540521.505502025604" + "1.005802KG5901a6001b"
)

codes = elqr_codes().map(write_elqr) | emv_codes().map(write_emvco) | st.sampled_from(LINKS + PAYLOADS)
tags = st.builds(
    lambda number, value, wrong: f"{number:02d}{len(value) + wrong:02d}{value}",
    st.sampled_from([0, 1, 2, 26, 32, 33, 34, 35, 52, 53, 54, 55, 56, 57, 58, 59, 60, 62, 63, 64, 99]),
    st.text(max_size=30) | st.sampled_from(["01", "11", "12", "417", "0001a", "01011", "1.5", "5812", "KG"]),
    st.sampled_from([0, 0, 0, 0, 0, 0, 0, 1, 5]),
)
tag_lists = st.lists(tags, max_size=12).map("".join)


@RELAXED
@given(
    st.text()
    | st.text(alphabet="0123456789#:/%+.abcdefhpst" + DIGITS)
    | st.text().map(lambda text: f"https://x/#{text}")
    | st.text().map(lambda text: f"000201{text}")
    | tag_lists.map(elqr)
    | tag_lists.map(emv)
)
@example("\ud800")
@example("https://[#0002")
@example("https://x/#%ff%")
@example("00" * (MAX_TEXT // 2))
@example("https://x/#" + "%" * 4_000)
@example(emv(tag("62", tag("50", tag("62", tag("50", "6204"))))))
def test_any_text_is_a_code_or_has_a_reason(text: str) -> None:
    check(text)


@RELAXED
@given(codes, st.data())
def test_a_code_cut_short_is_refused(text: str, data: st.DataObject) -> None:
    """A beginning is never a code: the hash stands at the end."""
    cut = data.draw(st.integers(0, len(text) - 1))
    assert isinstance(check(text[:cut]), QrProblem)


@RELAXED
@given(codes, st.data())
def test_a_code_with_something_behind_it_is_refused(text: str, data: st.DataObject) -> None:
    extra = data.draw(st.text(min_size=1, alphabet=st.characters(exclude_categories=["Cs"])) | tags)
    assert isinstance(check(text + extra), QrProblem)


@settings(RELAXED, derandomize=True)
@given(codes, st.data())
def test_a_code_with_a_part_twice_is_refused_or_says_the_same(text: str, data: st.DataObject) -> None:
    """The host of a link is not hashed; the rest is, and no tag may stand twice."""
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    harmless(text, text[:end] + text[start:end] + text[end:])


@settings(RELAXED, derandomize=True)
@given(codes, st.data())
def test_a_code_with_characters_changed_is_refused_or_says_the_same(text: str, data: st.DataObject) -> None:
    """These examples are always the same, because among ever new ones some would slip through: see above."""
    at = data.draw(st.integers(0, len(text) - 1))
    instead = data.draw(st.text(max_size=3) | st.sampled_from(DIGITS))
    harmless(text, text[:at] + instead + text[at + 1 :])


@pytest.mark.parametrize("digit", DIGITS)
@pytest.mark.parametrize(("seal", "text"), [(elqr, ALL_ELQR), (emv, ALL_EMV)], ids=["elqr", "emv"])
def test_digits_of_other_alphabets_are_not_digits(seal: Callable[[str], str], text: str, digit: str) -> None:
    """Under a right hash or CRC too, at every place where the format, and not a person, wrote a digit."""
    assert isinstance(check(seal(text)), QrCode)
    for at, character in enumerate(text):
        if character.isdigit():
            assert isinstance(check(seal(text[:at] + digit + text[at + 1 :])), QrProblem), text[:at]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_one_ascii_character_of_an_emv_code_never_changes_unnoticed(payload: str) -> None:
    """Whatever printable ASCII character stands in place of another: a burst of at most 7 bits."""
    places = [at for at, character in enumerate(payload) if character.isascii()]
    for at in random.Random(len(payload)).sample(places, 20):
        for instead in ASCII.replace(payload[at], ""):
            assert isinstance(read(payload[:at] + instead + payload[at + 1 :]), QrProblem)


@pytest.mark.parametrize("link", [LINKS[0], LINKS[2]])
def test_one_changed_character_of_a_national_code_slips_through_no_oftener_than_16_bits_allow(link: str) -> None:
    """Every place of the decoded text, ASCII and other characters in its stead; the count is the same every time."""
    host, _, payload = link.partition("#")
    expected, tried, slipped = read(link), 0, 0
    for changed in tampered(unquote(payload), ASCII[::2] + OTHERS):
        found = read(f"{host}#{quote(changed)}")
        tried += 1
        slipped += isinstance(found, QrCode) and found != expected
    assert tried > 5_000
    assert slipped <= 1 + tried / SIXTEEN_BITS


@pytest.mark.parametrize("payload", PAYLOADS[:2])
def test_another_alphabets_character_in_an_emv_code_goes_unnoticed_only_by_its_crc(payload: str) -> None:
    """It adds bytes, so a CRC-16 may collide, and in the published example two do: each is one to CRC-16 itself."""
    for changed in tampered(payload, OTHERS):
        if isinstance(read(changed), QrCode):
            assert changed[-4:] == f"{crc_hqx(changed[:-4].encode(), 0xFFFF):04X}"


def check(text: str) -> QrCode | QrProblem:
    """Read a text, and see that a problem lies inside it."""
    found = read(text)
    if isinstance(found, QrProblem):
        assert 0 <= found.offset <= min(len(text), MAX_TEXT)
        assert all(len(part) == 2 and part.isascii() and part.isdigit() for part in found.path.split(".") if found.path)
    else:
        assert found.amount_tyiyn >= 0
        assert found.amount_editable or found.amount_tyiyn
    return found


def harmless(original: str, changed: str) -> None:
    found = check(changed)
    assert isinstance(found, QrProblem) or found == read(original)


def tampered(text: str, alphabet: str) -> Iterator[str]:
    """Yield a text with each of its characters changed to each of an alphabet."""
    for at in range(len(text)):
        for instead in alphabet.replace(text[at], ""):
            yield text[:at] + instead + text[at + 1 :]
