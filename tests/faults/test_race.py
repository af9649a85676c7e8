"""Two engines on one PostgreSQL database, the owner paused in the middle of a commit while the other takes over."""

import secrets
from pathlib import Path

import pytest

from tests.faults.race import Race
from tests.faults.rival import Point

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

ROUNDS = 2
RANDOM_ROUNDS = 3


@pytest.mark.parametrize("point", [*Point, None], ids=lambda point: point.name if point else "ANYWHERE")
def test_engines_that_race_give_each_request_one_outcome(
    postgres_url: str, tmp_path: Path, point: Point | None
) -> None:
    """Wherever an owner is paused and resumed, all answers, the log and the reference ledger agree."""
    seed = secrets.randbelow(1 << 32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    race = Race(postgres_url, tmp_path, seed)
    try:
        for _ in range(ROUNDS if point else RANDOM_ROUNDS):
            race.play(40)
            if point is None:
                race.play(race.random.randrange(1, 20))
                paused = race.racers[race.owner]
                paused.pause()
            else:
                paused = race.pause_owner_at(point)
            before = race.racers.index(paused)
            race.until(lambda before=before: race.owner != before, busy=True)  # type: ignore[misc]
            race.play(40)
            if race.random.random() < 0.5:
                race.clock.advance(race.random.choice((1, 4, 8)) * 86_400)
            paused.resume()
            race.play(60)
        race.settle()
        race.until(lambda: not any(racer.unanswered for racer in race.racers))
        race.audit()
    finally:
        race.close()
