"""The whole story of the demonstration on a server that is killed in the middle of its requests."""

import random
import secrets
from pathlib import Path

import pytest

from scripts.demo_banks import BANKS, open_bank
from scripts.demo_server import ServerProcess
from scripts.provider import Provider
from tests.faults.mortal import MortalScene, PairScene, settings, tell
from tests.serving import server_on

KILLS = 2
WRITES = 48
"""How many writes the story has."""
TAKEOVER_SECONDS = "3"
"""So many that an owner on a busy machine is not taken for dead: whoever tells the story would go on asking it."""


@pytest.mark.slow
def test_the_story_goes_on_after_every_kill(store_url: str, tmp_path: Path) -> None:
    """Whatever was acknowledged stands, and everybody has, in the end, what the story says; nobody is paid twice."""
    seed = secrets.randbelow(1 << 32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    chance = random.Random(seed)
    kill_at = set(chance.sample(range(1, WRITES + 1), KILLS))
    with (
        Provider() as provider,
        ServerProcess(tmp_path, settings(provider.target, store_url)) as server,
    ):
        server.start()
        with MortalScene(server, kill_at, chance) as scene:
            tell_it_all(scene)
        assert sorted(provider.delivered.values()) == [1, 1]


@pytest.mark.slow
@pytest.mark.postgres
def test_the_story_goes_on_at_the_standby(postgres_url: str, tmp_path: Path) -> None:
    """With two servers, whichever owner is killed or paused: the other goes on, and nothing is done twice."""
    seed = secrets.randbelow(1 << 32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    chance = random.Random(seed)
    strike_at = set(chance.sample(range(1, WRITES + 1), KILLS))
    keys = str(tmp_path / "first" / "master-keys.json")
    with Provider() as provider:
        asking = {name.removeprefix("ESEP_"): value for name, value in settings(provider.target).items()}
        first, second = (
            server_on(
                postgres_url, tmp_path / name, takeover_after_seconds=TAKEOVER_SECONDS, master_keys_file=keys, **asking
            )
            for name in ("first", "second")
        )
        with first, second:
            first.start()
            second.start(serving=False)
            with PairScene((first, second), strike_at, chance) as scene:
                tell_it_all(scene)
        assert sorted(provider.delivered.values()) == [1, 1]


def tell_it_all(scene: MortalScene) -> None:
    banks = {name: open_bank(scene.bank(name), scene.operator(), name, customers=1) for name in BANKS}
    tell(scene, banks)
    print(scene.killed)  # noqa: T201 - shown when the test fails
    assert (scene.lived, len(scene.killed)) == (WRITES, KILLS)
    assert scene.forgotten() == []
