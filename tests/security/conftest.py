"""A ledger with two banks, for every test of the walk: none of them changes what another one sees."""

from collections.abc import Iterator

import pytest

from tests.rpc.world import World
from tests.security.scenes import OTHER_BANK, OWN_BANK, Scene, make_scene


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Give a running ledger."""
    with World(tmp_path_factory.mktemp("ledger")) as running:
        yield running


@pytest.fixture(scope="module")
def own(world: World) -> Scene:
    """Give what the caller's bank has."""
    return make_scene(world, OWN_BANK)


@pytest.fixture(scope="module")
def foreign(world: World) -> Scene:
    """Give what another bank has."""
    return make_scene(world, OTHER_BANK)
