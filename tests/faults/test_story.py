"""The whole story of the demonstration on a server that is killed in the middle of its requests."""

import random
import secrets
from pathlib import Path

import pytest

from scripts.demo_banks import BANKS, open_bank
from scripts.demo_server import ServerProcess
from scripts.provider import Provider
from tests.faults.mortal import MortalScene, settings, tell

KILLS = 2
WRITES = 48
"""How many writes the story has."""


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
            banks = {name: open_bank(scene.bank(name), scene.operator(), name, customers=1) for name in BANKS}
            tell(scene, banks)
            print(scene.killed)  # noqa: T201 - shown when the test fails
            assert (scene.lived, len(scene.killed)) == (WRITES, KILLS)
            assert len(scene.acknowledged) > WRITES
            assert scene.forgotten() == []
        assert sorted(provider.delivered.values()) == [1, 1]
