"""Saying in plain words who decides: a server that stands by looks, from outside, as if it did not work."""

import asyncio
from collections.abc import Callable
from typing import Final

from ledger.engine.engine import Engine
from ledger.engine.modes import Mode
from ledger.engine.owner import certainly_gone, described
from ledger.log.errors import LogError

_LOOK_SECONDS: Final = 0.25


async def announce(engine: Engine, say: Callable[[str], None], *, several: bool = False) -> None:
    """Say when this engine stands by, for whom, and when it decides after all; for as long as this runs."""
    stood_by = False
    where = f" of partition {engine.partition}" if several else ""
    while True:
        if engine.mode is Mode.OWNER and stood_by:
            say(f"standing by{where} no more: this server has taken over, and decides")
            stood_by = False
        elif engine.mode is Mode.STANDBY and not stood_by:
            owner = await asyncio.to_thread(_other_owner, engine)
            if owner and engine.mode is Mode.STANDBY:
                say(
                    f"standing by{where}: {described(owner)} has this log and decides. This server answers questions,"
                    " refuses writes with NOT_THE_OWNER, and takes over when that one is gone"
                )
                stood_by = True
        await asyncio.sleep(_LOOK_SECONDS)


def _other_owner(engine: Engine) -> str:
    """Return who has the log, empty where nobody has been heard of for so long that it is about to be taken over."""
    try:
        beat = engine.log.last_beat(engine.partition)
    except LogError:
        return ""  # The database does not answer, which the server's own log tells.
    if beat is None or beat.owner == engine.owner or beat.age_seconds >= engine.settings.takeover_after:
        return ""
    return "" if certainly_gone(beat.owner) else beat.owner
