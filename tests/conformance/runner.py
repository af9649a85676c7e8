"""Runs a file of scenarios against a real server with fresh databases and a clock of its own."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from scripts.demo_client import connect_plainly
from scripts.demo_server import ServerProcess
from scripts.scenario_player import Played, Player
from scripts.scenarios import read_scenarios

SUITE: Final = "authorizations"
AUTHORIZATIONS: Final = Path(__file__).parent / "authorizations.json"


def run(file: Path) -> Iterator[Played]:
    """Yield what each scenario of the file came to; raises ScenarioError before anything is started."""
    scenarios = read_scenarios(file)
    with (
        tempfile.TemporaryDirectory(prefix="esep-conformance-", ignore_cleanup_errors=True) as directory,
        ServerProcess(Path(directory)) as server,
    ):
        server.start()
        with connect_plainly(server.address) as ledger:
            player = Player(ledger, server.clock)
            yield from (player.play(scenario) for scenario in scenarios)
        server.stop()
