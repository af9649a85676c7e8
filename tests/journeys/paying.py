"""The world of the transfers' journeys: two banks, and somebody at each. Import the fixtures where they are used."""

from collections.abc import Iterator

import pytest

from tests.people import Person
from tests.rpc.payers import Payers
from tests.rpc.world import World

SOM = 100
MINUTE = 60_000_000
NUMBER = "+996555010203"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("transfers")) as running:
        yield running


@pytest.fixture(scope="module")
def payers(world: World) -> Payers:
    return Payers(world)


@pytest.fixture
def adil(payers: Payers) -> Person:
    """Give a customer of bank A with 10,000 som."""
    return payers.payer("bank-a", "Адил Осмонов")


@pytest.fixture
def bakyt(payers: Payers) -> Person:
    """Give a customer of bank B with nothing."""
    return payers.payer("bank-b", "Бакыт Асанова", funds=0)
