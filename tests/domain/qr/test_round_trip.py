"""What is written reads back as the same code, in both formats, for any text that may be shown."""

from urllib.parse import unquote

from hypothesis import given

from domain.qr import QrCode, read, write_elqr, write_emvco
from tests.domain.qr.codes import RELAXED, elqr_codes, emv_codes
from tests.domain.qr.sealed import HOST


@RELAXED
@given(elqr_codes())
def test_a_national_code_reads_as_it_was_written(code: QrCode) -> None:
    """Lengths count code points, so an emoji beyond the BMP is one, and ``+`` and ``%`` stay what they are."""
    assert read(write_elqr(code)) == code


@RELAXED
@given(elqr_codes())
def test_a_national_code_survives_issuers_who_write_plus_for_a_space(code: QrCode) -> None:
    """The hash tells their spaces from real plus signs, which they encode."""
    assert read(write_elqr(code).replace("%20", "+")) == code


@RELAXED
@given(elqr_codes())
def test_a_national_code_says_the_same_without_encoding_unless_it_looks_encoded(code: QrCode) -> None:
    payload = unquote(write_elqr(code).partition("#")[2])
    if unquote(payload) == payload:
        assert read(f"{HOST}#{payload}") == code


@RELAXED
@given(emv_codes())
def test_an_emv_code_reads_as_it_was_written(code: QrCode) -> None:
    assert read(write_emvco(code)) == code
