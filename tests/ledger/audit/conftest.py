"""One ledger for all tests that change a copy of it."""

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.ledger.audit.ledgers import Place, begin, copied, sqlite_place


class Original(NamedTuple):
    """A ledger that nobody changes, and the checkpoints that were signed of it on the way."""

    place: Place
    notes: tuple[str, ...]


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    place = sqlite_place(tmp_path_factory.mktemp("original"))
    return Original(place, tuple(begin(place)))


@pytest.fixture
def ledger(original: Original, tmp_path: Path) -> Place:
    """Give a copy of the ledger on SQLite, to be changed."""
    return copied(original.place, tmp_path / "ledger")
