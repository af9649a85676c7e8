"""Whatever fails, and whoever is next: nothing acknowledged is lost, nothing happens twice, nobody disagrees."""

import os
import subprocess
import sys
from collections import Counter

import pytest

from tests.simulation.__main__ import summary
from tests.simulation.faults import Fault
from tests.simulation.mutants import MUTANTS
from tests.simulation.world import Result, simulate

SEEDS = 200
SHARES = 8
COMMANDS = 30
MOST_SEEDS = 300
"""For a mutant to be caught in; most are in the first."""


def run(seed: int) -> Result:
    return simulate(seed, commands=COMMANDS, projected=seed % 5 == 0)


@pytest.mark.parametrize("share", range(SHARES))
def test_no_seed_loses_doubles_or_confuses_anything(share: int) -> None:
    """Under every seed, what was acknowledged is there once, and all who read the log come to the same."""
    found = [run(seed) for seed in range(share, SEEDS, SHARES)]
    broken = [(each.seed, each.violation) for each in found if each.violation]
    assert broken == []
    told = summary(found)
    assert (told["lost"], told["duplicated"], told["diverged"]) == (0, 0, 0)
    assert told["acknowledged"] >= told["commands"] > 0


def test_every_kind_of_fault_happens() -> None:
    """No kind of fault is only on paper."""
    faults: Counter[Fault] = Counter()
    for seed in range(1_000, 1_100):
        faults.update(simulate(seed, commands=COMMANDS, projected=seed % 3 == 0).faults)
        if all(faults[kind] for kind in Fault):
            return
    assert [kind for kind in Fault if not faults[kind]] == []


def test_a_seed_gives_the_same_history_twice() -> None:
    """A seed that failed fails again in the same way: every turn, row and answer is the same."""
    for seed in (3, 5, 10):
        once, again = run(seed), run(seed)
        assert once == again
        assert once.digest != run(seed + 1).digest


def test_a_seed_gives_the_same_history_in_another_process() -> None:
    """Nothing depends on how this process hashes, or on what ran in it before."""
    script = "from tests.simulation.test_simulation import run; print(run(5).digest)"
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    other = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == run(5).digest


@pytest.mark.parametrize("name", MUTANTS)
def test_an_engine_broken_on_purpose_is_caught(name: str) -> None:
    """Each way to break an engine is found out by some seed."""
    with MUTANTS[name]():
        caught = any(
            simulate(seed, commands=COMMANDS, projected="projections" in name).violation for seed in range(MOST_SEEDS)
        )
    assert caught
