"""Numbers of cards in the vault: one card's each, in clear nowhere, found again by nobody without the keys."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import inspect, select, text, update

from domain.card import CardIssued
from domain.card_commands import PAR
from ledger.log.factory import open_tables
from ledger.vault.errors import KeysRefused, VaultBroken
from ledger.vault.keys import HeldKeys
from ledger.vault.schema import SCHEMA_VERSION, cards, versions
from ledger.vault.sweep import GRACE, sweep
from ledger.vault.vault import Vault
from tests.ledger.vault.conftest import FIRST, HASHES, SECOND, OpenVault
from tests.ledger.vault.test_vault import Life

CARD, OTHER = b"c" * 16, b"d" * 16
NOW = 1_790_000_000_000_000
NUMBER = "9417001234567895"
ROTATED = HeldKeys({"1": FIRST, "2": SECOND}, "2", HASHES)


def kept(vault: Vault) -> bytes:
    """Return every value that the vault keeps of cards, one after another."""
    with vault._engine.begin() as connection:
        found = [value for row in connection.execute(select(cards)) for value in row]
    return b"\n".join(bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode() for value in found)


def test_a_number_is_one_cards(vault: Vault) -> None:
    """Whoever reserves it first has it; asking again changes nothing, not even its reference."""
    first = vault.cards.reserve(CARD, NUMBER, NOW)
    assert first.card_id == CARD
    assert vault.cards.reserve(OTHER, NUMBER, NOW) == first
    assert vault.cards.reserve(CARD, NUMBER, NOW + 1) == first
    assert vault.find_card(NUMBER) == CARD
    assert vault.find_card("9417009999999992") is None


def test_a_card_has_one_number(vault: Vault) -> None:
    """Another number under the same id is noticed, and does not take the place of the first."""
    vault.cards.reserve(CARD, NUMBER, NOW)
    assert vault.cards.same_number(CARD, NUMBER)
    assert vault.cards.same_number(OTHER, NUMBER)
    assert not vault.cards.same_number(CARD, "9417009999999992")
    assert vault.cards.reserve(CARD, "9417009999999992", NOW).card_id == CARD
    assert vault.find_card("9417009999999992") is None
    assert vault.cards.number(CARD) == NUMBER


def test_many_reservations_at_once_leave_one_holder(vault: Vault) -> None:
    """However many cards ask for a number together, all are told the same holder."""
    wanting = [bytes([each]) * 16 for each in range(1, 9)]
    with ThreadPoolExecutor(4) as threads:
        found = set(threads.map(lambda card: vault.cards.reserve(card, NUMBER, NOW), wanting))
    assert len(found) == 1


def test_a_number_stands_nowhere_in_clear(vault: Vault) -> None:
    """Neither the number nor most of it is in any row; it is read again with the keys alone."""
    vault.cards.reserve(CARD, NUMBER, NOW)
    for part in (NUMBER, NUMBER[:9], NUMBER[6:]):
        assert part.encode() not in kept(vault)
    assert vault.cards.number(CARD) == NUMBER
    assert vault.cards.number(OTHER) is None


def test_a_reference_is_random_and_well_formed(vault: Vault) -> None:
    """29 upper-case alphanumerics, drawn anew for each number: it tells nothing of it."""
    one, other = (vault.cards.reserve(card, number, NOW) for card, number in ((CARD, NUMBER), (OTHER, "941700")))
    assert re.fullmatch(PAR, one.par)
    assert one.par != other.par
    vault.cards.forget(CARD, NOW)
    assert vault.cards.reserve(CARD, NUMBER, NOW).par != one.par


@pytest.mark.parametrize("column", ["sealed", "wrapped", "hash", "key_id"])
def test_a_damaged_row_is_noticed(vault: Vault, column: str) -> None:
    """A changed byte of the ciphertext, the key, its id or the index does not read as some number."""
    vault.cards.reserve(CARD, NUMBER, NOW)
    with vault._engine.begin() as connection:
        value = bytearray(connection.execute(select(cards.c[column])).scalar_one())
        value[-1] ^= 1
        connection.execute(update(cards).values({column: bytes(value)}))
    with pytest.raises(VaultBroken):
        vault.cards.number(CARD)


def test_a_number_does_not_open_for_another_card(vault: Vault) -> None:
    """A row's ciphertext and key are bound to the card they were made for."""
    vault.cards.reserve(CARD, NUMBER, NOW)
    with vault._engine.begin() as connection:
        connection.execute(update(cards).values(card_id=OTHER))
    with pytest.raises(VaultBroken):
        vault.cards.number(OTHER)


def test_a_new_master_key_wraps_cards_keys_too(open_vault: OpenVault) -> None:
    """After rewrapping, the old master key opens nothing, the ciphertext is as it was, and every number is read."""
    vault = open_vault()
    vault.cards.reserve(CARD, NUMBER, NOW)
    with vault._engine.begin() as connection:
        before = connection.execute(select(cards.c.sealed)).scalar_one()
    rotated = open_vault(ROTATED)
    assert (rotated.rewrap(), rotated.rewrap()) == (1, 0)
    assert rotated.cards.number(CARD) == NUMBER
    with vault._engine.begin() as connection:
        assert connection.execute(select(cards.c.sealed)).scalar_one() == before
    with pytest.raises(VaultBroken):
        vault.cards.number(CARD)


@pytest.mark.parametrize(("topic", "found"), [("command.declined.v1", None), (CardIssued.TOPIC, CARD)])
def test_a_number_whose_card_was_never_issued_is_free_again(vault: Vault, topic: str, found: bytes | None) -> None:
    """After an hour the log says which reservations stand: once, and not early."""
    vault.cards.reserve(CARD, NUMBER, NOW)
    log = Life(topic)
    assert sweep(vault, log, 0, NOW + GRACE) == 0
    assert sweep(vault, log, 0, NOW + GRACE + 1) == 1
    assert vault.find_card(NUMBER) == found
    assert sweep(vault, log, 0, NOW + GRACE * 2) == 0


def test_an_issued_cards_number_is_not_given_up(vault: Vault) -> None:
    """Once the log was seen to know the card, forgetting it does nothing."""
    vault.cards.reserve(CARD, NUMBER, NOW)
    vault.cards.settle(CARD, NOW)
    vault.cards.forget(CARD, NOW)
    assert vault.find_card(NUMBER) == CARD


def test_a_number_that_is_reserved_again_is_not_swept(vault: Vault) -> None:
    """An issue that is tried again after an hour is under way, whatever the sweep has read just before."""
    vault.cards.reserve(CARD, NUMBER, NOW)
    assert vault.cards.unsettled(NOW + 1) == [CARD]
    vault.cards.reserve(CARD, NUMBER, NOW + GRACE + 1)
    vault.cards.forget(CARD, NOW + 1)
    assert vault.find_card(NUMBER) == CARD
    assert sweep(vault, Life(), 0, NOW + GRACE + 2) == 0


def test_a_vault_of_the_release_before_gets_the_table_of_cards(open_vault: OpenVault, store_url: str) -> None:
    """A vault of version 1 keeps what it holds and has a place for cards; one of a later release is refused."""
    open_vault()
    engine = open_tables(store_url)
    with engine.begin() as connection:
        for table in (
            "vault_cards",
            "vault_aliases",
            "vault_misses",
            "vault_tokens",
            "vault_token_keys",
            "vault_marks",
        ):
            connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(update(versions).values(version=1))
    with pytest.raises(KeysRefused):
        open_vault(HeldKeys({"1": FIRST}, "1", SECOND))
    assert not inspect(engine).has_table("vault_cards")
    vault = open_vault()
    vault.cards.reserve(CARD, NUMBER, NOW)
    with engine.begin() as connection:
        found = connection.execute(select(versions.c.version).order_by(versions.c.version)).scalars().all()
        assert list(found) == list(range(1, SCHEMA_VERSION + 1))
        newest = versions.c.version == SCHEMA_VERSION
        connection.execute(update(versions).where(newest).values(version=SCHEMA_VERSION + 1))
    engine.dispose()
    with pytest.raises(VaultBroken, match=f"schema version {SCHEMA_VERSION + 1}"):
        open_vault()
