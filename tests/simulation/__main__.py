"""``make simulate``: many seeds, or one again; prints what happened, and fails where anything must not have."""

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.simulation.faults import Fault
from tests.simulation.world import Result, simulate


def run(seed: int, *, commands: int, projected: int) -> Result:
    """Run one seed of many: every so many keep projections as well."""
    return simulate(seed, commands=commands, projected=seed % projected == 0)


def results(seeds: range, jobs: int, commands: int, projected: int) -> Iterator[Result]:
    work = partial(run, commands=commands, projected=projected)
    if jobs == 1:
        yield from map(work, seeds)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(work, seeds, chunksize=8)


def summary(found: list[Result]) -> dict[str, int]:
    """Return what many seeds come to, as ``make simulate`` prints it."""
    kinds = Counter(each.violation.partition(":")[0] for each in found if each.violation)
    return {
        "seeds": len(found),
        "commands": sum(each.commands for each in found),
        "faults": sum(sum(each.faults.values()) for each in found),
        "acknowledged": sum(each.acknowledged for each in found),
        "lost": kinds["lost"],
        "duplicated": kinds["duplicated"],
        "diverged": kinds["diverged"],
    }


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, help="run this one alone, and say all of it")
    parser.add_argument("--commands", type=int, default=40)
    parser.add_argument("--projected", type=int, default=3, help="every how many seeds projections are kept")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    if options.seed is not None:
        options.first, options.seeds, options.jobs = options.seed, 1, 1
    seeds = range(options.first, options.first + options.seeds)
    found: list[Result] = []
    faults: Counter[Fault] = Counter()
    for each in results(seeds, options.jobs, options.commands, options.projected):
        found.append(each)
        faults.update(each.faults)
        if each.violation:
            say(f"seed {each.seed}: {each.violation}\n  again: make simulate SEED={each.seed}")
        if options.seed is not None:
            say(f"seed {each.seed}: history {each.digest}")
            for verdict, count in sorted(each.kinds.items()):
                say(f"  {verdict:<44}{count:>6}")
    for kind in Fault:
        say(f"  {kind.value:<44}{faults[kind]:>8}")
    say(json.dumps(summary(found)))
    return 1 if any(each.violation for each in found) else 0


if __name__ == "__main__":
    sys.exit(main())
