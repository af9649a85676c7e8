"""A whole history over gRPC as an auditor replays it, beside the same rows read by the database's driver.

``SubscribeEvents`` sends up to a thousand events in a message, in columns; every one of them is taken apart here, in a
process that is not the server's. The driver reads the same rows of the same table, one statement and nothing else.
"""

from collections.abc import Iterator
from time import perf_counter

from bench import rows
from bench.ledger import Ledger
from bench.report import Result, result
from bench.rows import open_rows
from bench.session import BATCH, CALLERS, Session, Workload
from bench.windows import Window, alternate, compare
from protos.esep.v1.audit_service_pb2 import SubscribeEventsRequest

_NAME = "replay_stream"


class MissingError(Exception):
    """The stream left an event out."""


def measure(session: Session) -> Iterator[Result]:
    """Compare events a second of the stream with those of the driver, from the first event to the last."""
    ledger = session.ledger
    ledger.batches(ledger.requests().batches(session.scale.batches, BATCH), CALLERS)
    upto = ledger.position
    with open_rows(session.log_url) as read:
        pairs = alternate(session.scale.rounds, lambda: ledger.run(_streamed(ledger, upto)), lambda: read.read(upto))
    yield result(_NAME, session.store.name, "events/s", rows.NAME, compare(pairs))


async def _streamed(ledger: Ledger, upto: int) -> Window:
    """Read the log from its first event up to a position, and look at every event's position."""
    started, reached = perf_counter(), 0
    stream = ledger.client.audit.SubscribeEvents(SubscribeEventsRequest())
    async for message in stream:
        positions = message.events.positions
        if not positions:
            continue
        if positions[0] != reached + 1 or len(positions) != positions[-1] - reached:
            raise MissingError(f"after position {reached} came {positions[0]} to {positions[-1]}")
        reached = positions[-1]
        if reached >= upto:
            break
    seconds = perf_counter() - started
    stream.cancel()
    return Window(reached, seconds)


WORKLOAD = Workload((_NAME,), measure)
