"""A server to be overloaded, and a run of too much load on it."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from ledger.log.factory import open_log
from scripts.demo_client import connect_plainly
from scripts.demo_server import ServerProcess
from tests.overload.load import (
    PROCESSES,
    TIMES,
    answer_seconds,
    await_recovery,
    drive,
    held,
    others,
    phase,
    summary,
)
from tests.overload.watching import Watch
from tests.serving import funded_accounts, server_on

ACCOUNTS: Final = 100
DEPOSIT: Final = 10_000_000
_QUIET_SECONDS: Final = 2.0
_PATIENCE_SECONDS: Final = 60.0


class Prepared(NamedTuple):
    """A server that serves, and accounts with money at it."""

    server: ServerProcess
    url: str
    accounts: Sequence[int]

    def watch(self) -> Watch:
        """Return a bystander, who has two accounts for itself."""
        return Watch(self.server.address, self.server.pid, self.accounts[:2])


class Plan(NamedTuple):
    """What a run does."""

    seconds: float
    """Of overload."""
    batch: int
    """Transfers in a call."""


@contextmanager
def prepared(directory: Path, accounts: int = ACCOUNTS, **settings: str) -> Iterator[Prepared]:
    """Give a server over a fresh SQLite file."""
    url = f"sqlite:///{directory / 'log.db'}"
    # The pace of one caller is bound as well, and here one caller is everybody.
    with server_on(url, directory, log_format="json", caller_calls_per_second="0", **settings) as server:
        server.start()
        with connect_plainly(server.address) as ledger:
            opening = funded_accounts(ledger, accounts, DEPOSIT)
        yield Prepared(server, url, [account for account, posted in opening.items() if posted > 0])
        server.stop()


def overload(there: Prepared, plan: Plan) -> tuple[dict[str, Any], list[str]]:
    """Measure capacity, offer three times that, and return the figures and what is wrong with them."""
    address, accounts = there.server.address, there.accounts[2:]
    measuring = max(5.0, plan.seconds / 2)  # Until the rate has settled where the projections keep up.
    with there.watch() as watch:
        time.sleep(_QUIET_SECONDS)
        quiet = watch.figures(0.0)["p99_ms"] / 1000
        closed = drive(address, accounts, 0, measuring, plan.batch, 0.0)
        capacity = phase(closed, measuring / 2)
        before = watch.mib()
        rate = TIMES * capacity.accepted_per_s / plan.batch
        opened = drive(address, accounts, PROCESSES, plan.seconds, plan.batch, rate)
        ended = min(each.ended for each in opened)
        recovery = await_recovery(watch, ended, quiet, _PATIENCE_SECONDS)
        growth = watch.peak_mib(min(each.begun for each in opened)) - before
        bystander = watch.figures(min(each.begun for each in opened))
    with closing(open_log(there.url)) as log:
        found = held(log, [*closed, *opened])
    over = phase(opened, plan.seconds / 6)
    figures: dict[str, Any] = summary(capacity, over, found, growth, recovery)
    figures |= {"answer_s_p99": round(answer_seconds(opened), 2), "bystander": bystander, "refusals": over.refusals}
    return figures, list(_wrong(figures, others(over.refusals), recovery))


def _wrong(figures: dict[str, Any], refusals: dict[str, int], recovery: float) -> Iterator[str]:
    """Say what should not be, whatever the machine; rates are for the reader to judge."""
    if figures["lost"] or figures["duplicated"]:
        yield "what was acknowledged is not what stands in the log"
    for said, count in refusals.items():
        yield f"{count} transfers were answered {said}"
    if recovery == math.inf:
        yield "it did not recover"
