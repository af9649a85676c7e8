"""A running ledger for each test of the edge."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rpc.world import Bank, World


@pytest.fixture
def database_url() -> str | None:
    """Give the store of ``world``: None for a file. What must hold on every store gives ``store_url`` in its place."""
    return None


@pytest.fixture
def world(tmp_path: Path, database_url: str | None) -> Iterator[World]:
    """Give a running ledger with every setting at its default."""
    with World(tmp_path, database_url=database_url) as running:
        yield running


@pytest.fixture
def bank(world: World) -> Bank:
    """Give a bank with cash, a rich and a poor customer, and a merchant."""
    return Bank(world)


@pytest.fixture
def settings() -> dict[str, Any]:
    """Give the settings that ``limited_bank`` deviates by; a test parametrizes it."""
    return {}


@pytest.fixture
def limited_bank(tmp_path: Path, settings: dict[str, Any]) -> Iterator[Bank]:
    """Give a bank at a ledger with settings of its own."""
    with World(tmp_path, **settings) as running:
        yield Bank(running)
