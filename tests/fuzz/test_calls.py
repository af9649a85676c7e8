"""Every method, called by everybody with what nobody has thought of: the short and ever equal run of ``make fuzz``."""

from collections.abc import Iterator

import pytest

from tests.fuzz.calls import INSIDE, Fuzzer
from tests.rpc.world import World
from tests.security.scenes import OTHER_BANK, OWN_BANK, make_scene


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("ledger"), tries_per_minute=1e6, lookups_per_minute=1e6) as running:
        yield running


def test_no_request_makes_the_server_fail_or_tell_of_its_inside(world: World) -> None:
    """Four requests of each method: drawn from its descriptor, good ones changed, and good ones broken."""
    fuzzer = Fuzzer(world.address, make_scene(world, OWN_BANK), make_scene(world, OTHER_BANK))
    try:
        fuzzer.round(417, 4)
    finally:
        fuzzer.close()
    assert fuzzer.problems == []
    assert (fuzzer.internal, fuzzer.leaks) == (0, 0)
    assert fuzzer.calls > 500
    assert len(fuzzer.codes) >= 4, fuzzer.codes


@pytest.mark.parametrize(
    "told",
    [
        'File "/app/ledger/rpc/gateway.py", line 12, in execute',
        "KeyError: 'x'",
        "(sqlite3.OperationalError) no such table: events",
        "<Account object at 0x7f2b1c0d>",
        "cannot open /tmp/data/log.db",
    ],
)
def test_what_tells_of_the_inside_is_noticed(told: str) -> None:
    """So that a run without a finding says something."""
    assert INSIDE.search(told)
