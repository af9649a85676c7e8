"""Numbers of tokens and the keys of phones: drawn and derived here, in clear nowhere, none following from another."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyemv import kd
from sqlalchemy import select, update
from stdnum import luhn

from domain.credentials import Verdict
from domain.token import TokenRequested
from ledger.vault import cryptogram
from ledger.vault.cryptogram import Tap
from ledger.vault.errors import VaultBroken
from ledger.vault.keys import HeldKeys
from ledger.vault.schema import token_keys, tokens
from ledger.vault.sweep import GRACE, sweep
from ledger.vault.tokens import Found, draw
from ledger.vault.vault import Vault
from protos.esep.v1.token_pb2 import TokenKey
from scripts.device import Phone, Terminal
from tests.ledger.vault.conftest import FIRST, HASHES, SECOND, OpenVault
from tests.ledger.vault.test_vault import Life

TOKEN, OTHER = b"t" * 16, b"u" * 16
REQUEST, AGAIN = b"r" * 16, b"s" * 16
PREFIX = "941799"
NOW = 1_790_000_000_000_000
ROTATED = HeldKeys({"1": FIRST, "2": SECOND}, "2", HASHES)
TERMINAL = Terminal(date="261122")
"""A terminal whose clock stands still."""
TAP = Tap(4_500, 417, 417, TERMINAL.date, b"\x01\x02\x03\x04", 1, 1, cardholder_verified=True)
KEY = bytes(range(16))


def kept(vault: Vault) -> bytes:
    """Return every value that the vault keeps of tokens, one after another."""
    with vault._engine.begin() as connection:
        found = [value for table in (tokens, token_keys) for row in connection.execute(select(table)) for value in row]
    return b"\n".join(bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode() for value in found)


def provisioned(vault: Vault, token_id: bytes = TOKEN) -> Phone:
    """Return a phone with a token and its first key."""
    vault.tokens.reserve(token_id, PREFIX, NOW)
    numbered = vault.tokens.add_key(token_id, REQUEST, NOW)
    assert numbered is not None
    given_out = vault.tokens.provision(token_id, numbered.sequence)
    phone = Phone()
    phone.provision(given_out.number, "09/29", TokenKey(sequence=numbered.sequence, key=given_out.key))
    return phone


def tried(vault: Vault, phone: Phone, paid: int = 4_500, **changed: Any) -> Verdict:
    """Return the verdict on a tap of a phone, with some of what the terminal sends changed on its way."""
    sent = phone.tap(paid, TERMINAL)
    tap = Tap(
        paid,
        sent.country_number,
        417,
        sent.transaction_date,
        sent.unpredictable_number,
        sent.transaction_counter,
        sent.key_sequence,
        sent.cardholder_verified,
    )._replace(**changed)
    found = vault.tokens.find(phone.number, tap.key_sequence)
    assert found is not None
    return vault.tokens.try_tap(phone.number, found, tap, sent.cryptogram)


def test_a_number_looks_like_a_cards_and_is_none() -> None:
    """Sixteen digits with a right check digit, under the prefix that no card has."""
    for number in (draw(PREFIX) for _ in range(200)):
        assert len(number) == 16
        assert luhn.is_valid(number)
        assert number.startswith(PREFIX)


def test_a_token_keeps_the_number_that_was_drawn(vault: Vault) -> None:
    """Asked again for the same token, the same number; for another, another."""
    number = vault.tokens.reserve(TOKEN, PREFIX, NOW)
    assert vault.tokens.reserve(TOKEN, PREFIX, NOW + 1) == number
    assert vault.tokens.reserve(OTHER, PREFIX, NOW) != number
    assert vault.tokens.find(number, 1) == Found(TOKEN, None)
    assert vault.tokens.find(draw(PREFIX), 1) is None


def test_a_number_that_another_token_has_is_drawn_again(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tokens never have one number, however chance would have it."""
    drawn = iter(["9417990000000003", "9417990000000003", "9417990000000011"])
    monkeypatch.setattr("ledger.vault.tokens.draw", lambda _prefix: next(drawn))
    assert vault.tokens.reserve(TOKEN, PREFIX, NOW) == "9417990000000003"
    assert vault.tokens.reserve(OTHER, PREFIX, NOW) == "9417990000000011"


def test_keys_are_numbered_one_after_another_and_once_a_request(vault: Vault) -> None:
    """The same request gets the same key again, another the next; what was not given out is numbered again."""
    vault.tokens.reserve(TOKEN, PREFIX, NOW)
    assert vault.tokens.add_key(OTHER, REQUEST, NOW) is None
    assert vault.tokens.add_key(TOKEN, REQUEST, NOW) == (1, "1")
    assert vault.tokens.add_key(TOKEN, REQUEST, NOW) == (1, "1")
    assert vault.tokens.add_key(TOKEN, AGAIN, NOW) == (2, "1")
    vault.tokens.drop_key(TOKEN, AGAIN)
    assert vault.tokens.add_key(TOKEN, b"v" * 16, NOW) == (2, "1")


def test_many_requests_for_keys_at_once_get_one_number_each(vault: Vault) -> None:
    """However many ask together, no two keys are one."""
    vault.tokens.reserve(TOKEN, PREFIX, NOW)
    requests = [bytes([each]) * 16 for each in range(1, 9)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda request: vault.tokens.add_key(TOKEN, request, NOW), requests))
    assert sorted(each.sequence for each in found if each is not None) == list(range(1, 9))


def test_a_right_tap_of_the_phone_is_right(vault: Vault) -> None:
    """What the phone computes by itself is what the vault computes, tap after tap and key after key."""
    phone = provisioned(vault)
    assert [tried(vault, phone, amount) for amount in (1, 4_500, 999_999_999_999)] == [Verdict.RIGHT] * 3
    numbered = vault.tokens.add_key(TOKEN, AGAIN, NOW)
    assert numbered is not None
    phone.replenish(TokenKey(sequence=numbered.sequence, key=vault.tokens.provision(TOKEN, numbered.sequence).key))
    phone.unlocked = False
    assert tried(vault, phone) is Verdict.RIGHT


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({"amount": 4_501}, Verdict.WRONG),
        ({"country": 398}, Verdict.WRONG),
        ({"currency": 840}, Verdict.WRONG),
        ({"date": "261123"}, Verdict.WRONG),
        ({"unpredictable_number": b"\0\0\0\0"}, Verdict.WRONG),
        ({"counter": 2}, Verdict.WRONG),
        ({"cardholder_verified": False}, Verdict.WRONG),
        ({"key_sequence": 2}, Verdict.ABSENT),
    ],
)
def test_nothing_of_a_tap_can_be_changed(vault: Vault, changed: dict[str, Any], verdict: Verdict) -> None:
    """The cryptogram is over amount, country, currency, date, unpredictable number, counter, key and unlocking."""
    assert tried(vault, provisioned(vault), **changed) is verdict


def test_another_phones_tap_is_wrong(vault: Vault) -> None:
    """Each token has a key of its own: one phone cannot pay with another's number."""
    phone, other = provisioned(vault), provisioned(vault, OTHER)
    other.number = phone.number
    assert tried(vault, other) is Verdict.WRONG


@given(
    st.builds(
        Tap,
        st.integers(1, 999_999_999_999),
        st.integers(1, 999),
        st.sampled_from([417, 840]),
        st.text("0123456789", min_size=6, max_size=6),
        st.binary(min_size=4, max_size=4),
        st.integers(0, 65_535),
        st.integers(1, 65_535),
        cardholder_verified=st.booleans(),
    ),
    st.binary(min_size=8, max_size=8),
)
def test_only_the_cryptogram_itself_fits(tap: Tap, guess: bytes) -> None:
    """It is 8 bytes for every tap, and nothing else passes for it."""
    right = cryptogram.cryptogram(KEY, tap)
    assert len(right) == cryptogram.CRYPTOGRAM_BYTES
    assert cryptogram.fits(KEY, tap, right)
    assert cryptogram.fits(KEY, tap, guess) is (guess == right)
    assert not cryptogram.fits(KEY, tap, right[:4])


def test_keys_are_derived_as_emv_has_it() -> None:
    """Option A over the number, then the common session key over the key's number (Book 2, A1.4.1 and A1.3.1)."""
    master = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
    key = cryptogram.token_key(master, "9417990000000003")
    assert key == kd.derive_icc_mk_a(master, "9417990000000003", "00")
    assert cryptogram.limited_use_key(key, 0x001C) == kd.derive_common_sk(key, bytes.fromhex("001C000000000000"))
    # The published example of the derivation (pyemv's documentation, after Book 2).
    assert cryptogram.limited_use_key(master, 0x001C).hex().upper() == "E9FB384AF807B940FEDCEA613461B0C4"


def test_neither_number_nor_key_stands_in_the_vault(vault: Vault) -> None:
    """Not in clear, not as hexadecimal digits, and not when what is given out is printed."""
    vault.tokens.reserve(TOKEN, PREFIX, NOW)
    vault.tokens.add_key(TOKEN, REQUEST, NOW)
    given_out = vault.tokens.provision(TOKEN, 1)
    found = kept(vault)
    for secret in (given_out.number, given_out.number[6:15], given_out.key.hex()):
        assert secret.encode() not in found
        assert secret not in repr(given_out)
    assert given_out.key not in found


@pytest.mark.parametrize("column", ["sealed", "wrapped", "hash", "key_id"])
def test_a_row_that_was_changed_gives_out_nothing(vault: Vault, column: str) -> None:
    """A number that was swapped or damaged is noticed before a phone gets it."""
    vault.tokens.reserve(TOKEN, PREFIX, NOW)
    vault.tokens.reserve(OTHER, PREFIX, NOW)
    vault.tokens.add_key(TOKEN, REQUEST, NOW)
    with vault._engine.begin() as connection:
        value = bytes(connection.execute(select(tokens.c[column]).where(tokens.c.token_id == OTHER)).scalar_one())
        broken = bytes([value[0] ^ 1]) + value[1:]
        connection.execute(update(tokens).where(tokens.c.token_id == TOKEN).values({column: broken}))
    with pytest.raises(VaultBroken):
        vault.tokens.provision(TOKEN, 1)


def test_there_is_nothing_to_give_out_of_what_was_not_made(vault: Vault) -> None:
    """A token or a key that the vault does not hold is a defect, not an empty answer."""
    with pytest.raises(VaultBroken):
        vault.tokens.provision(TOKEN, 1)
    vault.tokens.reserve(TOKEN, PREFIX, NOW)
    with pytest.raises(VaultBroken):
        vault.tokens.provision(TOKEN, 1)


def test_old_keys_go_on_when_the_master_key_is_replaced(open_vault: OpenVault) -> None:
    """Phones pay with the key they have; the next one follows from the new master key; the numbers are rewrapped."""
    phone = provisioned(open_vault())
    vault = open_vault(ROTATED)
    assert vault.rewrap() == 1
    assert tried(vault, phone) is Verdict.RIGHT
    assert vault.tokens.add_key(TOKEN, AGAIN, NOW) == (2, "2")
    phone.replenish(TokenKey(sequence=2, key=vault.tokens.provision(TOKEN, 2).key))
    assert tried(vault, phone) is Verdict.RIGHT
    only_new = open_vault(HeldKeys({"2": SECOND}, "2", HASHES))
    assert tried(only_new, phone) is Verdict.RIGHT


def test_what_the_log_never_heard_of_is_swept(vault: Vault) -> None:
    """The number of a token that was never requested is free again; one that was stays."""
    number = vault.tokens.reserve(TOKEN, PREFIX, NOW)
    assert sweep(vault, Life(TokenRequested.TOPIC), 0, NOW + GRACE) == 0
    assert sweep(vault, Life(TokenRequested.TOPIC), 0, NOW + GRACE + 1) == 1
    swept = vault.tokens.reserve(OTHER, PREFIX, NOW)
    assert sweep(vault, Life(), 0, NOW + GRACE + 1) == 1
    assert vault.tokens.unsettled(NOW + 10 * GRACE) == []
    assert vault.tokens.find(number, 1) == Found(TOKEN, None)
    assert vault.tokens.find(swept, 1) is None


def test_a_number_that_is_reserved_again_is_not_swept(vault: Vault) -> None:
    """A token that is requested again after an hour is under way, whatever the sweep has read just before."""
    number = vault.tokens.reserve(TOKEN, PREFIX, NOW)
    assert vault.tokens.unsettled(NOW + 1) == [TOKEN]
    vault.tokens.reserve(TOKEN, PREFIX, NOW + GRACE + 1)
    vault.tokens.forget(TOKEN, NOW + 1)
    assert vault.tokens.find(number, 1) == Found(TOKEN, None)
    assert sweep(vault, Life(), 0, NOW + GRACE + 2) == 0


def test_tokens_are_looked_at_when_they_are_due(vault: Vault) -> None:
    """Whoever provisions says when; whoever has looked says when again, or never."""
    vault.tokens.reserve(TOKEN, PREFIX, NOW)
    vault.tokens.add_key(TOKEN, REQUEST, NOW + 5)
    assert vault.tokens.due(NOW + 4) == []
    assert vault.tokens.due(NOW + 5) == [TOKEN]
    vault.tokens.look_again(TOKEN, NOW + 9)
    assert vault.tokens.due(NOW + 8) == []
    vault.tokens.look_again(TOKEN, None)
    assert vault.tokens.due(NOW + 100) == []


def test_a_terminal_elsewhere_makes_another_cryptogram() -> None:
    """The phone signs where it is: the same amount in another country is another tap."""
    phone = Phone()
    phone.provision("9417990000000003", "09/29", TokenKey(sequence=1, key=KEY))
    abroad = phone.tap(1, Terminal(country=398))
    tap = TAP._replace(amount=1, date=abroad.transaction_date, unpredictable_number=abroad.unpredictable_number)
    assert not cryptogram.fits(KEY, tap, abroad.cryptogram)
    assert cryptogram.fits(KEY, tap._replace(country=398), abroad.cryptogram)
