"""Two servers of one ledger of two partitions, in this process: each decides for one, and clients know one of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.rpc.world import World


class Neighbours(NamedTuple):
    """The servers, by the partition that each decides for."""

    here: World
    """Owns partition 0."""
    there: World
    """Owns partition 1."""


@contextmanager
def neighbours(
    directory: Path, url: str, *, here: dict[str, Any] | None = None, there: dict[str, Any] | None = None
) -> Iterator[Neighbours]:
    """Give both servers, each with settings of its own."""
    shared: dict[str, Any] = {"database_url": url, "partitions": 2}
    with (
        World(directory, owned=0, **shared, **(here or {})) as first,
        World(directory, owned=1, **shared, **(there or {})) as second,
    ):
        yield Neighbours(first, second)


def forwarded(world: World) -> dict[str, float]:
    """Return how many calls a server has forwarded, by what they were answered."""
    return _counted(world, "esep_rpc_forwarded_calls", "code")


def taken_in(world: World) -> float:
    """Return how many calls others have forwarded to a server."""
    return sum(_counted(world, "esep_rpc_taken_in_calls", "sender").values())


def _counted(world: World, name: str, label: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for family in world.registry.collect():
        for sample in family.samples if family.name == name else ():
            if sample.name.endswith("_total"):
                found[sample.labels[label]] = found.get(sample.labels[label], 0) + sample.value
    return found
