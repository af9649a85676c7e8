"""A vault over each kind of database."""

from collections.abc import Callable, Iterator

import pytest
from argon2 import PasswordHasher

from ledger.log.factory import open_tables
from ledger.vault.keys import HeldKeys, MasterKeys
from ledger.vault.vault import Vault

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
FIRST, SECOND, HASHES = (bytes([number]) * 32 for number in (1, 2, 3))

OpenVault = Callable[..., Vault]


@pytest.fixture
def open_vault(store_url: str) -> Iterator[OpenVault]:
    """Give a way to open a vault over one and the same fresh database, with these master keys."""
    opened: list[Vault] = []

    def open_it(keys: MasterKeys | None = None) -> Vault:
        vault = Vault(open_tables(store_url), keys or HeldKeys({"1": FIRST}, "1", HASHES), QUICK)
        opened.append(vault)
        return vault

    yield open_it
    for vault in opened:
        vault.close()


@pytest.fixture
def vault(open_vault: OpenVault) -> Vault:
    """Give a fresh vault."""
    return open_vault()
