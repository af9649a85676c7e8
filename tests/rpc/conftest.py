"""A running ledger for each test of the edge."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rpc.world import Bank, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Give a running ledger with every setting at its default."""
    with World(tmp_path) as running:
        yield running


@pytest.fixture
def bank(world: World) -> Bank:
    """Give a bank with cash, a rich and a poor customer, and a merchant."""
    return Bank(world)
