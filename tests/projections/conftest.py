"""A world for each test: a log, the projections of it, and a reader."""

from collections.abc import Iterator

import pytest

from tests.projections.world import World, open_world


@pytest.fixture
def world(store_url: str) -> Iterator[World]:
    """Give an empty log and its tables, once for each kind of store."""
    with open_world(store_url) as made:
        yield made
