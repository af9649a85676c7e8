"""Erasures in the vault: each that the log names is carried out, whatever came back, and nothing of a key is left."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from secrets import token_bytes

import pytest
from sqlalchemy import select

from domain.customer import CustomerErased, Sealed, Taken
from domain.ports import Row
from ledger.log.api import Log
from ledger.log.factory import open_log, open_tables
from ledger.vault import erasures
from ledger.vault.erasures import Forgotten, catch_up, forget_again
from ledger.vault.keys import HeldKeys
from ledger.vault.schema import keys, names, verifiers
from ledger.vault.vault import Mark, Personal, Secrets, Vault
from ledger.vault.verifiers import PIN
from tests.ledger.vault.conftest import FIRST, HASHES, QUICK, SECOND
from tests.ledger.vault.test_vault import ANA, BEK, NOW, PERSON, TOPIC, reserve

BEKTUR = Personal("bektur", "+996700000001")
PEOPLE = 120
ROTATED = HeldKeys({"1": FIRST, "2": SECOND}, "2", HASHES)


@pytest.fixture
def log(store_url: str, tmp_path: Path) -> Iterator[Log]:
    """Give an empty log, beside the vault or in a file of its own."""
    url = f"sqlite:///{tmp_path / 'log.db'}" if store_url.startswith("sqlite") else store_url
    opened = open_log(url)
    yield opened
    opened.close()


def add(log: Log, *erased: bytes, caller: str = "bank-a") -> None:
    """Append a registration and an erasure of each of these customers."""
    for customer in erased:
        head = log.head(0)
        log.append(
            [
                Row(0, head + version, customer, version, topic, b"{}", NOW + head + version, None, caller)
                for version, topic in enumerate((TOPIC, CustomerErased.TOPIC), start=1)
            ]
        )


def sealed(vault: Vault, customer: bytes = ANA, person: Personal = PERSON) -> Sealed:
    reserved = reserve(vault, customer, person)
    assert isinstance(reserved, Sealed)
    return reserved


def come_back(vault: Vault, customer: bytes, row: dict[str, object]) -> None:
    """Let a customer's key be in the vault again, as a backup brings it back."""
    with vault._engine.begin() as connection:
        connection.execute(keys.delete().where(keys.c.customer_id == customer))
        connection.execute(keys.insert().values(**row))


def key_row(vault: Vault, customer: bytes) -> dict[str, object]:
    with vault._engine.begin() as connection:
        return dict(connection.execute(select(keys).where(keys.c.customer_id == customer)).one()._mapping)


def test_every_erasure_is_carried_out_and_no_other(vault: Vault, log: Log) -> None:
    """Keys that the log says were destroyed are, with names and all; whoever else there is stays."""
    ana, bek = sealed(vault), sealed(vault, BEK, BEKTUR)
    add(log, ANA)
    assert catch_up(vault, log, 0, NOW) == Forgotten(1, 1, scrubbed=True)
    assert vault.read(ANA, TOPIC, ana).phone == "[erased]"
    assert vault.find(Taken.PHONE, PERSON.phone) is None
    assert vault.read(BEK, TOPIC, bek) == BEKTUR


def test_what_was_looked_through_is_not_looked_through_again(
    vault: Vault, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start costs what the log has grown by since, whatever its length."""
    add(log, ANA, BEK)
    catch_up(vault, log, 0, NOW)
    asked = []

    def whose(partition: int, topic: str, after: int, upto: int) -> list[bytes]:
        asked.append((after, upto))
        return []

    monkeypatch.setattr(log, "whose", whose)
    catch_up(vault, log, 0, NOW)
    add(log, b"c" * 16)
    catch_up(vault, log, 0, NOW)
    assert asked == [(4, 6)]


def test_a_long_log_is_looked_through_in_parts(vault: Vault, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the bounds of the parts, and of what is destroyed at once, every erasure is met once."""
    people = [bytes([number]) * 16 for number in range(1, 8)]
    add(log, *people)
    for at_once, bound in ((1, 1), (2, 3), (100, 5)):
        monkeypatch.setattr(erasures, "DESTROYED_AT_ONCE", at_once)
        monkeypatch.setattr(erasures, "LOOKED_THROUGH", bound)
        assert forget_again(vault, log, 0, NOW).erased == len(people)
        mark = vault.mark(0)
        assert mark is not None
        assert mark.position == log.head(0)


def test_an_older_vault_remembers_an_earlier_position(vault: Vault, log: Log) -> None:
    """A key that a backup brought back, with what the vault remembered then, is destroyed at the next start."""
    ana, row = sealed(vault), key_row(vault, ANA)
    add(log, BEK)
    catch_up(vault, log, 0, NOW)
    backup = vault.mark(0)
    add(log, ANA)
    catch_up(vault, log, 0, NOW)
    assert backup is not None
    come_back(vault, ANA, row)
    vault.set_mark(0, backup)
    assert vault.read(ANA, TOPIC, ana) == PERSON
    assert catch_up(vault, log, 0, NOW) == Forgotten(1, 1, scrubbed=True)
    assert vault.read(ANA, TOPIC, ana).phone == "[erased]"


def test_another_log_is_looked_through_from_its_beginning(vault: Vault, log: Log) -> None:
    """Where another event stands at the remembered position, or none, what the vault remembers is worth nothing."""
    for mark in (Mark(1, b"x" * 32), Mark(1_000, b"x" * 32)):
        ana = sealed(vault)
        row = key_row(vault, ANA)
        if log.head(0) == 0:
            add(log, ANA, BEK)
        come_back(vault, ANA, row)
        vault.set_mark(0, mark)
        assert catch_up(vault, log, 0, NOW).erased == 2
        assert vault.read(ANA, TOPIC, ana).phone == "[erased]"
        with vault._engine.begin() as connection:
            connection.execute(keys.delete())


def test_forgetting_again_trusts_no_memory(vault: Vault, log: Log) -> None:
    """The command looks through the whole log, also where a single row was put back."""
    ana, row = sealed(vault), key_row(vault, ANA)
    add(log, ANA)
    catch_up(vault, log, 0, NOW)
    come_back(vault, ANA, row)
    assert catch_up(vault, log, 0, NOW).erased == 0
    assert vault.read(ANA, TOPIC, ana) == PERSON
    assert forget_again(vault, log, 0, NOW) == Forgotten(1, 1, scrubbed=True)
    assert vault.read(ANA, TOPIC, ana).phone == "[erased]"


def test_another_process_at_the_same_vault_reads_nothing_more(vault: Vault, open_vault: Callable[[], Vault]) -> None:
    """No key stays in anybody's memory: who has just read a person reads ``[erased]`` the next time."""
    ana, second = sealed(vault), open_vault()
    assert second.read(ANA, TOPIC, ana) == PERSON
    vault.destroy(ANA, NOW)
    assert second.read(ANA, TOPIC, ana).phone == "[erased]"


# What is left in the files. A database server's files are its own affair.


@pytest.fixture
def crowded(tmp_path: Path) -> Iterator[Vault]:
    """Give a vault in a file with so many people that pages were split, joined and used again."""
    hasher, url = QUICK, f"sqlite:///{tmp_path / 'vault.db'}"
    vault = Vault(open_tables(url), HeldKeys({"1": FIRST}, "1", HASHES), hasher)
    yield vault
    vault.close()


def secrets_of(vault: Vault, customer: bytes) -> set[bytes]:
    """Return everything that the vault keeps about a customer, but for ids: a key's stands in every ciphertext."""
    kept = ((keys, (keys.c.wrapped, keys.c.content)), (names, (names.c.hash,)), (verifiers, (verifiers.c.verifier,)))
    with vault._engine.begin() as connection:
        return {
            bytes(value)
            for table, columns in kept
            for row in connection.execute(select(*columns).where(table.c.customer_id == customer))
            for value in row
            if value
        }


def left(directory: Path, secrets: set[bytes]) -> set[str]:
    """Return the files of the vault in which any of these stands."""
    files = {path.name: path.read_bytes() for path in directory.iterdir() if path.name.startswith("vault.db")}
    assert "vault.db" in files
    return {name for name, content in files.items() if any(secret in content for secret in secrets)}


def test_nothing_of_a_destroyed_key_is_left_in_any_file(crowded: Vault, tmp_path: Path) -> None:
    """Neither in pages, nor in what is free of them, nor in the log of writes: key, verifiers and hashes of names."""
    people = {token_bytes(16): Personal(f"user{number}", f"+9967000{number:05}") for number in range(PEOPLE)}
    secrets: dict[bytes, set[bytes]] = {}
    for number, (customer, person) in enumerate(people.items()):
        kept = Secrets(crowded.verifiers.slow("password1"), crowded.verifiers.quick(customer, "123456"), NOW * 2)
        crowded.reserve(customer, TOPIC, crowded.content("bank-a", person), person, kept, NOW)
        secrets[customer] = secrets_of(crowded, customer)
        crowded.hold_names(customer)
        crowded.settle(customer, NOW, confirmed=True)
        crowded.verifiers.put(customer, PIN, crowded.verifiers.slow("8305"))
        secrets[customer] |= secrets_of(crowded, customer)
        if number == PEOPLE // 2:
            rotated = Vault(open_tables(f"sqlite:///{tmp_path / 'vault.db'}"), ROTATED, QUICK)
            while rotated.rewrap():
                pass
            rotated.close()
            for other in secrets:
                secrets[other] |= secrets_of(crowded, other)
        if number % 3 == 0:
            crowded.begin_erasing(customer, NOW)
    assert left(tmp_path, secrets[next(iter(people))])
    for number, customer in enumerate(people):
        if number % 3 == 0:
            crowded.destroy(customer, NOW)
            assert left(tmp_path, secrets[customer]) == set()


def test_what_a_reader_kept_alive_is_scrubbed_afterwards(
    crowded: Vault, tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who is reading, such as a backup, holds on to the old page; whoever sweeps next gets rid of it."""
    reserve(crowded)
    secrets = secrets_of(crowded, ANA)
    with closing(sqlite3.connect(tmp_path / "vault.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM vault_keys").fetchone()
        with crowded._engine.connect() as connection:  # Of the pool: it need not wait for the reader in a test.
            connection.exec_driver_sql("PRAGMA busy_timeout = 50")
        crowded.destroy(ANA, NOW)
        assert left(tmp_path, secrets)
        assert not catch_up(crowded, log, 0, NOW).scrubbed
        reader.execute("ROLLBACK")
    assert catch_up(crowded, log, 0, NOW).scrubbed
    assert left(tmp_path, secrets) == set()
