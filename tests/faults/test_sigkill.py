"""A server killed in the middle of its work, again and again, against what its clients were told."""

import random
import secrets
from pathlib import Path

import pytest

from scripts.demo_audit import differences, forgotten
from scripts.demo_client import connect_plainly
from scripts.demo_journal import Journal
from scripts.demo_load import Load, Traffic, settle
from scripts.demo_server import ServerProcess
from tests.serving import funded_accounts, server_on

KILLS = 3
CALLERS = (1, 1, 1, 1, 20, 80)
"""How many transfers each caller sends in one call."""


@pytest.mark.slow
def test_a_killed_server_forgets_nothing_that_it_acknowledged(store_url: str, tmp_path: Path) -> None:
    """Whatever moment a server dies at, every acknowledged outcome stands once, and no other is made of it."""
    seed = secrets.randbelow(1 << 32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    chance = random.Random(seed)
    journal = Journal()
    with server_on(store_url, tmp_path / "server") as server:
        server.start()
        with connect_plainly(server.address) as ledger:
            opening = funded_accounts(ledger, 12, 50_000)
            customers = [account for account, posted in opening.items() if posted > 0]
            traffic = Traffic(customers, seed, largest=9_000)
            for _ in range(KILLS):
                kill_under_load(server, journal, traffic, after=chance.randrange(1, 1_500))
                settle(ledger, journal)
            assert journal.declined, "the load never ran out of funds, so refusals were not tried"
            assert differences(ledger, journal, opening) == []
            assert forgotten(ledger, journal, chance.sample(list(journal.outcomes), 100)) == []


def kill_under_load(server: ServerProcess, journal: Journal, traffic: Traffic, *, after: int) -> None:
    """Kill the server when so many more outcomes have arrived, and start it again while its callers still call."""
    known = len(journal.outcomes)
    with Load(lambda: connect_plainly(server.address), journal, traffic, sizes=CALLERS) as load:
        load.wait_for(known + after)
        server.kill()
        server.start()
        load.wait_for(len(journal.outcomes) + 1)
    assert load.failures == []
    assert load.unanswered_calls, "nobody was waiting for an answer when the server was killed"
